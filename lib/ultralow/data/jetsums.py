"""Knows which values the large sample of jets has: a checksum of the content of every chunk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import uproot

from ultralow.errors import StudyError
from ultralow.files import read_json, write_json
from ultralow.data.jets import FEATURES, PROVENANCE, TREE

CHECKSUMS = Path(__file__).resolve().parents[3] / "data" / "jets-checksums.json"


def chunk_checksums(path: str | Path) -> list[str]:
    """SHA-256 of the content of each chunk of the sample ``path``, in order; the container does not enter.

    The digest runs over the 16 features as little-endian float32, column by column, then the label as int8.

    Raises:
        StudyError: the file is missing or is not a generated sample.
    """
    return _read(path)[0]


def verify(path: str | Path, checksums: str | Path = CHECKSUMS) -> int:
    """Compares the whole chunks of ``path`` with the recorded ones; returns how many were compared.

    Raises:
        StudyError: a chunk differs, no whole chunk to compare, or one of the files is missing.
    """
    recorded = read_json(checksums)
    sums, told = _read(path)
    pairs = list(zip(sums[:told["rows"] // recorded["chunk_rows"]], recorded["chunks"]))
    wrong = [chunk for chunk, (ours, theirs) in enumerate(pairs) if ours != theirs]
    if wrong:
        raise StudyError(f"{path}: {len(wrong)} of {len(pairs)} chunks differ from {checksums}, the first "
                         f"{wrong[0]}; was it made with seed {recorded['seed']}, the locked versions, on x86-64? "
                         "Else make it again")
    if not pairs:
        raise StudyError(f"{path} has {told['rows']} rows, no whole chunk of {recorded['chunk_rows']}: nothing to "
                         "compare; make a longer sample, of which it is the head")
    return len(pairs)


def record(path: str | Path, checksums: str | Path = CHECKSUMS) -> None:
    """Writes the checksums of the sample ``path`` to the JSON file ``checksums``."""
    sums, told = _read(path)
    write_json(checksums, {name: told[name] for name in ("chunk_rows", "seed", "settings_digest")} | {"chunks": sums})


def _read(path: str | Path) -> tuple[list[str], dict]:
    if not Path(path).is_file():
        raise StudyError(f"{path} is missing; make it with `make jets`")
    try:
        with uproot.open(path) as file:
            told, tree, sums = json.loads(str(file[PROVENANCE])), file[TREE], []
            for first in range(0, tree.num_entries, told["chunk_rows"]):
                rows = tree.arrays([*FEATURES, "label", "chunk"], entry_start=first,
                                   entry_stop=first + told["chunk_rows"], library="np")
                if np.any(rows["chunk"] != len(sums)):
                    raise ValueError(f"the rows from {first} on are not one chunk")
                digest = hashlib.sha256()
                for name in FEATURES:
                    digest.update(rows[name].astype("<f4").tobytes())
                digest.update(rows["label"].astype(np.int8).tobytes())
                sums.append(digest.hexdigest())
            return sums, told | {"rows": tree.num_entries}
    except Exception as error:  # uproot raises many kinds for a damaged file
        why = (str(error).strip().splitlines() or [""])[0]
        raise StudyError(f"{path} is not a generated sample ({type(error).__name__}: {why}); "
                         "make it again with `make jets`") from error
