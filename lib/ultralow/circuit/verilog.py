"""Knows how to say a circuit's operations in Verilog.

A value with f bits after the point stands as the integer value·2^f. Verilog computes modulo 2^width and every
value fits its width, so sums need no more bits than their result has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ultralow.circuit.bdd import ONE, ZERO, decisions
from ultralow.errors import StudyError


@dataclass(frozen=True)
class Wire:
    """A named integer: its width in bits (0: the constant zero), sign, and bits after the point."""

    name: str
    bits: int
    signed: bool
    fraction: int

    def declared(self, kind: str) -> str:
        return f"{kind} {'signed ' if self.signed else ''}[{self.bits - 1}:0] {self.name}"


def wire(name: str, op) -> Wire:
    """The wire that holds the result of an alkaid operation."""
    signed, integers, fraction = op.qint.kif
    return Wire(name, int(signed) + integers + fraction, bool(signed), fraction)


def input_register(bits: int) -> list[str]:
    """``inputs``: the port model_inp at the last edge."""
    return [f"reg [{bits - 1}:0] inputs;", "always @(posedge clk) inputs <= model_inp;"]


def element(out: Wire, first: int) -> list[str]:
    """``out`` as the bits of ``inputs`` from ``first`` on."""
    return [f"{out.declared('wire')} = inputs[{first + out.bits - 1}:{first}];"]


def statement(op, out: Wire, sources: list[Wire], table: np.ndarray | None = None, exchanged: bool = False) -> list[str]:
    """The declaration and definition of ``out``, the result of an alkaid operation on ``sources``.

    Args:
        table: of a look-up, the result's code for each code of the source's bits.
        exchanged: of a sum, whether its second operand is written first. Synthesis leads what is first into the carry chain as it
            is, and may take in what computes the other.
    """
    if op.opcode in (0, 1):
        return [_sum(out, sources[0], shifted(sources[1], op.data[0]), "+-"[op.opcode], exchanged)]
    if op.opcode == 8:
        return looked_up(out, sources[0], table)
    return [f"{out.declared('wire')} = {_expression(op, out, sources)};"]


def looked_up(out: Wire, key: Wire, table: np.ndarray) -> list[str]:
    """The declaration and definition of ``out``, of ``table`` the entry of the key's bits."""

    def name(node: int) -> str:
        return {ZERO: "1'd0", ONE: "1'd1"}.get(node, f"{out.name}_t{node}")

    choices, bits = decisions(table, out.bits)
    return [*(f"wire {name(number)} = {key.name}[{choice.bit}] ? {name(choice.high)} : {name(choice.low)};"
              for number, choice in enumerate(choices)),
            f"{out.declared('wire')} = {{{', '.join(map(name, reversed(bits)))}}};"]


def register(source: Wire, out: Wire) -> list[str]:
    """``out`` as ``source`` at the last edge."""
    return [f"{out.declared('reg')}; always @(posedge clk) {out.name} <= {source.name};"]


def output(position: int, source: Wire, shift: int, bits: int) -> list[str]:
    """An element of the port model_out: source·2^shift at the last edge."""
    value = f"{source.name} <<< {shift}" if source.bits > 0 else "0"
    return [f"wire signed [{bits - 1}:0] logit{position} = {value};",
            f"always @(posedge clk) model_out[{bits * (position + 1) - 1}:{bits * position}] <= logit{position};"]


def module(name: str, lines: list[str], input_bits: int, output_bits: int) -> str:
    """The whole file, of the lines that the functions above gave."""
    body = "\n    ".join(lines)
    return (f"`timescale 1 ns / 1 ps\n\nmodule {name} (\n    input wire clk,\n"
            f"    input wire [{input_bits - 1}:0] model_inp,\n    output reg [{output_bits - 1}:0] model_out\n);\n"
            f"    {body}\nendmodule\n")


def _expression(op, out: Wire, sources: list[Wire]) -> str:
    match op.opcode:
        case -2:  # negation
            return f"-{_at(sources[0], out.fraction, True)}"
        case 2:  # rectifier, rounding down
            value = _at(sources[0], out.fraction, sources[0].signed)
            return f"{sources[0].name}[{sources[0].bits - 1}] ? {out.bits}'d0 : {value}" if sources[0].signed else value
        case 3:  # other bits of the same value
            source = shifted(sources[0], op.data[0])
            return _at(source, out.fraction, source.signed)
        case 4:  # constant added
            constant = op.data[0] * 2.0 ** (out.fraction - op.data[1])
            if constant != int(constant) or out.fraction < sources[0].fraction:
                return _dropping(out, sources[0], *op.data)
            return f"{_at(sources[0], out.fraction, True)} {_signed_constant(int(constant), out.bits)}"
        case 5:
            return _constant(round(op.qint.min * 2.0**out.fraction), out.bits)
        case 6:  # one of two, by the highest bit of a third
            first, second, key = sources[0], shifted(sources[1], op.data[0]), sources[2]
            signed = first.signed or second.signed
            first, second = _at(first, out.fraction, signed), _at(second, out.fraction, signed)
            return f"{key.name}[{key.bits - 1}] ? {first} : {second}" if key.bits > 0 else second
        case 7:
            # Both signed, so that Verilog multiplies as such.
            product = f"{_plain(sources[0], True)} * {_plain(sources[1], True)}"
            shift = out.fraction - sources[0].fraction - sources[1].fraction
            return f"({product}) {'<<<' if shift > 0 else '>>>'} {abs(shift)}" if shift else product
        case 9:
            return ("~", "|", "&")[op.data[0]] + sources[0].name
        case 10:
            first, second = sources[0], shifted(sources[1], op.data[0])
            signed = first.signed or second.signed
            return f"{_at(first, out.fraction, signed)} {'&|^'[op.data[1]]} {_at(second, out.fraction, signed)}"
    raise StudyError(f"no Verilog for the circuit's operation {op.opcode}; trace the network with default options")


def _sum(out: Wire, left: Wire, right: Wire, sign: str, exchanged: bool) -> str:
    fraction, signed = max(left.fraction, right.fraction), left.signed or right.signed
    drop, low = fraction - out.fraction, left.fraction - right.fraction
    if drop > 0:
        wide = Wire(f"{out.name}_w", out.bits + drop, out.signed, fraction)
        return f"{_sum(wide, left, right, sign, exchanged)} {out.declared('wire')} = {wide.name} >>> {drop};"
    if 0 < low < out.bits and drop == 0:
        # The bits of `left` below `right` pass by: no carry chain for them.
        upper = out.bits - low
        return (f"wire [{low - 1}:0] {out.name}_l = {_plain(left, signed)}; wire [{upper - 1}:0] {out.name}_u = "
                f"{_operands(_at(left, right.fraction, signed), sign, _plain(right, signed), exchanged)}; "
                f"{out.declared('wire')} = {{{out.name}_u, {out.name}_l}};")
    operands = _operands(_at(left, out.fraction, signed), sign, _at(right, out.fraction, signed), exchanged)
    return f"{out.declared('wire')} = {operands};"


def _operands(left: str, sign: str, right: str, exchanged: bool) -> str:
    return f"{right} {sign} {left}" if exchanged else f"{left} {sign} {right}"


def _dropping(out: Wire, source: Wire, constant: int, constant_fraction: int) -> str:
    """A constant added below the result's last bit: added in full, then cut."""
    fraction = max(source.fraction, constant_fraction)
    bits, drop = out.bits + fraction - out.fraction, fraction - out.fraction
    value = _signed_constant(constant * 2 ** (fraction - constant_fraction), bits)
    return f"({_at(source, fraction, True)} {value}) >>> {drop}"


def shifted(source: Wire, shift: int) -> Wire:
    return Wire(source.name, source.bits, source.signed, source.fraction - shift)


def _plain(source: Wire, signed: bool) -> str:
    """The wire, as a signed number where its partner is one: Verilog extends both alike or both wrongly."""
    if source.bits <= 0:
        return "1'sd0" if signed else "1'd0"
    return source.name if source.signed or not signed else f"$signed({{1'b0, {source.name}}})"


def _at(source: Wire, fraction: int, signed: bool) -> str:
    """The value rounded down to ``fraction`` bits after the point."""
    shift, text = fraction - source.fraction, _plain(source, signed)
    if source.bits <= 0 or shift == 0:
        return text
    return f"({text} <<< {shift})" if shift > 0 else f"({text} >>> {-shift})"


def _constant(value: int, bits: int) -> str:
    return f"{bits}'d{value % 2**bits}" if bits > 0 else "1'd0"


def _signed_constant(value: int, bits: int) -> str:
    return f"{'-' if value < 0 else '+'} {max(bits, abs(value).bit_length()) + 1}'sd{abs(value)}"
