"""Knows the folded networks' outputs on the test part: computed from their files, kept in scores.npz."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ultralow import npz
from ultralow.exact import load
from ultralow.data.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.files import replacing, sha256


@dataclass(frozen=True)
class Scores:
    """Labels (rows,), and for each seed logits (rows, classes): float64 as computed, float32 as kept; of a regression
    targets and outputs (rows, targets). ``weights`` (rows,): how much each row counts; None: all alike."""

    labels: np.ndarray
    logits: dict[int, np.ndarray]
    weights: np.ndarray | None = None


def compute(networks: Mapping[int, Path], test: Dataset) -> Scores:
    """The outputs of every seed's folded.npz on the test part; nothing is trained."""
    def logits(path: Path) -> np.ndarray:
        folded = load.load(path)
        return folded.logits(folded.encode(test.x_test))

    return Scores(test.y_test, {seed: logits(path) for seed, path in networks.items()}, test.w_test)


def identity(networks: Mapping[int, Path], test: Dataset) -> str:
    """SHA-256 of what :func:`compute` takes: the files of the folded networks and the test part."""
    digest = hashlib.sha256()
    for seed, path in sorted(networks.items()):
        digest.update(f"{seed} {sha256(path)}\n".encode())
    for array in (test.x_test, test.y_test, *(() if test.w_test is None else (test.w_test,))):
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def write(scores: Scores, path: Path, made_of: str = "") -> None:
    """Writes scores.npz; ``made_of`` is their :func:`identity`."""
    logits = {f"logits_{seed}": values.astype(np.float32) for seed, values in scores.logits.items()}
    with replacing(path) as temporary, open(temporary, "wb") as stream:
        weights = {} if scores.weights is None else {"weights": scores.weights}
        np.savez_compressed(stream, labels=scores.labels, made_of=np.array(made_of), **weights, **logits)


def current(path: Path, made_of: str) -> bool:
    """Whether ``path`` holds the scores of this :func:`identity`; a missing or damaged file does not."""
    try:
        return npz.read(path, ["made_of"])["made_of"].tolist() == made_of
    except (ValueError, OSError):
        return False


def read(path: Path) -> Scores:
    """The scores that :func:`write` wrote.

    Raises:
        StudyError: the file is missing or damaged.
    """
    try:
        arrays = npz.read(path)
        seeds = sorted(int(name.removeprefix("logits_")) for name in arrays if name.startswith("logits_"))
        return Scores(arrays["labels"], {seed: arrays[f"logits_{seed}"] for seed in seeds}, arrays.get("weights"))
    except FileNotFoundError:
        raise StudyError(f"{path} is missing; run the comparison notebook, which computes it") from None
    except (ValueError, KeyError, OSError) as error:
        raise StudyError(f"{path} is not a file of scores ({error}); delete it and run the comparison again") from None
