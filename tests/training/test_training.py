import os
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from ultralow.training import augmentation, folding, pruning, schedules, train
from ultralow.training.train import Rows
from ultralow.networks.catalogue import CATALOGUE
from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed
from ultralow.exact.dense import FoldedLayer, FoldedNetwork
from ultralow.networks.recipes import RECIPES

NETWORK = CATALOGUE["jets-tnn-small"].at_smoke_size()


def task(rows=2000):
    """Five classes that a small network can tell apart: the largest of five sums of features."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 16)).astype(np.float32)
    return x, np.argmax(x[:, :15].reshape(rows, 5, 3).sum(2), axis=1)


def fit(recipe, network=NETWORK, seed=1, log=lambda line: None):
    x, y = task()
    return train.train(network, recipe, Rows(x[:1600], y[:1600]), Rows(x[1600:], y[1600:]), seed, log)


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


@pytest.mark.parametrize("change, message", [
    ({"loss": "hinge"}, "unknown loss of a recipe 'hinge'; did you mean 'squared_hinge'"),
    ({"schedule": "cosin"}, "unknown schedule of a recipe 'cosin'; did you mean 'cosine'"),
    ({"settle": 40}, "settle of a recipe is a share, 0 to 1, not 40")])
def test_recipes_refuse_what_they_do_not_know(change, message):
    with pytest.raises(StudyError, match=message):
        replace(RECIPES["study"], **change)


class Stopped(Exception):
    pass


@pytest.mark.parametrize("network, changes", [
    ("jets-tnn-small", {"settle": 0.4, "dropout": 0.1, "norm": "renorm"}),
    ("jets-float-compressed", {"sparsity": 0.7, "average": 0.5, "schedule": "plateau"})])
def test_a_stopped_training_goes_on_to_the_same_weights(network, changes, tmp_path, monkeypatch):
    network = CATALOGUE[network].at_smoke_size()
    recipe = replace(RECIPES["study"], epochs=5, batch_size=100, learning_rate=1e-2, **changes)
    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", 0.0)

    def stop(line):
        if line.startswith("epoch 4/5"):
            raise Stopped

    def run(log=lambda line: None, checkpoint=None):
        x, y = task()
        return train.train(network, recipe, Rows(x[:1600], y[:1600]), Rows(x[1600:], y[1600:]), 3, log, checkpoint)

    whole, path, lines = run(), tmp_path / "checkpoint.npz", []
    with pytest.raises(Stopped):
        run(stop, path)
    resumed = run(lines.append, path)
    assert lines[0] == "going on after epoch 3, from the checkpoint"
    assert resumed[1] == whole[1]
    for a, b in zip(weights(whole[0]), weights(resumed[0])):
        np.testing.assert_array_equal(a, b)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    (tmp_path / "checkpoint.npz").write_bytes(b"not an archive")
    x, y = task()
    with pytest.raises(StudyError, match="checkpoint.npz does not fit"):
        train.train(NETWORK, RECIPES["study"], Rows(x, y), Rows(x, y), 1, checkpoint=tmp_path / "checkpoint.npz")


def test_settling_fixes_every_weight_by_the_last_epoch():
    recipe = replace(RECIPES["study"], epochs=6, batch_size=64, learning_rate=1e-2, settle=0.5)
    model, _ = fit(recipe, replace(NETWORK, widths=(16, 32, 5)))
    for layer in model.layers:
        if hasattr(layer, "settle"):
            assert not keras.ops.convert_to_numpy(layer.free).any()
            kernel = keras.ops.convert_to_numpy(layer.kernel)  # near its level: the optimiser's momentum runs out
            np.testing.assert_allclose(kernel, np.rint(kernel), atol=0.1)


def test_plateau_is_keras_own():
    rng = np.random.default_rng(0)
    losses = np.concatenate([np.linspace(1, 0.5, 8), 0.5 + 0.1 * rng.random(30)]).tolist()
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    callback = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=5, min_lr=1e-6)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        assert schedules.plateau(losses[:epoch + 1], 0.1) == pytest.approx(rate)


def test_shifted_images_keep_what_stays_inside():
    rng, drawn = np.random.default_rng(0), np.zeros((200, 25), np.float32)
    drawn[:, 12] = 1  # the middle of 5 x 5
    moved = augmentation.shifted(drawn, 1, rng).reshape(-1, 5, 5)
    assert (moved.sum((1, 2)) == 1).all() and moved[:, 1:4, 1:4].sum() == 200
    assert len({tuple(np.argwhere(image)[0]) for image in moved}) == 9
    assert augmentation.shifted(np.ones((50, 25), np.float32), 2, rng).sum() < 50 * 25  # zeros come in
    with pytest.raises(StudyError, match="square images, not rows of 15 features"):
        augmentation.shifted(np.zeros((2, 15)), 1, rng)


def test_reestimated_statistics_are_those_of_all_rows():
    model, _ = fit(replace(RECIPES["study"], epochs=1, batch_size=64, reestimate=True))
    x = task()[0][:1600]
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            before = np.asarray(keras.ops.convert_to_numpy(keras.Model(model.input, layer.input)(x)))
            np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.moving_mean), before.mean(0), atol=1e-4)
            np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.moving_variance), before.var(0), rtol=1e-3)


def test_a_teachers_probabilities_are_part_of_the_targets():
    x, y = task()
    certain_of_others = np.eye(5)[(y + 1) % 5]
    recipe = replace(RECIPES["study"], epochs=8, batch_size=64, learning_rate=1e-2, distillation=1.0)
    model, _ = train.train(replace(NETWORK, widths=(16, 32, 5)), recipe, Rows(x, y, teacher=certain_of_others), Rows(x, y), 1,
                           lambda line: None)
    found = np.argmax(keras.ops.convert_to_numpy(model(x)), 1)
    assert np.mean(found == (y + 1) % 5) > 0.5


def test_another_process_starts_from_the_same_weights():
    """An initializer made at import would draw its seed before the study's seed is set."""
    code = ("import keras; from ultralow.networks.catalogue import CATALOGUE; from ultralow.networks.recipes import RECIPES;"
            "from ultralow.training.model import build;"
            "keras.utils.set_random_seed(1); n = CATALOGUE['jets-tnn-small'];"
            "print([float(abs(w).sum()) for w in build(n, RECIPES['study']).get_weights()])")
    first, second = (subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
                     for _ in range(2))
    assert first == second and first


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot take cores from a process")
def test_weights_on_jax_do_not_depend_on_the_number_of_cores():
    """XLA splits its sums by the number of cores that it sees, unless it is told one."""
    code = ("import os, sys; os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:int(sys.argv[1])])\n"
            "import numpy as np; from ultralow.training import train; from ultralow.networks.catalogue import CATALOGUE\n"
            "from dataclasses import replace; from ultralow.networks.recipes import RECIPES\n"
            "rng = np.random.default_rng(0); x = rng.normal(size=(8192, 16)).astype('float32'); y = np.arange(8192) % 5\n"
            "recipe = replace(RECIPES['float'], epochs=2)\n"
            "rows = train.Rows(x, y); model, _ = train.train(CATALOGUE['jets-float'], recipe, rows, rows, 1, lambda line: None)\n"
            "print([w.tobytes().hex()[:64] for w in model.get_weights()])")
    one, all_ = (subprocess.run([sys.executable, "-c", code, cores], capture_output=True, text=True, check=True,
                                # Compiled anew by each.
                                env={**os.environ, "KERAS_BACKEND": "jax", "JAX_ENABLE_COMPILATION_CACHE": "0"}).stdout
                 for cores in ("1", "99"))
    assert one == all_ and one


@pytest.mark.parametrize("name", ["jets-bnn-small", "jets-tnn-small", "jets-bnn-relu"])
def test_held_neurons_are_constant_in_training_and_folded(name):
    network = replace(CATALOGUE[name], widths=(16, 12, 10, 5))
    if "relu" in name:  # steps of a quarter: with coarser ones a rounded factor moves more rows than holding does
        network = replace(network, activation="ufixed<5,3>")
    recipe = replace(RECIPES["study"], epochs=6, batch_size=64, keep=0.5)
    model, _ = fit(recipe, network)
    folded = folding.fold(model, network)
    live = folded.simplified.architecture
    assert sum(int(n) for n in live.split("x")[1:-1]) <= 11
    x = folded.encode(task()[0])
    trained = np.asarray(model(x.astype(np.float32))).argmax(1)
    agreed = np.mean(folded.logits(x).argmax(1) == trained)
    assert agreed > (0.9 if name == "jets-bnn-relu" else 0.999)  # ReLU: factors are rounded by folding
    given = folded.layers[0](folded.input.codes(x), folded.input.fraction)
    assert (given == given[0]).all(0).sum() >= 12 - int(live.split("x")[1])


def test_the_neuron_that_matters_least_is_held_first():
    """Of four neurons one is a copy that nobody reads, and one is read by every class alike."""
    kernel = np.array([[1, -1, 1, 1], [1, 1, 1, -1]])
    first = FoldedLayer(kernel, "binary", "ternary", high=np.zeros(4, np.int64))
    last = FoldedLayer(np.array([[1, -1], [-1, 1], [0, 0], [1, 1]]), "linear", "ternary", scale=np.ones(2, np.int64),
                       offset=np.zeros(2, np.int64))
    network = FoldedNetwork("n", Fixed.parse("fixed<4,4>"), (first, last), ("a", "b"))
    codes = np.random.default_rng(1).integers(-8, 8, (400, 2))
    y = network(codes).argmax(1)
    found = pruning.least(network, codes, y, [np.ones(4, bool)], 2)
    assert {neuron for _, neuron, _ in found} == {2, 3}
    assert all(value in (-1, 1) for _, _, value in found)
    assert len(pruning.least(network, codes, y, [np.ones(4, bool)], 9)) == 3  # one is left


def test_distorted_digits_keep_their_levels_and_differ_by_a_little():
    rng = np.random.default_rng(0)
    drawn = np.zeros((50, 28, 28), np.float32)
    drawn[:, 9:19, 12:16] = 0.75
    x = drawn.reshape(50, -1)
    x[0, :3] = 0.25, 0.5, 0.75
    moved = augmentation.distorted(x, 0.1, rng)
    assert set(np.unique(moved)) <= {0.0, 0.25, 0.5, 0.75}
    assert 0.001 < np.mean(moved != x) < 0.15
    assert abs(moved.sum() / x.sum() - 1) < 0.1
    np.testing.assert_array_equal(augmentation.distorted(x, 0.0, rng), x)
    with pytest.raises(StudyError, match="square"):
        augmentation.distorted(x[:, :700], 0.1, rng)
