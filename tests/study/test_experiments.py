"""Ablations and searches: what varies, what stays, and that a stopped search goes on as if it had not been."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from random_networks import random_network

from ultralow.circuit import lut_estimate
from ultralow.report.figures import experiments
from ultralow.study import ablations, runs, search, search_storage as storage, study
from ultralow.networks.catalogue import CATALOGUE
from ultralow.data.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.networks.recipes import RECIPES

CHANGES = {"small steps": {"learning_rate": 1e-4}, "nothing new": {"settle": RECIPES["study"].settle},
           "other threshold": {"threshold": 0.9}}


def a_study(monkeypatch, tmp_path, **more):
    settings = study.Settings.model_validate({
        "name": "experiments", "seeds": [1, 2, 3], "data": {"jets": {"source": "generated"}},
        "networks": {"jets-bnn-small": None, "jets-tnn-small": None}, **more})
    monkeypatch.setattr(study, "root", lambda: tmp_path)
    tmp_path.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 16)).astype(np.float32), np.arange(60) % 5
    data = Dataset("jets", "generated", tuple(f"f{n}" for n in range(16)), tuple("qgWZt"), x, y, x, y, x, y,
                   np.zeros(16), np.ones(16))
    data.save(tmp_path / "results" / "experiments" / "data" / "jets.npz")
    return study.Study(settings, tmp_path / "experiments.yaml")


def test_variants_are_the_changes_that_say_something_new(monkeypatch, tmp_path):
    this = a_study(monkeypatch, tmp_path, ablations={"networks": ["jets-bnn-small", "jets-tnn-small"],
                                                     "changes": CHANGES, "epochs": 7})
    assert list(ablations.variants(this, "jets-bnn-small")) == ["as it is", "small steps"]
    ternary = ablations.variants(this, "jets-tnn-small")
    assert list(ternary) == ["as it is", "small steps", "other threshold"]
    assert {recipe.epochs for recipe in ternary.values()} == {7}
    assert ternary["other threshold"] == replace(ternary["as it is"], threshold=0.9)


def test_differences_are_paired_by_seed_and_the_test_part_is_not_touched(monkeypatch, tmp_path):
    this = a_study(monkeypatch, tmp_path, ablations={"networks": ["jets-bnn-small"], "changes": CHANGES, "rows": 50})

    def run(job, log):
        assert not job.test and len(job.data.x_train) == 50
        return runs.Run({"valid_accuracy": 0.5 + 0.1 * job.seed - (0.02 if job.recipe.learning_rate == 1e-4 else 0),
                         "zero_weights": 0.0})

    monkeypatch.setattr(runs, "run", run)
    table = ablations.ablate(this, "jets-bnn-small", lambda line: None)
    changed = table.set_index("change").loc["small steps"]
    assert changed["difference_points"] == pytest.approx(-2.0)
    assert changed["difference_error"] == pytest.approx(0.0, abs=1e-6)  # the seeds spread, their differences do not
    assert changed["valid_accuracy_std"] == pytest.approx(0.1)
    assert changed["settings"] == "learning_rate=0.0001"
    assert (tmp_path / "results/experiments/ablations/jets-bnn-small.csv").exists()
    figure = experiments.ablations("jets-bnn-small", table)
    assert "small steps -2.00" in figure.alt and figure.bytes("svg")
    with pytest.raises(StudyError, match="no ablations of jets-tnn-small"):
        ablations.ablate(this, "jets-tnn-small")


@pytest.mark.parametrize("more, message", [
    ({"ablations": {"networks": ["jets-bnn-smal"], "changes": CHANGES}}, "did you mean 'jets-bnn-small'"),
    ({"ablations": {"networks": ["jets-bnn-small"], "changes": {"a": {"learning_rat": 1}}}},
     "'learning_rat'; did you mean 'learning_rate'"),
    ({"ablations": {"networks": ["jets-bnn-small"], "changes": {"a": {"loss": "hinge"}}}}, "'squared_hinge'"),
    ({"ablations": {"networks": ["jets-bnn-small"], "changes": {"a": {"teacher": "jets-float"}}}},
     "networks learn from jets-float; add the teacher"),
    ({"search": {"dataset": "mnist", "weights": ["binary"]}}, "unknown dataset of search 'mnist'")])
def test_faults_in_a_study_of_experiments_are_named(more, message, monkeypatch, tmp_path):
    with pytest.raises(StudyError, match=message):
        a_study(monkeypatch, tmp_path, **more)


def fake_fit(network, recipe, data, seed, log):
    """An accuracy that rises with width and is best at one learning rate; no training."""
    folded = random_network(0, network.widths, ("binary", "binary"), "fixed<7,3>")
    return None, folded, {}, float(0.7 - 1 / sum(network.widths) - 0.01 * abs(np.log10(recipe.learning_rate) + 2))


def test_a_stopped_search_goes_on_to_the_same_trials(monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "fit", fake_fit)
    monkeypatch.setattr(runs, "start_keras", lambda backend: None)

    def trials(folder, *counts):
        for count in counts:
            this = a_study(monkeypatch, folder, search={"dataset": "jets", "weights": ["binary"], "trials": count})
            table = search.search(this, "binary", lambda line: None)
        return table, this

    whole, this = trials(tmp_path / "whole", 14)
    stopped, _ = trials(tmp_path / "stopped", 5, 11, 14)
    pd.testing.assert_frame_equal(whole, stopped)
    assert len(whole) == 14 and whole["on_front"].any()
    front = whole[whole["on_front"]].sort_values("lut_estimate")
    assert front["valid_accuracy"].is_monotonic_increasing
    found = search.importances(storage.opened(this, "binary"))
    assert set(found) == set(search.GOALS)
    for figure in (experiments.search_front(whole, "jets"), experiments.search_history(whole, "jets"),
                   experiments.importances(found, "jets")):
        assert figure.alt and figure.bytes("svg")


def test_the_estimate_of_luts_counts_what_costs():
    small, large = (random_network(0, (16, n, 5), ("ternary", "ternary"), "fixed<7,3>") for n in (16, 64))
    assert 0 < lut_estimate.luts(small) < lut_estimate.luts(large)
    layer = small.layers[0]
    sparse = replace(small, layers=(replace(layer, kernel=np.where(np.arange(16)[:, None] < 8, layer.kernel, 0)),
                                    *small.layers[1:]))
    assert lut_estimate.luts(sparse) < lut_estimate.luts(small)


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if entry.hls4ml])
def test_every_network_trains_on_jax(name, jax_networks):
    assert name in jax_networks, "it did not train on the JAX backend"


@pytest.fixture(scope="module")
def jax_networks():
    """Names of the networks that train and fold at smoke size under KERAS_BACKEND=jax: one process for all. Their hidden layers have
    eight neurons, so that JAX need not compile each network's operations anew."""
    code = """
import numpy as np, keras
from dataclasses import replace
from ultralow.networks.catalogue import CATALOGUE
from ultralow.networks.recipes import RECIPES
from ultralow.training import folding, keras_setup, train as training
assert keras.backend.backend() == "jax"
rng = np.random.default_rng(0)
for name, entry in CATALOGUE.items():
    if not entry.hls4ml:
        continue  # tests/training/lut
    network = entry.at_smoke_size()
    network = replace(network, widths=(network.widths[0], *[8] * (len(network.widths) - 2), network.widths[-1]))
    recipe = replace(RECIPES[entry.recipe], epochs=2, batch_size=32, teacher=None)
    x = rng.integers(0, 2, (64, network.widths[0])).astype(np.float32)
    y = np.arange(64) % network.widths[-1]
    model, history = training.train(network, recipe, training.Rows(x, y), training.Rows(x, y), 1, lambda line: None)
    folded = folding.fold(model, network)
    assert np.isfinite(history["loss"]).all() and np.isfinite(folded.logits(x)).all()
    print(name, flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "KERAS_BACKEND": "jax", "OMP_NUM_THREADS": "1",
                                                                "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()
