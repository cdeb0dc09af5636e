"""Evaluate Keras models: as Keras computes them, and in float64, where a tie must not depend on a rounded float."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from ultralow.errors import StudyError
from ultralow.exact.dense import FoldedLayer
from ultralow.fixed_point import Fixed, dyadic
from ultralow.training.folding import float64, groups, normalisation, rounded_kernel
from ultralow.training.layers import BatchRenormalisation, BinaryDense, MaskedDense, RoundedActivation, TernaryDense

# Half the distance of 1 from the next number, by the precision that a layer of Keras computes in.
ROUNDING = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
OPERATIONS = 16  # on a sum, until it is the layer's output: each rounds once, square root and division twice as coarsely
WHOLE = 1e-9  # of the values, by which two ways to the same sums in float64 do not differ


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


@dataclass(frozen=True)
class Parting:
    """Where the outputs of a model and of what was read of it part.

    Attributes:
        rows: how many rows were compared; apart: on how many of them an output of some layer is another one.
        layer: the first dense layer (from 1) that gives, with what follows it, other outputs for the same inputs; 0: none does.
        largest: the largest difference of that layer's outputs.
    """

    rows: int
    apart: int
    layer: int
    largest: float


def compare(model: keras.Model, activations: Sequence[str | None], x: np.ndarray) -> Parting:
    """Compares a chain of dense layers, as :func:`ultralow.training.folding.fold` reads it, with the model that it is read from.

    Each layer of the reading gets what the model's own layer before it gave, and computes in float64. So its sums may differ
    from the model's by what that rounds them, which is bounded: n + OPERATIONS roundings of the sum of magnitudes, n the number
    of inputs (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). A wrong weight, normalisation or activation
    is larger by orders of magnitude. An activation of few levels gets the model's own sum, on which it decides the same in any
    precision: no row lies on an edge by chance, and none is left out.

    Args:
        activations: of each hidden layer, as the study reads it: relu, binary, ternary, a format, or None.
        x: (rows, inputs) float32, what the model is given.
    """
    parts = groups(model)
    ends = [part[-1].output if part[-1] is not None else (part[1] or part[0]).output for part in parts[:-1]]
    sums = [(norm or dense).output for dense, norm, _ in parts]
    with keras.device("cpu:0"):  # others may round more coarsely than they say (TF32)
        given = _outputs_of(keras.Model(model.inputs[0], [*sums, *ends, model.outputs[0]]), x)
    sums, ends, final = given[:len(parts)], given[len(parts):-1], given[-1]
    values = np.asarray(x, np.float64)
    apart, first, largest = np.zeros(len(x), bool), 0, 0.0
    for position, ((dense, norm, step), activation) in enumerate(zip(parts, (*activations, None)), start=1):
        last = position == len(parts)
        wanted, tolerance = _sums(dense, norm, values)
        unit = max(ROUNDING[layer.compute_dtype] for layer in (dense, norm, step, model.layers[-1] if last else None)
                   if layer is not None)
        fused = _name(dense) != "linear"
        if fused:
            wanted = _apply(dense.activation, wanted) if last else _activated(wanted, activation, None)
        differences = [(np.abs(wanted - sums[position - 1]), tolerance)]
        # Behind the sums: the activation, of the model's own sum.
        behind = final if last else ends[position - 1]
        if not fused or not last and step is not None:
            before = sums[position - 1]
            wanted = _last(model, before) if last else before if fused else _activated(before, activation, step)
            differences.append((np.abs(wanted - behind), 4 * unit * (np.abs(before) + np.abs(wanted))))
        for difference, allowed in differences:
            wrong = ~(difference <= allowed + np.finfo(np.float32).tiny)  # not a number is wrong, too
            if wrong.any() and not first:
                first, largest = position, float(np.max(difference[wrong], initial=0.0))
            apart |= wrong.any(axis=1)
        values = behind
    return Parting(len(x), int(apart.sum()), first, largest)


def compare_whole(own: keras.Model, model: keras.Model, activations: Sequence[str | None], x: np.ndarray, encoded: np.ndarray
                  ) -> Parting:
    """Compares a model as it was read from its file with the plain chain ``model`` that was made of it, where that is another
    one: both compute in float64, where the two ways to write the same sums differ in the twelfth digit at most.

    A row on which a value that an activation of few levels gets lies that near to an edge is decided by chance, and agrees.

    Args:
        x, encoded: (rows, inputs) what ``own`` is given, float32, and what the chain is given then, float64.
    """
    exactly = keras.models.clone_model(own, clone_function=_in_float64, recursive=True)
    exactly.set_weights([_rounded(variable, layer) for layer, variable in _variables(own)])
    for layer in exactly._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    with keras.device("cpu:0"):
        (theirs,) = _outputs_of(keras.Model(exactly.inputs[0], [exactly.outputs[0]]), x)
    logits, sums = real_outputs(model, activations, encoded)
    ours = _ended(own, logits)
    undecided = np.zeros(len(x), bool)
    for values, activation in zip(sums, activations):
        if activation not in (None, "relu"):
            steps = {"binary": values, "ternary": values - 0.5}.get(activation)
            steps = values / Fixed.parse(activation).step if steps is None else steps
            distance = np.abs(steps if activation == "binary" else steps - np.rint(steps))
            undecided |= (distance <= WHOLE * np.abs(values).max(initial=1.0)).any(axis=1)
    difference = np.abs(theirs - ours)
    apart = ~(difference <= WHOLE * (1.0 + np.abs(logits).max(initial=0.0))).all(axis=1) & ~undecided
    return Parting(len(x), int(apart.sum()), 0, float(np.max(difference[apart], initial=0.0)))


def _in_float64(layer: keras.layers.Layer) -> keras.layers.Layer:
    return type(layer).from_config({**layer.get_config(), "dtype": "float64"})


def _variables(model: keras.Model) -> list[tuple[keras.layers.Layer, object]]:
    """The weights of a model in the order of its get_weights, each with the layer that it belongs to."""
    owners = {id(variable): layer for layer in model._flatten_layers(include_self=False)
              for variable in layer.weights if not isinstance(layer, keras.Model)}
    return [(owners[id(variable)], variable) for variable in model.weights]


def _rounded(variable: object, layer: keras.layers.Layer) -> np.ndarray:
    """A weight in float64; a binary or ternary kernel as its layer rounds it in its own precision."""
    if isinstance(layer, (BinaryDense, TernaryDense)) and variable is layer.kernel:
        return rounded_kernel(layer)
    return float64(variable)


def _ended(own: keras.Model, logits: np.ndarray) -> np.ndarray:
    """Logits with the softmax or sigmoid that a model ends in, or with none."""
    layers = [layer for layer in own._flatten_layers(include_self=False) if not isinstance(layer, keras.Model)]
    names = [type(layer).__name__.lower() if type(layer).__name__ == "Softmax" else
             getattr(getattr(layer, "activation", None), "__name__", "") for layer in layers]
    for name in names[next(i for i in reversed(range(len(layers))) if isinstance(layers[i], keras.layers.Dense)):]:
        if name == "softmax":
            power = np.exp(logits - logits.max(axis=1, keepdims=True))
            logits = power / power.sum(axis=1, keepdims=True)
        if name == "sigmoid":
            logits = 0.5 * (1.0 + np.tanh(0.5 * logits))
    return logits


def real_outputs(model: keras.Model, activations: Sequence[str | None], x: np.ndarray,
                 layers: Sequence[FoldedLayer] | None = None, formats: bool = False) -> tuple[np.ndarray, list[np.ndarray]]:
    """Outputs (rows, outputs), float64, of a chain of dense layers before anything is rounded, for what its first layer is given;
    with ``layers`` with their weights and factors, which are rounded, and with ``formats`` their activations, too.

    Returns:
        the outputs, and of each hidden layer what its activation is given.
    """
    values, sums = np.asarray(x, np.float64), []
    for position, ((dense, norm, step), activation) in enumerate(zip(groups(model), (*activations, None))):
        folded = None if layers is None else layers[position]
        if folded is not None and folded.activation in ("relu", "linear"):
            values = values @ (folded.kernel * 2.0**-folded.kernel_fraction) * (folded.scale * 2.0**-folded.scale_fraction)
            values = values + folded.offset * 2.0**-folded.offset_fraction
        else:
            values, _ = _sums(dense, norm, values)
        sums.append(values)
        if formats and folded.activation == "relu":
            values = folded.format.quantise(np.maximum(values, 0.0))
        elif activation is not None:
            values = _activated(values, activation, step)
    return values, sums[:-1]


def _sums(dense: keras.layers.Dense, norm: keras.layers.BatchNormalization | None, x: np.ndarray
          ) -> tuple[np.ndarray, np.ndarray]:
    """What a dense layer and its normalisation give for x (rows, inputs), and how far the model's own roundings may lead from it;
    (rows, outputs) both."""
    kernel, bias = _kernel(dense), float64(dense.bias) if dense.use_bias else 0.0
    values, size = x @ kernel + bias, np.abs(x) @ np.abs(kernel) + np.abs(bias)
    unit, roundings = max(ROUNDING[layer.compute_dtype] for layer in (dense, norm or dense)), kernel.shape[0] + OPERATIONS
    if norm is not None:
        scale, mean, offset = normalisation(norm)
        if isinstance(norm, BatchRenormalisation) and norm.significant is not None:
            # Rounded in the layer's own precision: in another one a factor between two steps may be rounded to the other.
            scale = scale * float64(norm._factor(keras.ops.sqrt(norm.moving_variance + norm.epsilon)))
        values = scale * (values - mean) + offset
        size = np.abs(scale) * (size + np.abs(mean)) + np.abs(offset)
    return values, 2 * roundings * unit * size


def _activated(values: np.ndarray, activation: str | None, step: keras.layers.Layer | None) -> np.ndarray:
    """An activation as the study reads it: its name, or a format; ``step`` may hold neurons at one value each."""
    if activation is None:
        return values
    if activation in ("binary", "ternary"):
        values = np.where(values >= 0, 1.0, -1.0) if activation == "binary" else (values > 0.5) * 1.0 - (values <= -0.5)
    elif activation == "relu":
        values = np.maximum(values, 0.0)
    else:
        values = Fixed.parse(activation).quantise(np.maximum(values, 0.0))
    if getattr(step, "holding", False):
        live = float64(step.live)
        values = values * live + float64(step.held) * (1 - live)
    return values


def _last(model: keras.Model, logits: np.ndarray) -> np.ndarray:
    """What the layers behind the last dense one, which become no part of the network, make of its outputs."""
    dense, norm, _ = groups(model)[-1]
    # In their own precision: a layer that was merged computes in float64.
    values = keras.ops.convert_to_tensor(logits, dtype=(norm or dense).compute_dtype)
    for layer in model.layers[model.layers.index(norm or dense) + 1:]:
        values = layer(values)
    return keras.ops.convert_to_numpy(values).astype(np.float64)


def _name(dense: keras.layers.Dense) -> str:
    return getattr(dense.activation, "__name__", "linear")


def _outputs_of(model: keras.Model, x: np.ndarray) -> list[np.ndarray]:
    """All outputs of a model, float64."""
    options = {"training": False} if model._call_has_training_arg else {}
    values = model(x, **options)
    return [keras.ops.convert_to_numpy(value).astype(np.float64) for value in (values if isinstance(values, list) else [values])]
