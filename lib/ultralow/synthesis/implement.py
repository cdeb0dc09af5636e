"""Knows how a folded network is taken to hardware and measured: circuit, Verilog, simulation, synthesis."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ultralow.circuit import delays, rtl
from ultralow.circuit.tracing import trace
from ultralow.exact.circuit import interpret, used_input_bits
from ultralow.synthesis import netlist, verilator, yosys
from ultralow.errors import TooSlow
from ultralow.exact.dense import FoldedNetwork
from ultralow.exact.base import exact_rows
from ultralow.circuit.pipeline import Pipeline, behind, cut, pipeline

# The synthesised netlist is compared on as many at most: it differs in bits of single tables, which a few rows show.
NETLIST_ROWS = 10_000
ATTEMPTS = 10  # from each start, to cut the pipeline so that every stage of the netlist meets the clock


def measure(network: FoldedNetwork, codes: np.ndarray, folder: str | Path, clock_ns: float = 5.0,
            log: Callable[[str], None] = print, vhdl: bool = False, **options) -> dict:
    """Traces, writes, simulates and synthesises ``network``; the Verilog stays in ``folder``.

    Args:
        codes: input codes (rows, inputs); each row's logits of the circuit's interpreter, of the simulated Verilog and
            (NETLIST_ROWS of them) of the simulated netlist are compared with the folded network's. Rows that differ
            are counted, not raised.
        vhdl: writes the circuit in VHDL, too; what is simulated and synthesised is the Verilog.
        options: of :func:`ultralow.circuit.tracing.trace`.

    Returns:
        The content of synthesis.json. ``*_estimate`` are alkaid's models, ``stage_delays_ns`` the mapped netlist's
        (:mod:`ultralow.circuit.delays`), an estimate, too; the other counts are measured.
    """
    expected = network(codes)
    comb = trace(network, log=log, **options)
    interpreted = interpret(comb, codes)
    info, counts, mapped = implement(comb, folder, network.name, codes[:NETLIST_ROWS], clock_ns, log, vhdl)
    log(f"simulating {info['latency_cycles']} stages on {len(codes)} rows")
    simulated = verilator.simulate(folder, codes)
    return {
        "interpreter_rows": len(codes), "interpreter_rows_exact": exact_rows(interpreted, expected),
        "rtl_rows": len(codes), "rtl_rows_exact": exact_rows(simulated, expected),
        "netlist_rows": len(mapped), "netlist_rows_exact": exact_rows(mapped, expected[:NETLIST_ROWS]),
        "input_bits": used_input_bits(comb), "input_format_bits": network.input.bits * codes.shape[1],
        "circuit_architecture": network.circuit_architecture, "options": options,
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
    with TemporaryDirectory(prefix="ultralow-") as scratch:
        mapped = f"{scratch}/netlist.json"

        def build(stages: Pipeline) -> _Built:
            info = rtl.write(comb, folder, name, clock_ns, in_vhdl=vhdl, stages=stages)
            log(f"synthesising {info['latency_cycles']} stages")
            counts = yosys.synthesise(folder, netlist=mapped)
            return info, counts, delays.endpoints(netlist.read(mapped, info["top"]))

        built = _fitted(comb, usable, build, log)
        if built is None:
            raise TooSlow(f"{name}: a path of the synthesised circuit takes longer than a clock of {clock_ns:g} ns leaves "
                          f"({usable:.2f} ns); take a longer clock_ns")
        info, counts, points = built
        return info, counts | {"stage_delays_ns": delays.stage_delays(points)}, netlist.simulate(mapped, folder, codes)


_Built = tuple[dict, dict, list[delays.Endpoint]]  # info.json's content, counts, registers


def _fitted(comb, usable: float, build: Callable[[Pipeline], _Built], log: Callable[[str], None]) -> _Built | None:
    """The last of the circuits built, which keeps the clock in as few stages as were found; None if none does."""
    even = pipeline(comb, usable)
    # Stages as even as can be leave room for what the estimate does not know; where there is little of that, stages as full as can
    # be need fewer.
    starts = [even, cut(comb, usable), cut(comb, (max(even.delays) + usable) / 2)]
    searches = [_Search(comb, start, usable, log) for start in {tuple(start.stages): start for start in starts}.values()]
    most = len(even.delays)
    while not all(search.over for search in searches):
        for search in searches:
            if (built := search.within(most, build)) is not None:
                return built
        most += 1
    return None


class _Search:
    """Looks for stages that the netlist keeps: what turned out too slow where it stood moves on."""

    def __init__(self, comb, start: Pipeline, usable: float, log: Callable[[str], None]) -> None:
        self.comb, self.stages, self.usable, self.log = comb, start, usable, log
        self.limit, self.attempts, self.over = max(start.delays), 0, False
        self.extra: dict[tuple[int, bool], float] = {}

    def within(self, most: int, build: Callable[[Pipeline], _Built]) -> _Built | None:
        """A circuit of ``most`` stages at most, if there is one before the attempts are used up."""
        while not self.over and len(self.stages.delays) <= most:
            info, counts, points = build(self.stages)
            late = [point for point in points if point.arrival > self.usable]
            if not late:
                return info, counts, points
            self.attempts += 1
            slowest = max(point.arrival for point in late)
            self.log(f"attempt {self.attempts} of {ATTEMPTS}: {len(late)} register bits of {len(points)} are too slow, up to "
                     f"{slowest:.2f} ns of {self.usable:.2f}")
            # Where one path cannot keep the clock, the synthesis lets all others be as slow: the worst are to blame.
            self._move(info, [point for point in late if point.arrival >= (slowest + self.usable) / 2])
        return None

    def _move(self, info: dict, late: list[delays.Endpoint]) -> None:
        before = self.stages
        for operation, ns in rtl.operations(self.comb, info, late, before.stages).items():
            key = operation, behind(self.comb, operation, before)
            self.extra[key] = self.extra.get(key, 0.0) + ns - min(before.arrivals[operation], self.limit)
        # With the same limit, so that what was well cut stays as it is; if that takes a stage more, the clock may leave room.
        self.stages = cut(self.comb, self.limit, self.extra)
        if len(self.stages.delays) > len(before.delays):
            self.stages = pipeline(self.comb, self.usable, self.extra)
            self.limit = max(self.stages.delays)
        # Unchanged: an operation alone takes longer.
        self.over = self.attempts == ATTEMPTS or self.stages.stages == before.stages


def with_multipliers(network: FoldedNetwork, codes: np.ndarray, folder: str | Path, clock_ns: float,
                     log: Callable[[str], None] = print) -> dict:
    """The circuit with a multiplier for each weight, as tools build it that share no adders: lut, ff, dsp,
    latency_cycles, latency_ns, and rows of the netlist that equal the folded network's; the Verilog stays in
    ``folder``."""
    comb = trace(network, multipliers=True)
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
    from ultralow.synthesis import hls4ml, vitis  # hls brings TensorFlow: only where it is used

    log(f"C synthesis with {vitis.require()}; this takes minutes to hours")
    return vitis.build(hls4ml.convert(network, Path(folder) / "vitis", part=part, clock_ns=clock_ns), logic)
