import csv
import json

import numpy as np
import pandas as pd
import pytest
import synthetic

from ultralow import csvfile, files
from ultralow.report import comparison, html_tables, published, selection
from ultralow.networks.catalogue import CATALOGUE
from ultralow.errors import StudyError

CONTRACT = """
network dataset source architecture train_rows test_rows seeds accuracy_mean accuracy_std auc_q auc_g auc_W
auc_Z auc_t auc_min auc_max hls_rows hls_rows_exact rtl_rows rtl_rows_exact input_bits lut lut_percent ff
ff_percent dsp dsp_percent bram18 bram18_percent lut_estimate latency_cycles interval clock_ns latency_ns tool
published_accuracy published_auc_min published_auc_max published_latency_ns published_lut_percent
published_ff_percent published_dsp_percent published_bram_percent
""".split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return synthetic.make(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def table(folder):
    return comparison.table(folder).set_index("network", drop=False)


def _edit(path, **changes):
    content = files.read_json(path) | changes
    files.write_json(path, {k: v for k, v in content.items() if v is not ...})


def test_columns_and_order(table):
    assert set(CONTRACT) <= set(table.columns) and {f"auc_{n}" for n in range(10)} <= set(table.columns)
    assert list(table.index) == list(synthetic.NETWORKS)


def test_values(folder, table):
    row, train = table.loc["jets-bnn-small"], json.loads((folder / "jets-bnn-small/train.json").read_text())
    accuracies = [run["accuracy"] for run in train["runs"]]
    assert row["accuracy_mean"] == pytest.approx(np.mean(accuracies), abs=5e-6)
    assert row["accuracy_std"] == pytest.approx(np.std(accuracies, ddof=1), abs=5e-6)
    assert row["accuracy_hardware"] == pytest.approx(accuracies[-1], abs=5e-6)
    areas = [row[f"auc_{name}"] for name in train["classes"]]
    assert (row["auc_min"], row["auc_max"]) == (min(areas), max(areas))
    assert row["lut_percent"] == pytest.approx(100 * 2000 / 1_182_240, abs=5e-4)
    assert (row["published_accuracy"], row["published_latency_ns"], row["published_lut_percent"]) == (0.62, 40, 0.8)


def test_unmeasured_cells_are_empty(folder, table, tmp_path):
    row = table.loc["jets-tnn-optimised"]
    assert row[["hls_rows", "rtl_rows_exact", "lut", "dsp_percent", "latency_ns", "tool", "auc_3"]].isna().all()
    assert row["published_lut_percent"] == 6
    csvfile.write(table, tmp_path / "comparison.csv")
    with open(tmp_path / "comparison.csv", newline="") as stream:
        cells = {line["network"]: line for line in csv.DictReader(stream)}["mnist-tnn"]
    assert cells["auc_q"] == cells["lut"] == cells["hls_rows"] == "" and cells["auc_3"] != ""
    assert csvfile.read(tmp_path / "comparison.csv")["lut"].isna().sum() == table["lut"].isna().sum()


def test_one_seed_has_no_deviation(tmp_path):
    single = comparison.table(synthetic.make(tmp_path / "s", ("jets-float",), seeds=(4,)))
    assert single["accuracy_std"].isna().all() and single["seeds"].tolist() == [1]


def test_networks_stand_under_what_they_were_trained_on(tmp_path):
    folder = synthetic.make(tmp_path / "s", ("jets-float", "jets-bnn-small", "jets-tnn-small"))
    assert comparison.trained_on(folder).empty  # none says so
    here, there = ({"device": device, "packages": {"numpy": "2", "jax": "1"}} for device in ("here", "there"))
    for name, seconds in (("jets-bnn-small", there), ("jets-tnn-small", here)):
        runs = files.read_json(folder / name / "train.json")["runs"]
        _edit(folder / name / "train.json", runs=[run | {"trained_on": here if n == 0 else seconds} for n, run in enumerate(runs)])
    assert comparison.trained_on(folder).values.tolist() == [
        ["here", "jax 1, numpy 2", "jets-bnn-small, jets-tnn-small"], ["there", "jax 1, numpy 2", "jets-bnn-small"]]


def test_same_results_same_bytes(folder, tmp_path):
    for name in ("a", "b"):
        csvfile.write(comparison.table(folder), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_other_layers_have_no_published_values(tmp_path):
    folder = synthetic.make(tmp_path / "s", ("jets-bnn-small",))
    _edit(folder / "jets-bnn-small/train.json", architecture="16x8x8x8x5")
    assert comparison.table(folder).filter(like="published").isna().all().all()


def test_missing_training_and_missing_key_are_named(tmp_path):
    folder = synthetic.make(tmp_path / "s", ("jets-float",))
    _edit(folder / "jets-float/train.json", test_rows=...)
    with pytest.raises(StudyError, match=r"jets-float/train.json lacks 'test_rows'"):
        comparison.table(folder)
    (folder / "jets-float/train.json").unlink()
    with pytest.raises(StudyError, match=r"train.json is missing"):
        comparison.table(folder)


def test_finn_table_counts_as_finn_counts(table, tmp_path):
    finn = comparison.finn_table(table)
    csvfile.write(finn, tmp_path / "finn.csv")
    assert (tmp_path / "finn.csv").read_text().splitlines()[0] == (
        "neurons,binary_error_percent,float_error_percent,parameters,operations,"
        "published_binary_error_percent,published_float_error_percent")
    first = finn.set_index("neurons").loc[128]
    assert (first["parameters"], first["operations"]) == (134_794, 268_800)  # FINN, table 1
    assert (first["published_binary_error_percent"], first["published_float_error_percent"]) == (6.58, 2.7)
    assert first["binary_error_percent"] == pytest.approx(100 * (1 - table.loc["finn-128-binary", "accuracy_mean"]))
    assert pd.isna(finn.set_index("neurons").loc[256, "float_error_percent"])
    assert comparison.finn_table(table[table["dataset"] == "jets"]).empty


def test_networks_of_regressions_alone_are_judged_by_r2(tmp_path):
    """The column of accuracies is then empty, which a file tells from no other type."""
    means = pd.DataFrame({"network": ["a", "b"], "accuracy_mean": [pd.NA, pd.NA], "r2_mean": [0.9, -10502.5]})
    csvfile.write(means, tmp_path / "comparison.csv")
    for table in (means, csvfile.read(tmp_path / "comparison.csv")):
        assert comparison.qualities(table).tolist() == [0.9, -10502.5]


def test_verdicts_know_direction_digits_and_data(table):
    row = table.loc["jets-bnn-small"].to_dict()

    def judged(column, value, **also):
        return comparison.verdict(row | {column: value} | also, column)

    # published: accuracy 0.62, 0.8 % LUT, 40 ns
    assert [judged("accuracy_mean", v) for v in (0.63, 0.616, 0.61)] == ["better", "equal", "worse"]
    assert [judged("lut_percent", v) for v in (0.7, 0.84, 0.9)] == ["better", "equal", "worse"]
    assert [judged("latency_ns", v) for v in (35, 40, 45)] == ["better", "equal", "worse"]
    assert judged("accuracy_mean", 0.99, source="digits28") == "other data"
    assert judged("lut_percent", pd.NA) == ""


def test_pareto_front_is_what_nothing_beats():
    draw = np.random.default_rng(3)
    table = pd.DataFrame({"network": [f"n{i}" for i in range(60)], "accuracy_mean": draw.integers(0, 20, 60) / 20,
                          "lut": pd.array(draw.integers(0, 20, 60), "Int64")})
    table.loc[0, "lut"] = pd.NA
    known = table.dropna()
    beaten = {a.network for a in known.itertuples() for b in known.itertuples()
              if b.lut <= a.lut and b.accuracy_mean >= a.accuracy_mean
              and (b.lut, b.accuracy_mean) != (a.lut, a.accuracy_mean)}
    points = known.set_index("network").loc[selection.pareto(table, "lut")]
    best = known[~known["network"].isin(beaten)]
    assert set(zip(points["lut"], points["accuracy_mean"])) == set(zip(best["lut"], best["accuracy_mean"]))
    assert not points.duplicated(["lut", "accuracy_mean"]).any()


def test_every_published_row_that_the_catalogue_names_exists_with_its_layers():
    for entry in CATALOGUE.values():
        if entry.published:
            assert published.row(entry.published)["architecture"] == entry.architecture, entry.name
    with pytest.raises(StudyError, match="seed-jets-float"):
        published.row("seed-jets-flaot")


def test_published_units():
    row = published.row("seed-jets-float")
    assert (row["accuracy"], row["auc_min"], row["latency_ns"], row["lut"]) == (0.75, 0.9, 60, round(0.07 * 1_182_240))
    assert published.resolution("seed-jets-float-compressed", "lut_percent") == pytest.approx(0.05)
    assert published.resolution("seed-jets-float", "accuracy") == pytest.approx(0.005)


@pytest.mark.parametrize("dataset", ["jets", "mnist"])
def test_the_front_is_of_one_task_and_complete_enough_to_plot(dataset):
    front = published.of_task(dataset)
    assert len(front) > 5 and front["dataset"].nunique() == 1 and front["tool_stage"].ne("").all()


def test_the_best_within_a_budget_is_the_best_of_all_that_fit(table):
    measured = table.dropna(subset=["lut"])
    for latency in (10, 30, None):
        for lut in (0.1, 0.2, 1.0, None):
            fits = [row for row in measured.to_dict("records")
                    if row["latency_ns"] <= (latency or 1e9) and row["lut_percent"] <= (lut or 100)]
            found = selection.best_within(table, latency, lut)
            assert (found is None) == (not fits)
            if fits:
                assert found["accuracy_mean"] == max(row["accuracy_mean"] for row in fits)
    assert selection.best_within(table.iloc[:0], None, None) is None


def test_areas_have_the_deviation_of_their_own_class(folder, table):
    row, train = table.loc["jets-bnn-small"], json.loads((folder / "jets-bnn-small/train.json").read_text())
    lowest = min(train["classes"], key=lambda name: row[f"auc_{name}"])
    assert row["auc_min_std"] == pytest.approx(np.std([run["auc"][lowest] for run in train["runs"]], ddof=1), abs=5e-6)


def test_finns_prototypes_stand_beside_our_circuits(table):
    rows = html_tables.prototype_rows(table.reset_index(drop=True))
    assert [row["name"] for row in rows] == ["SFC-max", "SFC-fix", "finn-256-binary"]
    keys = "throughput_fps", "latency_ns", "lut", "bram"
    assert [rows[0][key] for key in keys] == [12_361_000, 310, 91131, 4.5]
    assert rows[2]["lut"] is rows[2]["throughput_fps"] is rows[2]["latency_ns"] is None
    assert "1,580,000 LUTs" in (told := html_tables.prototype_rows(table, {"finn-256-binary": 1.5809e6})[2]["conditions"])
    assert "134%" in told and "does not fit" in told
    built = table.copy()
    columns = ["lut", "bram18", "interval", "clock_ns", "latency_ns", "tool"]
    built.loc["finn-256-binary", columns] = [9, 0, 1, 5.0, 60.0, "t"]
    assert html_tables.prototype_rows(built)[2]["throughput_fps"] == 200e6


def test_a_count_that_follows_from_a_share_says_so():
    rows = published.rows()
    assert rows.loc["seed-mnist-bnn", "lut_from_share"] and not rows.loc["finn-sfc-max", "lut_from_share"]
