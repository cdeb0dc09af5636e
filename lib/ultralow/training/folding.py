"""Knows how a trained Keras network becomes a folded network, and how that goes back to Keras for hls4ml.

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

import keras
import numpy as np

from ultralow.networks.catalogue import QUANTISED, Network
from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed, dyadic
from ultralow.exact.dense import FoldedLayer, FoldedNetwork
from ultralow.training.layers import BinaryDense, MaskedDense, TernaryDense, binary_tanh, ternary_tanh

OFFSET_GUARD = 2  # bits of b below the last bit of what the layer gives


def fold(model: keras.Model, network: Network, classes: tuple[str, ...] = ()) -> FoldedNetwork:
    """The exact integer description of a trained network.

    Raises:
        StudyError: the model is not the chain of dense, normalisation and activation that ``network`` asks for.
    """
    layers, fraction = [], Fixed.parse(network.input).fraction
    span = (Fixed.parse(network.input).low_code, Fixed.parse(network.input).high_code)
    found = groups(model)
    if len(found) != len(network.widths) - 1:
        raise StudyError(f"{network.name}: the model has {len(found)} dense layers, the catalogue {len(network.widths) - 1}")
    precisions = zip(found, network.layer_weights, (*network.layer_activations, "linear"))
    for (dense, norm, step), weights, activation in precisions:
        if weights not in QUANTISED:
            layer = _fold_bias(*_merged(dense, norm), weights, activation, fraction)
        elif norm is None:
            raise StudyError(f"{model.name}: no batch normalisation after {dense.name}")
        else:
            layer = _fold_norm(dense, norm, weights, activation, fraction, span, network.scale_bits)
        if getattr(step, "holding", False):
            layer = layer.held(_array(step.live) == 0, _array(step.held), span)
        span, fraction = layer.output_range(span, fraction), layer.output_fraction(fraction)
        layers.append(layer)
    return FoldedNetwork(network.name, Fixed.parse(network.input), tuple(layers), classes)


def groups(model: keras.Model) -> list[tuple[keras.layers.Dense, keras.layers.BatchNormalization | None,
                                             keras.layers.Layer | None]]:
    """Each dense layer with the normalisation and the activation behind it, or None."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            found.append([layer, None, None])
        elif isinstance(layer, keras.layers.BatchNormalization) and found:
            found[-1][1] = layer
        elif not isinstance(layer, keras.layers.Dropout) and found:
            found[-1][2] = layer
    return [tuple(group) for group in found]


def fold_norm(kernel: np.ndarray, scale: np.ndarray, offset: np.ndarray, weights: str, activation: str,
              fraction: int, span: tuple[int, int], scale_bits: int = 6) -> FoldedLayer:
    """One dense layer with integer ``kernel`` (n_in, n_out) and what follows it: y = scale·a + offset, activation.

    ``scale`` and ``offset`` (n_out,) are real, of any sign; ``fraction`` and ``span`` describe the input's codes.
    ``scale_bits`` is how many significant bits of the largest scale a layer keeps that is not thresholds.
    """
    negative = scale < 0
    kernel = np.where(negative, -kernel, kernel).astype(np.int64)
    scale = np.abs(scale)
    if activation not in ("binary", "ternary"):
        return _affine(kernel, scale, offset, weights, activation, fraction, scale_bits)
    plain = FoldedLayer(kernel, "linear", weights, scale=np.ones(kernel.shape[1], np.int64),
                        offset=np.zeros(kernel.shape[1], np.int64))
    lowest, highest = plain.accumulator_range(*span)
    if activation == "binary":
        high = np.ceil(_crossing(0.0, scale, offset, fraction))
        return FoldedLayer(kernel, "binary", weights, high=_clip(high, lowest, highest + 1))
    high = np.floor(_crossing(0.5, scale, offset, fraction)) + 1
    # y ≤ −0.5 of a constant neuron is decided by b alone, and the crossing is +∞ where it always holds.
    low = np.floor(_crossing(-0.5, scale, offset, fraction, inclusive_below=True))
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
               fraction: int, span: tuple[int, int], scale_bits: int) -> FoldedLayer:
    scale, mean, beta = _normalisation(dense, norm)
    if activation not in ("binary", "ternary"):  # rounded first: it is the rounded scale that multiplies the mean
        codes, scale_fraction = dyadic(scale, scale_bits)
        scale = codes * 2.0**-scale_fraction
    return fold_norm(_kernel(dense), scale, beta - mean * scale, weights, activation, fraction, span, scale_bits)


def _merged(dense: keras.layers.Dense, norm: keras.layers.BatchNormalization | None) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias that are layer and normalisation in one."""
    kernel = _kernel(dense)
    if norm is None:
        return kernel, _array(dense.bias) if dense.use_bias else np.zeros(kernel.shape[1])
    scale, mean, beta = _normalisation(dense, norm)
    return kernel * scale, beta - mean * scale


def _normalisation(dense: keras.layers.Dense, norm: keras.layers.BatchNormalization) -> tuple[np.ndarray, ...]:
    """Factor, mean of what x @ kernel is, and offset, (n_out,) each."""
    mean, variance = _array(norm.moving_mean), _array(norm.moving_variance)
    gamma = _array(norm.gamma) if norm.scale else np.ones_like(mean)
    beta = _array(norm.beta) if norm.center else np.zeros_like(mean)
    return gamma / np.sqrt(variance + norm.epsilon), mean - _array(dense.bias) if dense.use_bias else mean, beta


def _fold_bias(kernel: np.ndarray, bias: np.ndarray, weights: str, activation: str, fraction: int) -> FoldedLayer:
    """Post-training quantisation: weights to their format, biases to the accumulator's grid, both to the nearest."""
    format = Fixed.parse(weights)
    offset_fraction = fraction + format.fraction
    return FoldedLayer(format.codes(kernel, "nearest"), "linear" if activation == "linear" else "relu", "fixed",
                       kernel_fraction=format.fraction, scale=np.ones(len(bias), np.int64),
                       offset=np.rint(bias * 2.0**offset_fraction).astype(np.int64), offset_fraction=offset_fraction,
                       format=None if activation == "linear" else Fixed.parse(activation))


def _kernel(dense: keras.layers.Dense) -> np.ndarray:
    kernel = _array(dense.kernel)
    if isinstance(dense, (BinaryDense, TernaryDense)):
        return _array(dense.quantise(keras.ops.convert_to_tensor(kernel)))
    return kernel * _array(dense.mask) if isinstance(dense, MaskedDense) else kernel


def _array(variable: object) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable).astype(np.float64)


def to_keras(network: FoldedNetwork) -> keras.Model:
    """The folded network as Keras layers in float64: what hls4ml converts, and the reference for its rows.

    Thresholds become normalisations that hls4ml's own merging turns back into the same thresholds: with
    ε = 2⁻¹⁰ and σ² = 1 − 2⁻¹⁰ Keras computes exactly γ·a + β.
    """
    inputs = x = keras.Input((network.layers[0].kernel.shape[0],), dtype="float64", name="features")
    for position, (layer, (fraction, _)) in enumerate(zip(network.layers, network.formats()), start=1):
        n = str(position)
        dense, weights = _keras_dense(layer, fraction, n)
        x = dense(x)
        dense.set_weights(weights)
        if layer.weights != "fixed":
            norm = keras.layers.BatchNormalization(epsilon=2.0**-10, dtype="float64", name="norm" + n)
            x = norm(x)
            gamma, beta = _keras_affine(layer, fraction)
            norm.set_weights([gamma, beta, np.zeros_like(beta), np.full_like(beta, 1 - 2.0**-10)])
        if layer.activation != "linear":
            function = {"binary": binary_tanh, "ternary": ternary_tanh}.get(layer.activation)
            x = keras.layers.Activation(function or _relu(layer.format), dtype="float64", name="activation" + n)(x)
    return keras.Model(inputs, x, name=network.name.replace("-", "_"))


def _keras_dense(layer: FoldedLayer, fraction: int, n: str) -> tuple[keras.layers.Layer, list[np.ndarray]]:
    units, kernel = layer.kernel.shape[1], layer.kernel * 2.0**-layer.kernel_fraction
    if layer.weights == "fixed":
        if not (layer.scale == 1).all() or layer.scale_fraction:
            raise StudyError(f"layer {n}: a scale behind fixed-point weights belongs into the weights")
        return (keras.layers.Dense(units, dtype="float64", name="dense" + n),
                [kernel, layer.offset * 2.0**-layer.offset_fraction])
    kind = BinaryDense if layer.weights == "binary" else TernaryDense
    return kind(units, dtype="float64", name="dense" + n), [kernel]


def _keras_affine(layer: FoldedLayer, fraction: int) -> tuple[np.ndarray, np.ndarray]:
    unit = 2.0**-fraction
    if layer.activation == "binary":
        return np.ones(len(layer.high)), -layer.high * unit
    if layer.activation == "ternary":
        # hls4ml takes the floor of (±0.5 − β)/γ: a quarter of a unit inside the gap is safe from rounding.
        gamma = 1.0 / ((layer.high - layer.low - 0.5) * unit)
        return gamma, 0.5 - gamma * (layer.high - 0.25) * unit
    return layer.scale * 2.0**-layer.scale_fraction, layer.offset * 2.0**-layer.offset_fraction


def _relu(format: Fixed):
    def relu(x):  # hls4ml knows activations by the name of the function
        clipped = keras.ops.clip(x, 0.0, format.high)
        return keras.ops.floor(clipped * 2.0**format.fraction) * format.step

    return relu
