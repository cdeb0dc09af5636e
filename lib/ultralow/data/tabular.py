"""Knows how files of somebody's own become a table: which columns are features, and which one is to be found out."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ultralow.data import readers
from ultralow.errors import StudyError
from ultralow.files import sha256
from ultralow.data.readers import Batch
from ultralow.data.table import Table

MOST_CLASSES = 100


def read(name: str, files: Sequence[Path], features: Sequence[str], *, label: str | None = None,
         classes: Sequence[str | int] | None = None, targets: Sequence[str] = (), weights: str | None = None,
         test: str | None = None, tree: str | None = None) -> Table:
    """The rows of all ``files``, one behind the other.

    Args:
        files: of one layout, any type of :mod:`ultralow.data.readers`.
        features: columns of numbers, in the order of the network's inputs.
        label: column of names or whole numbers, for classification; ``classes`` are its values in the outputs' order
            (default: all that are there, sorted).
        targets: columns of numbers, for regression.
        weights: column of numbers, none below 0: how much each row counts.
        test: column of 0 and 1: rows of the test part. Without one, the study draws it.
        tree: of a ROOT file that has several.

    Raises:
        StudyError: a column is missing, is not of numbers or has NaN or infinite values (with file and row); a label is
            no class, a class has no row.
    """
    used = [*features, *targets, *filter(None, (label, weights, test))]
    parts: dict[str, list[np.ndarray]] = {column: [] for column in used}
    for file in files:
        row = 0
        for batch in readers.batches(file, tree=tree):
            for column in used:
                values = _column(batch, column, file)
                parts[column].append(values if column == label else _numbers(values, column, file, row))
            row += len(values)
    if not any(map(len, parts[used[0]])):
        raise StudyError(f"{', '.join(map(str, files))}: no rows")
    table = {column: np.concatenate(values) for column, values in parts.items()}
    known, y = _labels(name, table[label], classes) if label else ((), np.stack([table[t] for t in targets], axis=1))
    provenance = {"source": "file", "files": {file.name: sha256(file) for file in files}, "features": list(features),
                  "label": label, "targets": list(targets), "weights": weights, "test": test, "tree": tree}
    return Table(name, "file", tuple(features), known, np.stack([table[f] for f in features], axis=1).astype(np.float32),
                 y, None if test is None else _marks(name, test, table[test]), provenance, tuple(targets),
                 None if weights is None else _weights(name, weights, table[weights]))


def _column(batch: Batch, column: str, file: Path) -> np.ndarray:
    if column not in batch:
        near = difflib.get_close_matches(column, batch, n=3, cutoff=0.5)
        hint = f"nearest there: {', '.join(near)}" if near else f"there: {', '.join(list(batch)[:80])}"
        raise StudyError(f"{file}: column {column!r} is missing ({hint})")
    return np.asarray(batch[column])


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
