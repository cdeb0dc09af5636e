"""Write results whole or not at all, the same bytes for the same values; read files that may be damaged or hostile.

What a file says it holds is compared with its own size before memory is taken.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import math
import os
import platform
import re
import shutil
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from ultralow.errors import StudyError

# Tables of measurements pack 2- to 30-fold; columns that are nearly constant 100-fold. Deflate ends at 1,032.
MOST_PACKED = 250
# So little may be packed as well as it likes: a few zeros are no attack.
SMALL_BYTES = 64 << 20
LARGEST_BYTES = 16 << 30
# Texts that are read whole: study files have kilobytes, reports and executed notebooks megabytes.
TEXT_BYTES = 256 << 20


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary name beside ``path``; renamed to ``path`` if the block succeeds, removed if not.

    Works for a file and for a folder. A reader sees the old content or the new, never a part. A link at ``path`` is
    replaced, not followed.

    Raises:
        StudyError: the place cannot be written (full disk, read-only folder).
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if temporary.is_dir() and path.is_symlink():
            path.unlink()
        elif temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except OSError as error:
        # Only the disk's own refusals are translated: a missing input inside the block is not ours.
        if error.errno in _DISK_ERRORS:
            raise StudyError(f"cannot write {path}: {error.strerror}; free some space or choose "
                             "another results folder, then run the same command again") from error
        if error.errno in _IN_THE_WAY:
            raise StudyError(f"cannot write {path}: {error.strerror}; take away what stands in its place, then run the "
                             "same command again") from error
        raise
    finally:
        if os.path.isdir(temporary):
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with suppress(OSError):  # not there, or a name that cannot be
                temporary.unlink()


def root() -> Path:
    """The project's root: the folder of pyproject.toml that holds this package."""
    return Path(__file__).resolve().parents[2]


def shipped(name: str) -> Path:
    """A file of data/: in a checkout it stands there, an installed package has it in share/ultralow of the environment."""
    here = root() / "data" / name
    return here if here.exists() else Path(sysconfig.get_path("data")) / "share" / "ultralow" / name


def sweep(folder: str | Path, patience_s: float = 0) -> None:
    """Removes temporary files and folders of :func:`replacing` below ``folder`` whose process was killed, and waits so long for
    processes that have not ended yet.

    Those of other machines stay: whether their processes live is not known here.
    """
    end = time.monotonic() + patience_s
    while True:
        left = list(Path(folder).rglob(f".*.{_HOST}.*.part"))
        for path in left:
            if not _alive(path.suffixes[-2][1:]):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        if time.monotonic() >= end or not any(map(os.path.lexists, left)):
            return
        time.sleep(0.1)


def contained(folder: str | Path) -> None:
    """That no link below ``folder``, which may be a link itself, leads out of it: what is written stays inside.

    Raises:
        StudyError: one does; it is named.
    """
    inside = os.path.realpath(folder)
    for place, folders, names in os.walk(inside):
        for path in (os.path.join(place, name) for name in (*folders, *names)):
            if os.path.islink(path) and os.path.commonpath([inside, os.path.realpath(path)]) != inside:
                raise StudyError(f"{path} is a link that leads out of {folder}, where results are kept; put the file "
                                 "itself there, or make the whole folder a link")


def check_size(declared: int, path: str | Path, size: int | None = None) -> None:
    """That ``path`` (or ``size`` bytes of it) may well hold the ``declared`` bytes that it unpacks to.

    Raises:
        StudyError: it declares more than LARGEST_BYTES, or more than MOST_PACKED times what is there.
    """
    size = Path(path).stat().st_size if size is None else size
    if not 0 <= declared <= LARGEST_BYTES:
        raise StudyError(f"{path} says that it holds {_size(declared)}, more than the {_size(LARGEST_BYTES)} that are read: "
                         "it is damaged, or no honest file; make or fetch it again, or give a smaller part of the data")
    if declared > max(SMALL_BYTES, MOST_PACKED * size):
        raise StudyError(f"{path} says that it holds {_size(declared)} in {_size(size)}, more than {MOST_PACKED} times as "
                         "much: it is damaged, or no honest file; make or fetch it again, without compression if it is yours")


def unpacked(path: str | Path) -> bytes:
    """The content of a gzip file.

    Raises:
        StudyError: it is larger than such a file may be.
        OSError, EOFError, zlib.error: it is damaged.
    """
    size = Path(path).stat().st_size
    with gzip.open(path) as stream:
        content = stream.read(max(SMALL_BYTES, MOST_PACKED * size) + 1)
    check_size(len(content), path)
    return content


def read_text(path: str | Path, largest: int = TEXT_BYTES) -> str:
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


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
        # One that was killed keeps its number until its parent takes leave of it, and writes nothing more.
        return not Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].startswith(b" Z")
    except (ProcessLookupError, ValueError):
        return False
    except FileNotFoundError:  # gone by now, or a system without /proc
        return not Path("/proc/self/stat").exists()
    except PermissionError:  # somebody else's
        pass
    return True


# Without dots and slashes: part of a file's name.
_HOST = re.sub(r"[^A-Za-z0-9-]", "-", platform.node()) or "host"
_DISK_ERRORS = {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EPERM, errno.EIO, errno.ENAMETOOLONG}
_IN_THE_WAY = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP}
# What a JSON file says of the rest of itself, so that a changed byte is not taken for a result.
_SEAL, _SEALED = "checksum", "sha256 of the rest: "


def canonical_json(value: object) -> str:
    """``value`` as JSON with sorted keys; floats rounded to 10 significant digits; NaN refused.

    numpy scalars and arrays become plain numbers and lists. Two equal runs give equal text.
    """
    return json.dumps(_plain(value), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: str | Path, value: dict) -> None:
    """Writes :func:`canonical_json` of ``value`` and its checksum to ``path``, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(canonical_json({**value, _SEAL: _seal(value)}), encoding="utf-8")


def read_json(path: str | Path) -> dict:
    """The JSON object in ``path``, without its checksum. What has none (notebooks, results of earlier versions) is read
    unchecked.

    Raises:
        StudyError: the file is missing, not JSON, or not what :func:`write_json` wrote; the message says what to do.
    """
    path, remedy = Path(path), "delete it and run `make study` again"
    try:
        content = json.loads(read_text(path), parse_constant=_no_number)
    except FileNotFoundError:
        raise StudyError(f"{path} is missing; run the stage that writes it first (`make study`)") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}; take away what stands in its place, or mend the "
                         "permissions") from None
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{path} is not valid JSON ({error}); {remedy}") from None
    if not isinstance(content, dict):
        raise StudyError(f"{path} is not valid JSON of a result: a {type(content).__name__}, no object; {remedy}")
    # By its value, too: the changed byte may stand in the key.
    seals = [key for key, value in content.items() if key == _SEAL or str(value).startswith(_SEALED)]
    if seals and (seals != [_SEAL] or content.pop(_SEAL) != _seal(content)):
        raise StudyError(f"{path} is damaged, or was changed by hand: its content is not that of its checksum; {remedy}")
    return content


def sha256(path: str | Path) -> str:
    """SHA-256 of the file's bytes, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _seal(value: dict) -> str:
    return _SEALED + hashlib.sha256(canonical_json(value).encode(errors="surrogatepass")).hexdigest()


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.10g}")
    return value
