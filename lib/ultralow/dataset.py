"""Knows what the networks are trained and tested on: a table split once by seed, scaled by its training part."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ultralow import npz
from ultralow.errors import StudyError, brief
from ultralow.files import read_json, replacing, write_json
from ultralow.table import Table

SEED = 42  # of the published split
PIXEL_SCALE = 256.0  # a power of two: x / 256 is exact, and 8 fraction bits hold it
# The published studies draw their test part without regard to the classes; only so is it the same rows.
UNSTRATIFIED = ("openml",)

_ARRAYS = ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test", "mean", "scale")
_TEST_ARRAYS = ("x_test", "y_test", "mean", "scale")
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Dataset:
    """Training, validation and test part, ready for a network.

    Attributes:
        x_train, x_valid, x_test: (rows, features) float32; (value - mean) / scale of the table's columns.
        y_train, y_valid, y_test: (rows,) int64, indices into ``classes``.
        mean, scale: (features,) float64, of the training part only; 0 and 256 for digits.
        provenance: the table's, plus the split.
    """

    name: str
    source: str
    features: tuple[str, ...]
    classes: tuple[str, ...]
    x_train: np.ndarray
    y_train: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    provenance: dict = field(default_factory=dict)

    def head(self, rows: int | None) -> Dataset:
        """The same with at most ``rows`` training rows; they are in random order already."""
        return self if rows is None else replace(self, x_train=self.x_train[:rows], y_train=self.y_train[:rows])

    def save(self, path: str | Path) -> Path:
        """Writes ``path``.npz, the JSON beside it, and <name>-test.npz with the test part alone, which is all that
        trained networks need; the same dataset gives the same bytes. Returns the npz.

        A path without the suffix .npz is a folder, which gets dataset.npz and dataset.json.
        """
        path = _npz_path(path)
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        description = {
            "name": self.name, "source": self.source, "features": self.features, "classes": self.classes,
            "counts": {part: np.bincount(arrays[f"y_{part}"], minlength=len(self.classes))
                       for part in ("train", "valid", "test")},
            "sha256": {name: _digest(array) for name, array in arrays.items()},
            "provenance": self.provenance,
        }
        with replacing(path) as temporary:
            _write_npz(temporary, arrays)
        with replacing(test_path(path)) as temporary:
            _write_npz(temporary, {name: arrays[name] for name in _TEST_ARRAYS})
        write_json(path.with_suffix(".json"), description)
        return path


def load(path: str | Path) -> Dataset:
    """The dataset that :meth:`Dataset.save` wrote to ``path``, checked against its checksums.

    Raises:
        StudyError: a file is missing, or an array is not the one described.
    """
    path = _npz_path(path)
    description, arrays = _read(path, path.with_suffix(".json"), _ARRAYS)
    return _described(description, arrays)


def test_path(path: str | Path) -> Path:
    """Where :meth:`Dataset.save` puts the test part of the dataset in ``path``."""
    path = _npz_path(path)
    return path.with_name(f"{path.stem}-test.npz")


def load_test(path: str | Path) -> Dataset:
    """The dataset in ``path`` with its test part alone, checked against the checksums; only <name>-test.npz and the JSON
    are read. Training and validation part have no rows.

    Raises:
        StudyError: a file is missing, or an array is not the one described.
    """
    path = _npz_path(path)
    description, arrays = _read(test_path(path), path.with_suffix(".json"), _TEST_ARRAYS)
    for part in ("train", "valid"):
        arrays |= {f"{axis}_{part}": arrays[f"{axis}_test"][:0] for axis in "xy"}
    return _described(description, arrays)


def split_and_scale(table: Table, seed: int = SEED, test_fraction: float = 0.2, valid_fraction: float = 0.1,
                    rows: int | None = None) -> Dataset:
    """Splits by seed, with equal class shares, and scales with the training part alone.

    The test part is the table's own where it has one, else scikit-learn's train_test_split (the published
    split is test_fraction 0.2 and seed 42; for OpenML it is drawn without equal class shares, as published,
    and so has the same rows). The validation part is ``valid_fraction`` of what is left. Jets get mean 0 and
    deviation 1; pixels become x / 256, exactly.

    Args:
        rows: at most so many rows in all, the first of every class, in the table's proportion of test rows.

    Raises:
        StudyError: too few rows to have every class in every part.
    """
    from sklearn.model_selection import train_test_split

    chosen = np.arange(len(table.y)) if rows is None or rows >= len(table.y) else _head(table, rows)
    stratified = table.source not in UNSTRATIFIED
    try:
        if table.test is None:
            rest, test = train_test_split(chosen, test_size=test_fraction, random_state=seed,
                                          stratify=table.y[chosen] if stratified else None)
        else:
            rest, test = chosen[~table.test[chosen]], chosen[table.test[chosen]]
        train, valid = train_test_split(rest, test_size=valid_fraction, random_state=seed, stratify=table.y[rest])
    except ValueError as error:
        raise StudyError(f"{len(chosen)} rows of {table.name} ({table.source}) cannot be split: {error} "
                         "Give more rows") from error
    y = {"train": table.y[train], "valid": table.y[valid], "test": table.y[test]}
    for part, labels in y.items():
        if len(np.unique(labels)) < len(table.classes):
            raise StudyError(f"the {part} part of {len(chosen)} rows of {table.name} ({table.source}) "
                             "lacks a class; give more rows")
    mean, scale = _scaling(table, train)
    split = {"seed": seed, "test_fraction": test_fraction if table.test is None else "official",
             "valid_fraction": valid_fraction, "rows": len(chosen), "table_rows": len(table.y),
             "stratified": stratified}
    return Dataset(table.name, table.source, table.features, table.classes,
                   _scaled(table.x[train], mean, scale), y["train"], _scaled(table.x[valid], mean, scale), y["valid"],
                   _scaled(table.x[test], mean, scale), y["test"], mean, scale, {**table.provenance, "split": split})


def _head(table: Table, rows: int) -> np.ndarray:
    """Indices, ascending, of the first rows of every class in the training and in the test part."""
    test = np.zeros(len(table.y), bool) if table.test is None else table.test
    parts = [(part, rows * np.count_nonzero(part) / len(part)) for part in (~test, test) if part.any()]
    chosen = [np.flatnonzero(part & (table.y == label))[:int(quota // len(table.classes))]
              for part, quota in parts for label in range(len(table.classes))]
    return np.sort(np.concatenate(chosen))


def _scaling(table: Table, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if table.x.dtype == np.uint8:
        return np.zeros(table.x.shape[1]), np.full(table.x.shape[1], PIXEL_SCALE)
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(table.x[train].astype(np.float64))
    return scaler.mean_, scaler.scale_


def _scaled(x: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(x - mean) / scale, computed in float64 column by column, so that memory stays small."""
    out = np.empty(x.shape, np.float32)
    for column in range(x.shape[1]):
        out[:, column] = (x[:, column].astype(np.float64) - mean[column]) / scale[column]
    return out


def _described(description: dict, arrays: dict[str, np.ndarray]) -> Dataset:
    return Dataset(description["name"], description["source"], tuple(description["features"]),
                   tuple(description["classes"]), **arrays, provenance=description["provenance"])


def _read(path: Path, json: Path, names: tuple[str, ...]) -> tuple[dict, dict[str, np.ndarray]]:
    """The description in ``json`` and the arrays in ``path``, which must be those described."""
    description = read_json(json)
    remedy = "delete both files and run `make study` again"
    if not path.is_file():
        raise StudyError(f"{path} is missing beside its JSON; {remedy}")
    try:
        arrays = npz.read(path, names)
        expected = description["sha256"]
        description = {key: description[key] for key in ("name", "source", "features", "classes", "provenance")}
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise StudyError(f"{path} is corrupted ({brief(error)}); {remedy}") from error
    for name, array in arrays.items():
        if _digest(array) != expected.get(name):
            raise StudyError(f"{path} is corrupted: array {name!r} does not match the sha256 in {json.name}; {remedy}")
    return description, arrays


def _npz_path(path: str | Path) -> Path:
    path = Path(path)
    return path if path.suffix == ".npz" else path / "dataset.npz"


def _digest(array: np.ndarray) -> str:
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """numpy's npz layout with a fixed date in every entry; numpy.savez writes the time of day."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _ZIP_DATE), stream.getbuffer(),
                             zipfile.ZIP_DEFLATED, compresslevel=1)
