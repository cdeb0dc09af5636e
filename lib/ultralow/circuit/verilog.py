"""Write a circuit's operations in Verilog.

A value with f bits after the point stands as the integer value·2^f. Verilog computes modulo 2^width and every
value fits its width, so sums need no more bits than their result has. alkaid brings a writer of its own; this one differs in
its pipeline and in the order of a sum's operands, which both save look-up tables (:mod:`ultralow.circuit.pipeline`).
"""

from __future__ import annotations

import numpy as np

from ultralow.circuit.verilog_module import Assign, Join, Lookup, Module, Piece, Register, Split, Wire
from ultralow.errors import StudyError
from ultralow.exact.opcodes import SUMS, Opcode


def wire(name: str, op) -> Wire:
    """The wire that holds the result of an alkaid operation."""
    signed, integers, fraction = op.qint.kif
    return Wire(name, int(signed) + integers + fraction, bool(signed), fraction)


def input_register(bits: int) -> list[Piece]:
    """``inputs``: the port model_inp at the last edge."""
    return [Register(Wire("inputs", bits, False), "model_inp")]


def element(out: Wire, first: int) -> list[Piece]:
    """``out`` as the bits of ``inputs`` from ``first`` on."""
    return [Assign(out, f"inputs[{first + out.bits - 1}:{first}]")]


def statement(op, out: Wire, sources: list[Wire], table: np.ndarray | None = None, exchanged: bool = False) -> list[Piece]:
    """The definition of ``out``, the result of an alkaid operation on ``sources``.

    Args:
        table: of a look-up, the result's code for each code of the source's bits.
        exchanged: of a sum, whether its second operand is written first. Synthesis leads what is first into the carry chain as it
            is, and may take in what computes the other.
    """
    if op.opcode in SUMS:
        return _sum(out, sources[0], shifted(sources[1], op.data[0]), op.opcode, exchanged)
    if op.opcode == Opcode.LOOKUP:
        if (table == table[0]).all():
            bits = ", ".join(f"1'd{table[0] >> bit & 1}" for bit in reversed(range(out.bits)))
            return [Assign(out, f"{{{bits}}}")]
        return [Lookup(out, sources[0], tuple(map(int, table)))]
    return [Assign(out, _expression(op, out, sources))]


def register(source: Wire, out: Wire) -> list[Piece]:
    """``out`` as ``source`` at the last edge."""
    return [Register(out, source.name)]


def output(position: int, source: Wire, shift: int, bits: int) -> list[Piece]:
    """An element of the port model_out: source·2^shift at the last edge."""
    value = f"{source.name} <<< {shift}" if source.bits > 0 else "0"
    logit, port = f"logit{position}", f"model_out[{bits * (position + 1) - 1}:{bits * position}]"
    return [Assign(Wire(logit, bits, True), value), Register(Wire(port, bits, True), logit, port=True)]


def module(name: str, pieces: list[Piece], input_bits: int, output_bits: int) -> str:
    """The whole file, of the pieces that the functions above gave."""
    return Module(name, input_bits, output_bits, tuple(pieces)).shipped()


def _expression(op, out: Wire, sources: list[Wire]) -> str:
    match op.opcode:
        case Opcode.NEGATE:
            return f"-{_at(sources[0], out.fraction, True)}"
        case Opcode.RELU:  # rounding down
            value = _at(sources[0], out.fraction, sources[0].signed)
            return f"{sources[0].name}[{sources[0].bits - 1}] ? {out.bits}'d0 : {value}" if sources[0].signed else value
        case Opcode.QUANTIZE:
            source = shifted(sources[0], op.data[0])
            return _at(source, out.fraction, source.signed)
        case Opcode.ADD_CONSTANT:
            constant = op.data[0] * 2.0 ** (out.fraction - op.data[1])
            if constant != int(constant) or out.fraction < sources[0].fraction:
                return _dropping(out, sources[0], *op.data)
            return f"{_at(sources[0], out.fraction, True)} {_signed_constant(int(constant), out.bits)}"
        case Opcode.CONSTANT:
            return _constant(round(op.qint.min * 2.0**out.fraction), out.bits)
        case Opcode.SELECT:
            first, second, key = sources[0], shifted(sources[1], op.data[0]), sources[2]
            signed = first.signed or second.signed
            first, second = _at(first, out.fraction, signed), _at(second, out.fraction, signed)
            return f"{key.name}[{key.bits - 1}] ? {first} : {second}" if key.bits > 0 else second
        case Opcode.MULTIPLY:
            # Both signed, so that Verilog multiplies as such.
            product = f"{_plain(sources[0], True)} * {_plain(sources[1], True)}"
            shift = out.fraction - sources[0].fraction - sources[1].fraction
            return f"({product}) {'<<<' if shift > 0 else '>>>'} {abs(shift)}" if shift else product
        case Opcode.BITWISE_UNARY:
            return ("~", "|", "&")[op.data[0]] + sources[0].name
        case Opcode.BITWISE_BINARY:
            first, second = sources[0], shifted(sources[1], op.data[0])
            signed = first.signed or second.signed
            return f"{_at(first, out.fraction, signed)} {'&|^'[op.data[1]]} {_at(second, out.fraction, signed)}"
    raise StudyError(f"no Verilog for the circuit's operation {op.opcode}; trace the network with default options")


def _sum(out: Wire, left: Wire, right: Wire, opcode: Opcode, exchanged: bool) -> list[Piece]:
    sign = "+-"[opcode]
    fraction, signed = max(left.fraction, right.fraction), left.signed or right.signed
    drop, low = fraction - out.fraction, left.fraction - right.fraction
    if drop > 0:
        wide = Wire(f"{out.name}_w", out.bits + drop, out.signed, fraction)
        return [*_sum(wide, left, right, opcode, exchanged), Assign(out, f"{wide.name} >>> {drop}")]
    if 0 < low < out.bits and drop == 0:
        fills = (left.bits, right.bits) == (low, out.bits - low) and not signed
        if fills and opcode == Opcode.ADD and not exchanged:
            return [Join(out, right, left)]
        # The bits of `left` below `right` pass by: no carry chain for them.
        upper = _operands(_at(left, right.fraction, signed), sign, _plain(right, signed), exchanged)
        return [Split(out, low, _plain(left, signed), upper)]
    return [Assign(out, _operands(_at(left, out.fraction, signed), sign, _at(right, out.fraction, signed), exchanged))]


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
