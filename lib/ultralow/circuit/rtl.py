"""Write a circuit as pipelined Verilog (VHDL too, if asked), with its clock constraint and its description."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ultralow.circuit import verilog, vhdl
from ultralow.device import PART
from ultralow.errors import StudyError
from ultralow.files import replacing
from ultralow.circuit.design import Design, Endpoint, Port
from ultralow.circuit.pipeline import Pipeline, origin, pipeline
from ultralow.circuit.verilog import wire
from ultralow.circuit.verilog_module import Wire
from ultralow.exact.opcodes import Opcode, inverts

# Share of the clock kept free for what the delay estimate does not know (skew, jitter, congestion): the vendor's
# tool takes this much by default.
CLOCK_UNCERTAINTY = 0.125


def write(comb, folder: str | Path, name: str, clock_ns: float = 5.0, part: str = PART, in_vhdl: bool = False,
          stages: Pipeline | None = None) -> Design:
    """Writes ``<name>.v``, ``<name>.xdc`` and ``info.json`` into ``folder``.

    Args:
        comb: the circuit (alkaid's CombLogic).
        name: of the module; what Verilog does not take in a name becomes an underscore.
        in_vhdl: write ``<name>.vhd`` too: the same circuit with the same ports, statement by statement.
        stages: where the pipeline is cut; None: as the clock allows, by estimate.
    """
    name = re.sub(r"\W|^(?=\d)", "_", name)
    made = stages or pipeline(comb, usable_ns(clock_ns))
    ports = {"input": _input_port(comb), "output": _output_port(comb)}
    pieces, register_bits = _body(verilog, comb, made, **ports)
    widths = {f"{port}_bits": shape.width for port, shape in ports.items()}
    with replacing(folder) as scratch:
        scratch.mkdir(parents=True)
        (scratch / f"{name}.v").write_text(verilog.module(name, pieces, **widths))
        if in_vhdl:
            lines, _ = _body(vhdl, comb, made, **ports)
            (scratch / f"{name}.vhd").write_text(vhdl.module(name, lines, **widths))
        (scratch / f"{name}.xdc").write_text(_constraints(clock_ns))
        written = Design(scratch, name, **ports, latency_cycles=len(made.delays), clock_ns=float(clock_ns),
                         stage_delays_ns=tuple(made.delays), delay_estimate_ns=comb.latency[1], lut_estimate=comb.cost,
                         register_bits=register_bits, part=part)
        written.write_info()
    return replace(written, folder=Path(folder))


class Net(NamedTuple):
    """The operation whose result a register holds if its net has a certain name; the lower the rank, the surer."""

    rank: int
    operation: int


def nets(comb, stages: Pipeline) -> dict[str, Net]:
    """The operation behind every name that synthesis may leave the net of a register: the register's own, that of wiring behind
    it in a later stage, that of an output's logit, or its bit of model_out."""
    layout, port = _Layout(comb, stages), _output_port(comb)
    by_name = {}
    for index in range(len(comb.ops)):
        for stage in range(stages.stages[index] + 1, layout.last_stages[index] + 1):
            by_name[layout.result(index, stage).name] = Net(0, index)
        first = origin(comb, index, stages.stages)
        by_name[layout.result(index, stages.stages[index]).name] = Net(1, next(iter(comb.ops[first].input_ids), first))
    for position, index in enumerate(comb.out_idxs):
        by_name[f"logit{position}"] = Net(2, index)
        by_name |= {f"model_out[{port.bits * position + bit}]": Net(3, index) for bit in range(port.bits)}
    return by_name


def operations(comb, endpoints: list[Endpoint], stages: Pipeline) -> dict[int, float]:
    """Which operations' results the registers of a netlist hold, and the latest arrival (ns) of each.

    Raises:
        StudyError: a register has no name of the circuit's.
    """
    by_name, latest = nets(comb, stages), {}
    for point in endpoints:
        known = [by_name[key] for name, bit in point.names for key in (name, f"{name}[{bit}]") if key in by_name]
        if not known:
            raise StudyError(f"no operation belongs to the register {point.names}")
        index = origin(comb, min(known, key=lambda net: net.rank).operation, stages.stages)
        latest[index] = max(latest.get(index, 0.0), point.arrival)
    return latest


def usable_ns(clock_ns: float) -> float:
    """What a stage may take."""
    return clock_ns * (1 - CLOCK_UNCERTAINTY)


def _input_port(comb) -> Port:
    kifs = [op.qint.kif for op in comb.ops if op.opcode == Opcode.INPUT]
    signed = any(k for k, _, _ in kifs)
    bits = max((i + int(signed) for _, i, _ in kifs), default=1)
    return Port(comb.shape[0], max(bits, 1), signed)


def _output_port(comb) -> Port:
    kifs = [q.kif for q in comb.out_qint]
    return Port(comb.shape[1], max(i for _, i, _ in kifs) + 1, True)


class _Layout:
    """The wires of a pipelined circuit: each operation's result, where it comes about and in the later stages that read it."""

    def __init__(self, comb, pipeline: Pipeline) -> None:
        self.comb, self.pipeline, self.stages = comb, pipeline, pipeline.stages
        self.last_stages = _last_stages(comb, pipeline)
        self._results = [wire(f"v{index}", op) for index, op in enumerate(comb.ops)]

    def result(self, index: int, stage: int) -> Wire:
        """An operation's result as ``stage`` sees it; constants need no registers."""
        made = self._results[index]
        if stage == self.stages[index] or self.comb.ops[index].opcode == Opcode.CONSTANT or made.bits <= 0:
            return made
        return replace(made, name=f"{made.name}_{stage}")

    def operands(self, index: int, stage: int) -> list[Wire]:
        return [self.result(source, stage) for source in self.comb.ops[index].input_ids]


def _last_stages(comb, pipeline: Pipeline) -> list[int]:
    """The last stage that reads each operation's result."""
    last_stages = list(pipeline.stages)
    for index, op in enumerate(comb.ops):
        for source in op.input_ids:
            last_stages[source] = max(last_stages[source], pipeline.stages[index])
    for source in comb.out_idxs:
        last_stages[source] = len(pipeline.delays) - 1
    # Registers hold what a complement is of: the complement costs nothing behind them, but a table between carry chain and
    # register.
    for index in reversed(range(len(comb.ops))):
        if inverts(comb.ops[index]):
            source, = comb.ops[index].input_ids
            last_stages[source] = max(last_stages[source], last_stages[index])
    return last_stages


def _body(language, comb, made: Pipeline, input: Port, output: Port) -> tuple[list, int]:
    """What stands between the ports, in verilog or vhdl, and the number of register bits, those of the ports included."""
    used, layout, last = comb.ref_count, _Layout(comb, made), len(made.delays) - 1
    parts, register_bits = language.input_register(input.width), output.width
    for index, op in enumerate(comb.ops):
        out = layout.result(index, made.stages[index])
        if op.opcode == Opcode.INPUT and used[index]:
            register_bits += out.bits
        if not used[index] or out.bits <= 0:
            continue
        if op.opcode == Opcode.INPUT:
            parts += language.element(out, op.data[0] * input.bits - out.fraction)
        else:
            sources = layout.operands(index, made.stages[index])
            parts += language.statement(op, out, sources, _table(comb, op), index in made.taking_first)
        if op.opcode == Opcode.CONSTANT:
            continue
        for stage in range(made.stages[index] + 1, layout.last_stages[index] + 1):
            later = layout.result(index, stage)
            if inverts(op):
                parts += language.statement(op, later, layout.operands(index, stage))
            else:
                parts += language.register(layout.result(index, stage - 1), later)
                register_bits += out.bits
    for position, (index, shift) in enumerate(zip(comb.out_idxs, comb.out_shifts)):
        end = layout.result(index, last)
        parts += language.output(position, end, shift - end.fraction, output.bits)
    return parts, register_bits


def _table(comb, op) -> np.ndarray | None:
    """A look-up's result for each code of the key's bits, 0 where that does not occur; None for other operations."""
    if op.opcode != Opcode.LOOKUP:
        return None
    table = comb.lookup_tables[op.data[0]].padded_table(comb.ops[op.input_ids[0]].qint)
    return np.nan_to_num(table, nan=0.0).astype(np.int64)


def _constraints(clock_ns: float) -> str:
    return (f"create_clock -period {clock_ns:g} -name clk [get_ports clk]\n"
            f"set_clock_uncertainty -setup {clock_ns * CLOCK_UNCERTAINTY:g} [get_clocks clk]\n")
