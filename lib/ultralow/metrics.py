"""Knows what is measured on a classifier's outputs: accuracy, AUC, ROC curves, confusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROC_POINTS = 500


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (rows, classes) of ``logits``, in float64: float32 would tie scores near 1."""
    logits = np.asarray(logits, np.float64)
    power = np.exp(logits - logits.max(axis=1, keepdims=True))
    return power / power.sum(axis=1, keepdims=True)


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Share of rows whose largest logit is the true class; the first of equal logits counts, as in hardware."""
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def confusion(logits: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Counts (true class, predicted class), int64; square also where a class has no row."""
    from sklearn.metrics import confusion_matrix  # seconds to import, and most stages need none of it

    return confusion_matrix(labels, np.argmax(logits, axis=1), labels=np.arange(classes))


@dataclass(frozen=True)
class Roc:
    """A ROC curve: background efficiency at each signal efficiency, both ascending; and its exact AUC."""

    signal: np.ndarray
    background: np.ndarray
    auc: float


def roc_per_class(logits: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, Roc]:
    """One-against-rest curves on the softmax probabilities, at most ROC_POINTS points each.

    A class that has no row, or every row, has no curve and is left out.
    """
    from sklearn.metrics import auc, roc_curve

    probability, found = softmax(logits), {}
    for index, name in enumerate(classes):
        truth = labels == index
        if truth.any() and not truth.all():
            background, signal, _ = roc_curve(truth, probability[:, index])
            keep = _thinned(signal, background)
            found[name] = Roc(signal[keep], background[keep], float(auc(background, signal)))
    return found


def auc_per_class(logits: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, float | None]:
    """One-against-rest AUC of each class; None where the rows hold only one side."""
    curves = roc_per_class(logits, labels, classes)
    return {name: curves[name].auc if name in curves else None for name in classes}


@dataclass(frozen=True)
class Band:
    """ROC curves of several seeds: mean, smallest and largest background efficiency at each signal efficiency."""

    signal: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    auc_mean: float
    auc_std: float | None


def band(curves: Sequence[Roc]) -> Band:
    """The band of one class over seeds. A single seed has a band of no width and no standard deviation."""
    grid = np.linspace(0.0, 1.0, 401)
    # A vertical step of the curve belongs to its lower end: the smallest background that reaches the efficiency.
    lines = np.stack([np.interp(grid, *_lower_ends(curve)) for curve in curves])
    areas = [curve.auc for curve in curves]
    std = float(np.std(areas, ddof=1)) if len(areas) > 1 else None
    return Band(grid, lines.mean(0), lines.min(0), lines.max(0), float(np.mean(areas)), std)


def _lower_ends(curve: Roc) -> tuple[np.ndarray, np.ndarray]:
    signal, first = np.unique(curve.signal, return_index=True)
    return signal, curve.background[first]


def _thinned(signal: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Positions of at most ROC_POINTS points: even in signal, and even in log background, as the plot shows them."""
    if len(signal) <= ROC_POINTS:
        return np.arange(len(signal))
    half = ROC_POINTS // 2 - 1
    smallest = background[background > 0].min(initial=1.0)
    even = np.searchsorted(signal, np.linspace(0.0, 1.0, half))
    log = np.searchsorted(background, np.geomspace(smallest, 1.0, half))
    keep = np.unique(np.concatenate([[0, len(signal) - 1], even, log]))
    return keep[keep < len(signal)]
