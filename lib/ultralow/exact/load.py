"""Read the file of an exact network, whatever its kind and whoever wrote it."""

from __future__ import annotations

import json
import time
from functools import lru_cache
from pathlib import Path

from ultralow import npz
from ultralow.errors import StudyError, brief
from ultralow.exact.base import ExactNetwork
from ultralow.exact.circuit import CircuitNetwork
from ultralow.exact.dense import FoldedNetwork
from ultralow.exact.lut import TableNetwork

KINDS: dict[str, type[ExactNetwork]] = {kind.kind: kind for kind in (FoldedNetwork, CircuitNetwork, TableNetwork)}
# Of a file that changed so recently, times are too coarse to tell the next change from this one.
_SETTLED_NS = 2 * 10**9


def load_network(path: str | Path) -> ExactNetwork:
    """The network in a file that its ``save`` wrote, of the kind that its header says. A file is read once in a process, as long
    as it does not change.

    Raises:
        StudyError: the file is missing or damaged, or holds no such network; it says what to do.
    """
    path = Path(path)
    try:
        status = path.stat()
    except OSError:
        raise StudyError(f"{path} is missing; {_remedy(path)}") from None
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _SETTLED_NS:
        return _read(path)
    return _kept(path.absolute(), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@lru_cache(maxsize=8)
def _kept(path: Path, *state: int) -> ExactNetwork:
    """The network of a file in one ``state``."""
    return _read(path)


def _read(path: Path) -> ExactNetwork:
    try:
        arrays = npz.read(path)
        header = json.loads(arrays.pop("header").tobytes())
        kind = header.get("kind", FoldedNetwork.kind)  # the first files told no kind
        if kind not in KINDS:
            raise ValueError(f"its kind {kind!r} is none of {', '.join(KINDS)}")
        return KINDS[kind].of_arrays(header, arrays)
    except StudyError as error:
        raise StudyError(f"{error}; {_remedy(path)}" if str(path) in str(error) else
                         f"{path} is not a folded network ({error}); {_remedy(path)}") from None
    except Exception as error:  # values of any type stand where others are expected
        raise StudyError(f"{path} is not a folded network ({brief(error)}); {_remedy(path)}") from error


def _remedy(path: Path) -> str:
    # A seed's folder is whole or not there: without one of its files it would be kept as it is.
    if path.parent.name.startswith("seed-"):
        return (f"delete the folder {path.parent} and {path.parent.parent / 'folded.npz'}, and run the training step again "
                "(`make study`)")
    return "delete it, if it is there, and run the training step again (`make study`)"
