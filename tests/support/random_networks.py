"""Random folded networks, and one that collects the corners, for the tests of the hardware modules."""

import numpy as np

from ultralow.fixed_point import Fixed
from ultralow.exact.dense import FoldedLayer, FoldedNetwork


def random_network(seed: int, widths: list[int], kind: tuple[str, str], input_format: str) -> FoldedNetwork:
    """Layers of weights ``kind[0]`` and activation ``kind[1]`` (binary, ternary or a ReLU's format)."""
    rng, weights = np.random.default_rng(seed), kind[0]
    values = {"binary": (-1, 1), "ternary": (-1, 0, 1), "fixed": range(-7, 8)}[weights]
    given, layers = Fixed.parse(input_format), []
    span, fraction = (given.low_code, given.high_code), given.fraction
    for position, shape in enumerate(zip(widths, widths[1:])):
        activation = "linear" if position == len(widths) - 2 else kind[1]
        layer = _layer(rng, rng.choice(values, shape), weights, activation, span, fraction)
        layers.append(layer)
        span, fraction = layer.output_range(span, fraction), layer.output_fraction(fraction)
    return FoldedNetwork("random", given, tuple(layers))


def _layer(rng, kernel, weights, activation, span, fraction) -> FoldedLayer:
    width, kernel_fraction = kernel.shape[1], 3 if weights == "fixed" else 0
    low, high = FoldedLayer(kernel, "binary", weights, high=np.zeros(width, np.int64)).accumulator_range(*span)
    if activation in ("binary", "ternary"):
        # Mostly amid the sums; at the rim or beyond it now and then: such neurons are constant.
        middle = np.rint((low + high) / 2 + (high - low) * rng.normal(0, 0.1, width)).astype(np.int64)
        top = np.where(rng.random(width) < 0.2, rng.integers(low - 2, high + 4), middle)
        bottom = None if activation == "binary" else top - 1 - rng.integers(0, 3, width)
        return FoldedLayer(kernel, activation, weights, kernel_fraction, high=top, low=bottom)
    reach = max(1, int(np.abs([low, high]).max()))
    if activation == "linear":
        return FoldedLayer(kernel, "linear", weights, kernel_fraction,
                           scale=rng.integers(-9, 10, width), scale_fraction=2,
                           offset=rng.integers(-50, 50, width), offset_fraction=int(rng.integers(0, 5)))
    form = Fixed.parse(activation)
    # So that a good part of the sums lands inside the format, some below zero and some above the top.
    scale = np.maximum(1, rng.integers(8, 64, width) * 2**8 // reach)
    scale_fraction = 12 - form.integer - fraction - kernel_fraction
    return FoldedLayer(kernel, "relu", weights, kernel_fraction, scale=scale * rng.choice([1, 1, 1, -1], width),
                       scale_fraction=scale_fraction, offset=rng.integers(-8, 9, width), offset_fraction=2, format=form)


def corner_network(activation: str) -> FoldedNetwork:
    """Eight inputs of which one is unused; zero column, copies, negated copy, rim thresholds, unread and plain ones."""
    rng = np.random.default_rng(7)
    column = np.array([1, -1, 1, 1, 0, -1, 1, 0])
    others = rng.choice([-1, 0, 1], (8, 7))
    others[7] = 0
    kernel = np.column_stack([column, column, -column, 0 * column, others])
    span = (-8, 7)
    low, high = FoldedLayer(kernel, "binary", "ternary", high=np.zeros(11, np.int64)).accumulator_range(*span)
    if activation in ("binary", "ternary"):
        top = np.array([3, 3, -2, 1, low[4], high[5] + 1, high[6], 0, 2, -3, 1])
        bottom = np.array([-1, -1, -4, 0, low[4] - 1, low[5], high[6] - 1, -1, -2, -9, 0])
        if activation == "ternary":
            top[2], bottom[2] = 1, -3
        hidden = FoldedLayer(kernel, activation, "ternary", high=top, low=bottom if activation == "ternary" else None)
    else:
        hidden = FoldedLayer(kernel, "relu", "ternary", format=Fixed.parse(activation),
                             scale=np.array([3, 3, 3, 5, 1, 7, -2, 1, 2, 3, 4]), scale_fraction=1,
                             offset=np.array([1, 1, 1, -4, 9, 0, 2, 0, 0, 5, 1]), offset_fraction=2)
    readers = rng.choice([-1, 1], (11, 3))
    readers[7] = 0
    last = FoldedLayer(readers, "linear", "ternary", scale=np.array([5, -3, 4]), scale_fraction=3,
                       offset=np.array([7, 0, -9]), offset_fraction=6)
    return FoldedNetwork("corners", Fixed.parse("fixed<4,2>"), (hidden, last), ("a", "b", "c"))


def input_rows(network: FoldedNetwork, rows: int) -> np.ndarray:
    """Random input codes (rows, inputs), the two extremes first."""
    rng, n_in = np.random.default_rng(11), network.layers[0].kernel.shape[0]
    low, high = network.input.low_code, network.input.high_code
    return np.vstack([np.full((1, n_in), low), np.full((1, n_in), high), rng.integers(low, high + 1, (rows - 2, n_in))])
