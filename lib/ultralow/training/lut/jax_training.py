"""Train by gradients with JAX: steps of Adam over random batches, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ultralow.errors import Log

History = dict[str, list[float]]


@dataclass
class Descent:
    """Epochs of steps over random batches of the training rows.

    Attributes:
        rows, batch: of the training part; of a step. Rows of an epoch that make no whole batch are left out.
        rng: draws the order of the rows, anew for each epoch.
        every: how many epochs the log has a line for.
        history: loss and valid_accuracy by epoch.
    """

    rows: int
    batch: int
    epochs: int
    rng: np.random.Generator
    log: Log
    every: int = 5
    history: History = field(default_factory=lambda: {"loss": [], "valid_accuracy": []})

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.rows // self.batch

    def run(self, step: Callable[[np.ndarray, int], object], judge: Callable[[], tuple[float, str]],
            begin: Callable[[int], None] = lambda epoch: None) -> History:
        """Takes all steps; returns the history.

        Args:
            step: takes positions of a batch's rows and the step's number, from 1; gives the batch's loss.
            judge: gives, after an epoch, the validation accuracy and what else its line in the log says.
            begin: called with the number of an epoch before it, from 0.
        """
        number = 0
        for epoch in range(self.epochs):
            begin(epoch)
            order, total = self.rng.permutation(self.rows), 0.0
            for start in range(0, self.steps * self.batch, self.batch):
                number += 1
                total += step(order[start:start + self.batch], number)
            accuracy, note = judge()
            self.history["loss"].append(float(total) / self.steps)
            self.history["valid_accuracy"].append(accuracy)
            if epoch % self.every == self.every - 1 or epoch == self.epochs - 1:
                self.log(f"epoch {epoch + 1}/{self.epochs}: loss {self.history['loss'][-1]:.4f}, validation accuracy "
                         f"{accuracy:.4f}{note}")
        return self.history


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Share of rows whose largest logit is the label's."""
    return float(np.mean(logits.argmax(1) == labels))


def adam(value, moments: tuple, slope, number, rate, *, second: float = 0.999, least: float = 1e-8) -> tuple:
    """One step of Adam (arXiv:1412.6980) on any tree of JAX arrays: the new value, and the new moments.

    Args:
        moments: the gradient's mean and its square's, trees like ``value``.
        number: of the step, from 1; rate: one number, or a dictionary of one for each entry of ``value``.
        second: what the square's mean keeps of itself; least: what its root has added.
    """
    import jax

    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], slope)
    square = jax.tree.map(lambda v, g: second * v + (1 - second) * g * g, moments[1], slope)
    rates = rate if isinstance(rate, dict) else jax.tree.map(lambda _: rate, value)
    moved = jax.tree.map(lambda p, m, v, r: p - r * (m / (1 - 0.9**number)) / (jax.numpy.sqrt(v / (1 - second**number)) + least),
                         value, mean, square, rates)
    return moved, (mean, square)


def in_batches(function: Callable, x: np.ndarray, rows: int = 8192) -> np.ndarray:
    """What the function gives for so many rows of ``x`` at a time."""
    return np.concatenate([np.asarray(function(x[start:start + rows])) for start in range(0, len(x), rows)])
