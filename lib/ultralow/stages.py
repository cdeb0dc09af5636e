"""Knows the stages of a study: what each reads, computes and writes. The notebooks tell the story of these calls.

A stage that needs an earlier one and finds nothing runs it first and says so: every notebook also runs alone.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ultralow import dataset as datasets
from ultralow import runs
from ultralow.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.files import replacing, write_json
from ultralow.folded import FoldedNetwork
from ultralow.recipes import Recipe
from ultralow.runs import Log
from ultralow.study import Study, root


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
    # Of a committed study only the JSON is there.
    if not _data_path(study, name).exists():
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
    folder, teacher = study.folder(name), teacher_logits(study, recipe, data, log)
    results = []
    for seed in study.settings.seeds:
        results.append(runs.run(network, recipe, data, seed, folder / f"seed-{seed}", log, teacher,
                                study.settings.backend))
        log("seed {seed}: test accuracy {accuracy:.4f} folded, {accuracy_float:.4f} before folding".format(**results[-1]))
    best = max(results, key=lambda run: run["valid_accuracy"])["seed"]
    logits = {f"logits_{seed}": _logits(folder / f"seed-{seed}" / "folded.npz", data.x_test)
              for seed in study.settings.seeds}
    with replacing(folder / "scores.npz") as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, labels=data.y_test, **logits)
    for file in ("folded.npz", "model.keras"):
        # Of the committed study only the best seed's model is there, in its place already.
        if (chosen := folder / f"seed-{best}" / file).exists():
            with replacing(folder / file) as temporary:
                temporary.write_bytes(chosen.read_bytes())
    result = {"network": name, "dataset": data.name, "source": data.source, "architecture": network.architecture,
              "kind": network.kind, "recipe": {"name": network.recipe, **vars(recipe)},
              "seeds": study.settings.seeds, "hardware_seed": best, "train_rows": len(data.y_train),
              "valid_rows": len(data.y_valid), "test_rows": len(data.y_test), "input": network.input,
              "weights": network.weights, "activation": network.activation,
              "parameters": network.parameters, "operations": network.operations,
              "backend": study.settings.backend, "classes": data.classes, "runs": results}
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
    x = _rows(study, name, folded, settings.rows.hls, log)
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
    codes = folded.input.codes(_rows(study, name, folded, settings.rows.rtl, log))
    with replacing(folder / "rtl") as temporary:
        result = hardware.measure(folded, codes, temporary, clock_ns=settings.clock_ns, log=log)
    if settings.tool == "vitis":
        result |= hardware.measure_with_vitis(folded, folder, settings.part, settings.clock_ns, log)
    write_json(folder / "synthesis.json", {"network": name, **result})
    _insist(name, result, "interpreter", "rtl")
    return result


def _logits(path: Path, x: np.ndarray) -> np.ndarray:
    """The outputs (rows, classes), float32, of the folded network in a file for features ``x`` (rows, inputs)."""
    folded = FoldedNetwork.load(path)
    return folded.logits(folded.encode(x)).astype(np.float32)


def teacher_logits(study: Study, recipe: Recipe, data: Dataset, log: Log) -> np.ndarray | None:
    """What the recipe's teacher, the folded network that the study trained, says of the training rows."""
    if recipe.teacher is None:
        return None
    teacher = trained(study, recipe.teacher, log)
    return teacher.logits(teacher.encode(data.x_train))


def _rows(study: Study, name: str, folded: FoldedNetwork, limit: int, log: Log) -> np.ndarray:
    """Up to ``limit`` encoded rows to compare: the test part, filled up from validation and training if it is small."""
    data = prepared(study, study.network(name).dataset, log)
    return folded.encode(np.concatenate([data.x_test, data.x_valid, data.x_train])[:limit])


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
