"""Round numbers to fixed-point formats, and describe their grid and range."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ultralow.errors import StudyError

REACH = 8  # see dyadic
_FORMAT = re.compile(r"(u?)fixed<(\d+),(-?\d+)>")


@dataclass(frozen=True)
class Fixed:
    """A fixed-point format as in ap_fixed<bits, integer>: ``bits`` in all, ``integer`` of them before the point.

    Signed formats count the sign among the integer bits. Values are multiples of ``step`` from ``low`` to ``high``.
    """

    bits: int
    integer: int
    signed: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 48:
            raise StudyError(f"{self}: bits must be 1 to 48 so that sums stay exact in 64-bit integers")

    @classmethod
    def parse(cls, text: str) -> Fixed:
        """The format written as ``fixed<8,3>`` or ``ufixed<8,0>``.

        Raises:
            StudyError: the text has another form.
        """
        match = _FORMAT.fullmatch(text.replace(" ", ""))
        if not match:
            raise StudyError(f"number format {text!r} is not of the form fixed<bits,integer> or ufixed<bits,integer>")
        return cls(int(match[2]), int(match[3]), signed=not match[1])

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}fixed<{self.bits},{self.integer}>"

    @property
    def fraction(self) -> int:
        """Bits after the point (negative: the grid is coarser than 1)."""
        return self.bits - self.integer

    @property
    def step(self) -> float:
        return 2.0**-self.fraction

    @property
    def low_code(self) -> int:
        return -(2 ** (self.bits - 1)) if self.signed else 0

    @property
    def high_code(self) -> int:
        return 2 ** (self.bits - 1) - 1 if self.signed else 2**self.bits - 1

    @property
    def low(self) -> float:
        return self.low_code * self.step

    @property
    def high(self) -> float:
        return self.high_code * self.step

    def codes(self, values: np.ndarray, rounding: str = "floor") -> np.ndarray:
        """Integer codes (same shape, int64) of real ``values``; the value is code × step.

        ``rounding`` is ``floor`` (AP_TRN) or ``nearest`` (halves to even). Out of range saturates (AP_SAT).
        """
        scaled = np.asarray(values, np.float64) * 2.0**self.fraction
        rounded = np.floor(scaled) if rounding == "floor" else np.rint(scaled)
        return np.clip(rounded, self.low_code, self.high_code).astype(np.int64)

    def quantise(self, values: np.ndarray, rounding: str = "floor") -> np.ndarray:
        """``values`` on the grid, float64, same shape; see :meth:`codes`."""
        return self.codes(values, rounding) * self.step


def integer_format(low: int, high: int, fraction: int = 0) -> Fixed:
    """The smallest signed format with ``fraction`` bits after the point that holds codes ``low`` to ``high``."""
    bits = 1 + max(int(max(high, 0)).bit_length(), int(max(-low - 1, 0)).bit_length(), 1)
    return Fixed(bits, bits - fraction)


def dyadic(values: np.ndarray, significant: int) -> tuple[np.ndarray, int]:
    """Real numbers as integers over one power of two, each rounded to ``significant`` bits of its own.

    Numbers smaller than the largest by more than 2^REACH lose bits to the common grid.

    Returns:
        integers (int64, same shape) and fraction, so that value ≈ integer × 2^−fraction.
    """
    mantissas, exponents = np.frexp(np.asarray(values, np.float64))
    rounded = np.ldexp(np.rint(np.ldexp(mantissas, significant)), exponents - significant)
    fraction = significant + REACH - int(np.frexp(np.abs(rounded).max(initial=0.0))[1])
    codes = np.rint(np.ldexp(rounded, fraction)).astype(np.int64)
    # No finer a grid than the numbers need.
    spare = int(np.bitwise_or.reduce(codes, axis=None))
    spare = (spare & -spare).bit_length() - 1 if spare else 0
    return codes >> spare, fraction - spare
