"""Steps and epochs of the trainings in JAX, against Keras's Adam and counts by hand."""

import keras
import numpy as np
import pytest

from ultralow.training import keras_setup  # noqa: F401 — sets Keras up before it computes
from ultralow.training.lut.jax_training import Descent, adam, in_batches


def test_a_step_of_adam_is_keras_own():
    rng = np.random.default_rng(0)
    start, slopes = rng.normal(size=7).astype(np.float32), rng.normal(size=(5, 7)).astype(np.float32)
    variable = keras.Variable(start)
    optimizer = keras.optimizers.Adam(0.01, epsilon=1e-8)
    optimizer.build([variable])
    value, moments = {"a": start[:3], "b": start[3:]}, ({"a": np.zeros(3), "b": np.zeros(4)},) * 2
    for number, slope in enumerate(slopes, start=1):
        value, moments = adam(value, moments, {"a": slope[:3], "b": slope[3:]}, number, {"a": 0.01, "b": 0.01})
        optimizer.apply([keras.ops.convert_to_tensor(slope)], [variable])
    np.testing.assert_allclose(np.concatenate([value["a"], value["b"]]), keras.ops.convert_to_numpy(variable), atol=1e-5)
    frozen, _ = adam(value, moments, {"a": slope[:3], "b": slope[3:]}, 6, {"a": 0.0, "b": 0.01})
    np.testing.assert_array_equal(frozen["a"], value["a"])  # a rate for each entry
    assert (np.asarray(frozen["b"]) != np.asarray(value["b"])).all()


@pytest.mark.parametrize("every, lines", [(1, [1, 2, 3, 4, 5, 6, 7]), (5, [5, 7])])
def test_a_descent_takes_whole_batches_in_an_order_of_its_own_for_each_epoch(every, lines):
    batches, numbers, begun, told = [], [], [], []

    def step(rows, number):
        batches.append(rows)
        numbers.append(number)
        return float(number)

    descent = Descent(11, 4, 7, np.random.default_rng(3), told.append, every)
    history = descent.run(step, lambda: (0.25, ", a note"), begun.append)
    assert descent.steps == 2 and numbers == list(range(1, 15)) and begun == list(range(7))
    rng = np.random.default_rng(3)
    for epoch in range(7):
        order = rng.permutation(11)
        np.testing.assert_array_equal(np.concatenate(batches[2 * epoch:2 * epoch + 2]), order[:8])
    assert history == {"loss": [1.5 + 2 * epoch for epoch in range(7)], "valid_accuracy": [0.25] * 7}
    assert told == [f"epoch {n}/7: loss {2 * n - 0.5:.4f}, validation accuracy 0.2500, a note" for n in lines]


def test_rows_are_computed_so_many_at_a_time():
    asked = []
    x = np.arange(10)
    np.testing.assert_array_equal(in_batches(lambda part: (asked.append(len(part)), part * 2)[1], x, 4), 2 * x)
    assert asked == [4, 4, 2]
