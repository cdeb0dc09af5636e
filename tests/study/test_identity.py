"""What a result depends on is declared: a changed default, version or row is noticed and named, a comment is not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from random_networks import random_network

from ultralow import npz
from ultralow.networks.catalogue import CATALOGUE
from ultralow.networks.recipes import RECIPES, Recipe
from ultralow.study import identity

DATA = {"x_train": "ab" * 32, "y_train": "cd" * 32}
DENSE, FRONT = CATALOGUE["jets-bnn-small"], CATALOGUE["jets-tables-60"]


def of(network, recipe=None, seed=1, backend="jax", **more):
    return identity.of_training(network, recipe or RECIPES[network.recipe], DATA, seed, backend, **more)


def test_it_is_plain_json_of_every_field_of_network_and_recipe():
    parts = of(DENSE)
    assert json.loads(json.dumps(parts)) == parts
    assert set(parts["network"]) == set(vars(DENSE)) and set(parts["recipe"]) == set(vars(Recipe()))
    assert parts["versions"] == {name: identity.VERSIONS[name] for name in ("training", "weight flips")}
    method = of(FRONT)["network"]["method"]
    assert method == {"kind": "additive tables"} | json.loads(json.dumps(vars(FRONT.method)))


def test_a_changed_default_of_a_recipe_is_noticed(monkeypatch):
    """The former hash held a recipe's changes only: another default made no result old."""
    before = of(DENSE)
    assert RECIPES[DENSE.recipe].dropout == Recipe().dropout  # the recipe leaves it at its default
    fields = dict(vars(RECIPES[DENSE.recipe]))
    monkeypatch.setattr(Recipe, "__init__", lambda self, **given: self.__dict__.update({**fields, "dropout": 0.25, **given}))
    assert identity.differences(before, of(DENSE, Recipe())) == ["recipe.dropout was 0.0 and is 0.25"]


def test_a_changed_version_of_a_method_makes_its_networks_old_and_no_others(monkeypatch):
    dense, front = of(DENSE), of(FRONT)
    monkeypatch.setitem(identity.VERSIONS, "additive tables", identity.VERSIONS["additive tables"] + 1)
    assert identity.differences(dense, of(DENSE)) == []
    version = identity.VERSIONS["additive tables"]
    assert identity.differences(front, of(FRONT)) == [f"versions.additive tables was {version - 1} and is {version}"]


@pytest.mark.parametrize("change, told", [
    (lambda: of(DENSE, replace(RECIPES[DENSE.recipe], epochs=40)), ["recipe.epochs was 60 and is 40"]),
    (lambda: of(replace(DENSE, widths=(16, 8, 5))), ["network.widths was [16, 64, 32, 32, 5] and is [16, 8, 5]"]),
    (lambda: of(DENSE, seed=2, backend="tensorflow"), ["seed was 1 and is 2", "backend was jax and is tensorflow"]),
    (lambda: of(DENSE, replace(RECIPES[DENSE.recipe], refine=0)),
     ["recipe.refine was 1 and is 0", f"versions.weight flips was {identity.VERSIONS['weight flips']} and is no more"]),
    (lambda: of(DENSE) | {"data": DATA | {"x_train": "ef" * 32}}, ["data.x_train was abababababab… and is efefefefefef…"]),
    (lambda: of(DENSE), []),
])
def test_what_differs_is_told_part_by_part(change, told):
    assert sorted(identity.differences(of(DENSE), change())) == sorted(told)


def test_the_teacher_of_a_network_is_part_of_it_by_its_values(tmp_path):
    network = random_network(1, (4, 6, 3), ("ternary", "binary"), "fixed<6,3>")
    network.save(tmp_path / "small.npz")
    arrays = npz.read(tmp_path / "small.npz")
    wide = {name: array.astype(np.int64) if array.dtype.kind == "i" else array for name, array in arrays.items()}
    np.savez(tmp_path / "wide.npz", **wide)  # uncompressed, wider integers: the same network
    first = identity.of_network(tmp_path / "small.npz")
    assert identity.of_network(tmp_path / "wide.npz") == first
    kernel = next(name for name in wide if name.startswith("kernel"))
    np.savez(tmp_path / "other.npz", **wide | {kernel: -wide[kernel]})
    assert identity.of_network(tmp_path / "other.npz") != first
    told = identity.differences(of(DENSE, teacher={"network": "jets-float", "sha256": first}),
                                of(DENSE, teacher={"network": "jets-float", "sha256": "ab" * 32}))
    assert told == [f"teacher.sha256 was {first[:12]}… and is abababababab…"]
