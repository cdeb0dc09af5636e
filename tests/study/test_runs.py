"""One run: trained by its kind's own code, kept while its identity stands, and made anew with the reason in the log."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from ultralow.data.dataset import Dataset
from ultralow.exact.load import load_network
from ultralow.files import read_json, write_json
from ultralow.networks.catalogue import CATALOGUE
from ultralow.networks.recipes import RECIPES
from ultralow.study import identity, runs, steps
from ultralow.training.trained import Trained
from random_networks import random_network

PLAIN, FRONT = CATALOGUE["jets-tnn-small"], CATALOGUE["jets-tables-60"]


def data():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 16)).astype(np.float32), np.arange(60) % 5
    return Dataset("jets", "generated", tuple(f"f{n}" for n in range(16)), tuple("qgWZt"), x[:40], y[:40], x[40:50], y[40:50],
                   x[50:], y[50:], np.zeros(16), np.ones(16))


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A run of a dense network whose training gives a random one at once; ``trained`` counts how often."""
    network = random_network(1, (16, 8, 5), ("ternary", "ternary"), "fixed<7,3>")
    trained = []

    def fit(*arguments):
        trained.append(arguments)
        model = SimpleNamespace(save=lambda path: path.write_text("model"))
        return Trained(network, lambda x: network.logits(x), {"loss": [1.0]}, {"zero_weights": 0.25}, model)

    monkeypatch.setattr(runs, "train", fit)
    job = runs.Job(replace(PLAIN, widths=(16, 8, 5)), RECIPES["ternary"], data(), 3, tmp_path / "seed-3", "jax")
    return SimpleNamespace(job=job, trained=trained, network=network)


def test_each_kind_is_trained_by_its_own_code():
    dense, front = runs.train.dispatch(type(PLAIN)), runs.train.dispatch(type(FRONT))
    assert dense is not front
    assert identity.training_versions(PLAIN, RECIPES["ternary"]) == {"training": identity.VERSIONS["training"]}
    assert list(identity.training_versions(PLAIN, replace(RECIPES["ternary"], refine=1))) == ["training", "weight flips"]
    assert list(identity.training_versions(FRONT, RECIPES["front"])) == ["additive tables"]


def test_a_run_is_kept_whole_and_found_again(job):
    made = runs.run(job.job, lambda line: None)
    result = made.result
    folder = job.job.folder
    assert sorted(path.name for path in folder.iterdir()) == ["folded.npz", "model.keras", "run.json"]
    assert load_network(folder / "folded.npz") == job.network
    assert read_json(folder / "run.json")["identity"] == job.job.identity
    assert {"seed", "history", "zero_weights", "valid_accuracy", "accuracy", "accuracy_float", "auc", "confusion"} == set(result)
    lines = []
    again = runs.run(job.job, lines.append)
    kept = again.result
    assert len(job.trained) == 1 and lines == ["seed 3: trained before, kept"]
    assert made.made and not again.made and again.logits is None
    assert np.array_equal(made.logits, job.network.logits(job.network.encode(job.job.data.x_test)))
    assert kept == {key: value for key, value in read_json(folder / "run.json").items() if key != "identity"}


def test_what_is_never_tested_says_nothing_of_the_test_part(job):
    result = runs.run(replace(job.job, test=False), lambda line: None).result
    assert set(result) == {"seed", "history", "zero_weights", "valid_accuracy"}


@pytest.mark.parametrize("change, reason", [
    (lambda job: replace(job, recipe=replace(job.recipe, epochs=41)), "recipe.epochs was 60 and is 41"),
    (lambda job: replace(job, network=replace(job.network, input="fixed<9,3>")),
     "network.input was fixed<7,3> and is fixed<9,3>"),
    (lambda job: replace(job, data=replace(job.data, x_train=job.data.x_train + 1)), "data.x_train was "),
    (lambda job: replace(job, backend="tensorflow"), "backend was jax and is tensorflow"),
    (lambda job: replace(job, teacher=runs.Teacher("jets-float", "ab" * 32, np.zeros((40, 5)))), "teacher was null and is "),
    (lambda job: replace(job, test=False), "tested was true and is false"),
])
def test_a_run_of_another_identity_is_made_anew_and_the_log_says_why(job, change, reason):
    runs.run(job.job, lambda line: None)
    lines = []
    runs.run(change(job.job), lines.append)
    assert len(job.trained) == 2
    assert lines[0].startswith(f"seed 3: trained anew, since {reason}")


def test_a_run_of_an_earlier_version_is_made_anew(job):
    write_json(job.job.folder / "run.json", {"seed": 3, "fingerprint": "ab" * 32})
    lines = []
    runs.run(job.job, lines.append)
    assert lines == ["seed 3: trained anew, since it does not say what it depends on: an earlier version made it"]


def test_a_run_without_its_keras_model_is_trained_anew(job):
    """Of a committed study the seeds' models are not there: the training kept the run, and the workflow missed the model."""
    runs.run(job.job, lambda line: None)
    (job.job.folder / "model.keras").unlink()
    lines = []
    runs.run(job.job, lines.append)
    assert len(job.trained) == 2
    assert lines == ["seed 3: trained anew, since model.keras is not beside run.json, as of committed results"]


def test_what_train_json_says_of_the_training_is_what_it_used():
    recipe = RECIPES["ternary"]
    this = SimpleNamespace(model_path=lambda name: None, network=CATALOGUE.get,
                           recipe=lambda name: RECIPES[CATALOGUE[name].recipe])
    assert steps._recipe(this, PLAIN.name) == {"name": "ternary", **vars(recipe)}
    described = steps._recipe(this, FRONT.name)
    assert described["method"] == "additive tables" and described["price"] == FRONT.method.price
    assert described["learning_rate"] == FRONT.method.learning_rate != RECIPES["front"].learning_rate


def test_the_hardware_seeds_network_is_put_back_beside_its_run(job):
    """Committed results have it once, in the network's folder: without it the run would be trained anew."""
    folder = job.job.folder
    runs.run(job.job, lambda line: None)
    for name in ("folded.npz", "model.keras"):
        (folder / name).rename(folder.parent / name)
    write_json(folder.parent / "train.json", {"hardware_seed": 2})
    steps._restore(folder)
    assert not (folder / "folded.npz").exists()  # another seed's
    write_json(folder.parent / "train.json", {"hardware_seed": 3})
    steps._restore(folder)
    assert not runs.run(job.job, lambda line: None).made and load_network(folder / "folded.npz") == job.network
