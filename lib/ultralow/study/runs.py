"""Knows one run: a network trained with one seed, folded, tested, kept in a folder and found there again."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ultralow import metrics
from ultralow.exact.load import load_network
from ultralow.networks.catalogue import Network
from ultralow.data.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.files import canonical_json, read_json, replacing, write_json
from ultralow.fixed_point import Fixed
from ultralow.exact.dense import FoldedNetwork
from ultralow.exact.base import encode
from ultralow.study.provenance import code_digest
from ultralow.networks.recipes import Recipe

Log = Callable[[str], None]


def run(network: Network, recipe: Recipe, data: Dataset, seed: int, folder: Path, log: Log,
        teacher: np.ndarray | None = None, backend: str = "tensorflow", test: bool = True) -> dict:
    """Trains a network, folds it and measures it; writes model.keras, folded.npz and run.json.

    The same run is found again in ``folder`` and kept; one that was stopped goes on from its checkpoint.

    Args:
        teacher: logits (training rows, classes) of the recipe's teacher.
        test: False leaves the test part untouched (for choices, which see the validation part only).

    Returns:
        seed, history, valid_accuracy, zero_weights, and of the test part accuracy, accuracy_float, auc, confusion; of a
        regression valid_r2, r2, r2_float and rmse (each target's, in its unit).

    Raises:
        StudyError: the recipe asks for what only classification has.
    """
    check(network, recipe, data)
    fingerprint = identity(network, recipe, data, seed, teacher, backend, test)
    done, checkpoint = folder / "run.json", folder.with_name(f"{folder.name}-checkpoint-{fingerprint[:16]}.npz")
    if done.exists() and (kept := read_json(done))["fingerprint"] == fingerprint:
        log(f"seed {seed}: trained before, kept")
        return {key: value for key, value in kept.items() if key != "fingerprint"}
    start_keras(backend)
    log(f"seed {seed}: {len(data.y_train)} rows, {recipe.epochs} epochs, Keras on {backend}")
    model, folded, history, valid = fit(network, recipe, data, seed, log, teacher, checkpoint)
    result = {"seed": seed, "history": history, f"valid_{metrics.quality(data.y_train)}": valid}
    result = keep(folder, model, folded, data, result, fingerprint, test)
    for stale in folder.parent.glob(f"{folder.name}-checkpoint-*.npz"):
        stale.unlink()
    return result


def take(network: Network, path: Path, data: Dataset, raw: bool, folder: Path, log: Log,
         backend: str = "tensorflow") -> dict:
    """Folds and measures a model that was trained elsewhere, as :func:`run` does what it trained.

    Args:
        path: the .keras file (:mod:`ultralow.importing.keras_model`).
        raw: whether the model takes features as they stand in the data's files, not as the dataset scales them. A model
            of a study takes them as the folded.npz beside it says.
    """
    from ultralow.importing import keras_model

    check(network, None, data)
    start_keras(backend)
    from ultralow.training import folding

    log(f"{network.name}: {path.name}, trained elsewhere")
    model = keras_model.load(path)
    gain, move = (data.scale, data.mean) if raw else (None, None)
    if not raw and (beside := path.with_name("folded.npz")).exists():
        log(f"gains of the features from {beside.name} beside it")
        gain, move = (before := load_network(beside)).gain, before.move
    folded = replace(folding.fold(model, network, data.outputs), gain=gain, move=move)
    valid = metrics.judged(folded.logits(folded.encode(data.x_valid)), data.y_valid, data.w_valid)
    result = {"seed": keras_model.SEED, "history": {}, f"valid_{metrics.quality(data.y_valid)}": valid}
    return keep(folder, model, folded, data, result, keras_model.identity(path)["sha256"])


def keep(folder: Path, model: "keras.Model", folded: FoldedNetwork, data: Dataset, result: dict, fingerprint: str,
         test: bool = True) -> dict:
    """Tests a trained network (unless ``test`` is False) and writes model.keras, folded.npz and run.json; returns
    ``result`` with what the test found, and the share of zero weights."""
    zeros = np.concatenate([layer.kernel.ravel() for layer in folded.layers]) == 0
    result = {**result, "zero_weights": float(np.mean(zeros))}
    with replacing(folder) as temporary:
        temporary.mkdir()
        if test:
            from ultralow.training.evaluation import outputs

            x_test = folded.encode(data.x_test)
            result |= tested(folded.logits(x_test), outputs(model, x_test.astype(np.float32)), data)
        # Without the optimiser's moments, which are twice as large as the network.
        type(model)(model.inputs, model.outputs, name=model.name).save(temporary / "model.keras")
        folded.save(temporary / "folded.npz")
        write_json(temporary / "run.json", {**result, "fingerprint": fingerprint})
    return result


def tested(found: np.ndarray, before: np.ndarray, data: Dataset) -> dict:
    """What the folded network's outputs (rows, outputs) on the test part are worth, and those ``before`` folding."""
    name, y, weights = metrics.quality(data.y_test), data.y_test, data.w_test
    result = {name: metrics.judged(found, y, weights), f"{name}_float": metrics.judged(before, y, weights)}
    if name == "r2":
        errors = np.sqrt(np.average((found - y) ** 2, axis=0, weights=weights)) * data.target_scale
        return result | {"rmse": dict(zip(data.targets, errors.tolist()))}
    return result | {"auc": metrics.auc_per_class(found, y, data.classes, weights),
                     "confusion": metrics.confusion(found, y, len(data.classes), weights)}


def check(network: Network, recipe: Recipe | None, data: Dataset) -> None:
    """That network, recipe (None: nothing is trained) and data fit each other.

    Raises:
        StudyError: they do not; it says what to change.
    """
    inputs, outputs = len(data.features), len(data.outputs)
    fitting = (outputs, 1) if len(data.classes) == 2 else (outputs,)
    if network.widths[0] != inputs or network.widths[-1] not in fitting:
        raise StudyError(f"{network.name} is {network.architecture}, but its dataset {data.name} has {inputs} features and "
                         f"{outputs} {'classes' if data.classes else 'targets'} ({', '.join(data.outputs)})"
                         + ("; two classes take one output or two" if len(fitting) > 1 else ""))
    if recipe is None or network.widths[-1] == len(data.classes):
        return
    asked = {"refine": recipe.refine, "teacher": recipe.teacher,
             "loss": recipe.loss != "crossentropy" and not data.classes}
    if wrong := [field for field, on in asked.items() if on]:
        raise StudyError(f"{network.name}: its recipe's {', '.join(wrong)} work with an output for each class only, not "
                         f"{'with a single one' if data.classes else 'for regression'}; take a recipe without")


def fit(network: Network, recipe: Recipe, data: Dataset, seed: int, log: Log, teacher: np.ndarray | None = None,
        checkpoint: Path | None = None) -> tuple["keras.Model", FoldedNetwork, dict, float]:
    """The trained network, the folded one, the history, and the folded one's accuracy (of a regression R²) on the
    validation part."""
    from ultralow.training import folding, train  # Keras takes seconds: only where it is used

    gain, move = encoding(network, recipe, data, seed, log)
    x, x_valid = (encode(part, Fixed.parse(network.input), gain, move) for part in (data.x_train, data.x_valid))
    model, history = train.train(network, recipe, x.astype(np.float32), data.y_train, x_valid.astype(np.float32),
                                    data.y_valid, seed, log, None if teacher is None else probabilities(teacher),
                                    checkpoint, data.w_train)
    folded = replace(folding.fold(model, network, data.outputs), gain=gain, move=move)
    if recipe.refine:
        from ultralow.training import weight_flips

        folded = weight_flips.refine(folded, x, data.y_train, recipe.refine, seed, log)
    return model, folded, history, metrics.judged(folded.logits(x_valid), data.y_valid, data.w_valid)


def encoding(network: Network, recipe: Recipe, data: Dataset, seed: int,
             log: Log) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Gain and move of every feature before the input format, from the training part; None, None: as they are."""
    if recipe.scaling == "standard":
        return None, None
    if recipe.scaling == "minmax":
        format, low, high = Fixed.parse(network.input), data.x_train.min(0).astype(float), data.x_train.max(0)
        gain = (format.high - format.low) / np.where(high > low, high - low, 1.0)
        return gain, format.low - low * gain
    from ultralow.training import train

    gain = train.learn_gain(network, recipe, data.x_train, data.y_train, seed, data.w_train)
    log("gains of the features: " + ", ".join(f"{name} {g:g}" for name, g in zip(data.features, gain)))
    return gain, None


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax of logits (rows, classes)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def training_digest(recipe: Recipe) -> str:
    """Changes with the code that decides what a training with this recipe gives."""
    return code_digest("train") + (code_digest("refine") if recipe.refine else "")


def start_keras(backend: str) -> None:
    """Makes sure that Keras runs on ``backend``; once it has started it cannot change.

    Raises:
        StudyError: this process runs Keras on another backend, or the backend is not installed.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = backend
    try:
        from ultralow.training import keras_setup as ours  # noqa: F401 — one thread, determinism
    except ImportError as error:
        raise StudyError(f"the study asks for backend: {backend}, which does not start ({error}); install the locked "
                         "environment again, or choose backend: tensorflow") from error
    import keras

    if keras.backend.backend() != backend:
        raise StudyError(f"the study asks for backend: {backend}, but Keras already runs on {keras.backend.backend()} "
                         "in this process; restart Python (or the kernel)")


def identity(network: Network, recipe: Recipe, data: Dataset, seed: int, *more: object) -> str:
    """SHA-256 of anything that a run's result depends on, this package's training code included."""
    digest = hashlib.sha256(canonical_json([vars(network), recipe.changes, seed]).encode())
    weights = [part for part in (data.w_train, data.w_valid, data.w_test) if part is not None]
    for array in (data.x_train, data.y_train, data.x_valid, data.y_valid, data.x_test, data.y_test, *weights):
        digest.update(np.ascontiguousarray(array))
    for item in more:
        digest.update(np.ascontiguousarray(item) if isinstance(item, np.ndarray) else repr(item).encode())
    digest.update(training_digest(recipe).encode())
    return digest.hexdigest()
