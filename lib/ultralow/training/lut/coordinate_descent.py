"""Improve the whole numbers in trained tables without gradients: each is changed where that lowers the loss.

Training moves real numbers and rounds them as it goes; which whole numbers go well together it cannot say. But of a table a row
reads one value only. So what changing each of its values would do is counted exactly, for all of them in one look at the rows,
and the table becomes the best that it can, one table after the other, over and over. Rows that a change touches are computed
again; what it does to the others' losses is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
from numba import njit

from ultralow.errors import Log

# Of a logit's unit, after each pass: better values are worth another one.
_FACTORS = (0.85, 0.92, 0.96, 1.0, 1.04, 1.08, 1.17)


class _Arrays(NamedTuple):
    """What compiled loops read and change. By rows: whole logits, their powers and the targets (rows, classes), where the sum
    stands (rows,), and by how much each step changes the loss (rows, steps). By steps: the steps (steps,), and what each adds to
    the logits: whole, real, and as a factor of the powers (steps, levels, classes)."""

    logits: np.ndarray
    powers: np.ndarray
    targets: np.ndarray
    at: np.ndarray
    change: np.ndarray
    steps: np.ndarray
    rise: np.ndarray
    real: np.ndarray
    grown: np.ndarray


class Rows:
    """The training rows: whole ``logits`` (rows, classes), int32, ``targets``, probabilities of the same shape, ``unit`` of a
    logit. Summands change through :class:`Summed`; :meth:`settle` is due after some."""

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
        self.rows, self.steps, self.at = rows, np.asarray(steps, np.int64), at
        rise = rise.astype(np.int32)
        real = (rise * rows.unit).astype(np.float32)
        self._arrays = _Arrays(rows.logits, rows.powers, rows.targets, at, np.empty((len(at), len(self.steps)), np.float32),
                               self.steps, rise, real, np.exp(real))
        _change_all(self._arrays)

    @classmethod
    def output(cls, rows: Rows, steps: np.ndarray, column: int) -> Self:
        """The logit of a class. It has one level: a step adds the same wherever it stands."""
        rise = np.zeros((len(steps), 1, rows.logits.shape[1]), np.int64)
        rise[:, 0, column] = steps
        return cls(rows, steps, rise, np.zeros(len(rows.logits), np.int64))

    def gains(self, code: np.ndarray, codes: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean change of the loss, and its standard error, if the value of each code (``code``: (rows,)) went one step; both
        (codes, steps)."""
        total, square = _by_code(self._arrays.change, code, codes)
        return total / len(code), np.sqrt(square) / len(code)

    def move(self, code: np.ndarray, by: np.ndarray) -> None:
        """Changes the value of each code by so much (codes,): one of the steps, or 0."""
        index = np.full(len(by), -1)
        for position, step in enumerate(self.steps):
            index[by == step] = position
        _move(self._arrays, code, index)


def repeat(sweep: Callable[[], int], passes: int, rows: Rows, log: Log) -> list[float]:
    """Runs a sweep over all tables, which tells how many values it changed, so many times: the loss after each."""
    losses = []
    for number in range(1, passes + 1):
        begun, before, changed = time.monotonic(), rows.loss(), sweep()
        rows.settle()
        losses.append(rows.loss())
        log(f"polishing {number} of {passes}: {changed} values changed, loss {before:.4f} to {losses[-1]:.4f}, "
            f"{time.monotonic() - begun:.0f} s")
    return losses


@njit(cache=True)
def _change_of(row, arrays):
    powers, targets, at = arrays.powers, arrays.targets, arrays.at[row]
    total = 0.0
    for c in range(powers.shape[1]):
        total += powers[row, c]
    for k in range(arrays.real.shape[0]):
        after, wanted = 0.0, 0.0
        for c in range(powers.shape[1]):
            after += powers[row, c] * arrays.grown[k, at, c]
            wanted += targets[row, c] * arrays.real[k, at, c]
        arrays.change[row, k] = np.log(after / total) - wanted


@njit(cache=True)
def _change_all(arrays):
    for row in range(len(arrays.at)):
        _change_of(row, arrays)


@njit(cache=True)
def _by_code(change, code, codes):
    total, square = np.zeros((codes, change.shape[1])), np.zeros((codes, change.shape[1]))
    for row in range(len(code)):
        for k in range(change.shape[1]):
            total[code[row], k] += change[row, k]
            square[code[row], k] += change[row, k] ** 2
    return total, square


@njit(cache=True)
def _move(arrays, code, index):
    logits, powers, at = arrays.logits, arrays.powers, arrays.at
    for row in range(len(code)):
        k = index[code[row]]
        if k < 0:
            continue
        for c in range(powers.shape[1]):
            logits[row, c] += arrays.rise[k, at[row], c]
            powers[row, c] *= arrays.grown[k, at[row], c]
        at[row] = (at[row] + arrays.steps[k]) % arrays.rise.shape[1]
        _change_of(row, arrays)
