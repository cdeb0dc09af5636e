"""Write and read the study's jet files (a ROOT TTree `jets` of 16 features and a label), and check those that were generated.

A generated sample is checked chunk by chunk against checksums of its values; the container does not enter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

import numpy as np
import uproot

from ultralow.errors import StudyError, brief
from ultralow.files import canonical_json, check_size, read_json, replacing, shipped, write_json
from ultralow.data.dataset import Table

# Names and order of OpenML 42468; the order is the order of the network's inputs.
FEATURES = (
    "zlogz", "c1_b0_mmdt", "c1_b1_mmdt", "c1_b2_mmdt", "c2_b1_mmdt", "c2_b2_mmdt", "d2_b1_mmdt", "d2_b2_mmdt",
    "d2_a1_b1_mmdt", "d2_a1_b2_mmdt", "m2_b1_mmdt", "m2_b2_mmdt", "n2_b1_mmdt", "n2_b2_mmdt", "mass_mmdt",
    "multiplicity",
)
CLASSES = ("q", "g", "W", "Z", "t")
TREE = "jets"
PROVENANCE = "provenance"
CHECKSUMS = shipped("jets-checksums.json")
REMEDY = "make the file again (`make jets`) or choose another source"

Columns = Mapping[str, np.ndarray]


def write(path: str | Path, columns: Columns, provenance: Mapping) -> None:
    """Writes one table of jets to ``path``, whole or not at all. See :func:`write_batches`."""
    write_batches(path, [columns], provenance)


def write_batches(path: str | Path, batches: Iterable[Columns], provenance: Mapping) -> int:
    """Writes batches of jets, one TTree basket per branch and batch; memory stays at one batch.

    Args:
        path: the ROOT file; it appears when the last batch is written.
        batches: each a dict of (rows,) arrays: the 16 FEATURES (float32), ``label`` (index into CLASSES,
            int8) and any further integer columns, the same in every batch.
        provenance: JSON values; ``classes`` is added, so that a reader need not trust an order.

    Returns:
        The number of rows.

    Raises:
        StudyError: a column is missing, is not finite, or has another length than the label; no row at all.
    """
    batches = iter(batches)
    first = next(batches, None)
    if first is None:
        raise StudyError(f"no jets to write to {path}; the source is empty")
    types = _branch_types(first, path)
    text = canonical_json({**provenance, "classes": CLASSES})
    rows = 0
    with replacing(path) as temporary:
        with uproot.recreate(temporary, compression=uproot.ZSTD(5)) as file:
            tree = file.mktree(TREE, types)
            for batch in chain([first], batches):
                rows += _extend(tree, batch, types, path)
            if rows == 0:
                raise StudyError(f"no jets to write to {path}; the source is empty")
            file[PROVENANCE] = text
    return rows


def read(path: str | Path, source: str | None = None) -> Table:
    """The jets in ``path`` as a checked table; further branches are left out.

    ``source`` defaults to the one in the provenance. Labels are brought to the order of CLASSES by the class
    names in the provenance.

    Raises:
        StudyError: no such file, not ROOT, a branch is missing or has NaN or infinite values, a label is out
            of range, a class has no rows.
    """
    path = Path(path)
    if not path.is_file():
        raise StudyError(f"{path} is missing; {REMEDY}")
    try:
        with uproot.open(path) as file:
            branches = _branches(file, path)
            check_size(file[TREE].num_entries * len(FEATURES), path)  # a byte each at least
            provenance = json.loads(str(file[PROVENANCE])) if PROVENANCE in file else {}
            classes = tuple(map(str, provenance.get("classes", CLASSES)))
            x = np.empty((file[TREE].num_entries, len(FEATURES)), np.float32)
            for column, name in enumerate(FEATURES):
                x[:, column] = branches[name].array(library="np")
            label = branches["label"].array(library="np").astype(np.int64)
    except StudyError:
        raise
    except Exception as error:  # uproot raises many kinds for a damaged file; all mean the same to the user
        raise StudyError(f"{path} is not a readable ROOT file ({brief(error)}); {REMEDY}") from error
    for column, name in enumerate(FEATURES):
        check_finite(x[:, column], name, path)
    y = _checked_labels(label, classes, path)
    return Table("jets", source or provenance.get("source", "file"), FEATURES, CLASSES, x, y, None, provenance)


def chunk_checksums(path: str | Path) -> list[str]:
    """SHA-256 of the content of each chunk of the sample ``path``, in order; the container does not enter.

    The digest runs over the 16 features as little-endian float32, column by column, then the label as int8.

    Raises:
        StudyError: the file is missing or is not a generated sample.
    """
    return _sums(path)[0]


def verify(path: str | Path, checksums: str | Path = CHECKSUMS) -> int:
    """Compares the whole chunks of ``path`` with the recorded ones; returns how many were compared.

    Raises:
        StudyError: a chunk differs, no whole chunk to compare, or one of the files is missing.
    """
    recorded = read_json(checksums)
    sums, provenance = _sums(path)
    pairs = list(zip(sums[:provenance["rows"] // recorded["chunk_rows"]], recorded["chunks"]))
    wrong = [chunk for chunk, (ours, theirs) in enumerate(pairs) if ours != theirs]
    if wrong:
        raise StudyError(f"{path}: {len(wrong)} of {len(pairs)} chunks differ from {checksums}, the first "
                         f"{wrong[0]}; was it made with seed {recorded['seed']}, the locked versions, on x86-64? "
                         "Else make it again")
    if not pairs:
        raise StudyError(f"{path} has {provenance['rows']} rows, no whole chunk of {recorded['chunk_rows']}: nothing to "
                         "compare; make a longer sample, of which it is the head")
    return len(pairs)


def record(path: str | Path, checksums: str | Path = CHECKSUMS) -> None:
    """Writes the checksums of the sample ``path`` to the JSON file ``checksums``."""
    sums, provenance = _sums(path)
    write_json(checksums, {name: provenance[name] for name in ("chunk_rows", "seed", "settings_digest")} | {"chunks": sums})


def check_finite(values: np.ndarray, name: str, path: str | Path, offset: int = 0) -> None:
    """Refuses NaN and infinity in a column.

    Raises:
        StudyError: with the file, the column, how many values and the first row (plus ``offset``).
    """
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise StudyError(f"{path}: column {name!r} has {bad.size} values that are NaN or infinite, the first in "
                         f"row {bad[0] + offset}; leave those rows out and {REMEDY}")


def _branch_types(batch: Columns, path: str | Path) -> dict[str, str]:
    missing = [name for name in (*FEATURES, "label") if name not in batch]
    if missing:
        raise StudyError(f"cannot write {path}: column {', '.join(map(repr, missing))} is missing; "
                         "give all 16 features and the label")
    further = {name: np.asarray(batch[name]).dtype for name in batch if name not in (*FEATURES, "label")}
    wrong = [name for name, dtype in further.items() if dtype.kind not in "iu"]
    if wrong:
        raise StudyError(f"cannot write {path}: further column {wrong[0]!r} is {further[wrong[0]]}; "
                         "only integers stand beside the features and the label")
    return {**dict.fromkeys(FEATURES, "float32"), "label": "int8",
            **{name: dtype.name for name, dtype in further.items()}}


def _extend(tree: uproot.WritableTree, batch: Columns, types: Mapping[str, str], path: str | Path) -> int:
    if set(batch) != set(types):
        raise StudyError(f"cannot write {path}: a batch has the columns {sorted(batch)}, the first one had "
                         f"{sorted(types)}; give the same columns in every batch")
    label = np.asarray(batch["label"])
    rows = len(label)
    for name in types:
        if np.shape(batch[name]) != (rows,):
            raise StudyError(f"cannot write {path}: column {name!r} has shape {np.shape(batch[name])}, "
                             f"the label {label.shape}; give one value per jet")
    _check_range(label, path)
    for name in FEATURES:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
            check_finite(np.asarray(batch[name], np.float32), name, path)
    if rows:
        tree.extend({name: np.ascontiguousarray(batch[name], dtype) for name, dtype in types.items()})
    return rows


def _branches(file: uproot.ReadOnlyDirectory, path: Path) -> dict:
    if TREE not in file:
        raise StudyError(f"{path} has no tree {TREE!r}; it has {', '.join(file.keys()) or 'nothing'}; "
                         "use source 'file' with a column map for another layout, or " + REMEDY)
    branches = {branch.name: branch for branch in file[TREE].branches}
    missing = [name for name in (*FEATURES, "label") if name not in branches]
    if missing:
        raise StudyError(f"{path}: branch {', '.join(map(repr, missing))} is missing from tree {TREE!r}; "
                         "use source 'file' with a column map if it has another name, or " + REMEDY)
    return branches


def _checked_labels(label: np.ndarray, written: tuple[str, ...], path: Path) -> np.ndarray:
    _check_range(label, path)
    if sorted(written) != sorted(CLASSES):
        raise StudyError(f"{path}: its classes are {', '.join(written)}, expected {', '.join(CLASSES)}; {REMEDY}")
    y = np.array([CLASSES.index(name) for name in written])[label]
    empty = [name for name, count in zip(CLASSES, np.bincount(y, minlength=len(CLASSES))) if count == 0]
    if empty:
        raise StudyError(f"{path}: class {', '.join(map(repr, empty))} has no jets; {REMEDY}")
    return y


def _check_range(label: np.ndarray, path: str | Path) -> None:
    bad = np.flatnonzero((label < 0) | (label >= len(CLASSES)))
    if bad.size:
        raise StudyError(f"{path}: {bad.size} labels are not in 0 ... {len(CLASSES) - 1}, the first ({label[bad[0]]}) "
                         f"in row {bad[0]}; labels are indices into {', '.join(CLASSES)}")


def _sums(path: str | Path) -> tuple[list[str], dict]:
    if not Path(path).is_file():
        raise StudyError(f"{path} is missing; make it with `make jets`")
    try:
        with uproot.open(path) as file:
            provenance, tree, sums = json.loads(str(file[PROVENANCE])), file[TREE], []
            for first in range(0, tree.num_entries, provenance["chunk_rows"]):
                rows = tree.arrays([*FEATURES, "label", "chunk"], entry_start=first,
                                   entry_stop=first + provenance["chunk_rows"], library="np")
                if np.any(rows["chunk"] != len(sums)):
                    raise ValueError(f"the rows from {first} on are not one chunk")
                digest = hashlib.sha256()
                for name in FEATURES:
                    digest.update(rows[name].astype("<f4").tobytes())
                digest.update(rows["label"].astype(np.int8).tobytes())
                sums.append(digest.hexdigest())
            return sums, provenance | {"rows": tree.num_entries}
    except Exception as error:  # uproot raises many kinds for a damaged file
        raise StudyError(f"{path} is not a generated sample ({brief(error)}); "
                         "make it again with `make jets`") from error
