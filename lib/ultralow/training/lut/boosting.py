"""Grow tables of a few bits by boosting: each takes the bits that tell most of what the tables before it got wrong.

A table is a tree that asks the same bit on each of its levels (an oblivious one), so it is a look-up table of these bits. It
votes for one class, or does not. As in gradient boosting the gain of a bit is that of the second-order expansion of the loss
(arXiv:1603.02754).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ultralow.errors import Log
from ultralow import metrics

_RIDGE = 3.0  # added to every sum of second derivatives: leaves of few rows say little


@dataclass(frozen=True)
class Growth:
    """What is to be grown: so many ``tables`` of so many ``inputs``.

    Attributes:
        candidates: bits of which each table chooses; rows: on which it does, at most.
        vote: what a vote adds to its class's logit.
    """

    tables: int
    inputs: int
    candidates: int
    rows: int
    vote: float


def grow(bits: np.ndarray, y: np.ndarray, classes: int, growth: Growth, rng: np.random.Generator,
         log: Log) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tables, the same number for each class, in turns.

    Args:
        bits: what tables read, 0 or 1, uint8 (rows, bits); y: classes (rows,).

    Returns:
        of each table its class (tables,), the bits that it reads (tables, inputs), lowest of the key first, and its values
        before rounding (tables, 2^inputs): 1 is a vote.
    """
    inputs, place = growth.inputs, 1 << np.arange(growth.inputs)
    scores = np.zeros((len(bits), classes), np.float32)
    grown: list[tuple[int, np.ndarray, np.ndarray]] = []
    used = np.flatnonzero((bits.min(0) == 0) & (bits.max(0) == 1))
    turns = [c for _ in range(growth.tables // classes) for c in rng.permutation(classes)] + list(range(growth.tables % classes))
    for number, of in enumerate(turns, start=1):
        some = rng.choice(len(bits), min(growth.rows, len(bits)), replace=False)
        slope, curve = _derivatives(scores[some], y[some], of)
        offered = rng.choice(used, min(growth.candidates, len(used)), replace=False)
        chosen = offered[_questions(bits[np.ix_(some, offered)].astype(np.float32), slope, curve, inputs)]
        code = bits[:, chosen].astype(np.int64) @ place
        sums = [np.bincount(code[some], weights, 2**inputs) for weights in (slope, curve)]
        leaf = sums[0] / (sums[1] + _RIDGE)
        votes = (leaf > 0).astype(np.float32)[code]
        scores[:, of] += growth.vote * (votes - votes.mean())
        grown.append((of, chosen, 0.5 + np.clip(0.5 * leaf, -0.4, 0.4)))
        if number % max(1, len(turns) // 5) == 0:
            log(f"{number}/{len(turns)} tables grown, accuracy on their rows {np.mean(scores.argmax(1) == y):.4f}")
    return tuple(np.array(part) for part in zip(*grown))


def _derivatives(scores: np.ndarray, y: np.ndarray, of: int) -> tuple[np.ndarray, np.ndarray]:
    """Minus the cross entropy's slope, and its curvature, in the logit of class ``of``."""
    share = metrics.softmax(scores, np.float32)[:, of]
    return (y == of) - share, share * (1 - share) + 1e-6


def _questions(bits: np.ndarray, slope: np.ndarray, curve: np.ndarray, depth: int) -> np.ndarray:
    """The columns of ``bits`` (rows, candidates) that an oblivious tree of this depth asks, best first."""
    leaf, chosen = np.zeros(len(bits), np.int64), []
    for level in range(min(depth, bits.shape[1])):
        of = np.zeros((2**level, len(bits)), np.float32)
        of[leaf, np.arange(len(bits))] = 1
        one, one_curve = (of * slope) @ bits, (of * curve) @ bits
        whole, whole_curve = (of @ slope)[:, None], (of @ curve)[:, None]
        gain = (one**2 / (one_curve + _RIDGE) + (whole - one) ** 2 / (whole_curve - one_curve + _RIDGE)).sum(0)
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
        leaf = leaf * 2 + bits[:, chosen[-1]].astype(np.int64)
    return np.array(chosen)
