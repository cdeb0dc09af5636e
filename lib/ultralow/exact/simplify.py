"""Remove neurons that change nothing, exactly: the logits stay equal for every input code.

What goes: constant neurons (into the next layer's thresholds or offset), copies and negated copies of a neuron (into the
kernel rows of the first), neurons that nobody reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ultralow.exact.dense_layer import FoldedLayer
from ultralow.fixed_point import Fixed


def simplified_layers(layers: Sequence[FoldedLayer], form: Fixed) -> tuple[FoldedLayer, ...]:
    """The smallest layers found that give the same logit codes as ``layers`` for every input code of the format ``form``.

    Inputs and outputs keep their number and order; unused inputs keep a kernel row of zeros. A hidden layer keeps
    at least one neuron. Kernels that merged rows hold 2 or −2 are marked ``fixed``.
    """
    layers = list(layers)
    low, high = (np.full(layers[0].kernel.shape[0], code, np.int64) for code in (form.low_code, form.high_code))
    fraction = form.fraction
    for position in range(len(layers) - 1):
        layer = _tightened(layers[position], low, high)
        low, high = _output_span(layer, low, high, fraction)
        fraction = layer.output_fraction(fraction)
        following = _absorb_constants(layers[position + 1], low, high, fraction)
        layers[position], layers[position + 1] = layer, _merge_copies(layer, following)
    # Backwards, since a neuron without readers takes its own inputs' readers away.
    for position in range(len(layers) - 1, 0, -1):
        used = layers[position].kernel.any(axis=1)
        if not used.any():
            used[0] = True
        layers[position - 1] = _columns(layers[position - 1], used)
        layers[position] = _with_kernel(layers[position], layers[position].kernel[used])
    return tuple(layers)


def reach(kernel: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest accumulator (n_out,) each, for inputs between ``low`` and ``high`` (n_in,)."""
    positive, negative = np.maximum(kernel, 0), np.minimum(kernel, 0)
    return low @ positive + high @ negative, high @ positive + low @ negative


def _tightened(layer: FoldedLayer, low: np.ndarray, high: np.ndarray) -> FoldedLayer:
    """Thresholds moved to the nearest place that decides the same, so that equal neurons look equal."""
    if layer.activation not in ("binary", "ternary"):
        return layer
    least, most = reach(layer.kernel, low, high)
    top = np.clip(layer.high, least, most + 1)
    if layer.activation == "binary":
        return replace(layer, high=top)
    bottom = np.clip(layer.low, least - 1, most)
    # low < high holds on: both moved into the same interval, and an order that became equal decides by `high`.
    return replace(layer, high=top, low=np.minimum(bottom, top - 1))


def _output_span(layer: FoldedLayer, low: np.ndarray, high: np.ndarray, fraction: int) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest output code of each neuron."""
    ends = np.stack(reach(layer.kernel, low, high))
    # The activations are monotone in the accumulator (falling where a scale is negative).
    probe = replace(layer, kernel=np.eye(layer.kernel.shape[1], dtype=np.int64), weights="fixed")
    out = probe(ends, fraction)
    return out.min(axis=0), out.max(axis=0)


def _absorb_constants(layer: FoldedLayer, low: np.ndarray, high: np.ndarray, fraction: int) -> FoldedLayer:
    constant = low == high
    if not (constant & layer.kernel.any(axis=1)).any():
        return layer
    shift = np.where(constant, low, 0) @ layer.kernel
    kernel = np.where(constant[:, None], 0, layer.kernel)
    layer = _with_kernel(layer, kernel)
    if layer.activation == "binary":
        return replace(layer, high=layer.high - shift)
    if layer.activation == "ternary":
        return replace(layer, high=layer.high - shift, low=layer.low - shift)
    product_fraction = fraction + layer.kernel_fraction + layer.scale_fraction
    common = max(product_fraction, layer.offset_fraction)
    offset = (layer.offset * 2 ** (common - layer.offset_fraction)
              + shift * layer.scale * 2 ** (common - product_fraction))
    return replace(layer, offset=offset, offset_fraction=common)


def _merge_copies(layer: FoldedLayer, following: FoldedLayer) -> FoldedLayer:
    """``following`` with the kernel rows of copied neurons added to the row of the first of them."""
    kernel, first = following.kernel.copy(), {}
    for j in range(layer.kernel.shape[1]):
        column = layer.kernel[:, j]
        key, sign = _identity(layer, j), 1
        if layer.activation in ("binary", "ternary") and (nonzero := np.flatnonzero(column)).size:
            # One sign is the canonical one: y(−a) = −y(a) once the thresholds are mirrored.
            if column[nonzero[0]] < 0:
                key, sign = _mirrored(layer, j), -1
        if key in first:
            other, other_sign = first[key]
            kernel[other] += sign * other_sign * kernel[j]
            kernel[j] = 0
        else:
            first[key] = (j, sign)
    return _with_kernel(following, kernel)


def _identity(layer: FoldedLayer, j: int) -> tuple:
    values = [getattr(layer, name) for name in ("high", "low", "scale", "offset")]
    return layer.kernel[:, j].tobytes(), *(None if v is None else int(v[j]) for v in values)


def _mirrored(layer: FoldedLayer, j: int) -> tuple:
    column = (-layer.kernel[:, j]).tobytes()
    if layer.activation == "binary":  # −y(a) = +1 where −a ≥ 1 − high
        return column, 1 - int(layer.high[j]), None, None, None
    return column, -int(layer.low[j]), -int(layer.high[j]), None, None


def _columns(layer: FoldedLayer, keep: np.ndarray) -> FoldedLayer:
    vectors = {name: value[keep] for name in ("high", "low", "scale", "offset")
               if (value := getattr(layer, name)) is not None}
    return replace(layer, kernel=layer.kernel[:, keep], **vectors)


def _with_kernel(layer: FoldedLayer, kernel: np.ndarray) -> FoldedLayer:
    allowed = {"binary": (-1, 1), "ternary": (-1, 0, 1)}.get(layer.weights)
    if allowed is None or np.isin(kernel, allowed).all():
        return replace(layer, kernel=kernel)
    ternary = np.isin(kernel, (-1, 0, 1)).all()
    return replace(layer, kernel=kernel, weights="ternary" if ternary else "fixed")
