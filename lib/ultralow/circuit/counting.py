"""Knows how bits are counted in a circuit: for carry chains, with few tables; or by tables alone, in little time."""

from __future__ import annotations

import numpy as np

from ultralow.circuit.arithmetic import side_by_side
from ultralow.device import CHAIN_LUT_INPUTS, LUT_INPUTS


def for_chains(bits: list, offset: int) -> tuple[list, int]:
    """How many of the bits are 1 as a few numbers to add, and what is left of the offset, of which each number takes what its own
    bits hold. The first counts six bits, the others five each, which fit in with the chain that adds them."""
    bits, numbers = sorted(bits, key=lambda bit: bit.latency), []
    while bits:
        group = bits[:CHAIN_LUT_INPUTS if numbers else LUT_INPUTS]
        bits = bits[len(group):]
        more = _room(len(group), offset)
        offset -= more
        numbers.append(_count(group, more) if len(group) > 1 else group[0] + float(more))
    return numbers, offset


def by_tables(bits: list, offset: int) -> tuple[list, int]:
    """The same as two numbers, and what is left of the offset.

    Six bits of equal weight become three of their count, one, two and four times as heavy; and so on until no weight has more
    than two bits: half as many bits a table later, where an adder takes more than two tables' time for that.
    """
    columns = [list(bits)]
    while max(map(len, columns)) > 2:
        following: list[list] = [[] for _ in range(len(columns) + 2)]
        for weight, column in enumerate(columns):
            column.sort(key=lambda bit: bit.latency)
            while len(column) > 2:
                group, column = column[:LUT_INPUTS], column[LUT_INPUTS:]
                more = 0 if weight else _room(len(group), offset)
                offset -= more
                number = _count(group, more)
                for place in range((len(group) + more).bit_length()):
                    following[weight + place].append(number.quantize(0, place + 1, -place) * 2.0**-place)
            following[weight] += column
        columns = following
        while not columns[-1]:
            columns.pop()
    rows = []
    for row in range(2):
        placed = [(weight, column[row]) for weight, column in enumerate(columns) if len(column) > row]
        if placed:
            rows.append(side_by_side(placed))
    return rows, offset


def _room(bits: int, offset: int) -> int:
    """How much of an offset the count of so many bits holds beside."""
    return max(0, min(offset, 2 ** bits.bit_length() - 1 - bits))


def _count(group: list, more: int):
    """How many of the bits are 1, and ``more``: a table."""
    ones = np.array([code.bit_count() + more for code in range(2 ** len(group))], np.float64)
    return side_by_side(enumerate(group)).lookup(ones, (0.0, 2.0 ** len(group) - 1, 1.0))
