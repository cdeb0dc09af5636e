"""Take a network to hardware and measure it: trace, write Verilog, simulate, synthesise, compare every row."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ultralow.circuit import rtl, tracing
from ultralow.circuit.design import Design
from ultralow.circuit.pipeline import Pipeline
from ultralow.errors import Log, TooSlow
from ultralow.exact.base import ExactNetwork, exact_rows
from ultralow.exact.circuit import interpret, used_input_bits
from ultralow.synthesis import netlist, timing, verilator, vitis, yosys
from ultralow.synthesis.stage_search import Build, search
from ultralow.synthesis.yosys import Counts

# The synthesised netlist is compared on as many at most: it differs in bits of single tables, which a few rows show.
NETLIST_ROWS = 10_000


@dataclass(frozen=True, kw_only=True)
class Multiplied(Counts):
    """The circuit with a multiplier for each weight, as tools build it that share no adders."""

    design: Design
    netlist_rows: int
    netlist_rows_exact: int

    def to_dict(self) -> dict:
        """What synthesis.json holds of it, in ``multipliers``."""
        return {**{key: getattr(self, key) for key in ("lut", "ff", "dsp", "bram18", "netlist_rows", "netlist_rows_exact")},
                "latency_cycles": self.design.latency_cycles, "latency_ns": self.design.latency_ns}


@dataclass(frozen=True, kw_only=True)
class Implementation(Counts):
    """What a network costs as a circuit, and on how many rows the circuit equals it.

    ``rows`` went through the circuit's interpreter and the simulated Verilog, ``netlist_rows`` of them through the simulated
    netlist; ``…_exact`` of them have all logits equal. Counts and latency are measured; ``stage_delays_ns``, of the mapped
    netlist, are an estimate.
    """

    design: Design
    stage_delays_ns: tuple[float, ...]
    rows: int
    rows_exact: int
    interpreter_rows_exact: int
    netlist_rows: int
    netlist_rows_exact: int
    input_bits: int  # that the circuit reads
    input_format_bits: int
    circuit_architecture: str
    options: dict = field(default_factory=dict)
    tool: str
    script: str

    @property
    def latency_cycles(self) -> int:
        """Pipeline stages."""
        return self.design.latency_cycles

    @property
    def latency_ns(self) -> float:
        """Pipeline stages times clock."""
        return self.design.latency_ns

    @property
    def clock_ns(self) -> float:
        return self.design.clock_ns

    def to_dict(self) -> dict:
        """The content of synthesis.json, less the network's name."""
        design = {name: getattr(self.design, name) for name in (
            "lut_estimate", "register_bits", "latency_cycles", "latency_ns", "interval", "clock_ns", "delay_estimate_ns", "part")}
        content = {name: value for name, value in vars(self).items() if name not in ("design", "rows", "rows_exact")}
        return content | design | {"interpreter_rows": self.rows, "rtl_rows": self.rows, "rtl_rows_exact": self.rows_exact}


def write_verilog(network: ExactNetwork, folder: str | Path, clock_ns: float = 5.0, vhdl: bool = False, **options) -> Design:
    """Writes a network's circuit as pipelined Verilog into ``folder``; nothing is simulated or synthesised.

    Args:
        vhdl: writes the circuit in VHDL, too.
        options: ``delay_constraint`` and ``chunk`` of :func:`ultralow.circuit.tracing.trace`.

    Raises:
        StudyError: a weight or constant is too large to be traced exactly.
    """
    return rtl.write(tracing.trace(network, **options), folder, network.name, clock_ns, in_vhdl=vhdl)


def implement(network: ExactNetwork, x: np.ndarray, folder: str | Path, clock_ns: float = 5.0, **options) -> Implementation:
    """Writes a network's circuit into ``folder``, simulates it on features ``x`` and synthesises it.

    Args:
        x: (rows, inputs), as the dataset scales them.
        options: of :func:`measure`.

    Raises:
        StudyError: as :func:`measure`.
    """
    return measure(network, network.codes(x), folder, clock_ns, **options)


def measure(network: ExactNetwork, codes: np.ndarray, folder: str | Path, clock_ns: float = 5.0, log: Log = print,
            vhdl: bool = False, **options) -> Implementation:
    """Traces, writes, simulates and synthesises ``network``; the Verilog stays in ``folder``.

    Args:
        codes: input codes (rows, inputs). Rows that differ from the network's are counted, not raised.
        vhdl: writes the circuit in VHDL, too; what is simulated and synthesised is the Verilog.
        options: ``delay_constraint`` and ``chunk`` of :func:`ultralow.circuit.tracing.trace`.

    Raises:
        TooSlow: no pipeline takes the circuit to the clock.
        StudyError: no C++ compiler; a weight too large to be traced exactly; a failing synthesis.
    """
    expected = network(codes)
    comb = tracing.trace(network, log=log, **options)
    interpreted = interpret(comb, codes)
    built = build(comb, folder, network.name, clock_ns, log, vhdl)
    mapped = netlist.simulate(built.netlist, built.design, codes[:NETLIST_ROWS])
    log(f"simulating {built.design.stages} stages on {len(codes)} rows")
    simulated = verilator.simulate(built.design, codes)
    return Implementation(
        **vars(built.counts), design=built.design, stage_delays_ns=built.stage_delays_ns,
        rows=len(codes), rows_exact=exact_rows(simulated, expected), interpreter_rows_exact=exact_rows(interpreted, expected),
        netlist_rows=len(mapped), netlist_rows_exact=exact_rows(mapped, expected[:NETLIST_ROWS]),
        input_bits=used_input_bits(comb), input_format_bits=network.input.bits * codes.shape[1],
        circuit_architecture=network.circuit_architecture, options=options,
        tool=f"alkaid {version('alkaid')} + verilator {version('verilator')} + yosys {version('pyosys')}", script=yosys.script())


def with_multipliers(network: ExactNetwork, codes: np.ndarray, folder: str | Path, clock_ns: float,
                     log: Log = print) -> Multiplied:
    """Builds the circuit with a multiplier for each weight and compares its netlist; the Verilog stays in ``folder``."""
    built = build(tracing.trace(network, multipliers=True), folder, network.name, clock_ns, log)
    mapped = netlist.simulate(built.netlist, built.design, codes[:NETLIST_ROWS])
    return Multiplied(**vars(built.counts), design=built.design, netlist_rows=len(mapped),
                      netlist_rows_exact=exact_rows(mapped, network(codes[:NETLIST_ROWS])))


def build(comb, folder: str | Path, name: str, clock_ns: float, log: Log, vhdl: bool = False) -> Build:
    """Writes and synthesises a circuit, again with other stages where the netlist's turn out too slow.

    Raises:
        TooSlow: a stage is slower than the clock allows after all attempts.
    """
    def synthesised(stages: Pipeline) -> Build:
        design = rtl.write(comb, folder, name, clock_ns, in_vhdl=vhdl, stages=stages)
        log(f"synthesising {design.stages} stages")
        counts, mapped = yosys.synthesise(design)
        return Build(design, counts, mapped, timing.endpoints(mapped))

    usable_ns = rtl.usable_ns(clock_ns)
    built = search(comb, usable_ns, synthesised, log)
    if built is None:
        raise TooSlow(f"{name}: a path of the synthesised circuit takes longer than a clock of {clock_ns:g} ns leaves "
                      f"({usable_ns:.2f} ns); take a longer clock_ns")
    return built


def synthesise_with_vitis(network: ExactNetwork, folder: str | Path, part: str, clock_ns: float, log: Log = print,
                          logic: bool = False) -> vitis.Report:
    """The report of Vitis's C synthesis (``logic``: and logic synthesis) of the hls4ml project.

    The project is written into ``folder``/vitis and stays there with its reports.

    Raises:
        StudyError: Vitis is missing or fails.
    """
    from ultralow.synthesis import hls4ml  # brings Keras: only where it is used

    log(f"C synthesis with {vitis.require()}; this takes minutes to hours")
    return vitis.build(hls4ml.convert(network, Path(folder) / "vitis", part=part, clock_ns=clock_ns), logic)
