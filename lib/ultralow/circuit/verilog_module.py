"""Lay out a Verilog module: as it is shipped, and spelled out as the synthesis reads it.

Shipped, a module is short: every name is declared once, by its type, a look-up table is one constant indexed by its key, all
registers are clocked in one place. Yosys maps such a table to more look-up tables of the device than the same table written
as choices by one bit of the key each, and takes names and order into account. So :func:`spelled_out` writes the same module
with one declaration a line and tables as choices (:mod:`ultralow.circuit.bdd`); nothing else changes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ultralow.circuit.bdd import ONE, ZERO, decisions
from ultralow.errors import StudyError

# The first line of what this module lays out; Verilog without it is read as it is.
MARK = ("// v<n> is what operation n gives, v<n>_<s> its copy in the registers before pipeline stage s, T<n> a table: "
        "entry 0 in the lowest bits.")
_WIDTH = 120


@dataclass(frozen=True)
class Wire:
    """A named integer: its width in bits (0: the constant zero), sign, and bits after the point."""

    name: str
    bits: int
    signed: bool
    fraction: int = 0

    @property
    def type(self) -> str:
        return f"{'signed ' if self.signed else ''}[{self.bits - 1}:0]"


@dataclass(frozen=True)
class Assign:
    """``out`` by an expression."""

    out: Wire
    value: str


@dataclass(frozen=True)
class Split:
    """``out`` by one expression for its bits below ``low`` and one for the others."""

    out: Wire
    low: int
    lower: str
    upper: str


@dataclass(frozen=True)
class Join:
    """``out`` as two unsigned wires side by side, which fill it."""

    out: Wire
    high: Wire
    low: Wire


@dataclass(frozen=True)
class Lookup:
    """``out`` as the entry of ``key``'s bits in ``table``: 2^bits codes."""

    out: Wire
    key: Wire
    table: tuple[int, ...]

    @property
    def constant(self) -> tuple[int, int]:
        """The table as one number, entry 0 in the lowest bits, and its width."""
        bits, number = self.out.bits, 0
        for code in reversed(self.table):
            number = number << bits | code % 2**bits
        return number, bits * len(self.table)


@dataclass(frozen=True)
class Register:
    """``out`` as ``source`` at the last edge of the clock. A port's part is declared elsewhere."""

    out: Wire
    source: str
    port: bool = False


Piece = Assign | Split | Join | Lookup | Register


@dataclass(frozen=True)
class Module:
    """A module with the ports clk, model_inp and model_out; pieces in an order in which nothing is read before it is there."""

    name: str
    input_bits: int
    output_bits: int
    pieces: tuple[Piece, ...]

    def shipped(self) -> str:
        """The file that is taken home."""
        tables, names, assigned, clocked = {}, defaultdict(list), [], []
        for piece in self.pieces:
            if isinstance(piece, Register):
                clocked.append(f"{piece.out.name} <= {piece.source};\n")
                if not piece.port:
                    names[f"reg {piece.out.type}"].append(piece.out.name)
                continue
            names[f"wire {piece.out.type}"].append(piece.out.name)
            if isinstance(piece, Lookup):
                table = tables.setdefault(piece.constant, f"T{len(tables)}")
                assigned.append(f"{piece.out.name} = {_indexed(table, piece)}")
            else:
                assigned += _assignments(piece)
        constants = [f"{name} = {bits}'h{number:x}" for (number, bits), name in tables.items()]
        widths = defaultdict(list)
        for (_, bits), line in zip(tables, constants):
            widths[bits].append(line)
        text = [f"localparam [{bits - 1}:0]\n" + ",\n".join(lines) + ";\n" for bits, lines in sorted(widths.items())]
        text += [f"{kind}\n{_wrapped(group)};\n" for kind, group in sorted(names.items())]
        text += ["assign\n", ",\n".join(assigned), ";\nalways @(posedge clk) begin\n", *clocked, "end\n"]
        return self._framed(f"{MARK}\n`timescale 1 ns / 1 ps\n\n", "".join(text))

    def spelled_out(self) -> str:
        """The same with one declaration a line, each register behind what it copies, and tables as choices."""
        registers: dict[str, list[Register]] = defaultdict(list)
        for piece in self.pieces:
            if isinstance(piece, Register):
                registers[piece.source].append(piece)
        lines: list[str] = []

        def add(piece: Piece) -> None:
            first, *rest = spelled(piece)
            # A sum that is cut stands on one line with what it is in full.
            if f" {piece.out.name}_w = " in (lines[-1] if lines else ""):
                first = f"{lines.pop()} {first}"
            lines.extend([first, *rest])
            for register in registers[piece.out.name]:
                add(register)

        for register in registers["model_inp"]:
            add(register)
        for piece in self.pieces:
            if not isinstance(piece, Register):
                add(piece)
        return self._framed("`timescale 1 ns / 1 ps\n\n", "".join(f"    {line}\n" for line in lines))

    def _framed(self, head: str, body: str) -> str:
        return (f"{head}module {self.name} (\n    input wire clk,\n    input wire [{self.input_bits - 1}:0] model_inp,\n"
                f"    output reg [{self.output_bits - 1}:0] model_out\n);\n{body}endmodule\n")


def spelled_out(text: str) -> str:
    """Verilog as the synthesis reads it: a shipped module spelled out, any other text as it is."""
    return parse(text).spelled_out() if text.startswith(MARK) else text


def parse(text: str) -> Module:
    """The module of a shipped file.

    Raises:
        StudyError: the file was changed by hand, so that it is no longer laid out as :meth:`Module.shipped` does.
    """
    frame = _FRAME.fullmatch(text)
    if not frame:
        raise StudyError("the Verilog is not laid out as it was written, though its first line says so; write it anew")
    try:
        tables, wires = _declared(frame["declared"])
        pieces = [*_assigned(frame["assigned"], tables, wires), *_clocked(frame["clocked"], wires)]
    except (KeyError, ValueError) as error:
        raise StudyError(f"the Verilog of module {frame['name']} is not as it was written ({error}); write it anew") from None
    return Module(frame["name"], int(frame["inputs"]) + 1, int(frame["outputs"]) + 1, tuple(pieces))


def _declared(text: str) -> tuple[dict[str, tuple[int, int]], dict[str, Wire]]:
    """Tables as numbers with their widths, and wires, by name."""
    tables, wires = {}, {}
    for kind, signed, top, content in _SECTION.findall(text):
        bits = int(top) + 1
        for item in content.replace("\n", "").split(","):
            if kind == "localparam":
                name, number = item.split(f" = {bits}'h")
                tables[name] = int(number, 16), bits
            else:
                wires[item] = Wire(item, bits, bool(signed))
    return tables, wires


def _assigned(text: str, tables: dict[str, tuple[int, int]], wires: dict[str, Wire]) -> Iterator[Piece]:
    lower: dict[str, tuple[int, str]] = {}
    for line in text.split(",\n"):
        target, value = line.split(" = ", 1)
        if part := _PART.fullmatch(target):
            name, top, low = part[1], int(part[2]), int(part[3])
            if low == 0:
                lower[name] = top + 1, value
            else:
                yield Split(wires[name], *lower.pop(name), value)
        elif look_up := _LOOK_UP.fullmatch(value):
            out, (number, bits) = wires[target], tables[look_up["table"]]
            codes = tuple(number >> at & 2**out.bits - 1 for at in range(0, bits, out.bits))
            yield Lookup(out, wires[look_up["key"]], codes)
        elif join := _JOIN.fullmatch(value):
            yield Join(wires[target], wires[join[1]], wires[join[2]])
        else:
            yield Assign(wires[target], value)
    if lower:
        raise ValueError(f"{next(iter(lower))} has no upper bits")


def _clocked(text: str, wires: dict[str, Wire]) -> Iterator[Register]:
    for line in text.splitlines():
        target, source = line.removesuffix(";").split(" <= ")
        port = target not in wires
        yield Register(Wire(target, 0, False) if port else wires[target], source, port)


_FRAME = re.compile(re.escape(MARK) + r"""
`timescale 1 ns / 1 ps

module (?P<name>\w+) \(
    input wire clk,
    input wire \[(?P<inputs>\d+):0\] model_inp,
    output reg \[(?P<outputs>\d+):0\] model_out
\);
(?P<declared>[^;]*;\n(?:[^;]*;\n)*?)assign
(?P<assigned>[^;]*);
always @\(posedge clk\) begin
(?P<clocked>(?:[^;]*;\n)*)end
endmodule
""")
_SECTION = re.compile(r"(localparam|wire|reg) (signed )?\[(\d+):0\]\n([^;]*);\n")
_PART = re.compile(r"(\w+)\[(\d+):(\d+)\]")
_LOOK_UP = re.compile(r"(?P<table>T\d+)\[(?:\d+\*)?\{?(?P<key>\w+)\}?(?: \+: \d+)?\]")
_JOIN = re.compile(r"\{(\w+), (\w+)\}")


def _indexed(table: str, piece: Lookup) -> str:
    # In braces a signed key counts as the unsigned number of its bits.
    key, bits = f"{{{piece.key.name}}}" if piece.key.signed else piece.key.name, piece.out.bits
    return f"{table}[{key}]" if bits == 1 else f"{table}[{bits}*{key} +: {bits}]"


def _assignments(piece: Assign | Split | Join) -> list[str]:
    out = piece.out
    match piece:
        case Assign():
            return [f"{out.name} = {piece.value}"]
        case Split():
            return [f"{out.name}[{piece.low - 1}:0] = {piece.lower}", f"{out.name}[{out.bits - 1}:{piece.low}] = {piece.upper}"]
        case Join():
            return [f"{out.name} = {{{piece.high.name}, {piece.low.name}}}"]


def spelled(piece: Piece) -> list[str]:
    """The lines of one piece, each with its declaration."""
    out = piece.out
    declared = f"{out.type} {out.name}"
    match piece:
        case Assign():
            return [f"wire {declared} = {piece.value};"]
        case Split():
            upper = f"wire [{out.bits - piece.low - 1}:0] {out.name}_u = {piece.upper};"
            return [f"wire [{piece.low - 1}:0] {out.name}_l = {piece.lower}; {upper} "
                    f"wire {declared} = {{{out.name}_u, {out.name}_l}};"]
        case Join():
            high, low = piece.high.name, piece.low.name
            return spelled(Split(out, piece.low.bits, low, f"({low} >>> {piece.low.bits}) + {high}"))
        case Lookup():
            return [*_choices(piece)]
        case Register():
            clocked = f"always @(posedge clk) {out.name} <= {piece.source};"
            if piece.source == "model_inp":
                return [f"reg {declared};", clocked]
            return [clocked if piece.port else f"reg {declared}; {clocked}"]


def _choices(piece: Lookup) -> list[str]:
    """A table as choices by one bit of the key each, equal ones shared."""
    out = piece.out

    def name(node: int) -> str:
        return {ZERO: "1'd0", ONE: "1'd1"}.get(node, f"{out.name}_t{node}")

    choices, bits = decisions(np.array(piece.table), out.bits)
    return [*(f"wire {name(number)} = {piece.key.name}[{choice.bit}] ? {name(choice.high)} : {name(choice.low)};"
              for number, choice in enumerate(choices)),
            f"wire {out.type} {out.name} = {{{', '.join(map(name, reversed(bits)))}}};"]


def _wrapped(names: list[str]) -> str:
    lines, length = [[]], 0
    for name in names:
        if length + len(name) > _WIDTH:
            lines.append([])
            length = 0
        lines[-1].append(name)
        length += len(name) + 1
    return ",\n".join(map(",".join, lines))
