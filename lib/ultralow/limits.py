"""Knows how much a file may ask for: what it says it holds, against its own size, before memory is taken."""

from __future__ import annotations

import gzip
from pathlib import Path

from ultralow.errors import StudyError

# Tables of measurements pack 2- to 30-fold; columns that are nearly constant 100-fold. Deflate ends at 1,032.
PACKED = 250
# So little may be packed as well as it likes: a few zeros are no attack.
SMALL = 64 << 20
LARGEST = 16 << 30
# Texts that are read whole: study files have kilobytes, reports and executed notebooks megabytes.
TEXT = 256 << 20


def check(declared: int, path: str | Path, held: int | None = None) -> None:
    """That ``path`` (or ``held`` bytes of it) may well hold the ``declared`` bytes that it unpacks to.

    Raises:
        StudyError: it declares more than LARGEST, or more than PACKED times what is there.
    """
    held = Path(path).stat().st_size if held is None else held
    if not 0 <= declared <= LARGEST:
        raise StudyError(f"{path} says that it holds {_size(declared)}, more than the {_size(LARGEST)} that are read: "
                         "it is damaged, or no honest file; make or fetch it again, or give a smaller part of the data")
    if declared > max(SMALL, PACKED * held):
        raise StudyError(f"{path} says that it holds {_size(declared)} in {_size(held)}, more than {PACKED} times as "
                         "much: it is damaged, or no honest file; make or fetch it again, without compression if it is yours")


def unpacked(path: str | Path) -> bytes:
    """The content of a gzip file.

    Raises:
        StudyError: it is larger than such a file may be.
        OSError, EOFError, zlib.error: it is damaged.
    """
    held = Path(path).stat().st_size
    with gzip.open(path) as stream:
        content = stream.read(max(SMALL, PACKED * held) + 1)
    check(len(content), path)
    return content


def text(path: str | Path, largest: int = TEXT) -> str:
    """The text (UTF-8) in ``path``.

    Raises:
        StudyError: it has more than ``largest`` bytes.
        OSError, UnicodeDecodeError: as they come; the caller knows what the file should be.
    """
    with open(path, "rb") as stream:
        content = stream.read(largest + 1)  # not by the size that the system tells: devices and pipes have none
    if len(content) > largest:
        raise StudyError(f"{path} has more than the {_size(largest)} that are read; is it the right file?")
    return content.decode("utf-8")


def _size(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if abs(count) < 1024 or unit == "GiB":
            return f"{count:,.0f} {unit}" if abs(count) < 2**80 else "a senseless number of bytes"
        count /= 1024
