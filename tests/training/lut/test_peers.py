"""The peers of the front: each trains in seconds, and what it gives is exact, survives its file and equals its Verilog."""

import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from ultralow.exact.load import load_network
from ultralow.networks import catalogue
from ultralow.study import identity
from ultralow.study import runs as study_runs
from ultralow.synthesis import implement
from ultralow.training.lut import boosted_trees, dwn
from ultralow.data.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.files import read_json
from ultralow.networks.methods import BoostedTrees, FrontNetwork, HgqDense, HgqTables, LearnedTables
from ultralow.networks.recipes import Recipe

EPOCHS, ROWS = 4, 700


def data(bits=8):
    """Six features and three classes that depend on them; ``bits`` 1: features are 0 or 1."""
    rng = np.random.default_rng(5)
    x = rng.normal(0, 1.3, (3 * ROWS, 6)).astype(np.float32)
    y = (np.tanh(x) @ np.random.default_rng(6).normal(size=(6, 3))).argmax(1)
    x = x if bits > 1 else (x > 0).astype(np.float32)
    parts = [part for start in range(0, 3 * ROWS, ROWS) for part in (x[start:start + ROWS], y[start:start + ROWS])]
    return Dataset("jets", "file", tuple("abcdef"), ("u", "v", "w"), *parts, np.zeros(6), np.ones(6))


def entry(name, method, widths, form="ufixed<6,6>"):
    return FrontNetwork(f"jets-{name}", widths=widths, input=form, method=method, dataset="jets")


ENTRIES = {
    "trees": (entry("trees", BoostedTrees(leaves=5, leaf_bits=3, wide=("a",), least_rows=10), (6, 9, 3)), data()),
    "trees-1-bit": (entry("trees-1-bit", BoostedTrees(leaves=8, least_rows=10), (6, 6, 3), "ufixed<1,0>"), data(1)),
    "learned": (entry("learned", LearnedTables(thresholds=7, batch_size=64), (6, 15, 3)), data()),
    "learned-1-bit": (entry("learned-1-bit", LearnedTables(thresholds=1, batch_size=64), (6, 9, 3), "ufixed<1,0>"), data(1)),
    "hgq-tables": (entry("hgq-tables", HgqTables(1e-5, neurons=3, learning_rate=0.02, batch_size=64), (6, 5, 3), "fixed<6,1>"),
                   data()),
    "hgq-dense": (entry("hgq-dense", HgqDense(1e-5, learning_rate=0.02, batch_size=64), (6, 8, 3), "fixed<6,1>"), data()),
}
HGQ = [name for name in ENTRIES if name.startswith("hgq")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folder of two runs with the same seed of each entry but HGQ's."""
    folder = tmp_path_factory.mktemp("peers")
    for again in ("first", "second"):
        for name in ENTRIES.keys() - set(HGQ):
            run(name, folder / again / name)
    return folder


@pytest.fixture(scope="module")
def hgq_runs(tmp_path_factory):
    """The same of HGQ's, in a process of their own: Keras runs on one backend in each, and theirs is JAX."""
    folder = tmp_path_factory.mktemp("hgq")
    code = f"""
import sys
from pathlib import Path
sys.path[:0] = {sys.path!r}
import test_peers
for again in ("first", "second"):
    for name in test_peers.HGQ:
        test_peers.run(name, Path({str(folder)!r}) / again / name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "KERAS_BACKEND": "jax", "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def run(name, folder, seed=1):
    network, rows = ENTRIES[name]
    return study_runs.run(study_runs.Job(network, Recipe(epochs=EPOCHS), rows, seed, folder), lambda line: None)


@pytest.fixture(params=ENTRIES)
def peer(request):
    network, rows = ENTRIES[request.param]
    folder = request.getfixturevalue("hgq_runs" if request.param in HGQ else "runs") / "first" / request.param
    return SimpleNamespace(name=request.param, network=network, data=rows, result=read_json(folder / "run.json"),
                           exact=load_network(folder / "folded.npz"), folder=folder)


def test_it_learns_and_the_exact_network_is_what_was_tested(peer):
    logits = peer.exact.logits(peer.exact.encode(peer.data.x_test))
    assert np.mean(logits.argmax(1) == peer.data.y_test) == pytest.approx(peer.result["accuracy"], abs=1e-9)
    assert peer.result["accuracy"] > 0.5
    assert peer.exact.widths[0] == 6 and peer.exact.classes == ("u", "v", "w")


def test_before_it_became_exact_it_was_the_same_but_for_rounding(peer):
    same = {"trees": 0.05, "trees-1-bit": 0.05}.get(peer.name, 0.0)
    assert abs(peer.result["accuracy_float"] - peer.result["accuracy"]) <= same
    if peer.name in HGQ:
        assert peer.result["keras_rows"] == peer.result["keras_rows_exact"] == 3 * ROWS


def test_the_same_seed_gives_the_same_bytes(peer):
    again = peer.folder.parents[1] / "second" / peer.name
    assert (again / "folded.npz").read_bytes() == (peer.folder / "folded.npz").read_bytes()


def test_its_file_holds_all_of_it(peer, tmp_path):
    peer.exact.save(tmp_path / "again.npz")
    assert load_network(tmp_path / "again.npz") == peer.exact
    assert (tmp_path / "again.npz").read_bytes() == (peer.folder / "folded.npz").read_bytes()


def test_its_verilog_and_its_netlist_equal_it_on_every_row(peer, tmp_path):
    codes = peer.exact.codes(peer.data.x_test)
    measured = implement.measure(peer.exact, codes, tmp_path, log=lambda line: None)
    assert (measured.interpreter_rows_exact, measured.rows_exact, measured.netlist_rows_exact) == (ROWS, ROWS, ROWS)
    assert measured.lut > 3 and measured.dsp == measured.bram18 == 0


@pytest.mark.parametrize("name", ["trees", "learned"])
def test_another_seed_gives_another_network(name, tmp_path, runs):
    run(name, tmp_path / name, seed=2)
    assert load_network(tmp_path / name / "folded.npz") != load_network(runs / "first" / name / "folded.npz")


@pytest.mark.parametrize("network", catalogue.FRONT, ids=lambda network: network.name)
def test_every_method_of_the_front_has_a_declared_version(network):
    assert identity.training_versions(network, Recipe()) == {network.kind: identity.VERSIONS[network.method.kind]}
    one, two = (study_runs.Job(network, Recipe(), data(), seed, None).identity for seed in (1, 2))
    assert identity.differences(one, two) == ["seed was 1 and is 2"]


def test_trees_that_no_table_holds_are_refused():
    with pytest.raises(StudyError, match="trees of 14 leaves need 13 thresholds; a table has 12"):
        boosted_trees.train(replace(ENTRIES["trees"][0], method=BoostedTrees(leaves=14)), data(), 1, 1, print)


def test_thermometer_asks_what_divides_the_rows():
    codes = np.stack([np.arange(64), np.full(64, 3), np.arange(64) % 2], 1)
    questions = dwn.thermometer(codes, 3)
    assert questions.tolist() == [[0, 15], [0, 31], [0, 47], [2, 0]]
    assert dwn.answers(codes, questions).mean(0).tolist() == [0.75, 0.5, 0.25, 0.5]


def test_finite_differences_count_near_addresses_most():
    """Of a table that is 1 where its input 0 is 1: the difference in this input is the same everywhere, in others zero."""
    weights = dwn.differences()
    slopes = weights @ ((np.arange(64) & 1) > 0)
    np.testing.assert_allclose(slopes[0], slopes[0, 0])
    assert slopes[0, 0] > 1 and np.abs(slopes[1:]).max() < 1e-5
    # Entries one bit further away weigh half as much.
    assert weights[0, 0, 1] == 1 and weights[0, 0, 3] == 0.5 and weights[0, 0, 2] == -0.5


def test_a_leaf_that_hardly_a_row_reaches_does_not_take_all_bits():
    """In one seed of three a leaf of a few rows stood far out, and every other leaf was rounded to 0."""
    nodes = np.zeros(3, [("is_leaf", np.uint8), ("value", float), ("count", np.uint32)])
    nodes["is_leaf"], nodes["value"], nodes["count"] = [0, 1, 1], [0, -0.5, 0.5], [100_000, 50_000, 50_000]
    out = nodes.copy()
    out["value"][2], out["count"][1:] = 1e6, [99_999, 1]
    rows = [[nodes, out]]
    boosted_trees._clip(rows)
    assert nodes["value"].tolist() == [0, -0.5, 0.5] and out["value"][2] == 0.5
