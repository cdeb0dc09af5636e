"""Predictions come from the folded networks' files and the test part; a run on trained networks trains nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
from random_networks import random_network

from ultralow import csvfile, metrics
from ultralow.data import dataset
from ultralow.study import ablations, datasets, predictions, reuse, runs, search, search_storage as storage, steps, study
from ultralow.data.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.exact.dense import FoldedLayer, FoldedNetwork
from ultralow.files import read_json, write_json
from ultralow.fixed_point import Fixed

NAME, SEEDS = "jets-bnn-small", (1, 2)


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """A study with trained networks and the test part of its data, as it is committed: nothing to train from."""
    monkeypatch.setattr(study, "root", lambda: tmp_path)
    monkeypatch.setattr(datasets, "root", lambda: tmp_path)
    this = study.Study(study.Settings.model_validate({
        "name": "committed", "seeds": list(SEEDS), "data": {"jets": {"source": "generated", "path": "jets-9000.root"}},
        "networks": {NAME: None}, "search": {"dataset": "jets", "weights": ["binary"], "trials": 2},
        "ablations": {"networks": [NAME], "changes": {"small steps": {"learning_rate": 1e-4}}}}), tmp_path / "a.yaml")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2060, 16)).astype(np.float32), np.arange(2060) % 5
    data = Dataset("jets", "generated", tuple(f"f{n}" for n in range(16)), tuple("qgWZt"), x[:40], y[:40], x[40:60],
                   y[40:60], x[60:], y[60:], np.zeros(16), np.ones(16))
    path = data.save(this.results / "data" / "jets.npz")
    path.unlink()
    folder, found = this.folder(NAME), []
    for seed in SEEDS:
        network = random_network(seed, (16, 8, 5), ("binary", "binary"), "fixed<7,3>")
        network.save(folder / f"seed-{seed}" / "folded.npz")
        found.append({"seed": seed, "accuracy": metrics.accuracy(network.logits(network.encode(data.x_test)), data.y_test)})
    (folder / "folded.npz").write_bytes((folder / "seed-1" / "folded.npz").read_bytes())
    write_json(folder / "train.json", {"dataset": "jets", "hardware_seed": 1, "runs": found})
    return this


def test_predictions_are_computed_from_what_is_committed_and_another_network_is_named(trained):
    first = steps.check_predictions(trained, NAME)
    assert list(first.logits) == list(SEEDS) and first.logits[1].shape == (2000, 5) and not np.array_equal(*first.logits.values())
    again = steps.check_predictions(trained, NAME)
    assert all(np.array_equal(first.logits[seed], again.logits[seed]) for seed in SEEDS)
    second = trained.folder(NAME) / "seed-2" / "folded.npz"
    random_network(7, (16, 8, 5), ("binary", "binary"), "fixed<7,3>").save(second)
    with pytest.raises(StudyError, match=f"{NAME}, seed 2: accuracy .* these are not the rows or not the network"):
        steps.check_predictions(trained, NAME)


def test_of_the_best_seed_one_file_is_enough_and_a_seed_without_a_network_is_named(trained):
    whole, lines = steps.check_predictions(trained, NAME), []
    for seed in SEEDS:
        (trained.folder(NAME) / f"seed-{seed}" / "folded.npz").unlink()
    reuse.check(trained)
    part = steps.check_predictions(trained, NAME, lines.append)
    assert list(part.logits) == [1] and np.array_equal(part.logits[1], whole.logits[1])
    assert lines == [f"{NAME}, seed 2: its network is not here, its accuracy is not checked"]


def test_curves_of_seeds_whose_networks_are_not_there_are_kept(trained):
    data, folder = steps.test_part(trained, "jets"), trained.folder(NAME)
    train = read_json(folder / "train.json") | {"seeds": list(SEEDS)}
    assert steps._drawn_values(folder, train, data, {})["roc"]["q"].keys() == {"signal", "mean", "low", "high"}
    (folder / "seed-2" / "folded.npz").unlink()
    assert steps._drawn_values(folder, train, data, {})["roc"]["q"].keys() == {"signal", "mean"}  # of the one that is there
    write_json(folder / "train.json", train | {"roc": {"q": "kept"}})
    assert steps._drawn_values(folder, train, data, {}) == {"roc": {"q": "kept"}}
    other = train | {"runs": [run | {"accuracy": 0.1} for run in train["runs"]]}
    assert steps._drawn_values(folder, other, data, {})["roc"]["q"] != "kept"


def test_what_figures_draw_is_computed_once(trained):
    data, computed = steps.test_part(trained, "jets"), steps.check_predictions(trained, NAME)
    drawn = predictions.drawn_values(computed, 1, data)["roc"]
    exact = predictions.roc_bands(computed, data.classes)
    assert list(drawn) == list(data.classes)
    for name, values in drawn.items():
        whole, few = exact[name], metrics.Band.from_values(values, [0.5, 0.6])
        assert 2 <= len(few.signal) < len(whole.signal) / 3
        # As drawn: each point of the whole curve lies on the thinned line, to 0.3% of the axes' length.
        x = np.linspace(few.signal[0], 1, 20_000)
        line = np.column_stack([x, np.interp(x, few.signal, np.log10(np.maximum(few.mean, 1e-6))) / 4])
        points = np.column_stack([whole.signal, np.log10(np.maximum(whole.mean, 1e-6)) / 4])[whole.mean > 0]
        assert max(np.hypot(*(line - point).T).min() for point in points) < 0.003


def test_permutation_finds_the_feature_that_matters():
    kernel = np.zeros((3, 2), np.int64)
    kernel[1] = [1, -1]
    network = FoldedNetwork("n", Fixed.parse("fixed<7,3>"), (FoldedLayer(
        kernel, "linear", "ternary", scale=np.ones(2, np.int64), offset=np.zeros(2, np.int64)),), ("a", "b"))
    x = np.random.default_rng(5).normal(size=(4000, 3)).astype(np.float32)
    data = SimpleNamespace(x_test=x, y_test=(x[:, 1] < 0).astype(int), features=("u", "v", "w"))
    importance = {one["feature"]: one["drop"] for one in predictions.permutation_importance(network, data)}
    assert list(importance) == ["u", "v", "w"] and importance["v"] == pytest.approx(0.5, abs=0.05)
    assert importance["u"] == importance["w"] == 0


def test_the_test_part_alone_is_checked_and_what_needs_more_says_so(trained):
    data = steps.test_part(trained, "jets")
    assert data.x_test.shape == (2000, 16) and len(data.x_train) == len(data.y_valid) == 0 and data.classes == tuple("qgWZt")
    with pytest.raises(StudyError, match="jets-9000.root does not exist; `make jets N=9000 JOBS=2` makes it"):
        steps.dataset(trained, "jets", lambda line: None)
    with pytest.raises(StudyError, match="`make jets N=9000"):
        steps.check_sources(trained)
    path = dataset.test_path(trained.results / "data" / "jets.npz")
    with np.load(path) as file:
        arrays = dict(file) | {"y_test": file["y_test"][::-1]}
    np.savez(path, **arrays)
    with pytest.raises(StudyError, match="jets-test.npz is corrupted: array 'y_test'"):
        steps.test_part(trained, "jets")


def test_a_run_on_trained_networks_trains_nothing(trained, monkeypatch):
    monkeypatch.setattr(runs, "run", lambda *arguments, **more: pytest.fail("it trained"))
    monkeypatch.setenv(reuse.VARIABLE, reuse.TRAINED)
    steps.check_sources(trained)  # the test part is enough
    reuse.check(trained)
    assert len(steps.training(trained, NAME, lambda line: None)["runs"]) == 2
    for made in (lambda: ablations.ablated(trained, NAME), lambda: search.searched(trained, "binary")):
        with pytest.raises(StudyError, match="does not train"):
            made()
    (trained.folder(NAME) / "train.json").unlink()
    with pytest.raises(StudyError, match="jets-bnn-small is not trained.*does not train"):
        steps.training(trained, NAME)
    with pytest.raises(StudyError, match=f"not trained in .*: {NAME}; train first"):
        reuse.check(trained)


def test_finished_experiments_are_shown_without_their_data(trained, monkeypatch):
    monkeypatch.setattr(runs, "start_keras", lambda backend: None)
    monkeypatch.setattr(runs, "fit", lambda network, *more: (
        None, random_network(0, network.widths, ("binary", "binary"), "fixed<7,3>"), {}, 0.5 + 1e-4 * sum(network.widths)))
    monkeypatch.setattr(runs, "run", lambda job, log: runs.Run(
        {"valid_accuracy": 0.7 + 0.01 * job.seed, "zero_weights": 0.0}))
    x, y = np.zeros((50, 16), np.float32), np.arange(50) % 5
    path = Dataset("jets", "generated", tuple(f"f{n}" for n in range(16)), tuple("qgWZt"), x, y, x, y, x, y, np.zeros(16),
                   np.ones(16)).save(trained.results / "data" / "jets.npz")
    ablated = ablations.ablated(trained, NAME, lambda line: None)
    table, trials = search.searched(trained, "binary", lambda line: None)
    path.unlink()
    journal = storage.journal(trained, "binary")
    before = journal.read_bytes()
    monkeypatch.setattr(runs, "run", lambda *arguments, **more: pytest.fail("it trained"))
    again, found = search.searched(trained, "binary")
    assert again.equals(table) and journal.read_bytes() == before
    assert [trial.values for trial in found.trials] == [trial.values for trial in trials.trials]
    shown = ablations.ablated(trained, NAME)
    assert list(shown["settings"]) == list(ablated["settings"]) and shown["valid_accuracy_std"].equals(ablated["valid_accuracy_std"])
    # Half a table is not finished: it is trained, and that needs the data.
    csv = trained.results / "ablations" / f"{NAME}.csv"
    csvfile.write_with_checksum(csvfile.read(csv).head(1), csv)
    with pytest.raises(StudyError, match="`make jets"):
        ablations.ablated(trained, NAME, lambda line: None)


@pytest.mark.parametrize("source, path, comes", [("file", "data/cache/mnist.npz", True), ("file", "mine.npz", False),
                                                 ("mnist", None, False)])
def test_mnist_is_downloaded_only_to_the_place_of_downloads(source, path, comes, tmp_path, monkeypatch):
    from ultralow.data import download

    monkeypatch.setattr(study, "root", lambda: tmp_path)
    monkeypatch.setattr(datasets, "root", lambda: tmp_path)
    this = study.Study(study.Settings.model_validate({
        "name": "digits", "data": {"mnist": {"source": source, "path": path}}, "networks": {"mnist-tnn": None}}), tmp_path)
    assert steps.downloads(this, "mnist") == comes
    if comes:
        def refused(*arguments):
            raise StudyError("no route")

        monkeypatch.setattr(download, "fetch", refused)
        with pytest.raises(StudyError, match="MNIST is needed.*no route.*put an npz of Keras's layout at .*mnist.npz"):
            steps.test_part(this, "mnist", lambda line: None)
