"""Knows the stages of a study: what each reads, computes and writes. The notebooks tell the story of these calls.

A stage that needs an earlier one and finds nothing runs it first and says so: every notebook also runs alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ultralow import dataset as datasets
from ultralow import metrics
from ultralow.catalogue import Network
from ultralow.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.files import canonical_json, read_json, replacing, write_json
from ultralow.fixed import Fixed
from ultralow.folded import FoldedNetwork
from ultralow.provenance import code_digest
from ultralow.study import Study, root

Log = Callable[[str], None]


def prepare(study: Study, name: str, log: Log = print) -> Dataset:
    """Reads a dataset's source, splits and scales it; writes data/<name>.npz and .json."""
    settings = study.settings.data[name]
    path = study.data_path(name)
    if path is not None and not path.exists() and settings.source == "generated":
        raise StudyError(f"data.{name}.path {path} does not exist; `make jets N={_rows_in_name(path)} JOBS=2` makes it, "
                         "or take data/jets.root, the embedded sample")
    from ultralow import loading  # ROOT and its friends take seconds to import

    log(f"{name}: reading source {settings.source}")
    table = loading.load_table(name, settings.source, path, root() / "data" / "cache")
    prepared = datasets.split_and_scale(table, rows=settings.rows)
    prepared.save(_data_path(study, name))
    return prepared


def prepared(study: Study, name: str, log: Log = print) -> Dataset:
    """The dataset as :func:`prepare` left it; prepared now if it is not there."""
    if not _data_path(study, name).with_suffix(".json").exists():
        log(f"{name} is not prepared yet in {_short(study.results)}: doing that first")
        return prepare(study, name, log)
    return datasets.load(_data_path(study, name))


def train(study: Study, name: str, log: Log = print) -> dict:
    """Trains, folds and tests a network once for each seed; writes train.json, scores.npz, folded.npz, model.keras.

    A seed that an interrupted run finished is kept. The hardware stages take the seed with the best validation
    accuracy; the test part chooses nothing.

    Returns:
        the content of train.json.
    """
    network, recipe = study.network(name), study.recipe(name)
    data = prepared(study, network.dataset, log)
    if (data.x_train.shape[1], len(data.classes)) != (network.widths[0], network.widths[-1]):
        raise StudyError(f"{name} is {network.architecture}, but its dataset has {data.x_train.shape[1]} features "
                         f"and {len(data.classes)} classes")
    folder = study.folder(name)
    runs = [_run(network, recipe, data, seed, folder / f"seed-{seed}", log) for seed in study.settings.seeds]
    best = max(runs, key=lambda run: run["valid_accuracy"])["seed"]
    logits = {f"logits_{run['seed']}": np.load(folder / f"seed-{run['seed']}" / "logits.npy") for run in runs}
    with replacing(folder / "scores.npz") as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, labels=data.y_test, **logits)
    for file in ("folded.npz", "model.keras"):
        with replacing(folder / file) as temporary:
            temporary.write_bytes((folder / f"seed-{best}" / file).read_bytes())
    result = {"network": name, "dataset": data.name, "source": data.source, "architecture": network.architecture,
              "kind": network.kind, "recipe": {"name": network.recipe, **vars(recipe)},
              "seeds": study.settings.seeds, "hardware_seed": best, "train_rows": len(data.y_train),
              "valid_rows": len(data.y_valid), "test_rows": len(data.y_test), "input": network.input,
              "weights": network.weights, "activation": network.activation,
              "parameters": network.parameters, "operations": network.operations,
              "classes": data.classes, "runs": runs}
    write_json(folder / "train.json", result)
    return result


def trained(study: Study, name: str, log: Log = print) -> FoldedNetwork:
    """The folded network that goes to hardware; trained now if it is not there."""
    path = study.folder(name) / "folded.npz"
    if not path.exists():
        log(f"{name} is not trained yet in {_short(study.results)}: doing that first")
        train(study, name, log)
    return FoldedNetwork.load(path)


def convert(study: Study, name: str, log: Log = print) -> dict:
    """hls4ml's emulation against the folded network, row by row; writes convert.json and returns its content.

    Raises:
        StudyError: a row differs. convert.json is written all the same: it holds the count.
    """
    from ultralow import hls

    settings, folded = study.settings, trained(study, name, log)
    x = _rows(study, name, settings.rows.hls, log)
    result = hls.compare(folded, x, part=settings.part, clock_ns=settings.clock_ns, log=log)
    write_json(study.folder(name) / "convert.json", {"network": name, **result})
    _insist(name, result, "keras", "hls")
    return result


def measure(study: Study, name: str, log: Log = print) -> dict:
    """The circuit of a network: traced, simulated against the folded network, synthesised; writes synthesis.json, rtl/.

    Raises:
        StudyError: a row differs; or the study asks for Vitis and it is not there.
    """
    from ultralow import hardware

    settings, folded, folder = study.settings, trained(study, name, log), study.folder(name)
    codes = folded.input.codes(_rows(study, name, settings.rows.rtl, log))
    with replacing(folder / "rtl") as temporary:
        result = hardware.measure(folded, codes, temporary, clock_ns=settings.clock_ns, log=log)
    if settings.tool == "vitis":
        result |= hardware.measure_with_vitis(folded, folder, settings.part, settings.clock_ns, log)
    write_json(folder / "synthesis.json", {"network": name, **result})
    _insist(name, result, "interpreter", "rtl")
    return result


def _run(network: Network, recipe: object, data: Dataset, seed: int, folder: Path, log: Log) -> dict:
    """One seed: what its run.json holds; trained, unless the same run is already there."""
    fingerprint = _fingerprint(network, recipe, data, seed)
    done = folder / "run.json"
    if done.exists() and (kept := read_json(done))["fingerprint"] == fingerprint:
        log(f"seed {seed}: trained before, kept")
        return {key: value for key, value in kept.items() if key != "fingerprint"}

    from ultralow import backend, folding, training  # TensorFlow takes seconds: only where it is used

    log(f"seed {seed}: {len(data.y_train)} rows, {recipe.epochs} epochs")
    quantise = Fixed.parse(network.input).quantise
    x, x_valid, x_test = (quantise(part).astype(np.float32) for part in (data.x_train, data.x_valid, data.x_test))
    model, history = training.train(network, recipe, x, data.y_train, x_valid, data.y_valid, seed, log)
    folded = folding.fold(model, network, data.classes)
    logits = folded.logits(x_test)
    run = {"seed": seed, "history": history,
           "valid_accuracy": metrics.accuracy(folded.logits(x_valid), data.y_valid),
           "accuracy": metrics.accuracy(logits, data.y_test),
           "accuracy_float": metrics.accuracy(backend.logits(model, x_test), data.y_test),
           "auc": metrics.auc_per_class(logits, data.y_test, data.classes),
           "confusion": metrics.confusion(logits, data.y_test, len(data.classes)),
           "zero_weights": float(np.mean(np.concatenate([s.kernel.ravel() for s in folded.layers]) == 0))}
    with replacing(folder) as temporary:
        temporary.mkdir()
        model.save(temporary / "model.keras")
        folded.save(temporary / "folded.npz")
        np.save(temporary / "logits.npy", logits.astype(np.float32))
        write_json(temporary / "run.json", {**run, "fingerprint": fingerprint})
    log(f"seed {seed}: test accuracy {run['accuracy']:.4f} folded, {run['accuracy_float']:.4f} before folding")
    return run


def _fingerprint(network: Network, recipe: object, data: Dataset, seed: int) -> str:
    """Changes with anything that a run's result depends on, this package's training code included."""
    digest = hashlib.sha256(canonical_json([vars(network), vars(recipe), seed]).encode())
    for array in (data.x_train, data.y_train, data.x_valid, data.y_valid, data.x_test, data.y_test):
        digest.update(np.ascontiguousarray(array))
    digest.update(code_digest("train").encode())
    return digest.hexdigest()


def _rows(study: Study, name: str, limit: int, log: Log) -> np.ndarray:
    """Up to ``limit`` rows to compare: the test part, filled up from validation and training where it is small."""
    data = prepared(study, study.network(name).dataset, log)
    return np.concatenate([data.x_test, data.x_valid, data.x_train])[:limit]


def _insist(name: str, result: dict, *kinds: str) -> None:
    for kind in kinds:
        rows, exact = result[f"{kind}_rows"], result[f"{kind}_rows_exact"]
        if exact != rows:
            raise StudyError(f"{name}: {rows - exact} of {rows} rows differ from the folded network ({kind}); "
                             "this is a bug, please report it with this notebook")


def _data_path(study: Study, name: str) -> Path:
    return study.results / "data" / f"{name}.npz"


def _short(path: Path) -> str:
    return os.path.relpath(path, root())


def _rows_in_name(path: Path) -> str:
    digits = "".join(filter(str.isdigit, path.stem))
    return digits or "60000"
