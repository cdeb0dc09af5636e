"""Reduce a look-up table to choices by one bit each: a reduced ordered binary decision diagram, highest bit first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ZERO, ONE = -2, -1  # the two constants, in place of the number of a choice


@dataclass(frozen=True)
class Choice:
    """One of two results, by a bit of the key (0: the lowest)."""

    bit: int
    high: int
    low: int


def decisions(table: np.ndarray, bits: int) -> tuple[list[Choice], list[int]]:
    """Choices, each after those that it reads, and for each bit of the result (lowest first) the one that gives it.

    Args:
        table: the result's code for each code of the key; as many as 2^k.
        bits: of a result.
    """
    known: dict[Choice, int] = {}

    def node(column: np.ndarray) -> int:
        if column.all() or not column.any():
            return ONE if column[0] else ZERO
        half = len(column) // 2
        low, high = node(column[:half]), node(column[half:])
        return low if low == high else known.setdefault(Choice(half.bit_length() - 1, high, low), len(known))

    results = [node((np.asarray(table, np.int64) >> bit & 1).astype(bool)) for bit in range(bits)]
    return list(known), results
