"""Simulate a synthesised netlist of tables, carry chains and registers, all clock cycles at once.

A net is one Python integer: bit t is the net's value before clock edge t. A table then costs a few operations for all
rows together and a register a shift by one, so that a netlist runs in the seconds that compiling it would take longer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from graphlib import CycleError, TopologicalSorter

import numpy as np

from ultralow.circuit.design import Design
from ultralow.errors import StudyError

Net = int | str  # yosys's number of the net; "0", "1" and "x" are constants; a cell's name: all its outputs
Gate = tuple[Net, Callable, list[Net]]  # the net it drives, by which function of which nets

_DSP_A, _DSP_P = 27, 48  # bits that a DSP48E2 multiplies of its port A, and bits of its port P


@dataclass(frozen=True)
class Netlist:
    """A design mapped to cells: each by its name, with type, parameters and the nets at its ports; the nets of the design's
    ports and of all named wires, lowest bit first."""

    cells: dict[str, dict]
    ports: dict[str, list[Net]]
    names: dict[str, list[Net]]


def parse(text: str, top: str) -> Netlist:
    """Module ``top`` of a netlist in yosys's JSON."""
    module = json.loads(text)["modules"][top]
    ports, names = ({name: wire["bits"] for name, wire in module.get(kind, {}).items()} for kind in ("ports", "netnames"))
    return Netlist(module["cells"], ports, names)


def simulate(netlist: Netlist, design: Design, codes: np.ndarray) -> np.ndarray:
    """Logit codes (rows, classes), int64, of the netlist of a design for input codes (rows, inputs), one row at every clock.

    Raises:
        StudyError: the netlist has a cell that is not known here, or a loop.
    """
    edges = len(codes) + design.latency_cycles + 1
    ones = (1 << edges) - 1
    values = {"0": 0, "1": ones, "x": 0} | dict(zip(netlist.ports["model_inp"], _to_nets(design.input.pack(codes))))
    gates = {out: (function, sources) for name, cell in netlist.cells.items()
             for out, function, sources in _gates(name, cell, ones)}
    try:
        for net in TopologicalSorter({out: sources for out, (_, sources) in gates.items()}).static_order():
            if net in gates:
                function, sources = gates[net]
                values[net] = function(*(values[source] for source in sources))
    except CycleError as error:
        raise StudyError(f"the netlist of {design.top} has a loop through the nets {error.args[1]}; "
                         "a network's pipeline has none, so its Verilog was changed: write it again") from None
    # The edge `latency` after a row's own puts its logits out: they stand before the next one.
    return design.output.unpack(_to_rows([values[net] for net in netlist.ports["model_out"]], edges)[-len(codes):])


def _gates(name: str, cell: dict, ones: int) -> Iterator[Gate]:
    """A cell as functions of one output bit each: so a carry chain's bits may depend on each other."""
    ports, inside = cell["connections"], cell.get("parameters", {})
    match cell["type"]:
        case "$lut":
            yield ports["Y"][0], partial(_table, inside["LUT"], ones), ports["A"]
        case "$_DFF_P_":
            yield ports["Q"][0], lambda data: data << 1 & ones, ports["D"]
        case "CARRY4":
            carry = [*ports["CI"], *ports["CYINIT"]]
            for bit, (select, data) in enumerate(zip(ports["S"], ports["DI"])):
                yield ports["O"][bit], _chain_sum, [select, *carry]
                yield ports["CO"][bit], _chain_carry, [select, data, *carry]
                carry = [ports["CO"][bit]]
        case "DSP48E2" if not any("1" in inside.get(f"{stage}REG", "") for stage in "ABMP"):  # a plain multiplier
            yield name, partial(_product, ones), ports["A"][:_DSP_A] + ports["B"]
            for bit, out in enumerate(ports["P"]):
                yield out, partial(_bit, bit), [name]
        case kind:
            raise StudyError(f"the netlist's cell {name} is a {kind}, which is not known to ultralow/synthesis/netlist.py; "
                             "teach it what the synthesis script now makes")


def _table(content: str, ones: int, *inputs: int) -> int:
    """A look-up table: ``content`` gives its output for the highest input number first."""
    if "1" not in content:
        return 0
    if "0" not in content:
        return ones
    *lower, highest = inputs
    half = len(content) // 2
    high, low = (_table(part, ones, *lower) for part in (content[:half], content[half:]))
    return low ^ highest & (low ^ high)


def _chain_sum(select: int, carry: int, start: int = 0) -> int:
    return select ^ (carry | start)


def _chain_carry(select: int, data: int, carry: int, start: int = 0) -> int:
    return data ^ select & (data ^ (carry | start))


def _product(ones: int, *inputs: int) -> list[int]:
    """The bits of a·b, both two's complement: a's multiple for each bit of b, the sign's taken away."""
    a, b = inputs[:_DSP_A], inputs[_DSP_A:]
    total = [0] * _DSP_P
    for position, factor in enumerate(b):
        minus = ones if position == len(b) - 1 else 0
        multiple = [0] * position + [bit & factor for bit in a]
        multiple += multiple[-1:] * (_DSP_P - len(multiple))
        carry = minus
        for place, bit in enumerate(multiple):
            bit ^= minus
            half = total[place] ^ bit
            total[place], carry = half ^ carry, total[place] & bit | half & carry
    return total


def _bit(position: int, outputs: list[int]) -> int:
    return outputs[position]


def _to_nets(packed: np.ndarray) -> list[int]:
    """Integers, one for each bit of a port, of port values as bytes (rows, bytes)."""
    bits = np.unpackbits(packed, axis=1, bitorder="little")
    return [int.from_bytes(column.tobytes(), "little") for column in np.packbits(bits, axis=0, bitorder="little").T]


def _to_rows(nets: list[int], rows: int) -> np.ndarray:
    """Port values as bytes (rows, bytes) of one integer for each bit."""
    size = -(-rows // 8)
    columns = np.frombuffer(b"".join(net.to_bytes(size, "little") for net in nets), np.uint8).reshape(-1, size)
    return np.packbits(np.unpackbits(columns, axis=1, count=rows, bitorder="little").T, axis=1, bitorder="little")
