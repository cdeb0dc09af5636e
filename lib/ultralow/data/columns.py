"""Knows which column of a foreign table is which feature, and which label is which class: by name, never by place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ultralow.errors import StudyError, unknown
from ultralow.data.readers import Batch
from ultralow.data.jets import CLASSES, FEATURES, check_finite

LABELS = ("label", "class")  # of this study, of OpenML


def convert(batches: Iterable[Batch], path: str | Path, columns: Mapping[str, str] | None = None,
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
            out[name] = _number(_find(name, batch, columns, path), name, path)
            check_finite(out[name], name, path, start)
        label = _label(batch, columns, numbers, path, start)
        counts += np.bincount(label, minlength=len(CLASSES))
        yield {**out, "label": label}
    empty = [name for name, count in zip(CLASSES, counts) if count == 0]
    if empty:
        raise StudyError(f"{path}: class {', '.join(map(repr, empty))} has no jets among {counts.sum()}; "
                         "give a file with all five classes")


def _find(name: str, batch: Batch, columns: Mapping[str, str], path: str | Path) -> np.ndarray:
    tried = [columns[name]] if name in columns else [name, f"j_{name}", name.lower(), f"j_{name.lower()}"]
    for candidate in tried:
        if candidate in batch:
            return batch[candidate]
    near = difflib.get_close_matches(tried[0], batch, n=3, cutoff=0.5)
    hint = f"nearest there: {', '.join(near)}" if near else f"there: {', '.join(list(batch)[:80])}"
    raise StudyError(f"{path}: column {tried[0]!r} is missing ({hint}); "
                     f"name it in the column map: columns={{{name!r}: ...}}")


def _number(values: np.ndarray, name: str, path: str | Path) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # becomes infinite, which is refused with its row
            return np.ascontiguousarray(values, np.float32)
    except (TypeError, ValueError) as error:
        raise StudyError(f"{path}: column {name!r} is not numbers ({error}); "
                         "choose another in the column map") from None


def _label(batch: Batch, columns: Mapping[str, str], numbers: np.ndarray | None, path: str | Path,
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


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
