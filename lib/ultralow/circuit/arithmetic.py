"""Build sums, thresholds, rectifiers, scalings and popcounts of circuit signals (alkaid's FVariable).

A rectifier is a staircase: ⌊(scale·sum + offset)/2^drop⌋, limited to 0 … ceiling, is 0 up to some sum, then rises step by step,
then stays at the ceiling. If all steps lie within 2^n successive sums, the sum's n low bits tell where on the stairs it is,
and two comparisons tell whether it is below or above them. That is two or three tables deep, where scaling, offset,
rounding and saturating are two to four carry chains in a row.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ultralow.device import CHAIN_LUT_INPUTS, LUT_INPUTS
from ultralow.errors import StudyError

_CONSTANT_LIMIT = 2**31  # above it alkaid's constants would round
# Stairs wider than this cost more in tables than in arithmetic.
MOST_BITS = 9
# A table of so many bits is two to three tables of the device deep, no more than a sum of two halves.
_TABLE_BITS = 8
KERNEL_LIMIT = 2**24  # above it alkaid's float32 kernels would round


def staircase(value, scale: int, offset: int, drop: int, ceiling: int):
    """min(ceiling, max(0, ⌊(scale·value + offset)/2^drop⌋)) of an integer signal, or None where the stairs are wide.

    Args:
        value: an alkaid FVariable.
    """
    if scale == 0 or value.step < 1 or value.opr == "const":
        return None
    if drop < 0:
        scale, offset, drop = scale << -drop, offset << -drop, 0
    if value._factor < 0:  # the stairs of its negative lead down: no carry chain for the sign
        value, scale = -value, -scale
    low, high = (0, ceiling) if scale > 0 else (ceiling, 0)
    # The first sums that are no longer at the lower end, and that are at the upper one.
    if scale > 0:
        first, last = (-((offset - (code << drop)) // scale) for code in (1, ceiling))
    else:
        first, last = ((offset - (code << drop)) // -scale + 1 for code in (ceiling, 1))
    bits = max(1, int(last - first - 1).bit_length())
    if bits > MOST_BITS:
        return None
    # Of all starts that will do, the one whose comparisons need the fewest bits.
    start = max(range(last - 2**bits, first + 1), key=lambda at: at & -at or 1 << 62)
    sums = start + (np.arange(2**bits) - start) % 2**bits
    codes = np.clip((sums * scale + offset) >> drop, 0, ceiling)
    stairs = _table(value, bits, codes)
    above = at_least(value, start + 2**bits, value.hwconf).msb_mux(float(high), stairs)
    return at_least(value, start, value.hwconf).msb_mux(above, float(low))


def scaled(value, scale: int, offset: int):
    """scale·value + offset of an integer signal of few bits by tables, where arithmetic takes two to four carry chains in a row:
    one table of all bits, or one of the upper and one of the lower bits, added. None where the signal has too many bits, or
    where scaling is wiring.

    Args:
        value: an alkaid FVariable.
    """
    if abs(scale) & (abs(scale) - 1) == 0 or value.opr == "const" or value.step < 1:
        return None
    if value._factor < 0:  # a table of its negative: no carry chain for the sign
        value, scale = -value, -scale
    signed, whole, fraction = map(int, value.kif)
    value, scale, bits = value * 2.0**fraction, scale << -fraction, signed + whole + fraction
    upper = max(0, bits - CHAIN_LUT_INPUTS) if bits > _TABLE_BITS else bits
    if upper > _TABLE_BITS or abs(scale) >= KERNEL_LIMIT or abs(scale) * 2 ** (bits - 1) + abs(offset) >= _CONSTANT_LIMIT // 2:
        return None
    step = 2 ** (bits - upper)
    codes = np.arange(2**upper)
    sums = step * np.where(signed and codes >= 2**upper // 2, codes - 2**upper, codes)
    # Sums that do not occur may have any value: that of the next that does.
    sums = np.clip(sums, step * (value.low // step), value.high)
    upper_part = _table(value.quantize(signed, whole + fraction, upper - bits) * (1 / step), upper, scale * sums + offset)
    if upper == bits:
        return upper_part
    return upper_part + _table(value, bits - upper, scale * np.arange(step))


def _table(value, bits: int, codes: np.ndarray):
    """A table (2^bits,) of a signal's low bits."""
    return value.quantize(0, bits, 0).lookup(codes.astype(np.float64), (0.0, 2.0**bits - 1, 1.0))


def total(values: list):
    """A balanced sum, earliest and narrowest first."""
    pool = [v for v in values if not isinstance(v, (int, float)) or v]
    if not pool:
        return 0.0
    while len(pool) > 1:
        pool.sort(key=lambda v: (v.latency, v.high - v.low))
        pool = [*pool[2:], pool[0] + pool[1]]
    return pool[0]


def side_by_side(parts: Iterable[tuple[int, object]]):
    """One signal of several, each from the bit on that stands before it; no two of them share one."""
    placed = [signal * 2.0**place if place else signal for place, signal in parts]
    whole = placed[0]
    for part in placed[1:]:
        whole = whole + part
    return whole


def at_least(value, threshold: int, hwconf):
    """One bit: value ≥ threshold."""
    value = variable(value, hwconf)
    if value.low >= threshold:
        return variable(1, hwconf)
    if value.high < threshold:
        return variable(0, hwconf)
    if threshold == 1 and value.low == 0 and value.high == 1:
        return value
    if value._factor < 0:  # of its negative: no carry chain for the sign
        return ~at_least(-value, 1 - threshold, hwconf)
    # Bits below the threshold's last one do not matter.
    drop = (threshold & -threshold).bit_length() - 1
    if drop > 0:
        value, threshold = value.quantize(*value.kif[:2], -drop) * 2.0**-drop, threshold >> drop
    return ~plus(value, -threshold).is_negative()


def plus(value, constant: int):
    """value + constant.

    Raises:
        StudyError: the constant is too large for the tool to hold exactly.
    """
    if constant and abs(constant) // (constant & -constant) >= _CONSTANT_LIMIT:
        raise StudyError(f"a constant of {constant} has more than 31 significant bits; fold with coarser numbers")
    return value + float(constant)


def variable(value, hwconf):
    """The signal, or a constant made one."""
    from alkaid.trace import FVariable

    return value if isinstance(value, FVariable) else FVariable.from_const(float(value), hwconf)


def count_for_chains(bits: list, offset: int) -> tuple[list, int]:
    """The popcount of one-bit signals as a few numbers to add, and the rest of the offset: each number takes in as much of it as
    its own bits hold. The first counts six bits, the others five each, which the carry chain that adds them takes in."""
    bits, numbers = sorted(bits, key=lambda bit: bit.latency), []
    while bits:
        group = bits[:CHAIN_LUT_INPUTS if numbers else LUT_INPUTS]
        bits = bits[len(group):]
        more = _room(len(group), offset)
        offset -= more
        numbers.append(_count(group, more) if len(group) > 1 else group[0] + float(more))
    return numbers, offset


def count_by_tables(bits: list, offset: int) -> tuple[list, int]:
    """The popcount of one-bit signals as two numbers to add, and the rest of the offset; by tables alone, in little time.

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
