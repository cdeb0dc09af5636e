"""No claim of exactness depends on how a processor rounds a float: the inexact case is forced here on every machine."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from inexact import off_by_a_step

from ultralow.errors import StudyError
from ultralow.networks.catalogue import NetworkSpec
from ultralow.networks.recipes import RECIPES
from ultralow.synthesis.hls4ml import to_keras
from ultralow.training import evaluation, folding
from ultralow.training.layers import BinaryDense, binary_tanh
from ultralow.training.model import build

ENDS = pytest.mark.parametrize("towards", [0.0, np.inf], ids=["one step low", "one step high"])


def tied_model():
    """Sums of eight signs, thresholds on values that they take (0, ±2, …): a good part of all rows is a tie."""
    rng = np.random.default_rng(2)
    inputs = x = keras.Input((8,))
    for units, last in ((12, False), (3, True)):
        x = BinaryDense(units)(x)
        norm = keras.layers.BatchNormalization(epsilon=2.0**-10)
        x = norm(x)
        beta = np.zeros(units) if last else -2.0 * rng.integers(-2, 3, units)
        norm.set_weights([np.where(np.arange(units) % 2, -1.0, 1.0), beta, np.zeros(units), np.full(units, 1 - 2.0**-10)])
        x = x if last else keras.layers.Activation(binary_tanh)(x)
    model = keras.Model(inputs, x)
    for layer in model.layers:
        if isinstance(layer, BinaryDense):
            layer.set_weights([rng.choice([-1.0, 1.0], layer.kernel.shape)])
    return model, np.array(np.meshgrid(*[[-1.0, 1.0]] * 8)).reshape(8, -1).T


def in_integers(model, x):
    """The same network in Python's terms: integer sums, integer thresholds."""
    first, norm, _, last, scale = model.layers[1:]
    gamma, beta = (np.rint(v).astype(int) for v in norm.get_weights()[:2])
    sums = x.astype(int) @ np.sign(first.get_weights()[0]).astype(int)
    signs = np.where(gamma * sums + beta >= 0, 1, -1)
    return signs @ np.sign(last.get_weights()[0]).astype(int) * np.rint(scale.get_weights()[0]).astype(int)


@ENDS
def test_ties_are_decided_in_float64_and_by_folding_as_in_integers(towards, monkeypatch):
    model, x = tied_model()
    expected = in_integers(model, x)
    off_by_a_step(monkeypatch, towards)
    by_keras = evaluation.outputs(model, x.astype(np.float32))
    # The forced case is one: rows at a threshold come out on the other side, or Keras's own outputs are no integers.
    assert (np.abs(by_keras - expected) > 1e-3).any() or (by_keras != expected).any()
    np.testing.assert_array_equal(evaluation.float64_outputs(model, x), expected)
    folded = folding.fold(model, NetworkSpec("tied", (8, 12, 3), "binary", "binary", "fixed<2,2>", dataset="jets"))
    np.testing.assert_array_equal(folded.logits(x), expected)


def test_one_step_low_moves_rows_to_the_other_side_of_a_threshold(monkeypatch):
    """What the study must not depend on: without float64 a good part of the rows changes by whole votes."""
    model, x = tied_model()
    off_by_a_step(monkeypatch)
    moved = np.abs(evaluation.outputs(model, x.astype(np.float32)) - in_integers(model, x)).max(1) > 1
    assert moved.mean() > 0.1


@ENDS
@pytest.mark.parametrize("name, weights, activation", [("b", "binary", "binary"), ("t", "ternary", "ternary"), ("r", "ternary", "ufixed<4,2>"),
                                                       ("f", "fixed<6,2>", "ufixed<4,2>")])
def test_what_hls4ml_receives_is_the_folded_network_however_keras_rounds(name, weights, activation, towards, monkeypatch):
    network = NetworkSpec(name, (6, 9, 7, 3), weights, activation, "fixed<5,3>", dataset="jets")
    keras.utils.set_random_seed(4)
    folded = folding.fold(build(network, replace(RECIPES["study"], norm="batch")), network)
    codes = np.random.default_rng(3).integers(folded.input.low_code, folded.input.high_code + 1, (2000, 6))
    off_by_a_step(monkeypatch, towards)
    x, twin = codes * folded.input.step, to_keras(folded)
    np.testing.assert_array_equal(evaluation.float64_outputs(twin, x), folded.logits(x))
    if name in "br" and towards == 0.0:
        assert (evaluation.outputs(twin, x) != folded.logits(x)).any()  # by Keras itself it is not


@pytest.mark.parametrize("name, recipe", [("jets-float-compressed", "pruned"), ("jets-bnn-relu", "binary-relu"), ("jets-tnn-small", "ternary")])
def test_float64_is_what_keras_computes_but_for_its_rounding(name, recipe):
    from ultralow.networks.catalogue import CATALOGUE

    network = CATALOGUE[name].at_smoke_size()
    keras.utils.set_random_seed(5)
    model = build(network, replace(RECIPES[recipe], keep=0.9, dropout=0.1))
    rng = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            n = layer.gamma.shape[0]
            layer.set_weights([rng.normal(size=n), rng.normal(size=n), rng.normal(size=n), rng.uniform(0.1, 20, n)])
    x = rng.normal(size=(500, 16)).astype(np.float32)
    in_float64, by_keras = evaluation.float64_outputs(model, x), evaluation.outputs(model, x)
    assert in_float64.dtype == np.float64 and np.ptp(in_float64) > 0.1
    rows = np.isclose(in_float64, by_keras, rtol=1e-3, atol=1e-4).all(1)
    assert rows.mean() > 0.99  # a row near a threshold may fall on either side in float32


def test_a_layer_that_float64_does_not_know_is_named():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Softmax(name="s")])
    with pytest.raises(StudyError, match=r"layer s \(Softmax\) is none of dense"):
        evaluation.float64_outputs(model, np.zeros((1, 4)))
