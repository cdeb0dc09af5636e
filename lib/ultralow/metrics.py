"""Knows what is measured on a network's outputs: accuracy, AUC, ROC curves, confusion; of a regression RMSE and R²."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROC_POINTS = 500


def both(logits: np.ndarray) -> np.ndarray:
    """Logits (rows, classes); a single output tells two classes apart, of which the first has logit 0."""
    return logits if logits.shape[1] > 1 else np.hstack([np.zeros_like(logits), logits])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (rows, classes) of ``logits``, in float64: float32 would tie scores near 1."""
    logits = both(np.asarray(logits, np.float64))
    power = np.exp(logits - logits.max(axis=1, keepdims=True))
    return power / power.sum(axis=1, keepdims=True)


def accuracy(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Share of rows whose largest logit is the true class; the first of equal logits counts, as in hardware."""
    return float(np.average(np.argmax(both(logits), axis=1) == labels, weights=weights))


def confusion(logits: np.ndarray, labels: np.ndarray, classes: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Counts, or sums of weights, (true class, predicted class); square also where a class has no row."""
    from sklearn.metrics import confusion_matrix  # seconds to import, and most stages need none of it

    return confusion_matrix(labels, np.argmax(both(logits), axis=1), labels=np.arange(classes), sample_weight=weights)


def loss(outputs: np.ndarray, y: np.ndarray) -> float:
    """Mean cross-entropy of logits (rows, classes) for labels (rows,); of a regression, y (rows, targets), the mean
    squared error."""
    if y.dtype.kind == "f":
        return float(np.mean((outputs - y) ** 2))
    logits = both(outputs)
    logits = logits - logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]))


def determination(outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
    """R², the share of the targets' variance that the outputs (rows, targets) explain, mean over the targets."""
    mean = np.average(y, axis=0, weights=weights)
    left = np.average((outputs - y) ** 2, axis=0, weights=weights)
    return float(np.mean(1 - left / np.average((y - mean) ** 2, axis=0, weights=weights)))


def quality(y: np.ndarray) -> str:
    """What a network is chosen by, the more the better: accuracy, or r2 of a regression."""
    return "r2" if y.dtype.kind == "f" else "accuracy"


def judged(outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The :func:`quality` of outputs."""
    return (determination if quality(y) == "r2" else accuracy)(outputs, y, weights)


@dataclass(frozen=True)
class Roc:
    """A ROC curve: background efficiency at each signal efficiency, both ascending; and its exact AUC."""

    signal: np.ndarray
    background: np.ndarray
    auc: float


def roc_per_class(logits: np.ndarray, labels: np.ndarray, classes: Sequence[str],
                  weights: np.ndarray | None = None) -> dict[str, Roc]:
    """One-against-rest curves on the softmax probabilities, at most ROC_POINTS points each.

    A class that has no row, or every row, has no curve and is left out.
    """
    from sklearn.metrics import auc, roc_curve

    probability, found = softmax(logits), {}
    for index, name in enumerate(classes):
        truth = labels == index
        if truth.any() and not truth.all():
            background, signal, _ = roc_curve(truth, probability[:, index], sample_weight=weights)
            keep = _thinned(signal, background)
            found[name] = Roc(signal[keep], background[keep], float(auc(background, signal)))
    return found


def auc_per_class(logits: np.ndarray, labels: np.ndarray, classes: Sequence[str],
                  weights: np.ndarray | None = None) -> dict[str, float | None]:
    """One-against-rest AUC of each class; None where the rows hold only one side."""
    curves = roc_per_class(logits, labels, classes, weights)
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
