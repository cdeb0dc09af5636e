"""Fold a trained Keras network into integer thresholds, scales and offsets.

Batch normalisation after a dense layer is y = s·a + b with s = γ/√(σ²+ε), b = β − μ·s, on the accumulator a.
Where s < 0 the neuron's column of the kernel is negated and |s| taken. Then

- sign:    y ≥ 0     ⇔ a ≥ −b/s           → one integer threshold, ⌈−b/s⌉
- ternary: y > 0.5   ⇔ a > (0.5 − b)/s    → ⌊(0.5 − b)/s⌋ + 1;   y ≤ −0.5 ⇔ a ≤ ⌊(−0.5 − b)/s⌋
- ReLU and output: s is rounded to few bits, each neuron's to its own (which training with batch renormalisation knows
  already), then b to the grid of what the layer gives; this is the one place where folding is not exact, and the
  accuracy that the study reports is that after it.

all in units of the accumulator's last bit. Thresholds beyond the reach of the accumulator are moved to its rim,
where they mean the same and fit the hardware's formats.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from ultralow.networks.catalogue import QUANTISED, NetworkSpec
from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed, dyadic
from ultralow.exact.dense import FoldedLayer, FoldedNetwork
from ultralow.training.layers import BinaryDense, InputEncoding, MaskedDense, TernaryDense

OFFSET_GUARD = 2  # bits of b below the last bit of what the layer gives


@dataclass(frozen=True)
class InputCodes:
    """What a layer's input codes are: bits after the point, and the smallest and the largest code."""

    fraction: int
    span: tuple[int, int]


def fold(model: keras.Model, network: NetworkSpec, classes: tuple[str, ...] = ()) -> FoldedNetwork:
    """The exact integer description of a trained network.

    Raises:
        StudyError: the model is not the chain of dense, normalisation and activation that ``network`` asks for.
    """
    layers, input_format = [], Fixed.parse(network.input)
    inputs = InputCodes(input_format.fraction, (input_format.low_code, input_format.high_code))
    dense_layers = groups(model)
    if len(dense_layers) != len(network.widths) - 1:
        raise StudyError(f"{network.name}: the model has {len(dense_layers)} dense layers, the catalogue "
                         f"{len(network.widths) - 1}")
    precisions = zip(dense_layers, network.layer_weights, (*network.layer_activations, "linear"))
    for (dense, norm, step), weights, activation in precisions:
        if weights not in QUANTISED:
            layer = _fold_bias(*_merged(dense, norm), weights, activation, inputs.fraction)
        elif norm is None:
            raise StudyError(f"{model.name}: no batch normalisation after {dense.name}")
        else:
            layer = _fold_norm(dense, norm, weights, activation, inputs, network.scale_bits)
        if getattr(step, "holding", False):
            layer = layer.with_constants(float64(step.live) == 0, float64(step.held), inputs.span)
        inputs = InputCodes(layer.output_fraction(inputs.fraction), layer.output_range(inputs.span, inputs.fraction))
        layers.append(layer)
    return FoldedNetwork(network.name, input_format, tuple(layers), tuple(classes), *_encoding(model))


def _encoding(model: keras.Model) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Gain and move (inputs,) of an InputEncoding in front of the first layer; None where features go in as they are."""
    for layer in model.layers:
        if isinstance(layer, InputEncoding):
            gain, move = float64(layer.gain), float64(layer.move)
            return None if (gain == 1).all() else gain, None if (move == 0).all() else move
    return None, None


def groups(model: keras.Model) -> list[tuple[keras.layers.Dense, keras.layers.BatchNormalization | None,
                                             keras.layers.Layer | None]]:
    """Each dense layer with the normalisation and the activation behind it, or None."""
    parts = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            parts.append([layer, None, None])
        elif isinstance(layer, keras.layers.BatchNormalization) and parts:
            parts[-1][1] = layer
        elif not isinstance(layer, keras.layers.Dropout) and parts:
            parts[-1][2] = layer
    return [tuple(part) for part in parts]


def fold_norm(kernel: np.ndarray, scale: np.ndarray, offset: np.ndarray, weights: str, activation: str,
              inputs: InputCodes, scale_bits: int = 6) -> FoldedLayer:
    """One dense layer with integer ``kernel`` (n_in, n_out) and what follows it: y = scale·a + offset, activation.

    ``scale`` and ``offset`` (n_out,) are real, of any sign.
    ``scale_bits`` is how many significant bits of the largest scale a layer keeps that is not thresholds.
    """
    negative = scale < 0
    kernel = np.where(negative, -kernel, kernel).astype(np.int64)
    scale = np.abs(scale)
    if activation not in ("binary", "ternary"):
        return _affine(kernel, scale, offset, weights, activation, inputs.fraction, scale_bits)
    plain = FoldedLayer(kernel, "linear", weights, scale=np.ones(kernel.shape[1], np.int64),
                        offset=np.zeros(kernel.shape[1], np.int64))
    lowest, highest = plain.accumulator_range(*inputs.span)
    if activation == "binary":
        high = np.ceil(_crossing(0.0, scale, offset, inputs.fraction))
        return FoldedLayer(kernel, "binary", weights, high=_clip(high, lowest, highest + 1))
    high = np.floor(_crossing(0.5, scale, offset, inputs.fraction)) + 1
    # y ≤ −0.5 of a constant neuron is decided by b alone, and the crossing is +∞ where it always holds.
    low = np.floor(_crossing(-0.5, scale, offset, inputs.fraction, inclusive_below=True))
    return FoldedLayer(kernel, "ternary", weights, high=_clip(high, lowest, highest + 1),
                       low=_clip(low, lowest - 1, highest))


def _crossing(level: float, scale: np.ndarray, offset: np.ndarray, fraction: int,
              inclusive_below: bool = False) -> np.ndarray:
    """The accumulator code where scale·a + offset reaches ``level``; ±∞ for neurons that do not depend on a."""
    with np.errstate(divide="ignore", over="ignore"):
        where = (level - offset) / np.where(scale > 0, scale, 1.0) * 2.0**fraction
    if inclusive_below:  # the neuron is below for a ≤ crossing
        constant = np.where(offset <= level, np.inf, -np.inf)
    else:  # above for a ≥ crossing (binary, level 0) or a > crossing (ternary, level 0.5)
        above = offset >= level if level == 0 else offset > level
        constant = np.where(above, -np.inf, np.inf)
    return np.where(scale > 0, where, constant)


def _clip(threshold: np.ndarray, lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
    return np.clip(threshold, lowest, highest).astype(np.int64)


def _affine(kernel: np.ndarray, scale: np.ndarray, offset: np.ndarray, weights: str, activation: str,
            fraction: int, scale_bits: int) -> FoldedLayer:
    mantissa, scale_fraction = dyadic(scale, scale_bits)
    format = None if activation == "linear" else Fixed.parse(activation)
    base = fraction + scale_fraction if format is None else format.fraction
    offset_fraction = base + (0 if format is None else OFFSET_GUARD)
    return FoldedLayer(kernel, "linear" if format is None else "relu", weights, scale=mantissa,
                       scale_fraction=scale_fraction,
                       offset=np.rint(offset * 2.0**offset_fraction).astype(np.int64),
                       offset_fraction=offset_fraction, format=format)


def _fold_norm(dense: keras.layers.Dense, norm: keras.layers.BatchNormalization, weights: str, activation: str,
               inputs: InputCodes, scale_bits: int) -> FoldedLayer:
    scale, mean, beta = _normalisation(dense, norm)
    if activation not in ("binary", "ternary"):  # rounded first: it is the rounded scale that multiplies the mean
        codes, scale_fraction = dyadic(scale, scale_bits)
        scale = codes * 2.0**-scale_fraction
    return fold_norm(rounded_kernel(dense), scale, beta - mean * scale, weights, activation, inputs, scale_bits)


def _merged(dense: keras.layers.Dense, norm: keras.layers.BatchNormalization | None) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias that are layer and normalisation in one."""
    kernel = rounded_kernel(dense)
    if norm is None:
        return kernel, float64(dense.bias) if dense.use_bias else np.zeros(kernel.shape[1])
    scale, mean, beta = _normalisation(dense, norm)
    return kernel * scale, beta - mean * scale


def normalisation(norm: keras.layers.BatchNormalization) -> tuple[np.ndarray, ...]:
    """Scale, mean and offset of a batch normalisation in inference, (features,) float64 each: scale·(x − mean) + offset."""
    mean, variance = float64(norm.moving_mean), float64(norm.moving_variance)
    gamma = float64(norm.gamma) if norm.scale else np.ones_like(mean)
    beta = float64(norm.beta) if norm.center else np.zeros_like(mean)
    return gamma / np.sqrt(variance + norm.epsilon), mean, beta


def _normalisation(dense: keras.layers.Dense, norm: keras.layers.BatchNormalization) -> tuple[np.ndarray, ...]:
    """Scale, mean of x @ kernel, and offset, (n_out,) each."""
    scale, mean, beta = normalisation(norm)
    return scale, mean - float64(dense.bias) if dense.use_bias else mean, beta


def _fold_bias(kernel: np.ndarray, bias: np.ndarray, weights: str, activation: str, fraction: int) -> FoldedLayer:
    """Post-training quantisation: weights to their format, biases to the accumulator's grid, both to the nearest."""
    format = Fixed.parse(weights)
    offset_fraction = fraction + format.fraction
    return FoldedLayer(format.codes(kernel, "nearest"), "linear" if activation == "linear" else "relu", "fixed",
                       kernel_fraction=format.fraction, scale=np.ones(len(bias), np.int64),
                       offset=np.rint(bias * 2.0**offset_fraction).astype(np.int64), offset_fraction=offset_fraction,
                       format=None if activation == "linear" else Fixed.parse(activation))


def rounded_kernel(dense: keras.layers.Dense) -> np.ndarray:
    """The kernel (n_in, n_out), float64: binary and ternary weights rounded, pruned ones 0.

    Rounded in the precision that the layer was trained in: in another one a threshold such as 0.33 is another number.
    """
    if isinstance(dense, (BinaryDense, TernaryDense)):
        return float64(dense.quantise(keras.ops.convert_to_tensor(dense.kernel)))
    return float64(dense.kernel) * float64(dense.mask) if isinstance(dense, MaskedDense) else float64(dense.kernel)


def float64(variable: object) -> np.ndarray:
    """A variable or tensor of Keras as a float64 array."""
    return keras.ops.convert_to_numpy(variable).astype(np.float64)
