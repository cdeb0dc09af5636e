"""Run one training: train a network with one seed, test it, keep it in a folder and find it there again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import singledispatch
from pathlib import Path

import numpy as np

from ultralow import metrics
from ultralow.data.dataset import Dataset
from ultralow.errors import Log
from ultralow.files import read_json, replacing, write_json
from ultralow.networks.methods import FrontNetwork
from ultralow.networks.recipes import Recipe
from ultralow.networks.spec import NetworkSpec
from ultralow.study import identity, manifest
from ultralow.training import lut
from ultralow.training.backend import start_keras
from ultralow.training.fit import check, fit
from ultralow.training.trained import Trained

MOST_CHANGES = 4  # that the log names, of those that make a run old


@dataclass(frozen=True)
class Teacher:
    """A trained network whose outputs others learn from: its name, the SHA-256 of its values, and its logits of the training
    rows (rows, classes)."""

    name: str
    sha256: str
    logits: np.ndarray


@dataclass(frozen=True)
class Job:
    """What one run is asked for.

    Attributes:
        folder: where it is kept.
        teacher: the recipe's, if it has one.
        test: False leaves the test part untouched (for choices, which see the validation part only).
    """

    network: NetworkSpec
    recipe: Recipe
    data: Dataset
    seed: int
    folder: Path
    backend: str = "tensorflow"
    teacher: Teacher | None = None
    test: bool = True

    @property
    def identity(self) -> identity.Parts:
        """What the run's results depend on."""
        teacher = self.teacher and {"network": self.teacher.name, "sha256": self.teacher.sha256}
        return identity.of_training(self.network, self.recipe, self.data.sha256, self.seed, self.backend, teacher, self.test)

    @property
    def files(self) -> tuple[str, ...]:
        """What its folder holds beside run.json."""
        return ("folded.npz",) if isinstance(self.network, FrontNetwork) else ("folded.npz", "model.keras")

    @property
    def targets(self) -> np.ndarray | None:
        """The teacher's probabilities of the training rows (rows, classes); None: there is no teacher."""
        return None if self.teacher is None else metrics.softmax(self.teacher.logits)


@dataclass(frozen=True)
class Run:
    """A run.

    Attributes:
        result: what its run.json holds beside its identity.
        made: whether it was made now; False: it was found and kept.
        logits: the exact network's on the test part (rows, outputs); None: they were not computed.
    """

    result: dict
    made: bool = False
    logits: np.ndarray | None = None


def run(job: Job, log: Log = print) -> Run:
    """Trains a network, makes it exact and measures it; writes folded.npz, run.json and, of a Keras model, model.keras.

    A run with the same identity is found again in the job's folder and kept; one that was stopped goes on from its
    checkpoint, if its training keeps one.

    Returns:
        the run, whose result has seed, history, valid_accuracy, zero_weights, and of the test part accuracy, accuracy_float,
        auc, confusion; of a regression valid_r2, r2, r2_float and rmse (each target's, in its unit). Further facts by kind of
        network.

    Raises:
        StudyError: the recipe asks for what only classification has.
    """
    parts = job.identity
    check(job.network, job.recipe, job.data)
    if (kept := find(job, parts, log)) is not None:
        log(f"seed {job.seed}: trained before, kept")
        return Run(kept)
    checkpoint = job.folder.with_name(f"{job.folder.name}-checkpoint-{identity.digest(parts)[:16]}.npz")
    trained = train(job.network, job, checkpoint, log)
    values, logits = judged(trained.network, job.data, trained.before if job.test else None)
    result = {"seed": job.seed, "history": trained.history, **trained.facts, **values}
    keep(job.folder, trained.network, result, parts, None if trained.model is None else lambda path: trained.model.save(path))
    for stale in job.folder.parent.glob(f"{job.folder.name}-checkpoint-*.npz"):
        stale.unlink()
    return Run(result, True, logits)


@singledispatch
def train(network: NetworkSpec, job: Job, checkpoint: Path, log: Log) -> Trained:
    """What training the job's network gives, by kind of network."""
    start_keras(job.backend)
    from ultralow.training.evaluation import outputs

    log(f"seed {job.seed}: {len(job.data.y_train)} rows, {job.recipe.epochs} epochs, Keras on {job.backend}")
    model, folded, history, _ = fit(network, job.recipe, job.data, job.seed, log, job.targets, checkpoint)
    zeros = np.concatenate([layer.kernel.ravel() for layer in folded.layers]) == 0
    # Without the optimiser's moments, which are twice as large as the network.
    bare = type(model)(model.inputs, model.outputs, name=model.name)
    return Trained(folded, lambda x: outputs(model, x.astype(np.float32)), history, {"zero_weights": float(np.mean(zeros))}, bare)


@train.register
def _(network: FrontNetwork, job: Job, checkpoint: Path, log: Log) -> Trained:
    log(f"seed {job.seed}: {len(job.data.y_train)} rows, {job.recipe.epochs} epochs, {network.method}")
    share, labels = job.recipe.distillation, np.eye(len(job.data.classes))[job.data.y_train]
    targets = None if job.teacher is None else share * job.targets + (1 - share) * labels
    trained = lut.train(network, job.data, job.seed, job.recipe.epochs, log, targets)
    return replace(trained, facts={"zero_weights": None, **trained.facts, "trained_on": manifest.trained_on()})


def find(job: Job, parts: identity.Parts, log: Log) -> dict | None:
    """The result of a run that is kept in the job's folder; None, and a line in the log that says why, where what is there has
    another identity than ``parts`` or is not whole."""
    path = job.folder / "run.json"
    if not path.exists():
        return None
    kept = read_json(path)
    if changes := identity.differences(kept.pop("identity", None), parts):
        more = f", and {len(changes) - MOST_CHANGES} more" if len(changes) > MOST_CHANGES else ""
        log(f"seed {job.seed}: trained anew, since {'; '.join(changes[:MOST_CHANGES])}{more}")
        return None
    # Committed results come without the seeds' Keras models: such a run cannot be kept, or the study would end without one.
    if missing := [name for name in job.files if not (job.folder / name).exists()]:
        log(f"seed {job.seed}: trained anew, since {' and '.join(missing)} is not beside run.json, as of committed results")
        return None
    return kept


def keep(folder: Path, network: object, result: dict, parts: identity.Parts,
         save_model: Callable[[Path], object] | None = None) -> None:
    """Writes folded.npz (the exact network) and run.json (result and identity) into ``folder``, which is replaced as a whole;
    with ``save_model`` model.keras, too."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        if save_model is not None:
            save_model(temporary / "model.keras")
        network.save(temporary / "folded.npz")
        write_json(temporary / "run.json", {**result, "identity": parts})


def judged(network: object, data: Dataset, before: Callable[[np.ndarray], np.ndarray] | None
           ) -> tuple[dict, np.ndarray | None]:
    """What an exact network is worth on the validation part, and on the test part beside the logits that the model
    ``before`` it gives for encoded inputs; and its logits on the test part. ``before`` None leaves the test part untouched."""
    quality = metrics.quality(data.y_valid)
    result = {f"valid_{quality}": metrics.judged(network.logits(network.encode(data.x_valid)), data.y_valid, data.w_valid)}
    if before is None:
        return result, None
    x = network.encode(data.x_test)
    logits = network.logits(x)
    return result | tested(logits, before(x), data), logits


def tested(logits: np.ndarray, before: np.ndarray, data: Dataset) -> dict:
    """What an exact network's outputs (rows, outputs) on the test part are worth, and those ``before`` it became exact."""
    name, y, weights = metrics.quality(data.y_test), data.y_test, data.w_test
    result = {name: metrics.judged(logits, y, weights), f"{name}_float": metrics.judged(before, y, weights)}
    if name == "r2":
        errors = np.sqrt(np.average((logits - y) ** 2, axis=0, weights=weights)) * data.target_scale
        return result | {"rmse": dict(zip(data.targets, errors.tolist()))}
    return result | {"auc": metrics.auc_per_class(logits, y, data.classes, weights),
                     "confusion": metrics.confusion(logits, y, len(data.classes), weights)}
