"""Knows what a folded network costs in LUTs, roughly and at once, without tracing it."""

from __future__ import annotations

import numpy as np

from ultralow.folded import FoldedNetwork

# Sub-expressions that neurons share are added once: the share of the adders that remains.
SHARED = 0.5


def luts(network: FoldedNetwork) -> float:
    """LUTs of the pipelined adder graph: one for each bit of each adder, thresholds included.

    A neuron with k inputs other than 0 needs k − 1 adders; their widths grow from the input's to the accumulator's.
    An estimate for searches: how far it is off is shown in the search's notebook. What a circuit costs is measured by
    :mod:`ultralow.synthesis`.
    """
    total, span, fraction = 0.0, (network.input.low_code, network.input.high_code), network.input.fraction
    for layer in network.layers:
        used = np.abs(layer.kernel) > 0
        adders = np.maximum(used.sum(0) - 1, 0)
        low, high = layer.accumulator_range(*span)
        wide = _bits(np.minimum(low, 0), np.maximum(high, 0))
        narrow = _bits(np.array([span[0]]), np.array([span[1]]))
        total += SHARED * float((adders * (wide + narrow) / 2).sum())
        if layer.activation in ("binary", "ternary"):
            total += float(wide.sum()) / 2 * (1 if layer.activation == "binary" else 2)
        elif layer.activation == "relu":
            total += float(wide.sum()) * 2
        span, fraction = layer.output_range(span, fraction), layer.output_fraction(fraction)
    return total


def _bits(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Bits of a two's complement number from ``low`` to ``high``; −1 … +1 in one bit where 0 cannot occur is not
    told apart."""
    return np.ceil(np.log2(np.maximum(-low, high + 1))) + (low < 0)
