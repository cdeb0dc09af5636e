"""Train a network of Keras layers on a dataset: encode the features, train, fold, refine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ultralow import metrics
from ultralow.data.dataset import Dataset
from ultralow.exact.base import encode
from ultralow.exact.dense import FoldedNetwork
from ultralow.fixed_point import Fixed
from ultralow.networks.recipes import Recipe
from ultralow.networks.spec import NetworkSpec

if TYPE_CHECKING:
    import keras

Log = Callable[[str], None]


def fit(network: NetworkSpec, recipe: Recipe, data: Dataset, seed: int, log: Log, targets: np.ndarray | None = None,
        checkpoint: Path | None = None) -> tuple["keras.Model", FoldedNetwork, dict, float]:
    """The trained network, the folded one, the history, and the folded one's accuracy (of a regression R²) on the
    validation part. ``targets``: a teacher's probabilities of the training rows (rows, classes)."""
    from ultralow.training import folding  # Keras takes seconds: only where it is used
    from ultralow.training.train import Rows, train

    gain, move = encoding(network, recipe, data, seed, log)
    x, x_valid = (encode(part, Fixed.parse(network.input), gain, move) for part in (data.x_train, data.x_valid))
    rows, valid = Rows(x.astype(np.float32), data.y_train, data.w_train, targets), Rows(x_valid.astype(np.float32), data.y_valid)
    model, history = train(network, recipe, rows, valid, seed, log, checkpoint)
    folded = replace(folding.fold(model, network, data.outputs), gain=gain, move=move)
    if recipe.refine:
        from ultralow.training import weight_flips

        folded = weight_flips.refine(folded, x, data.y_train, recipe.refine, seed, log)
    return model, folded, history, metrics.judged(folded.logits(x_valid), data.y_valid, data.w_valid)


def encoding(network: NetworkSpec, recipe: Recipe, data: Dataset, seed: int,
             log: Log) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Gain and move of every feature before the input format, from the training part; None, None: as they are."""
    if recipe.scaling == "standard":
        return None, None
    if recipe.scaling == "minmax":
        format, low, high = Fixed.parse(network.input), data.x_train.min(0).astype(float), data.x_train.max(0)
        gain = (format.high - format.low) / np.where(high > low, high - low, 1.0)
        return gain, format.low - low * gain
    from ultralow.training.train import Rows, learn_gain

    gain = learn_gain(network, recipe, Rows(data.x_train, data.y_train, data.w_train), seed)
    log("gains of the features: " + ", ".join(f"{name} {g:g}" for name, g in zip(data.features, gain)))
    return gain, None
