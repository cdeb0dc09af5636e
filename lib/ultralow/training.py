"""Knows how networks are trained: losses, schedules, pruning, and the same result for the same seed."""

from __future__ import annotations

import time
from collections.abc import Callable

import keras
import numpy as np

from ultralow.catalogue import Network, Recipe
from ultralow.errors import unknown
from ultralow.layers import MaskedDense
from ultralow.networks import build

LOSSES = ("crossentropy", "squared_hinge")
SCHEDULES = ("cosine", "plateau")


def train(network: Network, recipe: Recipe, x: np.ndarray, y: np.ndarray, x_valid: np.ndarray, y_valid: np.ndarray,
          seed: int, log: Callable[[str], None] = print) -> tuple[keras.Model, dict[str, list[float]]]:
    """Trains a network from its catalogue entry.

    Args:
        network, recipe: what to build and how to train it.
        x, y: training rows (rows, inputs) float32, already on the grid of the input format; labels (rows,) int.
        x_valid, y_valid: validation rows; they steer the plateau schedule and are reported, nothing else.
        seed: fixes initial weights, order of rows and dropout. Same seed, same machine: same weights.
        log: receives a line per epoch (at most some twenty in all) with the time left.

    Returns:
        The trained network, and its history: loss, accuracy, val_loss, val_accuracy, one value per epoch.

    Raises:
        StudyError: the recipe names an unknown loss or schedule.
    """
    if recipe.loss not in LOSSES:
        raise unknown("loss", recipe.loss, LOSSES)
    if recipe.schedule not in SCHEDULES:
        raise unknown("schedule", recipe.schedule, SCHEDULES)
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model = build(network, recipe)
    steps = -(-len(x) // recipe.batch_size)
    rate, callbacks = recipe.learning_rate, [Progress(recipe.epochs, log)]
    if recipe.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps * recipe.epochs)
    else:
        callbacks.append(keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=5, min_lr=1e-6))
    if recipe.sparsity:
        callbacks.append(Pruning(recipe.sparsity, recipe.epochs))
    if recipe.loss == "crossentropy":
        loss, metric = keras.losses.SparseCategoricalCrossentropy(from_logits=True), "sparse_categorical_accuracy"
    else:
        loss, metric = "squared_hinge", "categorical_accuracy"
        y, y_valid = (2 * keras.utils.to_categorical(part, network.widths[-1]) - 1 for part in (y, y_valid))
    # Many steps run in the backend between two returns to Python; the last call of an epoch may be shorter.
    model.compile(keras.optimizers.Adam(rate), loss, metrics=[keras.metrics.get(metric)],
                  steps_per_execution=min(steps, 50))
    history = model.fit(x, y, batch_size=recipe.batch_size, epochs=recipe.epochs, verbose=0, callbacks=callbacks,
                        validation_data=(x_valid, y_valid), validation_batch_size=4096).history
    names = {"loss": "loss", "val_loss": "val_loss", "accuracy": metric, "val_accuracy": f"val_{metric}"}
    return model, {name: [float(v) for v in history[key]] for name, key in names.items()}


class Pruning(keras.callbacks.Callback):
    """Magnitude pruning: a mask over all kernels together, from none to ``sparsity`` on a cubic ramp.

    The ramp (Zhu and Gupta, arXiv:1710.01878) ends at two thirds of the epochs; the rest heals.
    """

    def __init__(self, sparsity: float, epochs: int):
        super().__init__()
        self.sparsity = sparsity
        self.ramp = max(1, round(epochs * 2 / 3))

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if epoch >= self.ramp:
            return  # the last mask stays
        share = self.sparsity * (1 - (1 - (epoch + 1) / self.ramp) ** 3)
        layers = [layer for layer in self.model.layers if isinstance(layer, MaskedDense)]
        kernels = [keras.ops.convert_to_numpy(layer.kernel * layer.mask) for layer in layers]
        magnitudes = np.sort(np.concatenate([np.abs(kernel).ravel() for kernel in kernels]))
        threshold = magnitudes[int(np.ceil(share * len(magnitudes))) - 1]
        for layer, kernel in zip(layers, kernels):
            layer.mask.assign((np.abs(kernel) > threshold).astype("float32"))


class Progress(keras.callbacks.Callback):
    """A line per epoch, or per few epochs of a long training, with the time left."""

    def __init__(self, epochs: int, log: Callable[[str], None]):
        super().__init__()
        self.epochs, self.log, self.every = epochs, log, max(1, epochs // 20)

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.start = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if (done := epoch + 1) % self.every and done < self.epochs:
            return
        left = (time.monotonic() - self.start) / done * (self.epochs - done)
        accuracy = next(v for k, v in logs.items() if k.startswith("val_") and k.endswith("accuracy"))
        self.log(f"epoch {done}/{self.epochs}: loss {logs['loss']:.4f}, "
                 f"validation accuracy {accuracy:.4f}, {left:.0f} s left")
