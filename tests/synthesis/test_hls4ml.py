"""hls4ml's emulation against the folded network, and why folding is needed. Each conversion compiles C++ (10 s)."""

import keras
import numpy as np
import pytest

from ultralow.synthesis import hls4ml as hls
from ultralow.training import folding
from ultralow.training.evaluation import float64_outputs
from ultralow.fixed_point import Fixed
from ultralow.exact.dense import FoldedNetwork

INPUT = Fixed(7, 3)


def random_network(weights, activations, widths=(8, 12, 10, 3), seed=0, sign=None):
    """Random kernels, scales of both signs, a column of zeros, a neuron that never and one that always fires."""
    rng, layers = np.random.default_rng(seed), []
    span, fraction = (INPUT.low_code, INPUT.high_code), INPUT.fraction
    for n, m, activation in zip(widths, widths[1:], (*activations, "linear")):
        kernel = rng.choice([-1, 1] if weights == "binary" else [-1, 0, 1], (n, m))
        scale, offset = rng.normal(size=m) / np.sqrt(n), rng.normal(size=m)
        if activation != "linear":
            offset[:2], scale[2] = (-1e3, 1e3), 0.0
            if weights == "ternary":
                kernel[:, 3] = 0
        layer = folding.fold_norm(kernel, scale, offset, weights, activation, folding.InputCodes(fraction, span))
        span, fraction = layer.output_range(span, fraction), layer.output_fraction(fraction)
        layers.append(layer)
    return FoldedNetwork("random", INPUT, tuple(layers))


def rows(count=1000):
    rng = np.random.default_rng(9)
    x = rng.normal(size=(count, 8)) * 2
    x[:4] = [[INPUT.low] * 8, [INPUT.high] * 8, [INPUT.low, INPUT.high] * 4, [0.0] * 8]
    return x


# One network holds two kinds of activation, so that few compilations see all of them.
@pytest.mark.parametrize("weights, activations, backend", [
    ("binary", ("binary", "binary"), "Vitis"),
    ("ternary", ("ternary", "ternary"), "Vitis"),
    ("ternary", ("ufixed<4,2>", "ufixed<3,1>"), "Vivado"),
    ("binary", ("ufixed<4,2>", "ufixed<5,3>"), "Vitis"),
])
def test_every_row_of_the_emulation_is_exact(weights, activations, backend):
    result = hls.compare(random_network(weights, activations), rows(), backend, log=lambda line: None)
    assert (result.rows, result.keras_rows_exact, result.rows_exact) == (1000, 1000, 1000)


def test_fixed_point_weights_are_exact_too():
    from ultralow.networks.catalogue import CATALOGUE
    from ultralow.training.model import build
    from ultralow.networks.recipes import RECIPES

    entry = CATALOGUE["jets-float"].at_smoke_size()
    keras.utils.set_random_seed(2)
    folded = folding.fold(build(entry, RECIPES["float"]), entry)
    x = np.random.default_rng(4).normal(size=(1000, 16)) * 3
    result = hls.compare(folded, x, log=lambda line: None)
    assert (result.rows, result.keras_rows_exact, result.rows_exact) == (1000, 1000, 1000)


def naive_emulation(gamma, beta, tmp_path):
    """What hls4ml makes of a trained binary layer by itself: kernel, batch normalisation, sign; 1,000 rows."""
    from ultralow.training.layers import BinaryDense, binary_tanh

    rng = np.random.default_rng(0)
    inputs = x = keras.Input((8,), name="features")
    for n, units in enumerate((12, 3), 1):
        x = BinaryDense(units, name=f"dense{n}")(x)
        norm = keras.layers.BatchNormalization(epsilon=2.0**-10, name=f"norm{n}")
        x = norm(x)
        last = n == 2
        norm.set_weights([np.ones(units) if last else gamma, np.zeros(units) if last else beta, np.zeros(units),
                          np.full(units, 1 - 2.0**-10)])
        if not last:
            x = keras.layers.Activation(binary_tanh, name=f"sign{n}")(x)
    model = keras.Model(inputs, x)
    for layer in model.layers:
        if isinstance(layer, BinaryDense):
            layer.set_weights([rng.choice([-1.0, 1.0], layer.kernel.shape)])
    import hls4ml

    config = hls4ml.utils.config_from_keras_model(model, granularity="name", default_precision="fixed<16,6>",
                                                  backend="Vitis")
    config["LayerName"]["features"]["Precision"]["result"] = str(INPUT)
    emulator = hls4ml.converters.convert_from_keras_model(model, hls_config=config, output_dir=str(tmp_path / "hls"),
                                                          backend="Vitis", allow_da_fallback=False)
    x = INPUT.quantise(rows())
    emulated = hls.emulate(emulator, x)
    exact = hls.exact_rows(emulated, float64_outputs(model, x))
    return exact, model, x


@pytest.mark.parametrize("fault", ["threshold rounded down", "sign of gamma dropped"])
def test_hls4ml_alone_is_not_exact_and_folding_is_the_cure(fault, tmp_path):
    """If the first assertion fails one day, hls4ml has mended the fault and docs/hls4ml-faults.md is out of date."""
    rng = np.random.default_rng(1)
    # Thresholds between two values of the accumulator, or on one: only then is the other fault out of the way.
    beta = -rng.integers(-20, 20, 12) / 16 + (1 / 32 if fault == "threshold rounded down" else 0)
    gamma = np.ones(12) if fault == "threshold rounded down" else np.where(np.arange(12) % 2, -1.0, 1.0)
    exact, model, x = naive_emulation(gamma, beta, tmp_path)
    assert exact < len(x)

    from ultralow.networks.catalogue import NetworkSpec

    entry = NetworkSpec("cured", (8, 12, 3), "binary", "binary", str(INPUT), dataset="jets")
    folded = folding.fold(model, entry)
    np.testing.assert_array_equal(folded.logits(x), float64_outputs(model, x))
    assert hls.compare(folded, x, log=lambda line: None).rows_exact == len(x)
