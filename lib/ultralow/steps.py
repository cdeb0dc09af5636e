"""Knows how a sum becomes a rectified code of few bits: as a table of the sum's low bits, instead of by arithmetic.

⌊(scale·sum + offset)/2^drop⌋, held between 0 and a ceiling, is a staircase: 0 up to some sum, then one step after the
other, then the ceiling. If all steps lie within 2^n successive sums, the sum's n low bits tell where on the stairs it is,
and two comparisons whether it is below or above them. That is two or three tables deep, where scaling, offset,
rounding and saturating are two to four carry chains one behind the other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# Stairs wider than this cost more in tables than in arithmetic.
MOST_BITS = 9


def staircase(value, scale: int, offset: int, drop: int, ceiling: int, at_least: Callable):
    """min(ceiling, max(0, ⌊(scale·value + offset)/2^drop⌋)) of an integer signal, or None where the stairs are wide.

    Args:
        value: an alkaid FVariable.
        at_least: makes the one-bit signal value ≥ threshold of a value and a threshold.
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
    stairs = value.quantize(0, bits, 0).lookup(codes.astype(np.float64), (0.0, 2.0**bits - 1, 1.0))
    above = at_least(value, start + 2**bits).msb_mux(float(high), stairs)
    return at_least(value, start).msb_mux(above, float(low))
