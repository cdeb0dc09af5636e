"""Data and networks of one's own, from the study file to gates: two classes with one output and with two, a precision for
each layer, regression."""

import numpy as np
import pytest
import yaml

import toy_calorimeter
from ultralow import metrics
from ultralow.data import dataset
from ultralow.report import comparison
from ultralow.report.figures import gallery
from ultralow.study import runs, steps
from ultralow.study import study as studies
from ultralow.errors import StudyError
from ultralow.files import read_json, write_json
from ultralow.report.results import Results
from ultralow.study.manifest import describe


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """config/showers.yaml with fewer rows and epochs, trained and taken to gates."""
    folder = tmp_path_factory.mktemp("own")
    toy_calorimeter.write(folder / "runs", files=2, rows=600)
    content = yaml.safe_load((studies.root() / "config/showers.yaml").read_text())
    content |= {"epochs": 2, "rows": {"hls": 50, "rtl": 100}}
    for data in content["data"].values():
        data["path"] = str(folder / "runs" / "run*.root")
    (folder / "showers.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    this = studies.load(folder / "showers.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studies.Study, "results", folder / "results")
        for entry in this.networks:
            steps.training(this, entry.name, log=lambda line: None)
            steps.synthesis(this, entry.name, log=lambda line: None)
        write_json(this.results / "study.json", describe(this))
        yield this


def test_weights_count_and_a_single_output_is_a_logit_of_the_second_class(study):
    data = dataset.load(study.results / "data/particles.npz")
    train = Results(study.results).train("particles-tnn-one")
    (logits,), (run,) = steps.check_predictions(study, "particles-tnn-one").logits.values(), train["runs"]
    assert logits.shape == (len(data.y_test), 1)
    right = (logits[:, 0] > 0) == (data.y_test == 1)
    assert run["accuracy"] == pytest.approx(np.average(right, weights=data.w_test))
    assert run["accuracy"] != pytest.approx(right.mean())
    both = metrics.auc_per_class(np.hstack([0 * logits, logits]), data.y_test, data.classes, data.w_test)
    assert run["auc"] == pytest.approx(both)


def test_a_regression_is_judged_in_its_unit(study):
    data = dataset.load(study.results / "data/energies.npz")
    train = Results(study.results).train("energies-fixed-relu")
    (found,), (run,) = steps.check_predictions(study, "energies-fixed-relu").logits.values(), train["runs"]
    error = (found - data.y_test) * data.target_scale
    assert run["rmse"]["energy"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)
    truth = data.y_test * data.target_scale
    assert run["r2"] == pytest.approx(1 - np.mean(error**2) / truth.var(), rel=1e-5)
    assert "accuracy" not in run and set(run["history"]) == {"loss", "val_loss"}
    drawn = Results(study.results).estimates("energies-fixed-relu")["energy"]
    assert drawn.rmse == pytest.approx(run["rmse"]["energy"], rel=1e-5) and 0 < drawn.counts.sum() <= len(data.y_test)


def test_the_circuits_readme_says_what_a_code_means(study):
    one, estimate = ((study.results / network / "rtl/README.md").read_text()
                     for network in ("particles-tnn-one", "energies-tnn-relu"))
    assert "A code above 0 says `1`, any other `0`" in one and "largest code" not in one
    data, folded = dataset.load(study.results / "data/energies.npz"), Results(study.results).exact("energies-tnn-relu")
    line = next(line for line in estimate.splitlines() if line.startswith("| 0 |") and "`energy`" in line)
    factor, offset = (float(cell) for cell in line.split("|")[4:6])
    codes = folded(folded.codes(data.x_test[:50]))
    truth = folded.logits(folded.encode(data.x_test[:50])) * data.target_scale + data.target_mean
    np.testing.assert_allclose(factor * codes + offset, truth, rtol=1e-6)


def test_each_layer_has_its_own_precision(study):
    folded = Results(study.results).exact("particles-mixed-two")
    assert [layer.weights for layer in folded.layers] == ["ternary", "binary", "ternary"]
    assert [layer.activation for layer in folded.layers] == ["relu", "binary", "linear"]
    assert str(folded.layers[0].format) == "ufixed<4,2>"
    assert study.network("particles-mixed-two").kind == "mixed"


def test_the_table_and_the_figures_hold_both_kinds(study):
    table = comparison.table(study.results).set_index("network", drop=False)
    assert (table["rtl_rows_exact"] == 100).all() and (table["netlist_rows_exact"] == 100).all()
    assert table["r2_mean"].notna().tolist() == table["accuracy_mean"].isna().tolist() == [False, False, True, True]
    assert table.loc["energies-tnn-relu", "rmse_energy"] > 0 and 0 < table.loc["particles-tnn-one", "auc_1"] < 1
    drawn = gallery.compared(study.results, table.reset_index(drop=True))
    assert {"accuracy-lut-particles", "accuracy-lut-energies", "auc-particles"} <= set(drawn)
    assert "R²" in drawn["accuracy-lut-energies"].caption and "auc-energies" not in drawn
    assert "estimates-energies-tnn-relu" in gallery.single(study.results, "energies-tnn-relu")


@pytest.mark.parametrize("network, change, message", [
    ("energies-tnn-relu", {"refine": 1}, "refine work.* not for regression"),
    ("particles-tnn-one", {"teacher": "x"}, "teacher work.* not with a single one"),
])
def test_what_only_classification_has_is_refused(study, network, change, message):
    from dataclasses import replace

    entry = study.network(network)
    data = dataset.load(study.results / f"data/{entry.dataset}.npz")
    with pytest.raises(StudyError, match=message):
        runs.check(entry, replace(study.recipe(network), **change), data)
    with pytest.raises(StudyError, match="is 8x1, but its dataset .* has 9 features"):
        runs.check(replace(entry, widths=(8, 1)), study.recipe(network), data)


def test_an_r2_of_any_size_is_the_one_that_was_kept(tmp_path, monkeypatch):
    """A test part at nearly one energy: R² is −10,000, and train.json keeps ten digits of it."""
    rng, rows = np.random.default_rng(7), 300
    energy, test = rng.uniform(5, 100, rows), np.arange(rows) < 60
    energy[test] = 50 + 0.05 * rng.normal(size=60)
    lines = [f"{e + x:.4f},{e:.4f},{int(t)}" for e, x, t in zip(energy, rng.normal(size=rows), test)]
    (tmp_path / "beam.csv").write_text("\n".join(["s,energy,is_test", *lines]) + "\n")
    (tmp_path / "beam.yaml").write_text(yaml.safe_dump({
        "name": "beam", "epochs": 1, "data": {"d": {"source": "file", "path": str(tmp_path / "beam.csv"), "features": ["s"],
                                                    "target": "energy", "test": "is_test"}},
        "networks": {"d-fixed": {"dataset": "d", "widths": [1, 4, 1], "weights": "fixed<8,3>", "activation": "ufixed<8,4>",
                                 "input": "fixed<9,3>", "recipe": "float"}}}))
    this = studies.load(tmp_path / "beam.yaml")
    monkeypatch.setattr(studies.Study, "results", tmp_path / "results")
    steps.training(this, "d-fixed", log=lambda line: None)
    (run,) = Results(this.results).train("d-fixed")["runs"]
    assert run["r2"] < -100 and run["rmse"]["energy"] > 0
    steps.check_predictions(this, "d-fixed")
    path = this.folder("d-fixed") / "train.json"
    content = read_json(path)
    content["runs"][0]["r2"] *= 1 + 1e-8  # another network, even if it is nearly as bad
    write_json(path, content)
    with pytest.raises(StudyError, match="r2 -.* not the rows or not the network"):
        steps.check_predictions(this, "d-fixed")


@pytest.mark.parametrize("given, raw_targets", [({"raw": True}, True), ({"raw": True, "raw_targets": False}, False),
                                                ({"raw_targets": True}, True)])
def test_a_trained_regression_may_give_its_targets_in_the_unit_of_the_files(tmp_path, monkeypatch, given, raw_targets):
    """fastmachinelearning/hls4ml#495 and #1133: energies in GeV, which no user can scale as the study draws its training part."""
    from ultralow.training import keras_setup  # noqa: F401 — before Keras computes
    import keras

    rng, rows = np.random.default_rng(7), 400
    x = rng.normal(2, 3, (rows, 2))
    energy = 100 + 30 * x[:, 0] + 5 * x[:, 1]
    lines = [f"{a:.4f},{b:.4f},{e:.4f},{-e:.4f},{int(i < 80)}" for i, (a, b, e) in enumerate(zip(*x.T, energy))]
    (tmp_path / "d.csv").write_text("\n".join(["a,b,energy,other,is_test", *lines]) + "\n")
    settings = {"name": "unit", "rows": {"hls": 10, "rtl": 20}, "data": {"d": {
        "source": "file", "path": str(tmp_path / "d.csv"), "features": ["a", "b"], "target": ["energy", "other"], "test": "is_test"}},
        "networks": {"d-fixed": {"dataset": "d", "model": str(tmp_path / "d.keras"), "input": "fixed<16,6>",
                                 "weights": "fixed<18,8>", **given}}}
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    kernel, bias = np.array([[30.0, -30.0], [5.0, -5.0]]), np.array([100.0, -100.0])
    monkeypatch.setattr(studies.Study, "results", tmp_path / "results")

    def run(**more):
        (tmp_path / "d.yaml").write_text(yaml.safe_dump(settings | {"networks": {
            "d-fixed": settings["networks"]["d-fixed"] | more}}))
        this, lines = studies.load(tmp_path / "d.yaml"), []
        return this, steps.training(this, "d-fixed", log=lines.append)["runs"][0], lines

    model.layers[0].set_weights([kernel, bias])
    model.save(tmp_path / "d.keras")
    this = studies.load((tmp_path / "d.yaml", (tmp_path / "d.yaml").write_text(yaml.safe_dump(settings)))[0])
    data = steps.data(this, "d", log=lambda line: None)
    if "raw" not in given:  # of features as the study scales them
        model.layers[0].set_weights([kernel * data.scale[:, None], data.mean @ kernel + bias])
    elif not raw_targets:
        model.layers[0].set_weights([kernel / data.target_scale, (bias - data.target_mean) / data.target_scale])
    model.save(tmp_path / "d.keras")
    this, result, lines = run()
    assert result["r2"] > 0.999 and result["rmse"]["energy"] < 1 and "notes" not in result
    steps.check_predictions(this, "d-fixed")
    train = Results(this.results).train("d-fixed")
    assert (train["targets"]["energy"] == [0.0, 1.0]) == raw_targets
    folder = Results(this.results).estimates("d-fixed")["energy"]
    assert folder.ends[0] < 100 < 200 < folder.ends[1]  # in GeV, either way
    # Said the other way round, it is told.
    this, result, lines = run(raw_targets=not raw_targets)
    assert result["r2"] < 0 and result["notes"] == [line.partition("NOTE: ")[2] for line in lines if "NOTE: the outputs" in line]
    assert f"`raw_targets: {str(raw_targets).lower()}`" in result["notes"][0]
    # In another order of the targets, too.
    this, result, lines = run(outputs=["other", "energy"])
    assert any("`outputs: [energy, other]`" in note for note in result["notes"])
