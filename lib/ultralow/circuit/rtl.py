"""Knows how a circuit becomes pipelined Verilog or VHDL, and the files that hold it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

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

    ``stages``: where they are cut; as the clock allows if not given. ``in_vhdl``: and ``<name>.vhd``, the same circuit with
    the same ports, statement by statement.
    """
    name = re.sub(r"\W|^(?=\d)", "_", name)
    made = stages or pipeline(comb, usable_ns(clock_ns))
    ports = {"input": _input_port(comb), "output": _output_port(comb)}
    lines, register_bits = _body(verilog, comb, made, **ports)
    widths = {f"{port}_bits": shape.width for port, shape in ports.items()}
    with replacing(folder) as scratch:
        scratch.mkdir(parents=True)
        (scratch / f"{name}.v").write_text(verilog.module(name, lines, **widths))
        if in_vhdl:
            lines, _ = _body(vhdl, comb, made, **ports)
            (scratch / f"{name}.vhd").write_text(vhdl.module(name, lines, **widths))
        (scratch / f"{name}.xdc").write_text(_constraints(clock_ns))
        written = Design(scratch, name, **ports, latency_cycles=len(made.delays), clock_ns=float(clock_ns),
                         stage_delays_ns=tuple(made.delays), delay_estimate_ns=comb.latency[1], lut_estimate=comb.cost,
                         register_bits=register_bits, part=part)
        written.write_info()
    return replace(written, folder=Path(folder))


def operations(comb, design: Design, endpoints: list[Endpoint], stages: list[int]) -> dict[int, float]:
    """Which operations' results the registers hold, and the latest arrival (ns) of each."""
    found: dict[int, float] = {}
    for point in endpoints:
        index = origin(comb, _held(comb, design, point, stages), stages)
        found[index] = max(found.get(index, 0.0), point.arrival)
    return found


def _held(comb, design: Design, point: Endpoint, stages: list[int]) -> int:
    """A register is v<operation>_<stage> or a part of model_out. Synthesis may leave its net the name of another wire
    only: v<operation>, wiring of a later stage, or logit<output>."""
    for pattern in (r"v(\d+)_\d+", r"v(\d+)", r"logit(\d+)", "model_out"):
        for name, bit in point.names:
            if not (named := re.fullmatch(pattern, name)):
                continue
            if pattern == "model_out":
                return comb.out_idxs[bit // design.output.bits]
            if name.startswith("logit"):
                return comb.out_idxs[int(named[1])]
            if "_" in name:
                return int(named[1])
            behind = origin(comb, int(named[1]), stages)
            return comb.ops[behind].input_ids[0] if comb.ops[behind].input_ids else behind
    raise StudyError(f"{design.top}: no operation belongs to the register {point.names}")


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


def _body(language, comb, made: Pipeline, input: Port, output: Port) -> tuple[list[str], int]:
    """Lines between the ports, in verilog or vhdl, and how many register bits they declare, those of the ports, too."""
    used, stages, depth = comb.ref_count, made.stages, len(made.delays)
    last_stage = list(stages)
    for index, op in enumerate(comb.ops):
        for source in op.input_ids:
            last_stage[source] = max(last_stage[source], stages[index])
    for source in comb.out_idxs:
        last_stage[source] = depth - 1
    # Of a complement the registers hold what it is of: behind them it costs nothing, between carry chain and register a table.
    for index in reversed(range(len(stages))):
        if inverts(comb.ops[index]):
            source, = comb.ops[index].input_ids
            last_stage[source] = max(last_stage[source], last_stage[index])
    wires = [wire(f"v{index}", op) for index, op in enumerate(comb.ops)]
    lines = language.input_register(input.width)
    registers = sum(wires[i].bits for i, op in enumerate(comb.ops) if op.opcode == Opcode.INPUT and used[i])
    for index, op in enumerate(comb.ops):
        out = wires[index]
        if not used[index] or out.bits <= 0:
            continue
        if op.opcode == Opcode.INPUT:
            lines += language.element(out, op.data[0] * input.bits - out.fraction)
        else:
            sources = [_delayed(wires[i], stages[i], stages[index], comb.ops[i]) for i in op.input_ids]
            lines += language.statement(op, out, sources, _table(comb, op), index in made.taking_first)
        if op.opcode == Opcode.CONSTANT:
            continue
        later = [_delayed(out, stages[index], stage, op) for stage in range(stages[index], last_stage[index] + 1)]
        if inverts(op):
            source, = op.input_ids
            for stage, complement in enumerate(later[1:], stages[index] + 1):
                lines += language.statement(op, complement, [_delayed(wires[source], stages[source], stage, comb.ops[source])])
        else:
            for before, after in zip(later, later[1:]):
                lines += language.register(before, after)
            registers += out.bits * (len(later) - 1)
    ends = [_delayed(wires[i], stages[i], depth - 1, comb.ops[i]) for i in comb.out_idxs]
    for position, (end, shift) in enumerate(zip(ends, comb.out_shifts)):
        lines += language.output(position, end, shift - end.fraction, output.bits)
    return lines, registers + output.width


def _table(comb, op) -> np.ndarray | None:
    """Of a look-up, the result's code for each code of the key's bits; 0 for those that do not occur."""
    if op.opcode != Opcode.LOOKUP:
        return None
    table = comb.lookup_tables[op.data[0]].padded_table(comb.ops[op.input_ids[0]].qint)
    return np.nan_to_num(table, nan=0.0).astype(np.int64)


def _delayed(source: Wire, from_stage: int, to_stage: int, op) -> Wire:
    """The wire as ``to_stage`` sees it; constants need no registers."""
    if from_stage == to_stage or op.opcode == Opcode.CONSTANT or source.bits <= 0:
        return source
    return Wire(f"{source.name}_{to_stage}", source.bits, source.signed, source.fraction)


def _constraints(clock_ns: float) -> str:
    return (f"create_clock -period {clock_ns:g} -name clk [get_ports clk]\n"
            f"set_clock_uncertainty -setup {clock_ns * CLOCK_UNCERTAINTY:g} [get_clocks clk]\n")
