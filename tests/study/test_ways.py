"""Which code trains which network, and what is told of it."""

import pytest

from ultralow.study import frontruns, runs, ways
from ultralow.networks.catalogue import CATALOGUE
from ultralow.networks.recipes import RECIPES

PLAIN, FRONT = CATALOGUE["jets-tnn-small"], CATALOGUE["jets-tables-60"]


@pytest.mark.parametrize("network, module", [(PLAIN, runs), (FRONT, frontruns)], ids=lambda part: getattr(part, "name", None))
def test_each_kind_is_trained_by_its_own_code(network, module, monkeypatch, tmp_path):
    for each in (runs, frontruns):
        monkeypatch.setattr(each, "run", lambda *given, each=each: each.__name__)
    assert ways.train(network, RECIPES[network.recipe], None, 1, tmp_path, print, None, "jax") == module.__name__


@pytest.mark.parametrize("model", [False, True])
def test_a_run_without_its_keras_model_is_trained_anew(model, monkeypatch, tmp_path):
    """Of a committed study the seeds' models are not there: the training kept the run, and the workflow missed the model."""
    (tmp_path / "run.json").write_text("{}")
    if model:
        (tmp_path / "model.keras").touch()
    monkeypatch.setattr(runs, "run", lambda *given: (tmp_path / "run.json").exists())
    told = []
    assert ways.train(PLAIN, RECIPES["ternary"], None, 3, tmp_path, told.append, None, "jax") == model
    assert bool(told) != model


def test_what_is_told_of_the_training_is_what_it_used():
    recipe = RECIPES["ternary"]
    assert ways.described(PLAIN, recipe) == {"name": "ternary", **vars(recipe)}
    told = ways.described(FRONT, RECIPES["front"])
    assert told["method"] == "additive tables" and told["price"] == FRONT.method.price
    assert told["learning_rate"] == FRONT.method.learning_rate != RECIPES["front"].learning_rate


def test_each_kind_changes_with_its_own_code():
    recipe = RECIPES["ternary"]
    assert ways.code(FRONT, recipe) == frontruns.training_code(FRONT) != ways.code(PLAIN, recipe)
