import dataclasses
import json
import zipfile

import numpy as np
import pytest
from layouts import some_jets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from ultralow.data import dataset, jets, sources
from ultralow.errors import StudyError
from ultralow.files import root
from ultralow.data.dataset import Table


def jets_table(rows: int = 1000, source: str = "generated") -> Table:
    columns = some_jets(rows)
    columns["multiplicity"] = np.arange(rows, dtype=np.float32)  # tells which row it is
    x = np.stack([columns[name] for name in jets.FEATURES], axis=1)
    return Table("jets", source, jets.FEATURES, jets.CLASSES, x, columns["label"].astype(np.int64))


def digits_table(rows: int = 500) -> Table:
    x = np.random.default_rng(0).integers(0, 256, (rows, 784), np.uint8)
    x[0, 0] = 255
    return Table("mnist", "file", tuple(map(str, range(784))), tuple("0123456789"), x, np.arange(rows) % 10,
                 np.arange(rows) // 10 % 4 == 0)


def rows_of(data: dataset.Dataset, part: str) -> np.ndarray:
    return np.rint(getattr(data, f"x_{part}")[:, -1] * data.scale[-1] + data.mean[-1]).astype(int)


def test_every_row_is_in_one_part_with_its_label():
    table = jets_table()
    data = dataset.split_and_scale(table)
    rows = {part: rows_of(data, part) for part in ("train", "valid", "test")}
    assert [len(part) for part in rows.values()] == [720, 80, 200]
    assert np.array_equal(np.sort(np.concatenate(list(rows.values()))), np.arange(1000))
    for part, index in rows.items():
        assert np.array_equal(getattr(data, f"y_{part}"), table.y[index])
        assert len(set(np.bincount(table.y[index]))) == 1  # equal class shares


def test_the_published_rows_are_the_test_part_of_openml():
    table = jets_table(source="openml")
    _, published = train_test_split(np.arange(1000), test_size=0.2, random_state=42)
    assert np.array_equal(rows_of(dataset.split_and_scale(table), "test"), published)


def test_the_scaler_sees_only_the_training_part():
    table = jets_table()
    data = dataset.split_and_scale(table)
    train = rows_of(data, "train")
    scaler = StandardScaler().fit(table.x[train].astype(np.float64))
    assert np.array_equal(data.mean, scaler.mean_) and np.array_equal(data.scale, scaler.scale_)
    x = table.x.copy()
    x[rows_of(data, "test"), :15] += 1000
    x[rows_of(data, "valid"), :15] -= 1000
    shifted = dataset.split_and_scale(dataclasses.replace(table, x=x))
    assert np.array_equal(shifted.x_train, data.x_train)
    assert np.allclose(data.x_train.mean(0), 0, atol=1e-6) and np.allclose(data.x_train.std(0), 1, atol=1e-6)


def test_columns_far_from_zero_and_constant_ones_are_scaled():
    """From scikit-learn/scikit-learn#17794 and #19726, ai2cm/fv3net#1111."""
    rng, rows = np.random.default_rng(2), 30_000
    noise = rng.normal(size=rows)
    x = np.stack([np.full(rows, 14.62), 1e9 + 1e-3 * noise, 1e-300 * noise, 1 + 1e-12 * noise, -3e7 + noise], axis=1)
    data = dataset.Dataset.from_arrays(x, np.arange(rows) % 2)
    assert not data.x_test[:, 0].any() and data.scale[0] == 1
    for column in (1, 3, 4):
        assert abs(data.x_train[:, column].mean()) < 0.01 and abs(data.x_train[:, column].std() - 1) < 0.01
        assert len(np.unique(data.x_train[:, column])) > 5000
    assert data.provenance["double_precision"] == ["x1", "x2", "x3", "x4"]
    target = 1e9 + 1e-3 * noise[:, None]
    regression = dataset.Dataset.from_arrays(x[:, 3:], target)
    np.testing.assert_allclose(regression.target_scale, 1e-3, rtol=0.02)
    assert abs(regression.y_train.mean()) < 1e-3 and abs(regression.y_train.std() - 1) < 1e-3


def test_what_is_beyond_single_precision_when_scaled_is_refused():
    x = np.r_[np.random.default_rng(1).normal(size=399) * 1e-20, 1e30][:, None]
    for seed in range(40):
        try:
            data = dataset.Dataset.from_arrays(x, np.arange(400) % 2, seed=seed)
        except StudyError as error:
            assert "feature 'x0' divided by its deviation" in str(error)
            break
        assert np.isfinite(data.x_test).all()
    else:
        raise AssertionError("the large value was always in the training part")


def test_pixels_are_exact_and_the_official_test_part_is_kept():
    table = digits_table()
    data = dataset.split_and_scale(table, seed=3)
    assert np.array_equal(data.x_test * 256, table.x[table.test].astype(np.float32))
    assert data.x_test.dtype == np.float32 and data.x_test.max() == 255 / 256
    assert set(data.mean) == {0.0} and set(data.scale) == {256.0}
    assert len(data.x_test) == 130 and data.provenance["split"]["test_fraction"] == "official"


def test_fewer_rows_are_balanced_and_nested():
    table = jets_table()
    data = dataset.split_and_scale(table, rows=203)
    kept = np.concatenate([rows_of(data, part) for part in ("train", "valid", "test")])
    assert np.array_equal(np.sort(kept), np.arange(200))
    small = dataset.split_and_scale(digits_table(), rows=200)
    assert len(small.x_test) == 50 and len(small.x_train) + len(small.x_valid) == 140
    assert set(np.bincount(small.y_test)) == {5}
    assert len(dataset.split_and_scale(table, rows=10**9).x_test) == 200


def test_a_seed_is_a_split():
    first, again, other = (dataset.split_and_scale(jets_table(), seed) for seed in (1, 1, 2))
    assert np.array_equal(first.x_train, again.x_train) and not np.array_equal(first.x_train, other.x_train)


@pytest.mark.parametrize("source, rows", [("generated", 5), ("generated", 20), ("openml", 10)])
def test_too_few_rows(source, rows):
    with pytest.raises(StudyError, match=r"(cannot be split|lacks a class).*ive more rows"):
        dataset.split_and_scale(jets_table(100, source), rows=rows)


def test_saved_and_loaded(tmp_path):
    data = dataset.split_and_scale(jets_table())
    assert data.save(tmp_path / "folder") == tmp_path / "folder" / "dataset.npz"
    data.save(tmp_path / "same.npz")
    for kind in ("npz", "json"):
        assert (tmp_path / "folder" / f"dataset.{kind}").read_bytes() == (tmp_path / f"same.{kind}").read_bytes()
    loaded = dataset.load(tmp_path / "folder")
    for field in dataclasses.fields(data):
        expected, found = getattr(data, field.name), getattr(loaded, field.name)
        assert np.array_equal(expected, found) and getattr(expected, "dtype", 0) == getattr(found, "dtype", 0)
    with zipfile.ZipFile(tmp_path / "same.npz") as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
    described = json.loads((tmp_path / "same.json").read_text())
    assert described["counts"] == {"train": [144] * 5, "valid": [16] * 5, "test": [40] * 5}
    assert described["provenance"]["split"]["seed"] == 42


def test_corruption_is_seen(tmp_path):
    data = dataset.split_and_scale(jets_table())
    path = data.save(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(StudyError, match="dataset.npz is corrupted.*delete both"):
        dataset.load(tmp_path)
    path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    with pytest.raises(StudyError, match="dataset.npz is corrupted"):
        dataset.load(tmp_path)
    other = dataclasses.replace(data, y_test=data.y_test[::-1].copy()).save(tmp_path / "other")
    path.write_bytes(other.read_bytes())
    with pytest.raises(StudyError, match="array 'y_test' does not match the sha256 in dataset.json"):
        dataset.load(tmp_path)
    path.unlink()
    with pytest.raises(StudyError, match="dataset.npz is missing beside its JSON"):
        dataset.load(tmp_path)
    with pytest.raises(StudyError, match="dataset.json is missing"):
        dataset.load(tmp_path / "nowhere")


def test_the_sample_of_the_repository_has_the_published_values(tmp_path, monkeypatch):
    import uproot

    whole = sources.load_table("jets", "generated")
    with uproot.open(root() / sources.GENERATED) as file:
        told = file["provenance"]
        columns = {name: file["jets"][name].array(library="np") for name in (*jets.FEATURES, "label", "chunk")}
    columns["multiplicity"][12_345] += 1
    (tmp_path / "data").mkdir()
    jets.write(tmp_path / sources.GENERATED, columns, json.loads(str(told)))
    # Elsewhere it is anybody's sample; in the repository's place it is damaged.
    assert (sources.load_table("jets", "generated", tmp_path / sources.GENERATED).x != whole.x).sum() == 1
    monkeypatch.setattr(sources, "shipped", lambda name: tmp_path / "data" / name)
    with pytest.raises(StudyError, match=r"1 of 6 chunks differ from .* the first 1; .* git checkout data/jets.root"):
        sources.load_table("jets", "generated", tmp_path / sources.GENERATED)


def test_tables_by_name(tmp_path):
    path = tmp_path / "jets.root"
    jets.write(path, some_jets(), {"source": "generated"})
    assert sources.load_table("jets", "generated", path).source == "generated"
    assert sources.load_table("jets", "file", path).source == "file"
    assert sources.load_table("mnist", "digits28").source == "digits28"
    jets.write(path, some_jets(), {"source": "openml"})
    for arguments, message in (
            (("jet", "generated"), "unknown dataset 'jet'; did you mean 'jets'"),
            (("jets", "digits28"), "unknown source of jets 'digits28'"),
            (("jets", "zenodo", path), "takes no path"),
            (("jets", "generated", path), "holds jets of source 'openml', not 'generated'"),
            (("jets", "generated", tmp_path / "none.root"), "none.root is missing")):
        with pytest.raises(StudyError, match=message):
            sources.load_table(*arguments)


@pytest.mark.parametrize("part", ["training", "validation", "test"])
def test_a_target_of_one_value_in_a_part_is_told(part):
    """R² divides by the target's variance: a test beam of exactly one energy has none (scikit-learn#17266)."""
    rng, test = np.random.default_rng(1), np.arange(300) < 60
    x, y = rng.normal(size=(300, 2)).astype(np.float32), rng.normal(size=(300, 2))
    table = Table("beam", "file", ("a", "b"), (), x, y, test, targets=("energy", "angle"))
    of = dataset.split_and_scale(dataclasses.replace(table, y=np.stack([np.arange(300.0)] * 2, axis=1)))
    chosen = {"training": of.y_train, "validation": of.y_valid, "test": of.y_test}[part][:, 0]
    indices = np.rint(chosen * of.target_scale[0] + of.target_mean[0]).astype(int)
    y[indices, 0] = 0.1  # whose mean over many rows is another float
    message = rf"target energy \(0.1\) of beam has one value in the whole {part} part, where R², .* is undefined"
    with pytest.raises(StudyError, match=message):
        dataset.split_and_scale(dataclasses.replace(table, y=y))
