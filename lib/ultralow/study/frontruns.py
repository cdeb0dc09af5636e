"""Knows one run of a network of the front: trained with one seed, tested, kept in a folder and found there again."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ultralow import metrics
from ultralow.study import runs
from ultralow.data.dataset import Dataset
from ultralow.files import canonical_json, read_json, replacing, write_json
from ultralow.networks.methods import FrontNetwork
from ultralow.study.provenance import code_digest, trained_on
from ultralow.networks.recipes import Recipe

Log = Callable[[str], None]


@dataclass(frozen=True)
class Trained:
    """What a method's training gives: the exact network (:mod:`ultralow.exact.lut`, :mod:`ultralow.exact.circuit`), what the model said
    before it became exact, as a function of encoded inputs (rows, inputs) that gives logits (rows, classes), and the history by
    epoch. ``facts``: what else run.json keeps."""

    network: object
    before: Callable[[np.ndarray], np.ndarray]
    history: dict[str, list[float]]
    facts: dict


def run(network: FrontNetwork, recipe: Recipe, data: Dataset, seed: int, folder: Path, log: Log,
        teacher: np.ndarray | None = None, test: bool = True) -> dict:
    """Trains and tests a network of the front as :func:`ultralow.study.runs.run` does others; writes folded.npz and run.json.

    The same run is found again in ``folder`` and kept.
    """
    runs.check(network, None, data)
    fingerprint = identity(network, recipe, data, seed, teacher, test)
    done = folder / "run.json"
    if done.exists() and (kept := read_json(done))["fingerprint"] == fingerprint:
        log(f"seed {seed}: trained before, kept")
        return {key: value for key, value in kept.items() if key != "fingerprint"}
    log(f"seed {seed}: {len(data.y_train)} rows, {recipe.epochs} epochs, {network.method}")
    train = importlib.import_module(network.method.module).train
    share, labels = recipe.distillation, np.eye(len(data.classes))[data.y_train]
    more = {} if teacher is None else {"targets": share * runs.probabilities(teacher) + (1 - share) * labels}
    found = train(network, data, seed, recipe.epochs, log, **more)
    exact, quality = found.network, metrics.quality(data.y_valid)
    valid = metrics.judged(exact.logits(exact.encode(data.x_valid)), data.y_valid, data.w_valid)
    result = {"seed": seed, "history": found.history, f"valid_{quality}": valid, "zero_weights": None, **found.facts,
              "trained_on": trained_on()}
    if test:
        x = exact.encode(data.x_test)
        result |= runs.tested(exact.logits(x), found.before(x), data)
    with replacing(folder) as temporary:
        temporary.mkdir()
        exact.save(temporary / "folded.npz")
        write_json(temporary / "run.json", {**result, "fingerprint": fingerprint})
    return result


def identity(network: FrontNetwork, recipe: Recipe, data: Dataset, seed: int, *more: object) -> str:
    """SHA-256 of anything that a run's result depends on, the code of its method included."""
    entry = {**vars(network), "method": [network.method.kind, vars(network.method)]}
    digest = hashlib.sha256(canonical_json([entry, recipe.changes, seed]).encode())
    weights = [part for part in (data.w_train, data.w_valid, data.w_test) if part is not None]
    for array in (data.x_train, data.y_train, data.x_valid, data.y_valid, data.x_test, data.y_test, *weights):
        digest.update(np.ascontiguousarray(array))
    for item in more:
        digest.update(np.ascontiguousarray(item) if isinstance(item, np.ndarray) else repr(item).encode())
    digest.update(training_code(network).encode())
    return digest.hexdigest()


def training_code(network: FrontNetwork) -> str:
    """Changes with the code that decides what its training gives."""
    return code_digest("front") + code_digest(network.method.stage)
