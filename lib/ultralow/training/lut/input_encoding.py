"""Lay features onto few codes: choose the range of each that is worth its codes, and what a table reads of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ultralow.fixed_point import Fixed
from ultralow.exact.base import encode

_ROWS = 100_000  # that ranges are chosen on


@dataclass(frozen=True)
class Keys:
    """How a feature becomes a table's key: the upper ``bits`` (features,) of its code in ``form``, behind a gain and a move each
    (features,); None, None: as it is."""

    form: Fixed
    bits: np.ndarray
    gain: np.ndarray | None
    move: np.ndarray | None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Keys, int64, of features; (rows, features) both."""
        return self.of(self.encode(x))

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Features on the grid of the format; (rows, features) both."""
        return encode(x, self.form, self.gain, self.move)

    def of(self, encoded: np.ndarray) -> np.ndarray:
        """Keys of encoded features."""
        return self.form.codes(encoded) >> self.form.bits - self.bits


def fitted(x: np.ndarray, y: np.ndarray, form: Fixed, bits: np.ndarray | int) -> Keys:
    """Keys of so many bits, ranges chosen on the first of these rows (rows, features) and their classes (rows,). Features of one
    bit, pixels, stay as they are."""
    bits = np.broadcast_to(bits, x.shape[1])
    return Keys(form, bits, *((None, None) if form.bits == 1 else chosen(x[:_ROWS], y[:_ROWS], bits, form)))


def chosen(x: np.ndarray, y: np.ndarray, bits: np.ndarray, form: Fixed) -> tuple[np.ndarray, np.ndarray]:
    """Gain and move (features,) that lay each feature onto the format where its codes, of so many ``bits``, tell most of the
    class: of a grid of ranges the one with the largest mutual information. (rows, features), (rows,) from 0."""
    lows = np.percentile(x, [0.05, 0.2, 0.5, 1, 2, 4, 7, 11, 16, 22], axis=0)
    highs = np.percentile(x, [99.95, 99.8, 99.5, 99, 98, 97, 96, 95, 93.5, 92, 90, 88, 86, 84, 81, 78, 74, 70], axis=0)
    classes, ranges = int(y.max()) + 1, []
    for column, (values, levels) in enumerate(zip(x.T, 2**bits)):
        best = (-1.0, 0.0, 1.0)
        for low in lows[:, column]:
            for high in highs[:, column]:
                if high <= low:
                    continue
                code = np.clip(np.floor((values - low) / (high - low) * levels), 0, levels - 1).astype(np.int64)
                best = max(best, (_information(code * classes + y, levels, classes), float(low), float(high)))
        ranges.append(best[1:])
    low, high = np.array(ranges).T
    gain = (form.high_code - form.low_code + 1) * form.step / (high - low)
    return gain, form.low - low * gain


def _information(joint: np.ndarray, levels: int, classes: int) -> float:
    """Mutual information (nats) of code and class, of code·classes + class."""
    share = np.bincount(joint, minlength=levels * classes).reshape(levels, classes) / len(joint)
    there = share > 0
    return float((share[there] * np.log((share / (share.sum(1, keepdims=True) * share.sum(0) + 1e-300))[there])).sum())
