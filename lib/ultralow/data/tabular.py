"""Turn columns of other people's files into a table: own data by a study file's names, jets by the published names.

A column is found by its name, never by its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ultralow.data import readers
from ultralow.errors import StudyError, nearest, unknown
from ultralow.files import sha256
from ultralow.data.readers import Batch
from ultralow.data.dataset import Table, in_precision
from ultralow.data.jets import CLASSES, FEATURES, check_finite

MOST_CLASSES = 100
LABELS = ("label", "class")  # of jets: this study's column and OpenML's


@dataclass(frozen=True)
class Columns:
    """Which columns of a file are what.

    Attributes:
        features: columns of numbers, in the order of the network's inputs; one number of a column with several is ``p4[0]``.
        label: column of names, whole numbers or booleans, for classification; ``classes`` are its values in the outputs' order
            (default: all that are there, sorted).
        targets: columns of numbers, for regression.
        weights: column of numbers, none below 0: how much each row counts.
        test: column of 0 and 1: rows of the test part. Without one, the study draws it.
        tree: of a ROOT file that has several.
    """

    features: Sequence[str]
    label: str | None = None
    classes: Sequence[str | int | bool] | None = None
    targets: Sequence[str] = ()
    weights: str | None = None
    test: str | None = None
    tree: str | None = None


def read(name: str, files: Sequence[Path], columns: Columns) -> Table:
    """The rows of all ``files``, one behind the other; files of one layout, any type of :mod:`ultralow.data.readers`.

    Raises:
        StudyError: a column is missing, is not of one number in each row, or has NaN or infinite values (with file and row); a
            label is missing or no class, a class has no row.
    """
    features, label, targets, weights, test = columns.features, columns.label, columns.targets, columns.weights, columns.test
    used = [*features, *targets, *filter(None, (label, weights, test))]
    parts: dict[str, list[np.ndarray]] = {column: [] for column in used}
    for file in files:
        row = 0
        texts = [] if label is None else [label, label.strip()]
        for batch in readers.batches(file, tree=columns.tree, columns=used, texts=texts):
            for column in used:
                values = find_column(batch, [column], file, start=row)
                parts[column].append((_texts if column == label else _numbers)(values, column, file, row))
            row += len(values)
    if not any(map(len, parts[used[0]])):
        raise StudyError(f"{', '.join(map(str, files))}: no rows")
    table = {column: np.concatenate(values) for column, values in parts.items()}
    known, y = _labels(name, table[label], columns.classes) if label else ((), np.stack([table[t] for t in targets], axis=1))
    provenance = {"source": "file", "files": {file.name: sha256(file) for file in files}, "features": list(features),
                  "label": label, "targets": list(targets), "weights": weights, "test": test, "tree": columns.tree}
    x, precision = in_precision(np.stack([table[f] for f in features], axis=1), features)
    return Table(name, "file", tuple(features), known, x, y,
                 None if test is None else _marks(name, test, table[test]), provenance | precision, tuple(targets),
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


def find_column(batch: Batch, names: Sequence[str], path: str | Path, remedy: str = "", start: int = 0) -> np.ndarray:
    """The first of the columns ``names`` that is there, (rows,); ``start`` is the number of the first row.

    A column of vectors with one element each is a column of numbers, and one number of longer ones is named ``p4[0]``.

    Raises:
        StudyError: none is there (it says which ones have the nearest names), or rows hold several numbers.
    """
    for name in names:
        for spelled in (name, name.strip()):
            if spelled in batch:
                return _single(np.asarray(batch[spelled]), name, path, start)
        match = readers.ELEMENT.fullmatch(name.strip())
        if match and match[1] in batch:
            values = np.asarray(batch[match[1]])
            for index in map(int, re.findall(r"\d+", match[2])):
                values = _element(values, index, name, path, start)
            return _single(values, name, path, start)
    raise StudyError(f"{path}: column {names[0]!r} is missing ({nearest(names[0], batch)}){remedy}")


def _lengths(values: np.ndarray) -> np.ndarray | None:
    """How many numbers each row holds (0: null); None: one, and no vector of one."""
    if values.ndim > 1:
        return np.full(len(values), values.shape[1])
    first = next((value for value in values.tolist() if value is not None), None) if values.dtype == object else None
    if first is None or isinstance(first, (str, bytes, dict)) or not hasattr(first, "__len__"):
        return None
    return np.array([0 if value is None else len(value) for value in values])


def _element(values: np.ndarray, index: int, name: str, path: str | Path, start: int) -> np.ndarray:
    """The number ``index`` of each row."""
    lengths = _lengths(values)
    if lengths is None:
        raise StudyError(f"{path}: column {name!r} has one number in each row; name it without [{index}]")
    short = np.flatnonzero(lengths <= index)
    if short.size:
        raise StudyError(f"{path}: column {name!r} is not there in every row: row {start + short[0]} (counted from 0) has "
                         f"{lengths[short[0]]} numbers; take one that every row has, counted from 0, too")
    return values[:, index] if values.ndim > 1 else _column([value[index] for value in values])


def _column(values: list) -> np.ndarray:
    """Numbers as an array; vectors of different lengths as objects."""
    try:
        return np.array(values)
    except ValueError:
        column = np.empty(len(values), object)
        column[:] = values
        return column


def _single(values: np.ndarray, name: str, path: str | Path, start: int) -> np.ndarray:
    """The column itself, or the only element of its vectors."""
    if values.dtype.names:
        raise StudyError(f"{path}: column {name!r} has {len(values.dtype.names)} numbers in each row, by the names "
                         f"{', '.join(values.dtype.names)}; write a column for each that is needed")
    lengths = _lengths(values)
    if lengths is None or not len(lengths):
        return values if lengths is None else values.reshape(-1)
    if (lengths == 1).all():
        return _single(values[:, 0] if values.ndim > 1 else _column([value[0] for value in values]), name, path, start)
    if lengths.min() == lengths.max():
        shape = values.shape[1:] if values.ndim > 1 else (lengths[0],)
        kind = "".join(f"[{size}]" for size in shape)
        raise StudyError(f"{path}: column {name!r} has {' × '.join(map(str, shape))} numbers in each row "
                         f"({np.asarray(values[0]).dtype}{kind}); give it one, as {name}{'[0]' * len(shape)}")
    odd = int(np.flatnonzero(lengths != 1)[0])
    remedy = f"name one that every row has, as {name}[0], or " if lengths.min() else ""
    raise StudyError(f"{path}: column {name!r} has {lengths.min()} to {lengths.max()} numbers in each row (row {start + odd}, "
                     f"counted from 0, has {lengths[odd]}); {remedy}write a column with one number in each row")


def _numbers(values: np.ndarray, column: str, file: Path, start: int) -> np.ndarray:
    try:
        if values.dtype.kind == "c":
            raise TypeError(f"{values.dtype}")
        numbers = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise StudyError(f"{file}: column {column!r} is not of numbers ({_foreign(values, start) or error})") from None
    if values.dtype.kind in "mM":
        numbers[np.isnat(values)] = np.nan
    bad = np.flatnonzero(~(np.abs(numbers) <= np.finfo(np.float32).max))
    if bad.size:
        raise StudyError(f"{file}: column {column!r} has {bad.size} values that are NaN, infinite or beyond single "
                         f"precision, the first in row {start + bad[0]} (counted from 0); leave those rows out, or replace "
                         "the values")
    whole = values.astype(np.int64) if values.dtype.kind in "mM" else values
    for row in np.flatnonzero(np.abs(numbers) > 2.0**53) if whole.dtype.kind in "iuO" else ():
        if isinstance(whole[row], (int, np.integer)) and int(whole[row]) != int(numbers[row]):
            raise StudyError(f"{file}: column {column!r} has whole numbers beyond 2^53, as {whole[row]} in row {start + row} "
                             "(counted from 0), which double precision rounds; take an offset off, or give them in a larger unit")
    return numbers


def _foreign(values: np.ndarray, start: int) -> str | None:
    """The first value that is no number, in words."""
    for row, value in enumerate(values.tolist()):
        try:
            float(value)
        except (TypeError, ValueError):
            text = _text(value)
            comma = ": is that a decimal comma? Write a decimal point" if re.fullmatch(r"[+-]?\d*,\d+", text) else ""
            return f"{text[:80]!r} in row {start + row}, counted from 0{comma}"
    return None


def _texts(values: np.ndarray, column: str, file: Path, start: int) -> np.ndarray:
    """The labels as texts; booleans as true and false."""
    import pandas

    # An empty text is a missing one; "None", "NA" or "nan" that somebody wrote is not.
    empty = [isinstance(value, (str, bytes)) and not value.strip() for value in values.tolist()]
    missing = np.flatnonzero(pandas.isna(values) | np.array(empty, bool))
    if missing.size:
        raise StudyError(f"{file}: the label in column {column!r} is missing in {missing.size} rows, the first in row "
                         f"{start + missing[0]} (counted from 0); fill them in, or leave those rows out")
    return np.array([str(value).lower() if isinstance(value, bool) else _text(value) for value in values.tolist()], object)


def _labels(name: str, texts: np.ndarray, classes: Sequence[str | int | bool] | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the classes, and each row's index into them."""
    there, rows = np.unique(texts, return_inverse=True)
    there = there.tolist()
    if classes is None:
        names = [_number(text) for text in there]
        if None in names:
            names = [{"true": "1", "false": "0"}[text.lower()] for text in there] if _boolean(there) else there
        numeric = all(re.fullmatch(r"-?\d+", text) for text in names)
        known = sorted(sorted(set(names)), key=int if numeric else None)
        if len(known) > MOST_CLASSES:
            raise StudyError(f"data.{name}: the label has {len(known)} different values; for regression name the column "
                             "in target, for classification the classes in classes")
    else:
        known = [str(value).lower() if isinstance(value, bool) else _text(value) for value in classes]
        names = [_class_of(text, known, _boolean(classes)) for text in there]
    if twice := sorted({text for text in known if known.count(text) > 1}):
        raise StudyError(f"data.{name}: classes names {', '.join(twice)} twice")
    if len(known) < 2:
        raise StudyError(f"data.{name}: the label has the value {', '.join(known)} only; two classes at least")
    if None in names:
        quotes = ("; the study file takes no, yes, off and on for false and true unless they stand in quotes"
                  if any(isinstance(value, bool) for value in classes) else "")
        raise StudyError(f"data.{name}: label {there[names.index(None)]!r} is none of the classes {', '.join(known)}{quotes}")
    if empty := [text for text in known if text not in names]:
        raise StudyError(f"data.{name}: class {', '.join(empty)} has no rows; labels there: {', '.join(there[:20])}")
    return tuple(known), np.array([known.index(text) for text in names], np.int64)[rows]


def _class_of(text: str, known: Sequence[str], boolean: bool) -> str | None:
    """The class that a label means: the one spelled so, else the same number, or the same of true and false."""
    plain = text.strip()
    alternatives = [text, plain, _number(plain), str(int(plain)) if re.fullmatch(r"[+-]?[0-9]+", plain) else None]
    if plain.lower() in ("true", "false"):
        alternatives += [plain.lower(), "1" if plain.lower() == "true" else "0"]
    if boolean:
        alternatives += [{"0": "false", "1": "true"}.get(_number(plain))]
    stripped = {name.strip(): name for name in known} | {name: name for name in known}
    return next((stripped[other] for other in alternatives if other in stripped), None)


def _boolean(values: Sequence[object]) -> bool:
    return {"true", "false"}.issuperset(str(value).lower() for value in values)


def _number(text: str) -> str | None:
    """A number as it is written shortest ("1.0" is "1"); None: it is none, or an identifier as "007"."""
    if re.fullmatch(r"[+-]?(0|[1-9][0-9]*)", text):
        return str(int(text))
    if not re.fullmatch(r"[+-]?(0|[1-9][0-9]*|(0|[1-9][0-9]*)?\.[0-9]+|[1-9][0-9]*\.)([eE][+-]?[0-9]+)?", text):
        return None
    return _text(float(text))


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
    lower, classes = [name.lower() for name in CLASSES], [str(name) for name in classes]
    if sorted(name.lower() for name in classes) != sorted(lower):
        raise StudyError(f"classes={tuple(classes)!r} does not name {', '.join(CLASSES)} once each")
    return np.array([lower.index(name.lower()) for name in classes])
