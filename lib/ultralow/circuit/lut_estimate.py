"""Estimate a folded network's LUTs at once, without tracing it."""

from __future__ import annotations

import numpy as np

from ultralow.errors import StudyError
from ultralow.exact.dense import FoldedNetwork

# Sub-expressions that neurons share are added once, the more so the more neurons there are: of the adders of a layer
# with m outputs remains a·m^−b. Fitted to synthesised random networks, 16x12x12x12x12x5 to 16x128x64x64x5 with inputs of
# seven bits, a third of the ternary weights zero: within 6% of each.
REMAINING = {"binary": (0.81, 0.333), "ternary": (1.03, 0.245)}


def luts(network: FoldedNetwork) -> float:
    """LUTs of the pipelined adder graph: one for each bit of each adder, thresholds included.

    A neuron with k inputs other than 0 needs k − 1 adders; their widths grow from the input's to the accumulator's.
    An estimate for searches; benchmarks/estimate.py shows its error. What a circuit costs is measured by
    :mod:`ultralow.synthesis.yosys`.

    Raises:
        StudyError: weights that are neither binary nor ternary.
    """
    total, span, fraction = 0.0, (network.input.low_code, network.input.high_code), network.input.fraction
    for layer in network.layers:
        if layer.weights not in REMAINING:
            raise StudyError(f"{network.name}: the estimate of LUTs is for {' and '.join(REMAINING)} weights only")
        factor, power = REMAINING[layer.weights]
        used = np.abs(layer.kernel) > 0
        adders = np.maximum(used.sum(0) - 1, 0)
        low, high = layer.accumulator_range(*span)
        wide = _bits(np.minimum(low, 0), np.maximum(high, 0))
        narrow = _bits(np.array([span[0]]), np.array([span[1]]))
        total += factor * layer.kernel.shape[1]**-power * float((adders * (wide + narrow) / 2).sum())
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
