"""Knows how the whole numbers in trained tables get better without gradients: each is changed where that lowers the loss.

Training moves real numbers and rounds them as it goes; which whole numbers go well together it cannot say. But of a table a row reads
one value only. So what changing each of its values would do is counted exactly, for all of them in one look at the rows, and the
table becomes the best that it can, one table after the other, over and over. Rows that a change touches are computed again; what it
does to the others' losses is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self

import numpy as np
from numba import njit

# Of a logit's unit, after each pass: better values are worth another one.
_FACTORS = (0.85, 0.92, 0.96, 1.0, 1.04, 1.08, 1.17)


class Rows:
    """The training rows: whole ``logits`` (rows, classes), int32, ``targets``, probabilities of the same shape, ``unit`` of a logit.
    Summands change through :class:`Summed`; :meth:`settle` is due after some."""

    def __init__(self, logits: np.ndarray, targets: np.ndarray, unit: float):
        self.logits, self.targets, self.unit = logits.astype(np.int32), targets.astype(np.float32), unit
        self.settle()

    def loss(self) -> float:
        """Mean cross-entropy, nats."""
        return self._loss(self.unit)

    def settle(self) -> None:
        """Takes the best unit next to the one before."""
        units = [self.unit * factor for factor in _FACTORS]
        self.unit = min(units, key=self._loss)
        self.powers, _ = self._softmax(self.unit)

    def _softmax(self, unit: float) -> tuple[np.ndarray, np.ndarray]:
        scaled = self.logits * np.float32(unit)
        scaled -= scaled.max(1, keepdims=True)
        return np.exp(scaled), scaled

    def _loss(self, unit: float) -> float:
        powers, scaled = self._softmax(unit)
        return float((np.log(powers.sum(1)) - (self.targets * scaled).sum(1)).mean(dtype=np.float64))


class Summed:
    """A sum of tables, and what its change by each of ``steps`` (steps,), none of them 0, does to the loss.

    ``at`` (rows,) is where the sum stands, of the levels of ``rise`` (steps, levels, classes): what a step from there adds to the
    logits, whole numbers. It wraps.
    """

    def __init__(self, rows: Rows, steps: np.ndarray, rise: np.ndarray, at: np.ndarray):
        self.rows, self.steps, self._rise, self.at = rows, np.asarray(steps, np.int64), rise.astype(np.int32), at
        self._real = (self._rise * rows.unit).astype(np.float32)
        self._grown = np.exp(self._real)
        self._change = np.empty((len(self.at), len(self.steps)), np.float32)
        _all(rows.powers, rows.targets, self.at, self._real, self._grown, self._change)

    @classmethod
    def output(cls, rows: Rows, steps: np.ndarray, column: int) -> Self:
        """The logit of a class. It has one level: a step adds the same wherever it stands."""
        rise = np.zeros((len(steps), 1, rows.logits.shape[1]), np.int64)
        rise[:, 0, column] = steps
        return cls(rows, steps, rise, np.zeros(len(rows.logits), np.int64))

    def gains(self, code: np.ndarray, codes: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean change of the loss, and its standard error, if the value of each code (``code``: (rows,)) went one step; both
        (codes, steps)."""
        total, square = _by_code(self._change, code, codes)
        return total / len(code), np.sqrt(square) / len(code)

    def move(self, code: np.ndarray, by: np.ndarray) -> None:
        """Changes the value of each code by so much (codes,): one of the steps, or 0."""
        index = np.full(len(by), -1)
        for position, step in enumerate(self.steps):
            index[by == step] = position
        _move(self.rows.powers, self.rows.logits, self.rows.targets, self.at, self.steps, self._rise, self._real, self._grown,
              self._change, code, index)


def repeat(sweep: Callable[[], int], passes: int, rows: Rows, log: Callable[[str], None]) -> list[float]:
    """Runs a sweep over all tables, which tells how many values it changed, so many times: the loss after each."""
    found = []
    for number in range(1, passes + 1):
        begun, before, changed = time.monotonic(), rows.loss(), sweep()
        rows.settle()
        found.append(rows.loss())
        log(f"polishing {number} of {passes}: {changed} values changed, loss {before:.4f} to {found[-1]:.4f}, "
            f"{time.monotonic() - begun:.0f} s")
    return found


@njit(cache=True)
def _one(powers, targets, real, grown, at, row, change):
    total = 0.0
    for c in range(powers.shape[1]):
        total += powers[row, c]
    for k in range(real.shape[0]):
        after, wanted = 0.0, 0.0
        for c in range(powers.shape[1]):
            after += powers[row, c] * grown[k, at, c]
            wanted += targets[row, c] * real[k, at, c]
        change[row, k] = np.log(after / total) - wanted


@njit(cache=True)
def _all(powers, targets, at, real, grown, change):
    for row in range(len(at)):
        _one(powers, targets, real, grown, at[row], row, change)


@njit(cache=True)
def _by_code(change, code, codes):
    total, square = np.zeros((codes, change.shape[1])), np.zeros((codes, change.shape[1]))
    for row in range(len(code)):
        for k in range(change.shape[1]):
            total[code[row], k] += change[row, k]
            square[code[row], k] += change[row, k] ** 2
    return total, square


@njit(cache=True)
def _move(powers, logits, targets, at, steps, rise, real, grown, change, code, index):
    for row in range(len(code)):
        k = index[code[row]]
        if k < 0:
            continue
        for c in range(powers.shape[1]):
            logits[row, c] += rise[k, at[row], c]
            powers[row, c] *= grown[k, at[row], c]
        at[row] = (at[row] + steps[k]) % rise.shape[1]
        _one(powers, targets, real, grown, at[row], row, change)
