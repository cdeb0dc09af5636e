"""Knows which neurons of a folded network matter least: how much the loss grows when one is held at one value."""

from __future__ import annotations

import numpy as np

from ultralow.exact.dense import FoldedNetwork
from ultralow.metrics import loss


def least(network: FoldedNetwork, codes: np.ndarray, y: np.ndarray, live: list[np.ndarray],
          count: int) -> list[tuple[int, int, int]]:
    """The ``count`` hidden neurons whose holding costs least for what it saves.

    Args:
        codes, y: input codes (rows, inputs) and labels (rows,), or targets, that tell the loss.
        live: for each hidden layer which neurons (n_out,) bool may be chosen.

    Returns:
        (hidden layer, neuron, the value to hold it at) of each. The value is the neuron's most frequent one, or 0 for
        ReLU; the increase of the loss counts per weight that goes with the neuron, those in and those out. At least one
        neuron of each layer is left.
    """
    found, given = [], codes
    widths = [codes.shape[1], *(int(on.sum()) for on in live), network.layers[-1].kernel.shape[1]]
    for position, on in enumerate(live):
        layer, following = network.layers[position:position + 2]
        given = layer(given, network.formats()[position][0])
        sums = following.accumulator(given)
        before = _loss(network, position + 1, sums, y)
        for neuron in np.flatnonzero(on):
            value = 0 if layer.activation == "relu" else _usual(given[:, neuron])
            moved = sums + np.outer(value - given[:, neuron], following.kernel[neuron])
            growth = _loss(network, position + 1, moved, y) - before
            found.append((growth / (widths[position] + widths[position + 2]), position, int(neuron), value))
    chosen, left = [], widths[1:-1]
    for _, position, neuron, value in sorted(found):
        if len(chosen) < count and left[position] > 1:
            chosen.append((position, neuron, value))
            left[position] -= 1
    return chosen


def _usual(codes: np.ndarray) -> int:
    values, counts = np.unique(codes, return_counts=True)
    return int(values[counts.argmax()])


def _loss(network: FoldedNetwork, position: int, sums: np.ndarray, y: np.ndarray) -> float:
    """The loss where layer ``position`` has the accumulators ``sums`` (rows, n_out)."""
    fractions = [fraction for fraction, _ in network.formats()]
    codes = network.layers[position].activate(sums, fractions[position])
    for layer, fraction in list(zip(network.layers, fractions))[position + 1:]:
        codes = layer(codes, fraction)
    return loss(codes * 2.0**-network.output_fraction, y)
