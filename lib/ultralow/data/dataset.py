"""Split a table into training, validation and test part, scale it, and keep it in files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ultralow import npz
from ultralow.errors import StudyError, brief
from ultralow.files import read_json, replacing, write_json

SEED = 42  # of the published split
PIXEL_SCALE = 256.0  # a power of two: x / 256 is exact, and 8 fraction bits hold it
# The published studies draw their test part without regard to the classes; only so is it the same rows.
UNSTRATIFIED = ("openml",)

FAR = 2.0**16  # deviations from zero: beyond, mean and deviation are computed from differences
LOSS = 2.0**-16  # of its deviation, that single precision may cost a feature

_ARRAYS = ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test", "mean", "scale")
_FURTHER = ("w_train", "w_valid", "w_test", "target_mean", "target_scale")  # where there are any


@dataclass(frozen=True)
class Table:
    """All rows of one data set, unscaled.

    Attributes:
        name: "jets", "mnist" (the task; digits28 has the task of MNIST, never its source) or one of the user's own.
        source: where the rows come from; every result of the study carries it.
        features: column names of ``x``.
        classes: class names; ``y`` is an index into them. None of a regression.
        x: (rows, features); float32 in physical units (or float64: :func:`in_precision`), uint8 in 0 ... 255 for digits.
        y: (rows,) int64; of a regression (rows, targets) float64.
        test: (rows,) bool, the official test part; None where the source has none.
        provenance: settings, versions and checksums of the source, plain JSON values.
        targets: names of what a regression estimates.
        weights: (rows,) float64, how much each row counts; None: all alike.
    """

    name: str
    source: str
    features: tuple[str, ...]
    classes: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    test: np.ndarray | None = None
    provenance: dict = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    weights: np.ndarray | None = None


@dataclass(frozen=True)
class Dataset:
    """Training, validation and test part, ready for a network.

    Attributes:
        x_train, x_valid, x_test: (rows, features) float32; (value - mean) / scale of the table's columns.
        y_train, y_valid, y_test: (rows,) int64, indices into ``classes``; of a regression (rows, targets) float64 with
            mean 0 and deviation 1.
        mean, scale: (features,) float64, of the training part only; 0 and 256 for digits.
        provenance: the table's, plus the split.
        targets, target_mean, target_scale: names of what a regression estimates, and what makes its y of them.
        w_train, w_valid, w_test: (rows,) float64, how much each row counts, 1 in the mean; None: all alike.
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
    targets: tuple[str, ...] = ()
    target_mean: np.ndarray | None = None
    target_scale: np.ndarray | None = None
    w_train: np.ndarray | None = None
    w_valid: np.ndarray | None = None
    w_test: np.ndarray | None = None

    @classmethod
    def from_arrays(cls, x: np.ndarray, y: np.ndarray, features: Sequence[str] | None = None,
                    classes: Sequence[str] | None = None, name: str = "own", seed: int = SEED) -> Dataset:
        """Features and labels in memory, split and scaled as :func:`split_and_scale` does it: a fifth of the rows for the test, a
        tenth of the rest for validation.

        Args:
            x: (rows, features), numbers; columns get mean 0 and deviation 1. Of uint8 they are pixels and become x / 256.
            y: (rows,) class indices, 0 to classes − 1; of a regression (rows, targets) floats.
            features: names of the columns; default x0, x1, …
            classes: names of the classes; default the indices. None of a regression.

        Raises:
            StudyError: shapes do not fit, a value is NaN or infinite, a label is none of the classes, too few rows.
        """
        return split_and_scale(_own_table(np.asarray(x), np.asarray(y), features, classes, name), seed)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What a network's outputs are: classes or targets."""
        return self.classes or self.targets

    @cached_property
    def sha256(self) -> dict[str, str]:
        """SHA-256 of each array by its name, as the JSON beside the file has it."""
        return {name: _digest(array) for name, array in self._arrays.items()}

    @property
    def _arrays(self) -> dict[str, np.ndarray]:
        return {name: array for name in (*_ARRAYS, *_FURTHER) if (array := getattr(self, name)) is not None}

    def head(self, rows: int | None) -> Dataset:
        """The same with at most ``rows`` training rows; they are in random order already."""
        return self if rows is None else replace(self, x_train=self.x_train[:rows], y_train=self.y_train[:rows],
                                                 w_train=None if self.w_train is None else self.w_train[:rows])

    def save(self, path: str | Path) -> Path:
        """Writes ``path``.npz, the JSON beside it, and <name>-test.npz with the test part alone, which is all that
        trained networks need; the same dataset gives the same bytes. Returns the npz.

        A path without the suffix .npz is a folder, which gets dataset.npz and dataset.json.
        """
        path = _npz_path(path)
        arrays = self._arrays
        description = {
            "name": self.name, "source": self.source, "features": self.features, "classes": self.classes,
            "counts": {part: np.bincount(y, minlength=len(self.classes)) if self.classes else [len(y)]
                       for part in ("train", "valid", "test") for y in [arrays[f"y_{part}"]]},
            "sha256": self.sha256,
            "provenance": self.provenance,
        } | ({"targets": self.targets} if self.targets else {})
        with replacing(path) as temporary:
            npz.write(temporary, arrays)
        with replacing(test_path(path)) as temporary:
            npz.write(temporary, {name: array for name, array in arrays.items() if _of_test(name)})
        write_json(path.with_suffix(".json"), description)
        return path


def load(path: str | Path) -> Dataset:
    """The dataset that :meth:`Dataset.save` wrote to ``path``, checked against its checksums.

    Raises:
        StudyError: a file is missing, or an array is not the one described.
    """
    path = _npz_path(path)
    description, arrays = _read(path, path.with_suffix(".json"))
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
    description, arrays = _read(test_path(path), path.with_suffix(".json"), _of_test)
    for part in ("train", "valid"):
        arrays |= {f"{axis}_{part}": arrays[f"{axis}_test"][:0] for axis in "xyw" if f"{axis}_test" in arrays}
    return _described(description, arrays)


def split_and_scale(table: Table, seed: int = SEED, test_fraction: float = 0.2, valid_fraction: float = 0.1,
                    rows: int | None = None) -> Dataset:
    """Splits by seed, with equal class shares, and scales with the training part alone; a regression's targets, too.

    The test part is the table's own where it has one, else scikit-learn's train_test_split (the published
    split is test_fraction 0.2 and seed 42; for OpenML it is drawn without equal class shares, as published,
    and so has the same rows). The validation part is ``valid_fraction`` of what is left. Jets get mean 0 and
    deviation 1, computed in double precision; pixels become x / 256, exactly.

    Args:
        rows: at most so many rows in all, the first of every class, in the table's shares of classes and of test rows.

    Raises:
        StudyError: a part has no row of a class, or too few; a value is beyond single precision when it is scaled.
    """
    from sklearn.model_selection import train_test_split

    chosen = np.arange(len(table.y)) if rows is None or rows >= len(table.y) else _head(table, rows)
    stratified = table.source not in UNSTRATIFIED and bool(table.classes)
    if table.test is not None:
        _check_classes(table, {"test": chosen[table.test[chosen]], "training": chosen[~table.test[chosen]]}, len(chosen))
    try:
        if table.test is None:
            rest, test = train_test_split(chosen, test_size=test_fraction, random_state=seed,
                                          stratify=table.y[chosen] if stratified else None)
        else:
            rest, test = chosen[~table.test[chosen]], chosen[table.test[chosen]]
        train, valid = train_test_split(rest, test_size=valid_fraction, random_state=seed,
                                        stratify=table.y[rest] if table.classes else None)
    except ValueError as error:
        counts = zip(table.classes, np.bincount(table.y[chosen], minlength=len(table.classes)) if table.classes else ())
        of_classes = f" ({', '.join(f'{count} of {name}' for name, count in counts)})" if table.classes else ""
        raise StudyError(f"{len(chosen)} rows{of_classes} of {table.name} ({table.source}) cannot be split: {error} "
                         "Give more rows") from error
    parts = {"train": train, "valid": valid, "test": test}
    y = {part: table.y[where] for part, where in parts.items()}
    _check_classes(table, {"training": train, "validation": valid, "test": test}, len(chosen))
    mean, scale = _scaling(table, train)
    split = {"seed": seed, "test_fraction": test_fraction if table.test is None else "official",
             "valid_fraction": valid_fraction, "rows": len(chosen), "table_rows": len(table.y),
             "stratified": stratified}
    further = _targets(table, y) | _weights(table, parts)
    x = {f"x_{part}": _scaled(table, where, mean, scale) for part, where in parts.items()}
    return Dataset(table.name, table.source, table.features, table.classes, **x,
                   **{f"y_{part}": labels for part, labels in y.items()}, mean=mean, scale=scale,
                   provenance={**table.provenance, "split": split}, **further)


def in_precision(x: np.ndarray, features: Sequence[str]) -> tuple[np.ndarray, dict]:
    """Features (rows, features) in single precision; where that costs a column more than LOSS of its deviation (a time in seconds
    since 1970), all as float64, with that column in double precision. The dict names such columns, for the provenance."""
    x = x.astype(np.float64)
    single = x.astype(np.float32)
    deviations = [_deviation(column - column[0]) for column in x.T]
    double = [bool(0 < deviation * LOSS < np.abs(x[:, n] - single[:, n]).max()) for n, deviation in enumerate(deviations)]
    names = [name for name, kept in zip(features, double) if kept]
    return (np.where(double, x, single), {"double_precision": names}) if names else (single, {})


def _check_classes(table: Table, parts: dict[str, np.ndarray], rows: int) -> None:
    """That each part, indices of its rows, has a row of every class."""
    column = table.provenance.get("test")
    for part, where in parts.items():
        counts = np.bincount(table.y[where], minlength=len(table.classes)) if table.classes else ()
        if not (absent := [name for name, count in zip(table.classes, counts) if not count]):
            continue
        names = ", ".join([*absent[:10], *["…"] * (len(absent) > 10)])
        marked = (f", which column {column} marks with {int(part == 'test')}; mark rows of every class, or leave test out, and "
                  "the part is drawn" if column and part != "validation" else "; give more rows")
        raise StudyError(f"the {part} part of {rows} rows of {table.name} ({table.source}) lacks a class: there is no row of "
                         f"class {names} in the {part} part{marked}")


def _own_table(x: np.ndarray, y: np.ndarray, features: Sequence[str] | None, classes: Sequence[str] | None, name: str) -> Table:
    """The arrays of :meth:`Dataset.from_arrays`, checked."""
    if x.ndim != 2 or not len(x) or len(y) != len(x) or x.dtype.kind not in "iufb":
        raise StudyError(f"x is {x.dtype} {x.shape} and y {y.shape}; give numbers (rows, features) and as many labels")
    features = tuple(features) if features is not None else tuple(f"x{column}" for column in range(x.shape[1]))
    if len(features) != x.shape[1]:
        raise StudyError(f"{len(features)} features are named, x has {x.shape[1]} columns")
    holdable = (np.abs(x.astype(np.float64)) <= np.finfo(np.float32).max).all()  # false of NaN, too
    x, precision = (x, {}) if x.dtype == np.uint8 or not holdable else in_precision(x, features)
    if y.dtype.kind == "f":
        targets = y.astype(np.float64).reshape(len(y), -1)
        if classes:
            raise StudyError("y holds floats, so it is a regression and has no classes; give whole numbers for classes")
        if not (holdable and np.isfinite(targets).all()):
            raise StudyError("x or y has values that are NaN or infinite (or beyond single precision); leave those rows out")
        return Table(name, "file", features, (), x, targets, None, precision, tuple(f"y{n}" for n in range(targets.shape[1])))
    if y.ndim != 1 or y.dtype.kind not in "iub":
        raise StudyError(f"y is {y.dtype} {y.shape}; give class indices (rows,), or floats (rows, targets) of a regression")
    classes = tuple(classes) if classes is not None else tuple(map(str, range(int(y.max()) + 1)))
    if y.min() < 0 or y.max() >= len(classes) or len(classes) < 2:
        raise StudyError(f"y holds {y.min()} to {y.max()}; with {len(classes)} classes ({', '.join(classes)}) labels are 0 to "
                         f"{len(classes) - 1}, and two classes are the least")
    if not holdable:
        raise StudyError("x has values that are NaN, infinite or beyond single precision; leave those rows out")
    return Table(name, "file", features, classes, x, y.astype(np.int64), None, precision)


def _targets(table: Table, y: dict[str, np.ndarray]) -> dict:
    """Names and scaling of a regression's targets; scales ``y`` in place."""
    if table.classes:
        return {}
    _check_vary(table, y)
    mean, scale = _far_from_zero(y["train"], y["train"].mean(axis=0), y["train"].std(axis=0))
    for part in y:
        y[part] = (y[part] - mean) / scale
    return {"targets": table.targets, "target_mean": mean, "target_scale": scale}


def _check_vary(table: Table, y: dict[str, np.ndarray]) -> None:
    """That every target has two values at least in each part: R² is the share of its variance that is explained."""
    for part, name in (("train", "training"), ("valid", "validation"), ("test", "test")):
        low, high = y[part].min(axis=0), y[part].max(axis=0)
        if constant := [f"{target} ({value:g})" for target, value, end in zip(table.targets, low, high) if value == end]:
            raise StudyError(f"target {', '.join(constant)} of {table.name} has one value in the whole {name} part, where R², "
                             "the share of its variance that is explained, is undefined; give rows of several values there, or "
                             "leave that target out")


def _weights(table: Table, parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if table.weights is None:
        return {}
    weights_by_part = {f"w_{part}": table.weights[where] for part, where in parts.items()}
    if not all(weights.any() for weights in weights_by_part.values()):
        raise StudyError(f"a part of {table.name} has rows of weight 0 only; give more rows")
    return {name: weights / weights.mean() for name, weights in weights_by_part.items()}


def _head(table: Table, rows: int) -> np.ndarray:
    """Indices, ascending, of the first rows of every class in the training and in the test part, each in its share."""
    test = np.zeros(len(table.y), bool) if table.test is None else table.test
    kinds = [table.y == label for label in range(len(table.classes))] or [np.ones(len(table.y), bool)]
    groups = [np.flatnonzero(part & kind) for part in (~test, test) for kind in kinds]
    return np.sort(np.concatenate([group[:rows * len(group) // len(table.y)] for group in groups]))


def _scaling(table: Table, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if table.x.dtype == np.uint8:
        return np.zeros(table.x.shape[1]), np.full(table.x.shape[1], PIXEL_SCALE)
    from sklearn.preprocessing import StandardScaler

    x = table.x[train].astype(np.float64)
    scaler = StandardScaler().fit(x)
    mean, scale = _far_from_zero(x, scaler.mean_, scaler.scale_)
    return mean, np.where(scale, scale, 1.0)


def _far_from_zero(values: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation (columns,) of ``values`` (rows, columns): those given, but from differences to the first row, which are
    exact, where sums of squares lose them: more than FAR deviations from zero, or taken for constant."""
    mean, scale = mean.copy(), scale.copy()
    for column, first in enumerate(values[0]):
        differences = values[:, column] - first
        deviation = _deviation(differences)
        if abs(mean[column]) > FAR * deviation or not deviation / 2 <= scale[column] <= deviation * 2:
            mean[column], scale[column] = first + differences.mean(), deviation
    return mean, scale


def _deviation(differences: np.ndarray) -> float:
    """Their standard deviation, whatever their size: squares of small ones would be 0."""
    largest = np.abs(differences).max()
    return float(largest * (differences / largest).std()) if largest else 0.0


def _scaled(table: Table, where: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(x - mean) / scale of the rows ``where``, computed in float64 column by column, so that memory stays small."""
    out = np.empty((len(where), table.x.shape[1]), np.float32)
    for column, name in enumerate(table.features):
        with np.errstate(over="ignore"):  # is refused
            out[:, column] = (table.x[where, column].astype(np.float64) - mean[column]) / scale[column]
        if not np.isfinite(out[:, column]).all():
            raise StudyError(f"{table.name}: feature {name!r} divided by its deviation {scale[column]:g} in the training part is "
                             "beyond single precision; leave those rows out, or limit the values")
    return out


def _described(description: dict, arrays: dict[str, np.ndarray]) -> Dataset:
    return Dataset(description["name"], description["source"], tuple(description["features"]),
                   tuple(description["classes"]), **arrays, provenance=description["provenance"],
                   targets=tuple(description["targets"]))


def _of_test(name: str) -> bool:
    return not name.endswith(("_train", "_valid"))


def _read(path: Path, json: Path, wanted: Callable[[str], bool] = bool) -> tuple[dict, dict[str, np.ndarray]]:
    """The description in ``json`` and the ``wanted`` of its arrays in ``path``, which must be those described."""
    description = read_json(json)
    remedy = "delete both files and run `make study` again"
    if not path.is_file():
        raise StudyError(f"{path} is missing beside its JSON; {remedy}")
    try:
        expected = description["sha256"]
        names = filter(wanted, (*_ARRAYS, *(name for name in _FURTHER if name in expected)))
        arrays = npz.read(path, tuple(names))
        description = {key: description[key] for key in ("name", "source", "features", "classes", "provenance")} | {
            "targets": description.get("targets", ())}
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
