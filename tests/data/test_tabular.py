"""Data of one's own: every file type gives the same table, and what is wrong with a file is said."""

import h5py
import numpy as np
import pandas as pd
import pytest
import uproot

from ultralow.data import dataset, tabular
from ultralow.errors import StudyError

ROWS = 60


def columns():
    rng = np.random.default_rng(1)
    return {"a": rng.normal(size=ROWS).astype(np.float32), "b": np.arange(ROWS, dtype=np.float32),
            "kind": (np.arange(ROWS) % 3).astype(np.int32), "w": rng.uniform(0, 2, ROWS), "part": (np.arange(ROWS) % 4 == 0)
            .astype(np.int8), "energy": rng.uniform(1, 9, ROWS)}


def write(path, given):
    match path.suffix:
        case ".root":
            with uproot.recreate(path) as file:
                file.mktree("events", {name: values.dtype for name, values in given.items()}).extend(given)
        case ".h5":
            with h5py.File(path, "w") as file:
                for name, values in given.items():
                    file[name] = values
        case ".npz":
            np.savez(path, **given)
        case ".csv":
            pd.DataFrame(given).to_csv(path, index=False)
        case ".parquet":
            pd.DataFrame(given).to_parquet(path)
    return path


def read(files, **changes):
    return tabular.read("own", files, tabular.Columns(
        **{"features": ["a", "b"], "label": "kind", "weights": "w", "test": "part"} | changes))


@pytest.mark.parametrize("suffix", [".root", ".h5", ".npz", ".csv", ".parquet"])
def test_every_file_type_gives_the_same_table(tmp_path, suffix):
    given = columns()
    files = [write(tmp_path / f"{n}{suffix}", {name: values[part] for name, values in given.items()})
             for n, part in enumerate((slice(0, 20), slice(20, None)))]
    table = read(files)
    assert table.classes == ("0", "1", "2") and table.features == ("a", "b") and table.source == "file"
    np.testing.assert_array_equal(table.x, np.stack([given["a"], given["b"]], axis=1))
    np.testing.assert_array_equal(table.y, given["kind"])
    np.testing.assert_array_equal(table.test, given["part"] == 1)
    np.testing.assert_allclose(table.weights, given["w"])
    assert set(table.provenance["files"]) == {file.name for file in files}
    regression = read(files, label=None, targets=["energy"])
    np.testing.assert_allclose(regression.y, given["energy"][:, None], rtol=1e-6)
    assert regression.classes == () and regression.targets == ("energy",)


def test_names_are_classes_in_the_order_that_is_asked_for(tmp_path):
    names = np.array(["pion", "electron", "muon"])[columns()["kind"]]
    path = write(tmp_path / "a.csv", columns() | {"kind": names})
    assert read([path]).classes == ("electron", "muon", "pion")
    table = read([path], classes=["pion", "electron", "muon"])
    np.testing.assert_array_equal(table.y, columns()["kind"])


@pytest.mark.parametrize("change, asked, message", [
    ({"a": np.r_[columns()["a"][:7], np.nan, columns()["a"][8:]]}, {}, "'a' has 1 values .* row 7"),
    ({}, {"features": ["a", "bb"]}, "column 'bb' is missing .nearest there: b"),
    ({"a": np.array(["x"] * ROWS)}, {}, "'a' is not of numbers"),
    ({"w": -columns()["w"]}, {}, "weights in column 'w' go down to -"),
    ({"part": columns()["kind"]}, {}, "'part' marks the test part with 1 .* 0, 1, 2"),
    ({"kind": np.zeros(ROWS, int)}, {}, "has the value 0 only"),
    ({}, {"classes": [0, 1]}, "label '2' is none of the classes 0, 1"),
    ({}, {"classes": [0, 1, 2, 3]}, "class 3 has no rows"),
    ({}, {"label": "energy"} | {"classes": None}, None),
    ({}, {"tree": "events"}, "no ROOT file"),
])
def test_a_fault_is_named(tmp_path, change, asked, message):
    path = write(tmp_path / "a.csv", columns() | change)
    if message is None:  # sixty different energies are sixty classes: few enough, but no part has them all
        with pytest.raises(StudyError, match="cannot be split|lacks a class"):
            dataset.split_and_scale(read([path], **asked))
        return
    with pytest.raises(StudyError, match=message):
        read([path], **asked)


def test_a_regressions_targets_are_scaled_by_the_training_part_and_weights_have_mean_one(tmp_path):
    table = read([write(tmp_path / "a.npz", columns())], label=None, targets=["energy", "b"], features=["a"])
    data = dataset.split_and_scale(table)
    np.testing.assert_allclose(data.y_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.y_train.std(axis=0), 1)
    units = data.y_test * data.target_scale + data.target_mean
    assert set(np.round(units[:, 1])) == set(np.arange(0, ROWS, 4)), "the test part is the file's own"
    for part in ("train", "valid", "test"):
        assert getattr(data, f"w_{part}").mean() == pytest.approx(1)
    path = data.save(tmp_path / "own.npz")
    again = dataset.load(path)
    assert again.targets == ("energy", "b") and again.outputs == ("energy", "b")
    np.testing.assert_array_equal(again.w_valid, data.w_valid)
    alone = dataset.load_test(path)
    np.testing.assert_array_equal(alone.y_test, data.y_test)
    assert alone.w_train.size == 0 and alone.targets == data.targets
