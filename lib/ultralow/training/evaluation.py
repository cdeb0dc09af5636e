"""Evaluate Keras models: as Keras computes them, and in float64, where a tie must not depend on a rounded float."""

from __future__ import annotations

import keras
import numpy as np

from ultralow.errors import StudyError
from ultralow.fixed_point import dyadic
from ultralow.training.folding import float64, normalisation, rounded_kernel
from ultralow.training.layers import MaskedDense, RoundedActivation


def outputs(model: keras.Model | keras.layers.Layer, x: np.ndarray, batch: int = 4096) -> np.ndarray:
    """What a model or a layer gives in inference, (rows, outputs), for (rows, inputs), in its own precision.

    Called directly: ``predict`` would first spend seconds on a graph that runs once.
    """
    # BatchNormalization and Dropout ask for it; other layers of the study do not take it.
    options = {"training": False} if model._call_has_training_arg else {}
    parts = [keras.ops.convert_to_numpy(model(x[i:i + batch], **options)) for i in range(0, len(x), batch)]
    return np.concatenate(parts)


def float64_outputs(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Outputs (rows, outputs), float64, of a chain of dense layers, normalisations and activations for (rows, inputs).

    The weights are the model's; sums, square roots and divisions are numpy's in float64, which are correctly rounded on every
    processor. A Keras backend's are not: TensorFlow's vectorised reciprocal square root of 1 is 0.9999999 on some, and then
    rows exactly at a threshold come out on the other side.

    Raises:
        StudyError: the model has a layer of another kind.
    """
    values = np.asarray(x, np.float64)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            values = values @ _kernel(layer)
            if layer.use_bias:
                values = values + float64(layer.bias)
            values = _apply(layer.activation, values)
        elif isinstance(layer, keras.layers.BatchNormalization):
            scale, mean, offset = normalisation(layer)
            if getattr(layer, "significant", None) is not None:
                codes, fraction = dyadic(scale, layer.significant)
                scale = codes * 2.0**-fraction
            values = scale * values + (offset - scale * mean)
        elif isinstance(layer, RoundedActivation):
            values = _apply(layer.rounded, values)
            if layer.holding:
                live = float64(layer.live)
                values = values * live + float64(layer.held) * (1 - live)
        elif isinstance(layer, keras.layers.Activation):
            values = _apply(layer.activation, values)
        elif isinstance(layer, keras.layers.ReLU):
            values = np.maximum(values, 0.0)
        elif not isinstance(layer, (keras.layers.InputLayer, keras.layers.Dropout)):
            raise StudyError(f"{model.name}: layer {layer.name} ({type(layer).__name__}) is none of dense, normalisation and "
                             "activation, which is all that is evaluated in float64")
    return values


def _kernel(layer: keras.layers.Dense) -> np.ndarray:
    """The kernel (inputs, outputs) of the layer's forward pass."""
    kernel = rounded_kernel(layer)
    if isinstance(layer, MaskedDense) and layer.format is not None:
        return layer.format.quantise(kernel, "nearest")
    return kernel


def _apply(function, values: np.ndarray) -> np.ndarray:
    """An activation of Keras: comparisons, rounding and clipping, the same in float64 on every backend."""
    return keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(values)))
