"""The quantised layers against plain numpy, on the backend that Keras runs on."""

import keras
import numpy as np
import pytest
from keras import ops

from ultralow.training import layers

VALUES = np.array([-2.0, -1.0, -0.75, -0.5, -0.25, -0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 2.0], np.float32)


def signs(x):
    return np.where(x >= 0, 1.0, -1.0)


def three(x):
    return np.where(x > 0.5, 1.0, np.where(x <= -0.5, -1.0, 0.0))


def gradient(function, x):
    """d(sum of function)/dx; a one-layer model lets every backend do it."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        variable = tf.Variable(x)
        with tf.GradientTape() as tape:
            total = ops.sum(function(variable))
        return tape.gradient(total, variable).numpy()
    import jax

    return np.asarray(jax.grad(lambda v: ops.sum(function(v)))(x))


@pytest.mark.parametrize("function, expected", [(layers.binary_tanh, signs), (layers.ternary_tanh, three)])
def test_activations_round_with_hls4mls_ties_and_pass_gradients_inside_one(function, expected):
    np.testing.assert_array_equal(ops.convert_to_numpy(function(VALUES)), expected(VALUES))
    inside = np.abs(VALUES) < 1
    assert (gradient(function, VALUES)[inside] == 1).all()
    assert (gradient(function, VALUES)[np.abs(VALUES) > 1] == 0).all()


@pytest.mark.parametrize("kind, expected", [(layers.BinaryDense, signs), (layers.TernaryDense, three)])
def test_dense_layers_multiply_by_the_rounded_kernel(kind, expected):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(7, 5)).astype(np.float32), rng.uniform(-1, 1, (5, 3)).astype(np.float32)
    layer = kind(3)
    layer.build(x.shape)
    layer.kernel.assign(kernel)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), x @ expected(kernel).astype(np.float32), rtol=1e-5)
    assert layer.bias is None
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.kernel_constraint(ops.convert_to_tensor(3 * kernel))),
                                  np.clip(3 * kernel, -1, 1))


def test_ternary_kernels_start_with_all_three_values():
    layer = layers.TernaryDense(64)
    layer.build((None, 64))
    assert set(np.unique(three(ops.convert_to_numpy(layer.kernel)))) == {-1, 0, 1}


@pytest.mark.parametrize("kind, rounded", [(layers.BinaryDense, signs), (layers.TernaryDense, three)])
def test_weights_settle_at_their_usual_value_after_few_steps_as_after_many(kind, rounded):
    layer = kind(4, settling=True)
    layer.build((None, 6))
    kernel = np.random.default_rng(0).uniform(-1, 1, (6, 4)).astype(np.float32)
    layer.kernel.assign(kernel)
    for _ in range(3):
        layer(np.ones((2, 6), np.float32), training=True)
    layer.settle(0.5, steps=3)
    assert ops.convert_to_numpy(layer.free).sum() == 12
    layer.settle(1.0, steps=3)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.kernel), rounded(kernel))


def test_quantised_relu_floors_and_saturates():
    layer = layers.QuantisedRelu("ufixed<3,1>")
    x = np.array([-1.0, 0.1, 0.24, 0.25, 1.0, 1.74, 9.0], np.float32)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x)), [0, 0, 0, 0.25, 1.0, 1.5, 1.75])
    np.testing.assert_array_equal(gradient(layer, x), [0, 1, 1, 1, 1, 1, 0])


def test_masked_weights_count_for_nothing():
    layer = layers.MaskedDense(2, use_bias=True)
    layer.build((None, 3))
    layer.mask.assign(np.zeros((3, 2), np.float32))
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(np.ones((1, 3), np.float32))), np.zeros((1, 2)))


def test_a_saved_network_loads_in_safe_mode_and_gives_the_same(tmp_path):
    inputs = x = keras.Input((4,))
    for layer in (layers.BinaryDense(6), keras.layers.Activation(layers.binary_tanh), layers.TernaryDense(5),
                  layers.QuantisedRelu("ufixed<4,2>"), layers.MaskedDense(3), keras.layers.Activation(layers.ternary_tanh)):
        x = layer(x)
    model, rows = keras.Model(inputs, x), np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(model.predict(rows, verbose=0), loaded.predict(rows, verbose=0))
