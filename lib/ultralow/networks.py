"""Knows how a catalogue entry becomes a trainable Keras network."""

from __future__ import annotations

import keras

from ultralow.catalogue import Network, Recipe
from ultralow.layers import BinaryDense, MaskedDense, QuantisedRelu, TernaryDense, binary_tanh, ternary_tanh

_QUANTISED = {"binary": BinaryDense, "ternary": TernaryDense}
_TANH = {"binary": binary_tanh, "ternary": ternary_tanh}


def build(network: Network, recipe: Recipe) -> keras.Model:
    """The trainable network: (rows, inputs) real numbers to (rows, classes) logits.

    Binary and ternary kernels are followed by batch normalisation, also at the output, where it learns the
    temperature that integer sums lack. Full-precision networks have biases and plain ReLU; their rounding
    comes after training, in :mod:`ultralow.folding`.
    """
    inputs = x = keras.Input((network.widths[0],), name="features")
    quantised = network.weights in _QUANTISED
    for position, units in enumerate(network.widths[1:], start=1):
        last = position == len(network.widths) - 1
        x = _dense(network, recipe, units, f"dense{position}")(x)
        if quantised:
            x = keras.layers.BatchNormalization(momentum=0.95, name=f"norm{position}")(x)
        if not last:
            x = _activation(network, quantised, f"activation{position}")(x)
            if recipe.dropout:
                x = keras.layers.Dropout(recipe.dropout, name=f"dropout{position}")(x)
    return keras.Model(inputs, x, name=network.name.replace("-", "_"))


def _dense(network: Network, recipe: Recipe, units: int, name: str) -> keras.layers.Layer:
    if network.weights in _QUANTISED:
        return _QUANTISED[network.weights](units, name=name)
    kind = MaskedDense if recipe.sparsity else keras.layers.Dense
    penalty = keras.regularizers.L1(recipe.l1) if recipe.l1 else None
    return kind(units, kernel_initializer="he_normal", kernel_regularizer=penalty, name=name)


def _activation(network: Network, quantised: bool, name: str) -> keras.layers.Layer:
    if network.activation in _TANH:
        return keras.layers.Activation(_TANH[network.activation], name=name)
    return QuantisedRelu(network.activation, name=name) if quantised else keras.layers.ReLU(name=name)
