from dataclasses import replace

import keras
import numpy as np
import pytest

from ultralow import training
from ultralow.catalogue import CATALOGUE, RECIPES
from ultralow.errors import StudyError

NETWORK = CATALOGUE["jets-tnn-small"].at_smoke_size()


def task(rows=2000):
    """Five classes that a small network can tell apart: the largest of five sums of features."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 16)).astype(np.float32)
    return x, np.argmax(x[:, :15].reshape(rows, 5, 3).sum(2), axis=1)


def fit(recipe, network=NETWORK, seed=1, log=lambda line: None):
    x, y = task()
    return training.train(network, recipe, x[:1600], y[:1600], x[1600:], y[1600:], seed, log)


def weights(model):
    return [keras.ops.convert_to_numpy(w) for w in model.weights]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    recipe = replace(RECIPES["study"], epochs=2, batch_size=64, dropout=0.1)
    first, again, other = (fit(recipe, seed=seed) for seed in (1, 1, 2))
    for a, b in zip(weights(first[0]), weights(again[0])):
        np.testing.assert_array_equal(a, b)
    assert first[1] == again[1]
    assert any((a != b).any() for a, b in zip(weights(first[0]), weights(other[0])))


@pytest.mark.parametrize("recipe", ["study", "reference-jets"])
def test_recipes_learn_and_tell_the_time_left(recipe):
    lines = []
    recipe = replace(RECIPES[recipe], epochs=12, batch_size=64, learning_rate=1e-2)
    _, history = fit(recipe, replace(NETWORK, widths=(16, 32, 5)), log=lines.append)
    assert history["val_accuracy"][-1] > 0.5  # chance is 0.2
    assert {len(values) for values in history.values()} == {12}
    assert lines[-1].startswith("epoch 12/12: loss ") and lines[-1].endswith("0 s left")


def test_pruning_reaches_its_share_of_zeros_and_keeps_it():
    network = CATALOGUE["jets-float-compressed"].at_smoke_size()
    model, history = fit(replace(RECIPES["pruned"], epochs=6, batch_size=64), network)
    masks = np.concatenate([w.ravel() for w in (keras.ops.convert_to_numpy(layer.mask) for layer in model.layers
                                                if hasattr(layer, "mask"))])
    assert 0.70 <= np.mean(masks == 0) < 0.72


@pytest.mark.parametrize("change, message", [({"loss": "hinge"}, "unknown loss 'hinge'; did you mean 'squared_hinge'"),
                                             ({"schedule": "cosin"}, "unknown schedule 'cosin'; did you mean 'cosine'")])
def test_unknown_names_in_a_recipe_are_refused(change, message):
    with pytest.raises(StudyError, match=message):
        fit(replace(RECIPES["study"], **change))


def test_another_process_starts_from_the_same_weights():
    """An initializer made at import would draw its seed before the study's seed is set."""
    import subprocess
    import sys

    code = ("import keras; from ultralow.catalogue import CATALOGUE, RECIPES; from ultralow.networks import build;"
            "keras.utils.set_random_seed(1); n = CATALOGUE['jets-tnn-small'];"
            "print([float(abs(w).sum()) for w in build(n, RECIPES['study']).get_weights()])")
    first, second = (subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
                     for _ in range(2))
    assert first == second and first
