"""Schedules of a training: the learning rate on a plateau, and the shares of weights and neurons that each epoch fixes."""

from __future__ import annotations

import numpy as np

from ultralow.networks.recipes import Recipe

HOLDING_STEPS = 4


def plateau(losses: list[float], rate: float, factor: float = 0.5, patience: int = 5, lowest: float = 1e-6,
            margin: float = 1e-4) -> float:
    """The learning rate after epochs of validation ``losses``: halved each time that ``patience`` epochs in a row
    were not better than the best so far by ``margin`` (Keras's ReduceLROnPlateau, without its state)."""
    best, waited = np.inf, 0
    for loss in losses:
        best, waited = (loss, 0) if loss < best - margin else (best, waited + 1)
        if waited >= patience:
            rate, waited = max(rate * factor, lowest), 0
    return rate


def pruned_share(recipe: Recipe, epoch: int) -> float:
    """Share of weights at zero in an epoch: a cubic ramp (Zhu and Gupta, arXiv:1710.01878) that ends at two thirds
    of the epochs; the rest heals."""
    ramp = max(1, round(recipe.epochs * 2 / 3))
    return recipe.sparsity * (1 - (1 - min(1, (epoch + 1) / ramp)) ** 3)


def settled_share(recipe: Recipe, epoch: int) -> float:
    """Share of the weights still free that an epoch fixes, so that as many go in each epoch from ``settle`` on, and
    all are fixed in the last."""
    first = round(recipe.settle * recipe.epochs)
    return 1 / (recipe.epochs - epoch) if epoch >= first else 0.0


def held_share(recipe: Recipe, epoch: int) -> float:
    """Share of the hidden neurons that are held at one value in an epoch: HOLDING_STEPS equal steps between a tenth and a
    third of the epochs, before weights settle. In between the network heals."""
    first, last = recipe.epochs / 10, recipe.epochs / 3
    done = np.floor((epoch - first) / (last - first) * HOLDING_STEPS) + 1
    return (1 - recipe.keep) * float(np.clip(done / HOLDING_STEPS, 0, 1))
