"""Read tables of seven file formats in batches of columns under the files' own names."""

from __future__ import annotations

import gzip
import io
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ultralow import npz
from ultralow.files import check_size
from ultralow.errors import StudyError, brief, unknown

BATCH_ROWS = 50_000
Batch = dict[str, np.ndarray]


def batches(path: str | Path, rows: int = BATCH_ROWS, tree: str | None = None) -> Iterator[Batch]:
    """The columns of ``path``, at most ``rows`` rows at a time, in the file's order.

    Layouts: ROOT (the ``tree``, else `jets`, or the only one); h5 and npz (`jets` with `jetFeatureNames` as on Zenodo, one
    structured array, or one array per column); parquet; csv; ARFF as on OpenML; tarballs of such h5 files.

    Raises:
        StudyError: no such file, an unknown type, or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise StudyError(f"{path} is missing; give the path of a file that is there")
    kind = suffix(path)
    if tree is not None and kind != ".root":
        raise StudyError(f"{path} is no ROOT file and has no tree {tree!r}; leave tree out")
    try:
        yield from _root(path, rows, tree) if kind == ".root" else _READERS[kind](path, rows)
    except StudyError:
        raise
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


def _root(path: Path, rows: int, tree: str | None = None) -> Iterator[Batch]:
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
        # Vectors of a length of their own in each row are no columns.
        for batch in chosen.iterate(step_size=rows, library="np", filter_branch=lambda branch: "[" not in branch.typename):
            yield {name: values for name, values in batch.items() if values.ndim == 1}


def _h5(path: Path, rows: int) -> Iterator[Batch]:
    import h5py

    with h5py.File(path, "r") as file:
        # Not what is linked from other files: those nobody named.
        arrays = {name: item for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)
                  and isinstance(item := file[name], h5py.Dataset)}
        if any(item.external or item.is_virtual for item in arrays.values()):
            raise StudyError(f"{path} keeps its arrays in other files, which are not read; copy them into one file")
        check_size(sum(item.size * item.dtype.itemsize for item in arrays.values() if item.shape is not None), path)
        yield from _arrays(arrays, path, rows)


def _npz(path: Path, rows: int) -> Iterator[Batch]:
    yield from _arrays(npz.read(path), path, rows)


def _arrays(arrays: dict, path: Path, rows: int) -> Iterator[Batch]:
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
            yield {name: block[name] for name in block.dtype.names if block[name].ndim == 1}
        return
    columns = {name: item for name, item in arrays.items() if item.ndim == 1}
    if len({len(item) for item in columns.values()}) != 1:
        raise StudyError(f"{path}: no table of jets in {', '.join(arrays) or 'an empty file'}; it should have 'jets' "
                         "and 'jetFeatureNames', or one array of equal length per column")
    for start in range(0, len(next(iter(columns.values()))), rows):
        yield {name: item[start:start + rows] for name, item in columns.items()}


def _parquet(path: Path, rows: int) -> Iterator[Batch]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        check_size(file.metadata.num_rows * file.metadata.num_columns, path)  # a byte each at least
        for batch in file.iter_batches(batch_size=rows):
            yield _frame(batch.to_pandas())


def _csv(path: Path, rows: int) -> Iterator[Batch]:
    import pandas

    with _Counted(path) as stream, pandas.read_csv(stream, chunksize=rows) as reader:
        yield from map(_frame, reader)


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


def _arff(path: Path, rows: int) -> Iterator[Batch]:
    import pandas

    names = []
    with open(path, encoding="utf-8") as stream:
        for line in iter(stream.readline, ""):  # not "for line in stream": pandas goes on from where this stops
            if line.strip().lower() == "@data":
                break
            match = re.match(r"""\s*@attribute\s+(?:'([^']+)'|"([^"]+)"|(\S+))""", line, re.IGNORECASE)
            names += [next(filter(None, match.groups()))] if match else []
        else:
            raise StudyError(f"{path} has no @DATA line; the download may be cut: delete it and fetch it again")
        with pandas.read_csv(stream, names=names, header=None, index_col=False, chunksize=rows, quotechar="'",
                             na_values="?", comment="%", skipinitialspace=True) as reader:
            yield from map(_frame, reader)


def _tar(path: Path, rows: int) -> Iterator[Batch]:
    # Member by member through one temporary file: the particle images in there are a hundred times the table.
    with tarfile.open(path, "r|*") as archive, tempfile.TemporaryDirectory() as folder:
        for member in archive:
            if member.isfile() and member.name.endswith((".h5", ".hdf5")):
                check_size(member.size, f"{path}: {member.name}", path.stat().st_size)
                copy = Path(folder) / "member.h5"
                with archive.extractfile(member) as packed, open(copy, "wb") as out:
                    shutil.copyfileobj(packed, out)
                yield from _h5(copy, rows)


def _frame(frame) -> Batch:
    return {str(name): frame[name].to_numpy() for name in frame.columns}


_READERS: dict[str, Callable[[Path, int], Iterator[Batch]]] = {
    ".root": _root, ".h5": _h5, ".hdf5": _h5, ".npz": _npz, ".parquet": _parquet, ".pq": _parquet,
    ".csv": _csv, ".csv.gz": _csv, ".arff": _arff, ".tar": _tar, ".tar.gz": _tar, ".tgz": _tar,
}
