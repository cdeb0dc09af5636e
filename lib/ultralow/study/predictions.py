"""Compute what trained networks predict for the test part, and the values that figures show of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ultralow import metrics
from ultralow.data.dataset import Dataset
from ultralow.exact.load import load_network

# Rows of the test part and permutations of each feature that its importance is measured on.
IMPORTANCE_ROWS, REPEATS, SEED = 10_000, 3, 1


@dataclass(frozen=True)
class Predictions:
    """Labels (rows,), and for each seed logits (rows, classes), float64; of a regression targets and outputs (rows, targets).
    ``weights`` (rows,): how much each row counts; None: all alike."""

    labels: np.ndarray
    logits: dict[int, np.ndarray]
    weights: np.ndarray | None = None


def compute(networks: Mapping[int, Path], test: Dataset, known: Mapping[int, np.ndarray] | None = None) -> Predictions:
    """The outputs of each seed's network, read from its file, on the test part; ``known`` are those of some seeds already."""
    logits = dict(known or {})
    for seed in networks.keys() - logits.keys():
        network = load_network(networks[seed])
        logits[seed] = network.logits(network.encode(test.x_test))
    return Predictions(test.y_test, {seed: logits[seed] for seed in networks}, test.w_test)


def drawn_values(predictions: Predictions, hardware_seed: int, test: Dataset) -> dict[str, dict]:
    """What the figures of the report need of the rows, for train.json.

    Returns:
        ``roc``: for each class that has a curve the values of the band over the seeds (:class:`ultralow.metrics.Band`);
        of a regression ``estimates``: for each target the hardware seed's :class:`ultralow.metrics.EstimateHistogram`.
    """
    if test.classes:
        return {"roc": {name: band.thinned().values() for name, band in roc_bands(predictions, test.classes).items()}}
    truth, estimates = (values * test.target_scale + test.target_mean
                        for values in (predictions.labels, predictions.logits[hardware_seed]))
    return {"estimates": {name: metrics.estimate_histogram(truth[:, index], estimates[:, index]).values()
                          for index, name in enumerate(test.targets)}}


def roc_bands(predictions: Predictions, classes: tuple[str, ...]) -> dict[str, metrics.Band]:
    """ROC bands over the seeds, by class; a class without rows in the test part is left out."""
    curves = [metrics.roc_per_class(logits, predictions.labels, classes, predictions.weights)
              for logits in predictions.logits.values()]
    return {name: metrics.band([of_seed[name] for of_seed in curves])
            for name in classes if all(name in of_seed for of_seed in curves)}


def permutation_importance(network, test: Dataset, rows: int = IMPORTANCE_ROWS, repeats: int = REPEATS
                           ) -> list[dict]:
    """What each feature is worth to an exact network: permutation importance (Breiman 2001) on the first ``rows`` rows of the
    test part.

    Returns:
        for each ``feature`` ``drop``, the accuracy (a share; of a regression R²) that is lost when the feature's values are
        permuted among the rows, mean over ``repeats`` seeded permutations, and ``deviation``, their standard deviation (None
        of a single one). All networks get the same permutations.
    """
    x, labels = test.x_test[:rows], test.y_test[:rows]
    whole = metrics.judged(network.logits(network.encode(x)), labels)
    importance = []
    for position, feature in enumerate(test.features):
        drops = []
        for repeat in range(repeats):
            shuffled = x.copy()
            order = np.random.default_rng([SEED, position, repeat]).permutation(len(x))
            shuffled[:, position] = x[order, position]
            drops.append(whole - metrics.judged(network.logits(network.encode(shuffled)), labels))
        importance.append({"feature": feature, "drop": round(float(np.mean(drops)), 5),
                           "deviation": None if repeats < 2 else round(metrics.deviation(drops), 5)})
    return importance
