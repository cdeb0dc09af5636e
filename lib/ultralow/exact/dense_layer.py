"""Compute one folded dense layer exactly: an integer matrix, then thresholds or a fixed-point ReLU."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed

ACTIVATIONS = ("binary", "ternary", "relu", "linear")
ARRAYS = ("kernel", "high", "low", "scale", "offset")


@dataclass(frozen=True, eq=False)
class FoldedLayer:
    """A dense layer and what follows it, on the integer accumulator a = x @ kernel.

    x holds the input's integer codes; one unit of a is 2^−(input fraction + kernel_fraction).

    - binary:  y = +1 where a ≥ high, else −1
    - ternary: y = +1 where a ≥ high, −1 where a ≤ low, else 0 (low < high)
    - relu:    y = format.codes(max(0, a·scale·2^−scale_fraction + offset·2^−offset_fraction)), floor and saturate,
      where a counts in real units
    - linear:  the same affine map, not rounded: the logits

    Shapes: kernel (n_in, n_out); high, low, scale, offset (n_out,); all int64.
    ``weights`` names what the kernel holds: binary (±1), ternary (−1, 0, +1) or fixed.
    """

    kernel: np.ndarray
    activation: str
    weights: str
    kernel_fraction: int = 0
    high: np.ndarray | None = None
    low: np.ndarray | None = None
    scale: np.ndarray | None = None
    scale_fraction: int = 0
    offset: np.ndarray | None = None
    offset_fraction: int = 0
    format: Fixed | None = None

    def __post_init__(self) -> None:
        needs = {"binary": ("high",), "ternary": ("high", "low"), "relu": ("scale", "offset", "format"),
                 "linear": ("scale", "offset")}
        if self.activation not in needs:
            raise StudyError(f"folded layer: activation {self.activation!r} is none of {ACTIVATIONS}")
        allowed = {"binary": (-1, 1), "ternary": (-1, 0, 1)}.get(self.weights)
        if allowed and not np.isin(self.kernel, allowed).all():
            raise StudyError(f"folded layer: a {self.weights} kernel holds other values than {allowed}")
        for name in needs[self.activation]:
            value = getattr(self, name)
            if value is None or (name != "format" and value.shape != (self.kernel.shape[1],)):
                raise StudyError(f"folded layer: {self.activation} needs {name} of shape ({self.kernel.shape[1]},)")
        if self.activation == "ternary" and not (self.low < self.high).all():
            raise StudyError("folded layer: ternary thresholds need low < high")

    def with_constants(self, constant: np.ndarray, values: np.ndarray, span: tuple[int, int]) -> FoldedLayer:
        """The layer with the outputs of the neurons ``constant`` (n_out,) bool fixed at ``values`` (n_out,): −1, 0 or +1 as the
        activation has them, 0 for ReLU. ``span`` is the smallest and largest input code."""
        if self.activation == "relu":
            return replace(self, scale=np.where(constant, 0, self.scale), offset=np.where(constant, 0, self.offset))
        lowest, highest = self.accumulator_range(*span)
        high = np.where(constant, np.where(values > 0, lowest, highest + 1), self.high)
        if self.activation == "binary":
            return replace(self, high=high)
        low = np.where(constant, np.where(values < 0, highest, lowest - 1), self.low)
        return replace(self, high=high, low=low)

    def output_fraction(self, input_fraction: int) -> int:
        """Fraction bits of the layer's output codes."""
        if self.activation in ("binary", "ternary"):
            return 0
        if self.activation == "relu":
            return self.format.fraction
        return max(input_fraction + self.kernel_fraction + self.scale_fraction, self.offset_fraction)

    def output_range(self, input_range: tuple[int, int], input_fraction: int) -> tuple[int, int]:
        """Smallest and largest output code that can occur."""
        if self.activation in ("binary", "ternary"):
            return -1, 1
        if self.activation == "relu":
            return self.format.low_code, self.format.high_code
        low, high = self.accumulator_range(*input_range)
        ends = self._affine(np.stack([low, high]), input_fraction)[0]
        return int(ends.min()), int(ends.max())

    def accumulator_range(self, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest accumulator of each neuron for input codes from ``low`` to ``high``; (n_out,) each."""
        positive, negative = np.maximum(self.kernel, 0).sum(0), np.minimum(self.kernel, 0).sum(0)
        return positive * low + negative * high, positive * high + negative * low

    def __call__(self, codes: np.ndarray, input_fraction: int) -> np.ndarray:
        """Output codes (rows, n_out) of input codes (rows, n_in); int64, exact."""
        return self.activate(self.accumulator(codes), input_fraction)

    def accumulator(self, codes: np.ndarray) -> np.ndarray:
        """Sums (rows, n_out), int64, of input codes (rows, n_in); exact."""
        # float64 products of integers below 2^53 are exact and run on BLAS; FoldedNetwork checks that they stay below.
        return np.rint(codes.astype(np.float64) @ self.kernel.astype(np.float64)).astype(np.int64)

    def activate(self, accumulator: np.ndarray, input_fraction: int) -> np.ndarray:
        """Output codes (rows, n_out) of accumulators (rows, n_out)."""
        if self.activation == "binary":
            return np.where(accumulator >= self.high, 1, -1)
        if self.activation == "ternary":
            return (accumulator >= self.high).astype(np.int64) - (accumulator <= self.low)
        value, fraction = self._affine(accumulator, input_fraction)
        if self.activation == "linear":
            return value
        shift = fraction - self.format.fraction
        floored = value >> shift if shift >= 0 else value << -shift
        return np.clip(floored, 0, self.format.high_code)

    def _affine(self, accumulator: np.ndarray, input_fraction: int) -> tuple[np.ndarray, int]:
        product_fraction = input_fraction + self.kernel_fraction + self.scale_fraction
        fraction = max(product_fraction, self.offset_fraction)
        product = accumulator * self.scale * 2 ** (fraction - product_fraction)
        return product + self.offset * 2 ** (fraction - self.offset_fraction), fraction
