"""Build the trainable Keras network of a catalogue entry."""

from __future__ import annotations

import keras

from ultralow.networks.catalogue import QUANTISED, NetworkSpec
from ultralow.errors import StudyError
from ultralow.training.layers import BatchRenormalisation, BinaryDense, MaskedDense, QuantisedRelu, RoundedTanh, TernaryDense
from ultralow.networks.recipes import Recipe

def build(network: NetworkSpec, recipe: Recipe) -> keras.Model:
    """The trainable network: (rows, inputs) real numbers to (rows, classes) logits.

    Binary and ternary kernels are followed by batch normalisation, also at the output, where it learns the
    temperature that integer sums lack. Full-precision networks have biases and plain ReLU; they are rounded after
    training, in :mod:`ultralow.training.folding`, unless the recipe asks for rounding in training too.
    """
    inputs = x = keras.Input((network.widths[0],), name="features")
    layers = zip(network.widths[1:], network.layer_weights, (*network.layer_activations, None))
    for position, (units, weights, activation) in enumerate(layers, start=1):
        x = _dense(weights, recipe, units, f"dense{position}")(x)
        if weights in QUANTISED:
            # Thresholds swallow the factor.
            x = _norm(network, recipe, activation not in QUANTISED, f"norm{position}")(x)
        if activation is not None:
            x = _activation(network.name, weights, activation, recipe, f"activation{position}")(x)
            if recipe.dropout:
                x = keras.layers.Dropout(recipe.dropout, name=f"dropout{position}")(x)
    return keras.Model(inputs, x, name=network.name.replace("-", "_"))


def _norm(network: NetworkSpec, recipe: Recipe, keeps_scale: bool, name: str) -> keras.layers.Layer:
    if recipe.norm == "batch":
        return keras.layers.BatchNormalization(momentum=recipe.norm_momentum, name=name)
    return BatchRenormalisation(network.scale_bits if keeps_scale else None, momentum=recipe.norm_momentum, name=name)


def _dense(weights: str, recipe: Recipe, units: int, name: str) -> keras.layers.Layer:
    initial = "glorot_uniform" if recipe.initial == "glorot" else None
    quantised = {"kernel_initializer": initial, "settling": recipe.settle < 1, "name": name}
    if weights == "binary":
        return BinaryDense(units, **quantised)
    if weights == "ternary":
        return TernaryDense(units, recipe.threshold, recipe.l1, **quantised)
    options = {"kernel_initializer": "he_normal", "name": name,
               "kernel_regularizer": keras.regularizers.L1(recipe.l1) if recipe.l1 else None}
    if recipe.sparsity or recipe.rounded:
        return MaskedDense(units, weights if recipe.rounded else None, **options)
    return keras.layers.Dense(units, **options)


def _activation(network: str, weights: str, activation: str, recipe: Recipe, name: str) -> keras.layers.Layer:
    holding = recipe.keep < 1
    if activation in QUANTISED:
        return RoundedTanh(activation, recipe.estimator, holding=holding, name=name)
    if weights in QUANTISED or recipe.rounded:
        return QuantisedRelu(activation, holding=holding, name=name)
    if holding:
        raise StudyError(f"{network}: keep works on quantised activations; set rounded in the recipe, or keep to 1")
    return keras.layers.ReLU(name=name)
