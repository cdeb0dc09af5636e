"""Folding against exact rational arithmetic: the formula y = s·a + b, evaluated without rounding."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultralow.training import folding
from ultralow.training.evaluation import float64_outputs
from ultralow.networks.catalogue import CATALOGUE
from ultralow.networks.recipes import RECIPES
from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed
from ultralow.exact.load import load_network
from ultralow.exact.dense import FoldedLayer, FoldedNetwork
from ultralow.synthesis.hls4ml import to_keras

# Multiples of 1/64 make exact ties with the thresholds frequent; 0 makes neurons that do not depend on their inputs.
coefficients = st.integers(-192, 192).map(lambda n: n / 64)
inputs = st.sampled_from([Fixed(1, 0, False), Fixed(4, 2), Fixed(3, 3), Fixed(3, 4)])


def accumulators(kernel, input_format, scale):
    """Every integer that the folded layer's accumulator can be, and the accumulator before folding."""
    column = kernel * (-1 if scale < 0 else 1)
    ends = [input_format.low_code, input_format.high_code]
    low = sum(min(w * e for e in ends) for w in column)
    high = sum(max(w * e for e in ends) for w in column)
    return [(a, -a if scale < 0 else a) for a in range(low, high + 1)]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([-1, 1]), min_size=1, max_size=5), coefficients, coefficients, inputs)
def test_binary_thresholds_are_exact_for_every_accumulator(kernel, scale, offset, form):
    layer = folding.fold_norm(np.array(kernel)[:, None], np.array([scale]), np.array([offset]), "binary", "binary",
                              folding.InputCodes(form.fraction, (form.low_code, form.high_code)))
    for folded, raw in accumulators(np.array(kernel), form, scale):
        y = Fraction(scale) * raw * Fraction(2) ** -form.fraction + Fraction(offset)
        assert (folded >= layer.high[0]) == (y >= 0)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=5), coefficients, coefficients, inputs)
def test_ternary_thresholds_are_exact_for_every_accumulator(kernel, scale, offset, form):
    layer = folding.fold_norm(np.array(kernel)[:, None], np.array([scale]), np.array([offset]), "ternary", "ternary",
                              folding.InputCodes(form.fraction, (form.low_code, form.high_code)))
    for folded, raw in accumulators(np.array(kernel), form, scale):
        y = Fraction(scale) * raw * Fraction(2) ** -form.fraction + Fraction(offset)
        assert (folded >= layer.high[0]) == (y > Fraction(1, 2))
        assert (folded <= layer.low[0]) == (y <= Fraction(-1, 2))


def test_thresholds_stay_within_one_of_the_accumulators_reach():
    kernel = np.ones((4, 3), np.int64)
    layer = folding.fold_norm(kernel, np.full(3, 1e-9), np.array([-1.0, 0.0, 1.0]), "ternary", "ternary",
                              folding.InputCodes(0, (-1, 1)))
    assert layer.high.max() == 5 and layer.low.min() >= -5 and (layer.low < layer.high).all()


def randomised(name):
    """A catalogue entry's network with the spread of weights that long training gives: norms of both signs."""
    import keras

    from ultralow.training.model import build

    network = CATALOGUE[name].at_smoke_size()
    rng = np.random.default_rng(3)
    keras.utils.set_random_seed(3)
    model = build(network, RECIPES[network.recipe])
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            n = layer.gamma.shape[0]
            layer.set_weights([rng.normal(size=n), rng.normal(size=n), rng.normal(size=n), rng.uniform(0.1, 20, n)])
    x = Fixed.parse(network.input).quantise(rng.normal(0.3, 0.8, (600, network.widths[0])))
    return network, model, x


def graph_logits(model, x):
    """In float64: a float32 sum next to a threshold may fall on either side, by processor."""
    return float64_outputs(model, x)


# The widths of FINN's table differ at full size only.
@pytest.mark.parametrize("name", [n for n, entry in CATALOGUE.items() if entry.hls4ml and (not n.startswith("finn-") or "-128-" in n)])
def test_every_network_of_the_catalogue_folds_to_the_same_decisions(name, tmp_path):
    network, model, x = randomised(name)
    folded = folding.fold(model, network)
    assert folded.architecture == network.architecture
    logits, graph = folded.logits(x), graph_logits(model, x)
    reference = float64_outputs(to_keras(folded), x)
    np.testing.assert_array_equal(logits, reference)
    if network.kind in ("binary", "ternary"):
        # Only the output's scale is rounded: to 6 bits, 1% of the largest logit, hidden decisions being exact.
        assert np.abs(logits - graph).max() <= 0.03 * np.abs(graph).max()
    folded.save(tmp_path / "folded.npz")
    assert load_network(tmp_path / "folded.npz") == folded


def test_rounded_relu_and_weights_stay_near_the_trained_network():
    for name, tolerance in (("jets-float", 0.1), ("jets-tnn-relu", 0.35)):
        network, model, x = randomised(name)
        graph = graph_logits(model, x)
        spread = np.abs(folding.fold(model, network).logits(x) - graph).mean() / np.abs(graph).mean()
        assert spread < tolerance, (name, spread)


def test_a_model_of_another_shape_is_refused():
    network, model, _ = randomised("jets-bnn-small")
    with pytest.raises(StudyError, match="the model has 4 dense layers, the catalogue 5"):
        folding.fold(model, CATALOGUE["jets-tnn-optimised"])


@pytest.mark.parametrize("faulty, message", [
    (dict(kernel=np.zeros((2, 1), np.int64), activation="binary", weights="binary", high=np.zeros(1, np.int64)), "binary kernel"),
    (dict(kernel=np.ones((2, 1), np.int64), activation="sigmoid", weights="binary"), "sigmoid"),
    (dict(kernel=np.ones((2, 1), np.int64), activation="ternary", weights="ternary", high=np.zeros(1, np.int64)), "needs low"),
    (dict(kernel=np.ones((2, 1), np.int64), activation="ternary", weights="ternary", high=np.zeros(1, np.int64),
          low=np.zeros(1, np.int64)), "low < high"),
])
def test_a_folded_layer_that_means_nothing_is_refused(faulty, message):
    with pytest.raises(StudyError, match=message):
        FoldedLayer(**faulty)


def test_sums_that_float64_could_not_hold_are_refused():
    layer = FoldedLayer(np.full((64, 1), 2**20), "linear", "fixed", scale=np.array([2**20]), offset=np.zeros(1, np.int64))
    with pytest.raises(StudyError, match="beyond 2.53"):
        FoldedNetwork("wide", Fixed(16, 6), (layer,))


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "folded.npz"
    path.write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(StudyError, match="folded.npz is not a folded network"):
        load_network(path)
    with pytest.raises(StudyError, match="none.npz is missing"):
        load_network(tmp_path / "none.npz")
