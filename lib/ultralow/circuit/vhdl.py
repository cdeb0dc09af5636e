"""Write a circuit's operations in VHDL-93 (numeric_std), with the same functions as verilog.py.

Every value is a ``signed`` of its width; where it is unsigned, ``u`` puts a zero in front. ``at`` gives a value times
a power of two, rounded down, modulo 2^width, as Verilog computes. A file has three parts: declarations of signals and
tables, assignments that hold at any time, and assignments at an edge of the clock.
"""

from __future__ import annotations

import re

import numpy as np

from ultralow.errors import StudyError
from ultralow.circuit.verilog import shifted
from ultralow.circuit.verilog_module import Wire
from ultralow.exact.opcodes import Opcode, inverts

_EDGE = "edge: "
_DECLARING = "signal ", "constant "


def input_register(bits: int) -> list[str]:
    """``inputs``: the port model_inp at the last edge."""
    return [f"signal inputs : std_logic_vector({bits - 1} downto 0);", f"{_EDGE}inputs <= model_inp;"]


def element(out: Wire, first: int) -> list[str]:
    """``out`` as the bits of ``inputs`` from ``first`` on."""
    return [_declared(out), f"{out.name} <= signed(inputs({first + out.bits - 1} downto {first}));"]


def statement(op, out: Wire, sources: list[Wire], table: np.ndarray | None = None, exchanged: bool = False) -> list[str]:
    """The declaration and definition of ``out``, the result of an alkaid operation on ``sources``; arguments as of
    :func:`ultralow.circuit.verilog.statement`."""
    if op.opcode == Opcode.LOOKUP:
        return _looked_up(out, sources[0], table)
    return [_declared(out), f"{out.name} <= {_expression(op, out, sources, exchanged)};"]


def register(source: Wire, out: Wire) -> list[str]:
    """``out`` as ``source`` at the last edge."""
    return [_declared(out), f"{_EDGE}{out.name} <= {source.name};"]


def output(position: int, source: Wire, shift: int, bits: int) -> list[str]:
    """An element of the port model_out: source·2^shift at the last edge."""
    value = f"at({_number(source)}, {shift if source.bits > 0 else 0}, {bits})"
    return [f"{_EDGE}model_out({bits * (position + 1) - 1} downto {bits * position}) <= std_logic_vector({value});"]


def module(name: str, lines: list[str], input_bits: int, output_bits: int) -> str:
    """The whole file, of the lines that the functions above gave."""
    plain = re.fullmatch(r"[A-Za-z]+(_?[A-Za-z0-9]+)*", name)
    signals = [line for line in lines if line.startswith(_DECLARING)]
    edges = [line.removeprefix(_EDGE) for line in lines if line.startswith(_EDGE)]
    always = [line for line in lines if not line.startswith((*_DECLARING, _EDGE))]
    return _MODULE.format(name=name if plain else f"\\{name}\\", inputs=input_bits - 1, outputs=output_bits - 1,
                          signals="\n    ".join(signals), always="\n    ".join(always),
                          edges="\n            ".join(edges))


def _expression(op, out: Wire, sources: list[Wire], exchanged: bool) -> str:
    match op.opcode:
        case Opcode.ADD | Opcode.SUBTRACT:
            operands = sources[0], shifted(sources[1], op.data[0])
            fraction = max(*(operand.fraction for operand in operands), out.fraction)
            bits = out.bits + fraction - out.fraction
            first, second = operands[::-1] if exchanged else operands
            value = f"{_at(first, fraction, bits)} {'+-'[op.opcode]} {_at(second, fraction, bits)}"
            return value if fraction == out.fraction else f"at({value}, {out.fraction - fraction}, {out.bits})"
        case Opcode.NEGATE:
            return f"-{_at(sources[0], out.fraction, out.bits)}"
        case Opcode.RELU:  # rounding down
            value, source = _at(sources[0], out.fraction, out.bits), sources[0]
            return (f"{_constant(0, out.bits)} when {source.name}({source.bits - 1}) = '1' else {value}"
                    if source.signed else value)
        case Opcode.QUANTIZE:
            return _at(shifted(sources[0], op.data[0]), out.fraction, out.bits)
        case Opcode.ADD_CONSTANT:  # below the last bit: added in full, then cut
            fraction = max(sources[0].fraction, op.data[1], out.fraction)
            bits, constant = out.bits + fraction - out.fraction, op.data[0] * 2 ** (fraction - op.data[1])
            value = f"{_at(sources[0], fraction, bits)} + {_constant(constant, bits)}"
            return value if fraction == out.fraction else f"at({value}, {out.fraction - fraction}, {out.bits})"
        case Opcode.CONSTANT:
            return _constant(round(op.qint.min * 2.0**out.fraction), out.bits)
        case Opcode.SELECT:
            first, second, key = sources[0], shifted(sources[1], op.data[0]), sources[2]
            first, second = _at(first, out.fraction, out.bits), _at(second, out.fraction, out.bits)
            return f"{first} when {key.name}({key.bits - 1}) = '1' else {second}" if key.bits > 0 else second
        case Opcode.BITWISE_UNARY if inverts(op):
            return f"not {_at(sources[0], sources[0].fraction, out.bits)}"
        case Opcode.BITWISE_BINARY:
            first, second = sources[0], shifted(sources[1], op.data[0])
            return (f"{_at(first, out.fraction, out.bits)} {('and', 'or', 'xor')[op.data[1]]} "
                    f"{_at(second, out.fraction, out.bits)}")
    raise StudyError(f"no VHDL for the circuit's operation {op.opcode}; trace the network with default options")


def _looked_up(out: Wire, key: Wire, table: np.ndarray) -> list[str]:
    """A constant for each bit of the result, entry 0 first, indexed by the key."""
    lines = [_declared(out)]
    for bit in range(out.bits):
        entries = "".join(str(code >> bit & 1) for code in table.tolist())
        lines += [f"constant {out.name}_t{bit} : std_logic_vector(0 to {len(table) - 1}) := \"{entries}\";",
                  f"{out.name}({bit}) <= {out.name}_t{bit}(place({key.name}));"]
    return lines


def _declared(out: Wire) -> str:
    return f"signal {out.name} : signed({out.bits - 1} downto 0);"


def _number(source: Wire) -> str:
    if source.bits <= 0:
        return _constant(0, 1)
    return source.name if source.signed else f"u({source.name})"


def _at(source: Wire, fraction: int, bits: int) -> str:
    """The value rounded down to ``fraction`` bits after the point, in ``bits`` bits."""
    return f"at({_number(source)}, {fraction - source.fraction if source.bits > 0 else 0}, {bits})"


def _constant(value: int, bits: int) -> str:
    return f"signed'(\"{value % 2**bits:0{bits}b}\")"


_MODULE = """\
library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;

entity {name} is
    port (
        clk : in std_logic;
        model_inp : in std_logic_vector({inputs} downto 0);
        model_out : out std_logic_vector({outputs} downto 0)
    );
end entity;

architecture pipeline of {name} is
    function u(value : signed) return signed is
    begin
        return signed('0' & std_logic_vector(value));
    end function;

    -- value * 2**shift, rounded down, modulo 2**bits
    function at(value : signed; shift : integer; bits : positive) return signed is
        variable given, cut : signed(value'length - 1 downto 0);
        variable wide : signed(bits - 1 downto 0);
    begin
        given := value;
        cut := given;
        if shift < 0 then
            cut := shift_right(given, -shift);
        end if;
        if bits <= value'length then
            wide := cut(bits - 1 downto 0);
        else
            wide := resize(cut, bits);
        end if;
        if shift > 0 then
            wide := shift_left(wide, shift);
        end if;
        return wide;
    end function;

    -- the entry of a table that a key stands for
    function place(key : signed) return natural is
    begin
        return to_integer(unsigned(std_logic_vector(key)));
    end function;

    {signals}
begin
    {always}

    process (clk)
    begin
        if rising_edge(clk) then
            {edges}
        end if;
    end process;
end architecture;
"""
