"""Read tables of seven file formats in batches of columns under the files' own names."""

from __future__ import annotations

import csv
import gzip
import io
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np

from ultralow import npz
from ultralow.files import check_size
from ultralow.errors import StudyError, brief, nearest, unknown

BATCH_ROWS = 50_000
_END = "\x04"  # behind the last line of a text: a field that holds it was never closed
Batch = dict[str, np.ndarray]
# One number of a column with several in each row: p4[0], or matrix[0][2].
ELEMENT = re.compile(r"(.+?)((?:\[\d+\])+)")


@dataclass(frozen=True)
class _Wanted:
    """The columns that are read though each row has several numbers, and those of a text file that are texts in any case."""

    columns: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()

    @cached_property
    def names(self) -> frozenset[str]:
        """The names that columns which were asked for, or of which a number was, may have in the file."""
        return frozenset(name for column in self.columns for name in _spellings(column))

    def check(self, names: Collection[str], path: Path) -> None:
        """That the columns are there.

        Raises:
            StudyError: one is not.
        """
        for column in self.columns:
            if not any(name in names for name in _spellings(column)):
                raise StudyError(f"{path}: column {column!r} is missing ({nearest(column, names)})")


def batches(path: str | Path, rows: int = BATCH_ROWS, tree: str | None = None, *, columns: Iterable[str] = (),
            texts: Iterable[str] = ()) -> Iterator[Batch]:
    """The columns of ``path``, at most ``rows`` rows at a time, in the file's order.

    Args:
        path, rows, tree: the file, how many rows at a time, which tree of a ROOT file.
        columns: those that are needed. Of ROOT, h5 and npz files columns with several numbers in each row are read only if
            named here (as ``p4``, or by one number of it, ``p4[0]``): (rows, numbers), or objects where rows differ in length.
        texts: columns whose fields a text file (csv, ARFF) gives as they are written, without blanks around them; all others
            are numbers (an empty field is NaN) or true and false where every field of the batch is one, else texts.

    Layouts: ROOT (the ``tree``, else `jets`, or the only one); h5 and npz (`jets` with `jetFeatureNames` as on Zenodo, one
    structured array, or one array per column); parquet; csv; ARFF as on OpenML; tarballs of such h5 files.

    Raises:
        StudyError: no such file, an unknown type, or damaged; of ROOT, h5 and npz also a column that is not there; of text
            files a row with more or fewer fields than the header, a separator other than a comma.
    """
    path, wanted = Path(path), _Wanted(frozenset(columns), frozenset(texts))
    if not path.is_file():
        raise StudyError(f"{path} is missing; give the path of a file that is there")
    kind = suffix(path)
    if tree is not None and kind != ".root":
        raise StudyError(f"{path} is no ROOT file and has no tree {tree!r}; leave tree out")
    try:
        yield from _root(path, rows, wanted, tree) if kind == ".root" else _READERS[kind](path, rows, wanted)
    except StudyError:
        raise
    except UnicodeDecodeError as error:
        raise StudyError(f"{path} is not written in UTF-8 (there is a byte 0x{error.object[error.start]:02x}); save it as CSV in "
                         "UTF-8") from None
    except Exception as error:  # seven libraries, each with its own words for a damaged file
        raise StudyError(f"{path} cannot be read as {suffix(path)} ({brief(error)}); "
                         "it may be damaged or have the wrong suffix") from error


def suffix(path: str | Path) -> str:
    """The file type by its name, one of the readable ones.

    Raises:
        StudyError: it is none of them.
    """
    name = Path(path).name.lower()
    kind = next((known for known in _READERS if name.endswith(known)), None)
    if kind is None:
        raise unknown("file type", Path(path).name, _READERS)
    return kind


def _spellings(column: str) -> tuple[str, ...]:
    """The names under which a file may have a column: its own, without blanks around it, without the index of a number."""
    match = ELEMENT.fullmatch(column.strip())
    return column, column.strip(), *([match[1]] if match else [])


def _root(path: Path, rows: int, wanted: _Wanted, tree: str | None = None) -> Iterator[Batch]:
    import uproot

    with uproot.open(path) as file:
        trees = [name for name, kind in file.classnames(cycle=False).items() if kind in ("TTree", "ROOT::RNTuple")]
        if tree is not None and tree not in trees:
            raise unknown(f"tree of {path}", tree, trees)
        if tree is None and "jets" not in trees and len(trees) != 1:
            raise StudyError(f"{path} has the trees {', '.join(trees) or '(none)'}; it should have one, or one named "
                             "'jets', or say which by tree")
        chosen = file[tree or ("jets" if "jets" in trees else trees[0])]
        check_size(chosen.num_entries * len(chosen.keys()), path)  # a byte each at least
        wanted.check(chosen.keys(), path)
        # Reading vectors that nobody named takes time and memory.
        for batch in chosen.iterate(step_size=rows, library="np", filter_branch=lambda branch: (
                branch.name in wanted.names or not re.search(r"\[|vector<|array<", branch.typename))):
            yield {name: _unmasked(values) for name, values in batch.items() if values.ndim == 1 or name in wanted.names}


def _unmasked(values: np.ndarray) -> np.ndarray:
    """Values of which some are null (ROOT's std::optional) as objects, None where there is no value."""
    return np.where(np.ma.getmaskarray(values), None, values.astype(object)) if np.ma.is_masked(values) else np.asarray(values)


def _h5(path: Path, rows: int, wanted: _Wanted) -> Iterator[Batch]:
    import h5py

    with h5py.File(path, "r") as file:
        # Not what is linked from other files: those nobody named.
        arrays = {name: item for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)
                  and isinstance(item := file[name], h5py.Dataset)}
        if any(item.external or item.is_virtual for item in arrays.values()):
            raise StudyError(f"{path} keeps its arrays in other files, which are not read; copy them into one file")
        check_size(sum(item.size * item.dtype.itemsize for item in arrays.values() if item.shape is not None), path)
        yield from _arrays(arrays, path, rows, wanted)


def _npz(path: Path, rows: int, wanted: _Wanted) -> Iterator[Batch]:
    yield from _arrays(npz.read(path), path, rows, wanted)


def _arrays(arrays: dict, path: Path, rows: int, wanted: _Wanted) -> Iterator[Batch]:
    """One of the three layouts that h5 and npz files have; ``arrays`` are sliced, never read whole here."""
    if "jets" in arrays and "jetFeatureNames" in arrays:
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in arrays["jetFeatureNames"][...]]
        table = arrays["jets"]
        if table.ndim != 2 or table.shape[1] != len(names):
            raise StudyError(f"{path}: 'jets' has shape {table.shape}, 'jetFeatureNames' {len(names)} names; "
                             "they should agree")
        for start in range(0, len(table), rows):
            yield dict(zip(names, table[start:start + rows].T))
        return
    structured = [item for item in arrays.values() if item.dtype.names]
    if len(structured) == 1:
        for start in range(0, len(structured[0]), rows):
            block = structured[0][start:start + rows]
            yield {name: block[name] for name in block.dtype.names if block[name].ndim == 1 or name in wanted.names}
        return
    wanted.check(arrays, path)
    columns = {name: item for name, item in arrays.items() if item.ndim == 1 or item.ndim and name in wanted.names}
    if len({len(item) for item in columns.values()}) != 1:
        there = ", ".join(f"{name} {item.shape}" for name, item in list(arrays.items())[:20]) or "nothing"
        raise StudyError(f"{path} has no table: there is {there}; it should have one array of equal length per column, or "
                         "'jets' and 'jetFeatureNames'")
    for start in range(0, len(next(iter(columns.values()))), rows):
        yield {name: item[start:start + rows] for name, item in columns.items()}


def _parquet(path: Path, rows: int, wanted: _Wanted) -> Iterator[Batch]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        check_size(file.metadata.num_rows * file.metadata.num_columns, path)  # a byte each at least
        for batch in file.iter_batches(batch_size=rows):
            frame = batch.to_pandas()
            yield {str(name): frame[name].to_numpy() for name in frame.columns}


def _csv(path: Path, rows: int, wanted: _Wanted) -> Iterator[Batch]:
    with io.TextIOWrapper(io.BufferedReader(_Counted(path)), encoding="utf-8-sig", newline="") as stream:
        table = csv.reader(chain(stream, [_END]), skipinitialspace=True)
        header = next(fields for fields in table if any(map(str.strip, fields)))
        if header == [_END]:
            raise StudyError(f"{path} is empty; give a file with a header and rows")
        _check_separator(header, path)
        names = _unique([field.strip() or f"Unnamed: {n}" for n, field in enumerate(header)])
        yield from _TextTable(path, names, table).batches(rows, wanted)


def _check_separator(header: Sequence[str], path: Path) -> None:
    """That a header of a single column is no header of many, with something else than commas between them."""
    if header and header[0].lower().startswith("sep="):
        raise StudyError(f"{path} begins with {','.join(header)!r}, which only spreadsheets understand; take that line away, and "
                         "write the table with commas and decimal points")
    marks = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
    if len(header) == 1 and (mark := next((mark for mark in marks if mark in header[0].strip()), None)):
        raise StudyError(f"{path} has one column, {header[0].strip()!r}: is it separated by {marks[mark]}? Write it with commas "
                         "and decimal points")


def _unique(names: Sequence[str]) -> list[str]:
    """Names as they are; one that was there already is a.1, a.2 …"""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, -1) + 1
        unique.append(f"{name}.{seen[name]}" if seen[name] else name)
    return unique


@dataclass(frozen=True)
class _TextTable:
    """A table in text: ``table`` is csv's reader of its lines from the first row on, with _END behind them; ``above`` so many
    lines stand above the first it reads; ``missing`` is how a missing value is written, beside an empty field."""

    path: Path
    names: Sequence[str]
    table: Iterator[list[str]]
    above: int = 0
    missing: str = ""

    def batches(self, rows: int, wanted: _Wanted) -> Iterator[Batch]:
        block, count = [], 0
        for fields in self.table:
            if fields == [_END] or len(fields) < 2 and not any(map(str.strip, fields)):  # a blank line
                continue
            count += 1
            if fields[-1].endswith(_END):
                raise StudyError(f"{self.path}: a quote that opens in row {count} is never closed; close it, or take it away")
            if len(fields) != len(self.names):
                raise StudyError(self._miscounted(fields, count))
            block.append(fields)
            if len(block) == rows:
                yield self._columns(block, wanted)
                block = []
        if block or not count:
            yield self._columns(block, wanted)

    def _miscounted(self, fields: Sequence[str], row: int) -> str:
        if len(fields) == len(self.names) + 1 and not fields[-1].strip():
            remedy = "the row ends in a comma and the header does not: take it away, or end the header in one, too"
        elif len(fields) > len(self.names):
            remedy = "put quotes around a field with a comma in it, write decimals with a point, give every column a name"
        else:
            remedy = "complete the row, or leave it out"
        return (f"{self.path}: row {row} has {len(fields)} fields, the header {len(self.names)} (row 1 is the first below the "
                f"header; this is line {self.above + self.table.line_num} of the file); {remedy}")

    def _columns(self, block: Sequence[Sequence[str]], wanted: _Wanted) -> Batch:
        columns = zip(*block) if block else ((),) * len(self.names)
        return {name: self._parsed(column, name, wanted) for name, column in zip(self.names, columns)}

    def _parsed(self, fields: Sequence[str], name: str, wanted: _Wanted) -> np.ndarray:
        """Numbers in double precision, those next to the decimals that are written; or true and false; or texts."""
        texts = np.array(fields, object)
        if wanted.columns and name not in wanted.names:  # that it is there is all that somebody may want to know
            return texts
        if name not in wanted.texts:
            try:
                return _told_apart(texts.astype(np.float64), fields)
            except ValueError:  # blanks around a number do no harm
                pass
        stripped = [field.strip() for field in fields]
        if self.missing:
            stripped = ["" if field == self.missing else field for field in stripped]
        if name not in wanted.texts:
            try:
                return _told_apart(np.array([float(field) if field else np.nan for field in stripped]), stripped)
            except ValueError:
                if {"true", "false"}.issuperset(lower := [field.lower() for field in stripped]):
                    return np.array([field == "true" for field in lower])
        return np.array(stripped, object)


def _told_apart(numbers: np.ndarray, fields: Sequence[str]) -> np.ndarray:
    """Numbers; but whole ones that doubles may not tell apart as Python's."""
    try:
        return np.array([int(field) for field in fields], object) if (np.abs(numbers) > 2.0**53).any() else numbers
    except ValueError:
        return numbers


class _Counted(io.RawIOBase):
    """The bytes of a file, unpacked if it is gzip's; no more of them than such a file may hold."""

    def __init__(self, path: Path):
        self.path, self.read_so_far = path, 0
        self.stream = (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = self.stream.readinto(buffer)
        self.read_so_far += count
        check_size(self.read_so_far, self.path)
        return count

    def close(self) -> None:
        self.stream.close()
        super().close()


def _arff(path: Path, rows: int, wanted: _Wanted) -> Iterator[Batch]:
    names, above = [], 0
    with open(path, encoding="utf-8", newline="") as stream:
        for line in iter(stream.readline, ""):  # not "for line in stream": the rows go on from where this stops
            above += 1
            if line.strip().lower() == "@data":
                break
            match = re.match(r"""\s*@attribute\s+(?:'([^']+)'|"([^"]+)"|(\S+))""", line, re.IGNORECASE)
            names += [next(filter(None, match.groups()))] if match else []
        else:
            raise StudyError(f"{path} has no @DATA line; the download may be cut: delete it and fetch it again")
        table = csv.reader(chain(map(_uncommented, stream), [_END]), quotechar="'", skipinitialspace=True)
        yield from _TextTable(path, names, table, above, "?").batches(rows, wanted)


def _uncommented(line: str) -> str:
    """A line of ARFF up to its comment, which begins with % outside of quotes."""
    end = re.match(r"(?:[^'%]+|'(?:[^'\\]|\\.)*')*", line).end() if "%" in line else len(line)
    return line[:end] if line[end:].startswith("%") else line


def _tar(path: Path, rows: int, wanted: _Wanted) -> Iterator[Batch]:
    # Member by member through one temporary file: the particle images in there are a hundred times the table.
    with tarfile.open(path, "r|*") as archive, tempfile.TemporaryDirectory() as folder:
        for member in archive:
            if member.isfile() and member.name.endswith((".h5", ".hdf5")):
                check_size(member.size, f"{path}: {member.name}", path.stat().st_size)
                copy = Path(folder) / "member.h5"
                with archive.extractfile(member) as packed, open(copy, "wb") as out:
                    shutil.copyfileobj(packed, out)
                yield from _h5(copy, rows, wanted)


_READERS: dict[str, Callable[[Path, int, _Wanted], Iterator[Batch]]] = {
    ".root": _root, ".h5": _h5, ".hdf5": _h5, ".npz": _npz, ".parquet": _parquet, ".pq": _parquet,
    ".csv": _csv, ".csv.gz": _csv, ".arff": _arff, ".tar": _tar, ".tar.gz": _tar, ".tgz": _tar,
}
