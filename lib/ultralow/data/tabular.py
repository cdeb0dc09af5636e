"""Turn columns of other people's files into a table: own data by a study file's names, jets by the published names.

A column is found by its name, never by its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ultralow.data import readers
from ultralow.errors import StudyError, nearest, unknown
from ultralow.files import sha256
from ultralow.data.readers import Batch
from ultralow.data.dataset import Table
from ultralow.data.jets import CLASSES, FEATURES, check_finite

MOST_CLASSES = 100
LABELS = ("label", "class")  # of jets: this study's column and OpenML's


@dataclass(frozen=True)
class Columns:
    """Which columns of a file are what.

    Attributes:
        features: columns of numbers, in the order of the network's inputs.
        label: column of names or whole numbers, for classification; ``classes`` are its values in the outputs' order
            (default: all that are there, sorted).
        targets: columns of numbers, for regression.
        weights: column of numbers, none below 0: how much each row counts.
        test: column of 0 and 1: rows of the test part. Without one, the study draws it.
        tree: of a ROOT file that has several.
    """

    features: Sequence[str]
    label: str | None = None
    classes: Sequence[str | int] | None = None
    targets: Sequence[str] = ()
    weights: str | None = None
    test: str | None = None
    tree: str | None = None


def read(name: str, files: Sequence[Path], columns: Columns) -> Table:
    """The rows of all ``files``, one behind the other; files of one layout, any type of :mod:`ultralow.data.readers`.

    Raises:
        StudyError: a column is missing, is not of numbers or has NaN or infinite values (with file and row); a label is
            no class, a class has no row.
    """
    features, label, targets, weights, test = columns.features, columns.label, columns.targets, columns.weights, columns.test
    used = [*features, *targets, *filter(None, (label, weights, test))]
    parts: dict[str, list[np.ndarray]] = {column: [] for column in used}
    for file in files:
        row = 0
        for batch in readers.batches(file, tree=columns.tree):
            for column in used:
                values = find_column(batch, [column], file)
                parts[column].append(values if column == label else _numbers(values, column, file, row))
            row += len(values)
    if not any(map(len, parts[used[0]])):
        raise StudyError(f"{', '.join(map(str, files))}: no rows")
    table = {column: np.concatenate(values) for column, values in parts.items()}
    known, y = _labels(name, table[label], columns.classes) if label else ((), np.stack([table[t] for t in targets], axis=1))
    provenance = {"source": "file", "files": {file.name: sha256(file) for file in files}, "features": list(features),
                  "label": label, "targets": list(targets), "weights": weights, "test": test, "tree": columns.tree}
    return Table(name, "file", tuple(features), known, np.stack([table[f] for f in features], axis=1).astype(np.float32),
                 y, None if test is None else _marks(name, test, table[test]), provenance, tuple(targets),
                 None if weights is None else _weights(name, weights, table[weights]))


def jets_by_name(batches: Iterable[Batch], path: str | Path, columns: Mapping[str, str] | None = None,
            classes: Sequence[str] | None = None) -> Iterator[Batch]:
    """Batches with the 16 FEATURES as float32 and ``label`` as int8, checked.

    Args:
        batches: of the file's own columns (:func:`ultralow.data.readers.batches`).
        path: for the messages.
        columns: where names differ, {name here: name in the file}. Names here are FEATURES, ``label`` (one
            column of names or numbers) and the CLASSES (one column of 0 and 1 each). Without an entry a
            column has its own name, or that with ``j_`` before it, as on Zenodo.
        classes: the class names in the order of the numbers, where ``label`` is a number. Public codes disagree
            on it (g, q, t, w, z or g, q, w, z, t), so it is never guessed.

    Raises:
        StudyError: a column is missing, has NaN or infinite values, or a label without a class; a class is empty.
    """
    columns = dict(columns or {})
    for name in columns:
        if name not in (*FEATURES, "label", *CLASSES):
            raise unknown("column in the map", name, (*FEATURES, "label", *CLASSES))
    numbers = _order(classes) if classes is not None else None
    counts = np.zeros(len(CLASSES), np.int64)
    for batch in batches:
        start = int(counts.sum())
        out = {}
        for name in FEATURES:
            out[name] = _single_precision(_find(name, batch, columns, path), name, path)
            check_finite(out[name], name, path, start)
        label = _jet_label(batch, columns, numbers, path, start)
        counts += np.bincount(label, minlength=len(CLASSES))
        yield {**out, "label": label}
    empty = [name for name, count in zip(CLASSES, counts) if count == 0]
    if empty:
        raise StudyError(f"{path}: class {', '.join(map(repr, empty))} has no jets among {counts.sum()}; "
                         "give a file with all five classes")


def find_column(batch: Batch, names: Sequence[str], path: str | Path, remedy: str = "") -> np.ndarray:
    """The first of the columns ``names`` that is there.

    Raises:
        StudyError: none is; it says which ones have the nearest names.
    """
    for name in names:
        if name in batch:
            return np.asarray(batch[name])
    raise StudyError(f"{path}: column {names[0]!r} is missing ({nearest(names[0], batch)}){remedy}")


def _numbers(values: np.ndarray, column: str, file: Path, start: int) -> np.ndarray:
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise StudyError(f"{file}: column {column!r} is not of numbers ({error})") from None
    # Features are kept in single precision: what it cannot hold is infinite there.
    bad = np.flatnonzero(~(np.abs(numbers) <= np.finfo(np.float32).max))
    if bad.size:
        raise StudyError(f"{file}: column {column!r} has {bad.size} values that are NaN, infinite or beyond single "
                         f"precision, the first in row {start + bad[0]}; leave those rows out, or replace the values")
    return numbers


def _labels(name: str, values: np.ndarray, classes: Sequence[str | int] | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the classes, and each row's index into them."""
    texts = np.array([_text(value) for value in values.tolist()])
    there = np.unique(texts)
    if classes is None:
        if len(there) > MOST_CLASSES:
            raise StudyError(f"data.{name}: the label has {len(there)} different values; for regression name the column "
                             "in target, for classification the classes in classes")
        numeric = all(text.lstrip("-").isdigit() for text in there)
        known = sorted(there.tolist(), key=int if numeric else None)
    else:
        known = [_text(value) for value in classes]
    if len(known) < 2:
        raise StudyError(f"data.{name}: the label has the value {', '.join(known)} only; two classes at least")
    indices = {text: index for index, text in enumerate(known)}
    if foreign := [text for text in there.tolist() if text not in indices]:
        raise StudyError(f"data.{name}: label {foreign[0]!r} is none of the classes {', '.join(known)}")
    if empty := [text for text in known if text not in there]:
        raise StudyError(f"data.{name}: class {', '.join(empty)} has no rows; labels there: {', '.join(there.tolist()[:20])}")
    return tuple(known), np.array([indices[text] for text in texts.tolist()], np.int64)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(int(value) if isinstance(value, bool) else value)


def _marks(name: str, column: str, values: np.ndarray) -> np.ndarray:
    if not np.isin(values, (0, 1)).all() or not 0 < values.mean() < 1:
        raise StudyError(f"data.{name}: column {column!r} marks the test part with 1 and all other rows with 0; it holds "
                         f"{', '.join(f'{value:g}' for value in np.unique(values)[:5])}")
    return values == 1


def _weights(name: str, column: str, values: np.ndarray) -> np.ndarray:
    if values.min() < 0 or not values.any():
        raise StudyError(f"data.{name}: weights in column {column!r} go down to {values.min():g}; they must not be negative, "
                         "nor all zero")
    return values


def _find(name: str, batch: Batch, columns: Mapping[str, str], path: str | Path) -> np.ndarray:
    names = [columns[name]] if name in columns else [name, f"j_{name}", name.lower(), f"j_{name.lower()}"]
    return find_column(batch, names, path, f"; name it in the column map: columns={{{name!r}: ...}}")


def _single_precision(values: np.ndarray, name: str, path: str | Path) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # becomes infinite, which is refused with its row
            return np.ascontiguousarray(values, np.float32)
    except (TypeError, ValueError) as error:
        raise StudyError(f"{path}: column {name!r} is not numbers ({error}); "
                         "choose another in the column map") from None


def _jet_label(batch: Batch, columns: Mapping[str, str], numbers: np.ndarray | None, path: str | Path,
           start: int) -> np.ndarray:
    single = columns.get("label") or next((name for name in LABELS if name in batch), None)
    if single is None:
        return _one_hot(batch, columns, path, start)
    values = np.asarray(_find("label", batch, {"label": single}, path))
    if values.dtype.kind in "OSU":
        indices = {name.lower(): index for index, name in enumerate(CLASSES)}
        texts = [_text(value).lower() for value in values]
        label = np.array([indices.get(text, -1) for text in texts], np.int8)
    elif numbers is None:
        raise StudyError(f"{path}: column {single!r} has numbers, and their order is not known; "
                         "say it, for example classes=('g', 'q', 't', 'W', 'Z')")
    else:
        known = np.isin(values, np.arange(len(CLASSES)))
        label = np.where(known, numbers[np.where(known, values, 0).astype(int)], -1).astype(np.int8)
    bad = np.flatnonzero(label < 0)
    if bad.size:
        raise StudyError(f"{path}: {bad.size} labels in column {single!r} are no class, the first "
                         f"({_text(values[bad[0]])!r}) in row {bad[0] + start}; classes: {', '.join(CLASSES)}")
    return label


def _one_hot(batch: Batch, columns: Mapping[str, str], path: str | Path, start: int) -> np.ndarray:
    try:
        marks = np.stack([_find(name, batch, columns, path) for name in CLASSES], axis=1)
    except StudyError as error:
        raise StudyError(f"no label column ({', '.join(LABELS)}), nor one of 0 and 1 for every class: "
                         f"{error}") from None
    bad = np.flatnonzero((marks.sum(axis=1) != 1) | (marks.max(axis=1) != 1))
    if bad.size:
        raise StudyError(f"{path}: {bad.size} jets are not of exactly one class, the first in row {bad[0] + start}: "
                         f"{dict(zip(CLASSES, marks[bad[0]].tolist()))}; leave those rows out")
    return marks.argmax(axis=1).astype(np.int8)


def _order(classes: Sequence[str]) -> np.ndarray:
    """Index into CLASSES for every number of a foreign order."""
    lower = [name.lower() for name in CLASSES]
    if sorted(name.lower() for name in classes) != sorted(lower):
        raise StudyError(f"classes={tuple(classes)!r} does not name {', '.join(CLASSES)} once each")
    return np.array([lower.index(name.lower()) for name in classes])
