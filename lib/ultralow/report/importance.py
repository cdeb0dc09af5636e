"""Knows what a folded network uses: what each feature is worth, which pixels are read, which weights are 0."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ultralow.exact import description
from ultralow.data.dataset import Dataset
from ultralow.exact.dense import FoldedNetwork
from ultralow.metrics import judged

ROWS, REPEATS, SEED = 10_000, 3, 1


def importances(networks: Mapping[str, FoldedNetwork], data: Dataset, rows: int = ROWS, repeats: int = REPEATS
                ) -> pd.DataFrame:
    """Permutation importance (Breiman 2001) on the first ``rows`` rows of the test part.

    Returns:
        network, feature, accuracy_drop (a share, of a regression of R²; mean over ``repeats`` seeded permutations of the
        feature's values among the rows) and accuracy_drop_std (their standard deviation). All networks get the same
        permutations.
    """
    found = []
    x, labels = data.x_test[:rows], data.y_test[:rows]
    for name, network in networks.items():
        whole = judged(network.logits(network.encode(x)), labels)
        for position, feature in enumerate(data.features):
            drops = []
            for repeat in range(repeats):
                shuffled = x.copy()
                order = np.random.default_rng([SEED, position, repeat]).permutation(len(x))
                shuffled[:, position] = x[order, position]
                drops.append(whole - judged(network.logits(network.encode(shuffled)), labels))
            found.append({"network": name, "feature": feature, "accuracy_drop": round(float(np.mean(drops)), 5),
                          "accuracy_drop_std": round(float(np.std(drops, ddof=1)), 5) if repeats > 1 else None})
    return pd.DataFrame(found, columns=["network", "feature", "accuracy_drop", "accuracy_drop_std"])


def readers(network: FoldedNetwork) -> np.ndarray:
    """Share (inputs,) of the first layer's neurons that read each input, of the neurons that the circuit keeps; of a network
    without layers 1 where anything reads it."""
    return description.of(network).readers()


def zero_shares(network: FoldedNetwork) -> list[float]:
    """Share of zero weights of each layer; none of a network that has no matrices of weights."""
    return [float(np.mean(kernel == 0)) for kernel in description.of(network).kernels]
