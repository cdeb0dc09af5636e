"""Knows what training by gradients takes, whatever is trained: a step of Adam, and a function of many rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


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
