"""Knows how results reach the disk: whole or not at all, and the same bytes for the same values."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ultralow.errors import StudyError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary name beside ``path``; renamed to ``path`` if the block succeeds, removed if not.

    Works for a file and for a folder. A reader sees the old content or the new, never a part.

    Raises:
        StudyError: the place cannot be written (full disk, read-only folder).
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except OSError as error:
        # Only the disk's own refusals are translated: a missing input inside the block is not ours.
        if error.errno in _DISK_ERRORS:
            raise StudyError(f"cannot write {path}: {error.strerror}; free some space or choose "
                             "another results folder, then run the same command again") from error
        raise
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def root() -> Path:
    """The project's root: the folder of pyproject.toml that holds this package."""
    return Path(__file__).resolve().parents[2]


def sweep(folder: str | Path) -> None:
    """Removes temporary files and folders of :func:`replacing` below ``folder`` whose process was killed.

    Those of other machines stay: whether their processes live is not known here.
    """
    for path in Path(folder).rglob(f".*.{_HOST}.*.part"):
        if not _alive(path.suffixes[-2][1:]):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:  # somebody else's
        pass
    return True


# Without dots and slashes: part of a file's name.
_HOST = re.sub(r"[^A-Za-z0-9-]", "-", platform.node()) or "host"
_DISK_ERRORS = {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EPERM}


def canonical_json(value: object) -> str:
    """``value`` as JSON with sorted keys; floats rounded to 10 significant digits; NaN refused.

    numpy scalars and arrays become plain numbers and lists. Two equal runs give equal text.
    """
    return json.dumps(_plain(value), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: str | Path, value: object) -> None:
    """Writes :func:`canonical_json` of ``value`` to ``path``, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(canonical_json(value), encoding="utf-8")


def read_json(path: str | Path) -> dict:
    """The JSON object in ``path``.

    Raises:
        StudyError: the file is missing or not JSON; the message says which stage writes it.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{path} is missing; run the stage that writes it first (`make study`)") from None
    except ValueError as error:
        raise StudyError(f"{path} is not valid JSON ({error}); delete it and run `make study` again") from None


def sha256(path: str | Path) -> str:
    """SHA-256 of the file's bytes, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
