"""Measure a network's outputs: accuracy, AUC, ROC curves, confusion; R² of a regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ROC_POINTS = 500
# How ROC curves are drawn: decades of background efficiency, the smallest one, and the shift of a line that nobody sees.
DRAWN_DECADES, SMALLEST_EFFICIENCY, DRAWN_TOLERANCE = 4, 1e-6, 0.002


def both(logits: np.ndarray) -> np.ndarray:
    """Logits (rows, classes); a single output tells two classes apart, of which the first has logit 0."""
    return logits if logits.shape[1] > 1 else np.hstack([np.zeros_like(logits), logits])


def softmax(logits: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    """Probabilities (rows, classes) of ``logits``; by default in float64: float32 would tie scores near 1."""
    logits = both(np.asarray(logits, dtype))
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
    return float(np.mean(cross_entropies(outputs, y)))


def cross_entropies(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cross-entropy (rows,), nats, of each row's logits (rows, classes) for its label."""
    logits = both(logits)
    logits = logits - logits.max(axis=1, keepdims=True)
    return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]


def determination(outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
    """R², the share of the targets' variance that the outputs (rows, targets) explain, mean over the targets; of a target that
    is the same in all rows, which has no variance, 1 where every output is right and else 0, as scikit-learn has it."""
    mean = np.average(y, axis=0, weights=weights)
    left = np.average((outputs - y) ** 2, axis=0, weights=weights)
    constant = (y == y[0]).all(axis=0)
    variance = np.where(constant, 1, np.average((y - mean) ** 2, axis=0, weights=weights))
    return float(np.mean(np.where(constant, left == 0, 1 - left / variance)))


def quality(y: np.ndarray) -> str:
    """What a network is chosen by, the more the better: accuracy, or r2 of a regression."""
    return "r2" if y.dtype.kind == "f" else "accuracy"


def judged(outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The :func:`quality` of outputs."""
    return (determination if quality(y) == "r2" else accuracy)(outputs, y, weights)


def deviation(values: Sequence[float] | np.ndarray) -> float | None:
    """Sample standard deviation (n - 1 in the denominator); None of fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


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

    probability, curves = softmax(logits), {}
    for index, name in enumerate(classes):
        truth = labels == index
        if truth.any() and not truth.all():
            background, signal, _ = roc_curve(truth, probability[:, index], sample_weight=weights)
            keep = _thinned(signal, background)
            curves[name] = Roc(signal[keep], background[keep], float(auc(background, signal)))
    return curves


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

    @classmethod
    def from_values(cls, values: Mapping[str, Sequence[float]], areas: Sequence[float]) -> Band:
        """The band of :meth:`values` and the exact AUC of each seed."""
        signal, mean = (np.asarray(values[name], np.float64) for name in ("signal", "mean"))
        low, high = (np.asarray(values.get(name, mean), np.float64) for name in ("low", "high"))
        return cls(signal, mean, low, high, *_mean_and_deviation(areas))

    def values(self) -> dict[str, list[float]]:
        """The curves to four significant digits, without the AUC; of a single seed the mean alone."""
        names = ("signal", "mean", *(() if self.auc_std is None else ("low", "high")))
        return {name: [float(f"{value:.4g}") for value in getattr(self, name)] for name in names}

    def thinned(self, tolerance: float = DRAWN_TOLERANCE) -> Band:
        """The same band at fewer signal efficiencies.

        Joined by straight lines on a logarithmic axis of four decades, as figures show them, no curve lies further from
        what it was than ``tolerance`` of the drawing's width (Douglas and Peucker 1973).
        """
        curves = (self.mean,) if self.auc_std is None else (self.mean, self.low, self.high)
        heights = [np.log10(np.maximum(curve, SMALLEST_EFFICIENCY)) / DRAWN_DECADES for curve in curves]
        rises = np.flatnonzero(np.diff(self.mean > 0))  # a log axis has no place for zero: the curve begins exactly here
        keep = sorted({0, *rises.tolist(), *(rises + 1).tolist(), len(self.signal) - 1})
        open_intervals = list(zip(keep, keep[1:]))
        while open_intervals:
            first, last = open_intervals.pop()
            distances = [_distances(self.signal, height, first, last) for height in heights]
            if last - first > 1 and (worst := np.max(distances, axis=0)).max() > tolerance:
                middle = first + 1 + int(worst.argmax())
                keep.append(middle)
                open_intervals += [(first, middle), (middle, last)]
        points = np.sort(keep)
        return Band(self.signal[points], self.mean[points], self.low[points], self.high[points], self.auc_mean, self.auc_std)


def band(curves: Sequence[Roc]) -> Band:
    """The band of one class over seeds. A single seed has a band of no width and no standard deviation."""
    grid = np.linspace(0.0, 1.0, 401)
    # A vertical step of the curve belongs to its lower end: the smallest background that reaches the efficiency.
    lines = np.stack([np.interp(grid, *_lower_ends(curve)) for curve in curves])
    return Band(grid, lines.mean(0), lines.min(0), lines.max(0), *_mean_and_deviation([curve.auc for curve in curves]))


@dataclass(frozen=True)
class EstimateHistogram:
    """How a regression's estimates of one target lie about the truth, in the target's unit.

    Attributes:
        ends: smallest and largest value of the histogram; a thousandth of the true values lies beyond either.
        counts: (bins, bins) rows by truth (first axis) and estimate.
        slice_truth, slice_error, slice_deviation: mean truth, mean error and the error's standard deviation in slices of the
            truth that hold equally many rows.
        rmse: root mean square error of all rows.
    """

    ends: tuple[float, float]
    counts: np.ndarray
    slice_truth: np.ndarray
    slice_error: np.ndarray
    slice_deviation: np.ndarray
    rmse: float

    @classmethod
    def from_values(cls, values: Mapping[str, object]) -> EstimateHistogram:
        """The histogram of :meth:`values`."""
        arrays = {name: np.asarray(values[name], float) for name in ("counts", "slice_truth", "slice_error", "slice_deviation")}
        return cls(tuple(values["ends"]), rmse=values["rmse"], **arrays)

    def values(self) -> dict[str, object]:
        """The attributes, as a JSON file takes them."""
        return {"ends": list(self.ends), "counts": self.counts.astype(int).tolist(), "slice_truth": self.slice_truth.tolist(),
                "slice_error": self.slice_error.tolist(), "slice_deviation": self.slice_deviation.tolist(), "rmse": self.rmse}


def estimate_histogram(truth: np.ndarray, estimates: np.ndarray, bins: int = 60, slices: int = 15) -> EstimateHistogram:
    """Of the true values and the estimates (rows,) of one target, in its unit."""
    ends = tuple(np.quantile(truth, (0.001, 0.999)).tolist())
    counts = np.histogram2d(truth, estimates, bins=bins, range=(ends, ends))[0]
    edges = np.unique(np.quantile(truth, np.linspace(0, 1, slices + 1)))
    place = np.clip(np.searchsorted(edges, truth, side="right") - 1, 0, max(len(edges) - 2, 0))
    rows = [place == index for index in range(len(edges) - 1)]
    errors = estimates - truth
    return EstimateHistogram(ends, counts, np.array([truth[chosen].mean() for chosen in rows]),
                             np.array([errors[chosen].mean() for chosen in rows]),
                             np.array([errors[chosen].std() for chosen in rows]), float(np.sqrt(np.mean(errors**2))))


def _mean_and_deviation(areas: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation, which a single value does not have."""
    return float(np.mean(areas)), deviation(areas)


def _distances(x: np.ndarray, y: np.ndarray, first: int, last: int) -> np.ndarray:
    """Distances of the points between ``first`` and ``last`` from the line that joins those two."""
    slope = (y[last] - y[first]) / (x[last] - x[first])
    line = y[first] + slope * (x[first + 1:last] - x[first])
    return np.abs(y[first + 1:last] - line) / np.hypot(1.0, slope)


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
