"""Write arrays as npz, equal ones as equal bytes; read them from a file that may be damaged or hostile: sizes and checksums are
checked, objects refused."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path

import numpy as np

from ultralow.files import check_size
from ultralow.errors import StudyError, brief

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_END = struct.Struct("<4s4H2LH")  # a zip archive's last record


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """numpy's npz layout with a fixed date in every entry; numpy.savez writes the time of day."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _ZIP_DATE), stream.getbuffer(),
                             zipfile.ZIP_DEFLATED, compresslevel=1)


def read(path: str | Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays in ``path`` by name; with ``names`` those alone.

    Shapes are checked against the file's size before memory is taken, and every byte against the archive's checksums.

    Raises:
        ValueError: the file is damaged, holds objects, or lacks one of ``names``. The message names no file and no remedy: the
            caller knows both.
        StudyError: it declares more than it can hold.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if (listed := _listed(path)) != len(archive.infolist()):  # zipfile passes over what it cannot follow
                raise ValueError(f"its directory has {len(archive.infolist())} of {listed} arrays")
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            names = list(entries) if names is None else list(names)
            if (missing := [name for name in names if name not in entries]):
                raise ValueError(f"array {', '.join(map(repr, missing))} is missing")
            check_size(sum(entries[name].file_size for name in names), path)
            return {name: _array(archive, entries[name]) for name in names}
    except (OSError, StudyError, ValueError):
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own words for a damaged file
        raise ValueError(brief(error)) from error


def _listed(path: str | Path) -> int:
    """The number of entries that the end of a zip archive without a comment tells."""
    with open(path, "rb") as stream:
        stream.seek(-_END.size, os.SEEK_END)
        mark, _, _, _, count, _, _, _ = _END.unpack(stream.read())
    if mark != b"PK\x05\x06":
        raise ValueError("its end is not that of an npz file")
    return count


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        # Version 3.0 differs from 2.0 in how it spells the fields' names, not in sizes.
        header = (np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0)
        shape, _, dtype = header(stream)
        if dtype.hasobject:
            raise ValueError(f"{entry.filename} holds Python objects, which are not read")
        # Exactly: of an array that said less than there is, the rest and its checksum would not be looked at.
        size, there = prod(shape) * dtype.itemsize, entry.file_size - stream.tell()
        if size != there or min(shape, default=0) < 0:
            raise ValueError(f"{entry.filename} says {dtype} {shape}, {size} bytes, and holds {there}")
    with archive.open(entry) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
        if stream.read(1):  # of an empty array nothing was read, and no checksum looked at
            raise ValueError(f"{entry.filename} holds more than its array")
        return array
