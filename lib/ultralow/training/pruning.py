"""Prune in training: the smallest weights become 0, the neurons that matter least are held at one value."""

from __future__ import annotations

import keras
import numpy as np

from ultralow.exact.dense import FoldedNetwork
from ultralow.metrics import loss
from ultralow.networks.spec import NetworkSpec
from ultralow.training.folding import fold
from ultralow.training.layers import MaskedDense, RoundedActivation


def prune(model: keras.Model, share: float) -> None:
    """Masks the smallest ``share`` of the weights of all masked layers together; what is masked stays so."""
    layers = [layer for layer in model.layers if isinstance(layer, MaskedDense)]
    kernels = [keras.ops.convert_to_numpy(layer.kernel * layer.mask) for layer in layers]
    magnitudes = np.sort(np.concatenate([np.abs(kernel).ravel() for kernel in kernels]))
    threshold = magnitudes[int(np.ceil(share * len(magnitudes))) - 1]
    for layer, kernel in zip(layers, kernels):
        layer.mask.assign((np.abs(kernel) > threshold).astype("float32"))


def hold(model: keras.Model, network: NetworkSpec, share: float, x: np.ndarray, y: np.ndarray,
         rng: np.random.Generator, rows: int = 4096) -> None:
    """Holds ``share`` of all hidden neurons at their usual values, those that matter least first (``rows`` of x, y
    tell); what is held stays so."""
    activations = [layer for layer in model.layers if isinstance(layer, RoundedActivation) and layer.holding]
    live = [keras.ops.convert_to_numpy(activation.live) > 0 for activation in activations]
    count = round(share * sum(map(len, live))) - sum(int((~on).sum()) for on in live)
    if count <= 0:
        return
    chosen = rng.permutation(len(y))[:rows]
    folded = fold(model, network)
    for position, neuron, value in least(folded, folded.input.codes(x[chosen]), y[chosen], live, count):
        activation = activations[position]
        on, held = (keras.ops.convert_to_numpy(v).copy() for v in (activation.live, activation.held))
        on[neuron], held[neuron] = 0.0, value
        activation.live.assign(on)
        activation.held.assign(held)


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
    costs, inputs = [], codes
    widths = [codes.shape[1], *(int(on.sum()) for on in live), network.layers[-1].kernel.shape[1]]
    for position, on in enumerate(live):
        layer, following = network.layers[position:position + 2]
        outputs = layer(inputs, network.formats()[position][0])
        sums = following.accumulator(outputs)
        before = _loss(network, position + 1, sums, y)
        for neuron in np.flatnonzero(on):
            value = 0 if layer.activation == "relu" else _usual(outputs[:, neuron])
            moved = sums + np.outer(value - outputs[:, neuron], following.kernel[neuron])
            growth = _loss(network, position + 1, moved, y) - before
            costs.append((growth / (widths[position] + widths[position + 2]), position, int(neuron), value))
        inputs = outputs
    chosen, left = [], widths[1:-1]
    for _, position, neuron, value in sorted(costs):
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
