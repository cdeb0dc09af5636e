"""A new run against the reference: what may differ, what may not, and what is not compared."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from synthetic import make

from ultralow import csvfile
from ultralow.files import read_json, write_json
from ultralow.report import compare_runs, comparison

NETWORKS = ("jets-float", "jets-bnn-small", "jets-tnn-optimised")


@pytest.fixture
def folders(tmp_path):
    """The same results twice: the new run, and the reference."""
    for name in ("new", "reference"):
        folder = make(tmp_path / name, NETWORKS)
        csvfile.write(comparison.table(folder), folder / "comparison.csv")
    return tmp_path / "new", tmp_path / "reference"


def change(folder, network, **values):
    table = csvfile.read(folder / "comparison.csv").set_index("network", drop=False)
    for column, value in values.items():
        table.loc[network, column] = value
    csvfile.write(table, folder / "comparison.csv")


def verdicts(folders):
    differences, remarks = compare_runs.compare(*folders)
    return {(row["network"], row["column"]): row["verdict"] for row in differences.to_dict("records")}, remarks


def test_equal_runs_differ_in_nothing(folders, capsys):
    assert verdicts(folders) == ({}, [])
    assert compare_runs.main([str(folders[0]), "--reference", str(folders[1])]) == 0
    assert "Nothing that was compared differs" in capsys.readouterr().out


def test_accuracy_may_differ_by_three_deviations_and_auc_by_its_tolerance(folders):
    row = csvfile.read(folders[1] / "comparison.csv").set_index("network").loc["jets-bnn-small"].to_dict()
    allowed = compare_runs.DEVIATIONS * compare_runs.deviation(row, row)
    assert compare_runs.deviation(row, row) >= max(row["accuracy_std"], np.sqrt(row["accuracy_mean"] * (1 - row["accuracy_mean"]) / 600))
    one_seed = row | {"accuracy_std": pd.NA}
    assert compare_runs.deviation(one_seed, row) == compare_runs.deviation(row, row)
    mean, auc = row["accuracy_mean"], row["auc_t"]
    for shift, tolerance, verdict in ((0.99, 0.99, "within"), (1.01, 1.01, "too much")):
        change(folders[0], "jets-bnn-small", accuracy_mean=mean + shift * allowed, auc_t=auc - tolerance * compare_runs.AUC_TOLERANCE)
        assert verdicts(folders)[0] == {("jets-bnn-small", "accuracy_mean"): verdict, ("jets-bnn-small", "auc_t"): verdict}


def test_hardware_of_the_same_network_is_equal_and_of_another_is_not_compared(folders, capsys):
    change(folders[0], "jets-float", lut=1001)
    change(folders[0], "jets-bnn-small", rtl_rows_exact=pd.NA)
    # What the reference has not measured may be anything.
    change(folders[0], "jets-tnn-optimised", lut=5)
    found, remarks = verdicts(folders)
    assert found == {("jets-float", "lut"): "too much", ("jets-bnn-small", "rtl_rows_exact"): "too much"}
    assert remarks == ["jets-tnn-optimised: not measured in the reference: lut"]
    assert compare_runs.main([str(folders[0]), "--reference", str(folders[1])]) == 1
    text = capsys.readouterr().out
    assert "1000" in text and "1001" in text and "not measured" in text and "2 of 2 differences are larger" in text
    shutil.copy(folders[0] / "jets-bnn-small/folded.npz", folders[0] / "jets-float/folded.npz")
    found, remarks = verdicts(folders)
    assert ("jets-float", "lut") not in found and remarks[0] == (
        "jets-float: hardware columns not compared, they are of another trained network")


def test_other_conditions_and_other_networks_are_named_not_compared(folders):
    change(folders[0], "jets-float", train_rows=10, accuracy_mean=0.1)
    table = csvfile.read(folders[1] / "comparison.csv")
    csvfile.write(table[table["network"] != "jets-tnn-optimised"], folders[1] / "comparison.csv")
    found, remarks = verdicts(folders)
    assert found == {} and "not in the reference: jets-tnn-optimised" in remarks
    assert any("jets-float: accuracy and AUC not compared, other conditions (train_rows 5000 → 10)" in r for r in remarks)


def test_the_reference_is_the_committed_state(folders, capsys):
    def git(*command):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], cwd=folders[1], check=True,
                       capture_output=True)

    same = ["--reference", str(folders[1])]
    assert compare_runs.main([str(folders[1]), *same]) == 2
    assert "is the run and the reference" in capsys.readouterr().err
    git("init")
    git("add", ".")
    git("commit", "-m", "reference")
    change(folders[1], "jets-float", lut=1001)  # the new run overwrote what was committed
    assert compare_runs.main([str(folders[1]), *same]) == 1
    assert "as committed" in capsys.readouterr().out
    assert compare_runs.main([str(folders[1])]) == 1  # the same by default
    assert f"{folders[1]} as committed" in capsys.readouterr().out
    assert compare_runs.main([str(folders[0]), *same]) == 0


def test_faults_are_named(folders, tmp_path, capsys):
    for arguments, message in (([str(tmp_path)], "comparison.csv is missing"),
                               ([str(folders[0]), "--reference", "results/none"], "results/none does not exist"),
                               (["config/none.yaml"], "config/none.yaml does not exist")):
        assert compare_runs.main(arguments) == 2
        assert message in capsys.readouterr().err


def test_networks_of_another_study_are_compared_where_they_stand(folders, tmp_path):
    """As committed: the second study's folder holds its table alone."""
    def git(*command):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], cwd=tmp_path, check=True, capture_output=True)

    second = tmp_path / "second"
    second.mkdir()
    for file in ("comparison.csv", "study.json"):
        shutil.copy(folders[1] / file, second / file)
    write_json(second / "study.json", read_json(second / "study.json") | {"shared": {
        name: {"study": "reference", "conversion": True, "synthesis": True} for name in NETWORKS}})
    git("init")
    git("add", ".")
    git("commit", "-m", "both")
    change(second, "jets-float", lut=1001)
    with compare_runs.committed(second, second) as (reference, _):
        differences, remarks = compare_runs.compare(second, reference)
    assert differences[["network", "column"]].values.tolist() == [["jets-float", "lut"]] and remarks == []


def test_rows_are_predicted_again_if_asked(monkeypatch, folders, capsys):
    asked = []
    monkeypatch.setattr(compare_runs, "check_rows", lambda file: asked.append(file))
    arguments = [str(folders[0]), "--reference", str(folders[1])]
    assert compare_runs.main(arguments) == 0 and asked == []
    assert compare_runs.main([*arguments, "--rows"]) == 0 and asked == [str(folders[0])]
    monkeypatch.undo()
    assert compare_runs.main([*arguments, "--rows"]) == 2
    assert "--rows needs the study file" in capsys.readouterr().err
