"""Run the steps of a study: data, training, conversion, synthesis; the notebooks tell the story of these calls.

A step that needs an earlier one and finds nothing runs it first and says so: every notebook also runs alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ultralow import metrics
from ultralow.exact.load import load_network
from ultralow.importing import keras_model
from ultralow.study import identity, imported, manifest, predictions, reuse, runs
from ultralow.networks.methods import FrontNetwork
from ultralow.data.dataset import Dataset
from ultralow.errors import OwnFault, StudyError
from ultralow.files import read_json, replacing, write_json
from ultralow.exact.dense import FoldedNetwork
from ultralow.networks.recipes import Recipe
from ultralow.study.datasets import (as_network_gives_it, check_sources, checksums, data, dataset, downloads, has_dataset,
                                     short, test_file, test_part)
from ultralow.study.runs import Log, Run, Teacher
from ultralow.study.predictions import Predictions
from ultralow.study.study import Study

# Of train.json's numbers: it keeps ten significant digits, of an R² of −10,502.56968 five behind the point.
KEPT_PRECISION = 1e-9

__all__ = ["check_sources", "conversion", "data", "dataset", "downloads", "has_dataset", "synthesis", "test_file", "test_part",
           "training"]


def training(study: Study, name: str, log: Log = print) -> dict:
    """Train and test a network once for each seed (a model that was trained elsewhere is made exact and tested); writes
    train.json (with what figures need of the rows), folded.npz and model.keras.

    A seed that an interrupted run finished is kept. Conversion and synthesis take the seed with the best validation
    accuracy; the test part chooses nothing. A run on trained networks (:mod:`ultralow.study.reuse`) takes what it finds.

    Returns:
        the content of train.json.
    """
    if (train := _taken(study, name, log)) is not None:
        manifest.write_description(study)
        return train
    network, folder = study.network(name), study.folder(name)
    rows = as_network_gives_it(study, name, dataset(study, network.dataset, log))
    made = _runs(study, name, rows, log)
    results = [run.result for run in made]
    best = max(results, key=lambda result: result[f"valid_{metrics.quality(rows.y_test)}"])["seed"]
    for file in ("folded.npz", "model.keras"):
        # Of the committed study only the best seed's model is there, in its place already.
        if (chosen := folder / f"seed-{best}" / file).exists():
            with replacing(folder / file) as temporary:
                temporary.write_bytes(chosen.read_bytes())
    train = {"network": name, "dataset": rows.name, "source": rows.source, "architecture": network.architecture,
             "kind": network.kind, "recipe": _recipe(study, name),
             "seeds": [result["seed"] for result in results], "hardware_seed": best, "train_rows": len(rows.y_train),
             "valid_rows": len(rows.y_valid), "test_rows": len(rows.y_test), "input": results[0].get("input", network.input),
             "weights": network.weights, "activation": network.activation,
             "parameters": network.parameters, "operations": network.operations,
             "backend": study.settings.backend, "classes": rows.classes, "runs": results}
    if rows.targets:
        train["targets"] = dict(zip(rows.targets, zip(rows.target_mean.tolist(), rows.target_scale.tolist())))
    train |= _drawn_values(folder, train, rows, {run.result["seed"]: run.logits for run in made if run.logits is not None})
    if rows.name != "mnist":  # which has pixels for features, and a figure of its own
        train["importance"] = predictions.permutation_importance(load_network(folder / "folded.npz"), rows)
    write_json(folder / "train.json", train)
    manifest.write_description(study)
    return train


def _taken(study: Study, name: str, log: Log) -> dict | None:
    """The content of train.json where this run takes a trained network as it is; None where it trains.

    Raises:
        StudyError: it does not train, and the network is not trained.
    """
    path = study.folder(name) / "train.json"
    if name in study.shared:
        reuse.check_shared(study)
        log(f"{name}: taken from study {study.shared[name]}")
        return read_json(path)
    if reuse.mode() and path.exists():
        log(f"{name}: taken as it was trained")
        if reuse.mode() == reuse.TRAINED:
            check_predictions(study, name, log)
        return read_json(path)
    reuse.refuse(f"{name} is not trained in {short(study.results)}")
    return None


def _drawn_values(folder: Path, result: dict, data: Dataset, known: dict[int, np.ndarray]) -> dict:
    """What figures need of the rows. Of committed results some seeds' networks are not there: train.json has their values."""
    networks = _present(folder, result)
    if len(networks) < len(result["seeds"]) and (before := folder / "train.json").exists():
        train = read_json(before)
        if "roc" in train and [run["accuracy"] for run in train["runs"]] == [run["accuracy"] for run in result["runs"]]:
            return {"roc": train["roc"]}
    return predictions.drawn_values(predictions.compute(networks, data, known), result["hardware_seed"], data)


def _runs(study: Study, name: str, data: Dataset, log: Log) -> list[Run]:
    """A network's runs, one for each seed; of a model that was trained elsewhere there is one."""
    network, folder, backend = study.network(name), study.folder(name), study.settings.backend
    if (model := study.model_path(name)) is not None:
        override = study.override(name)
        job = imported.Job(network, model, data, override.raw, folder / f"seed-{keras_model.SEED}", backend,
                           None if override.outputs is None else tuple(map(str, override.outputs)),
                           bool(data.targets) and override.gives_raw_targets)
        jobs, work = [job], imported.run
    else:
        recipe = study.recipe(name)
        teacher = teacher_of(study, recipe, data, log)
        jobs = [runs.Job(network, recipe, data, seed, folder / f"seed-{seed}", backend, teacher)
                for seed in study.settings.seeds]
        work = runs.run
    made, quality = [], metrics.quality(data.y_test)
    for job in jobs:
        _restore(job.folder)
        run = work(job, log)
        if run.made:
            manifest.record(study, name, "training", training_versions(study, name))
        result = run.result
        log(f"seed {result['seed']}: test {quality} {result[quality]:.4f} folded, {result[f'{quality}_float']:.4f} before "
            "folding")
        made.append(run)
    return made


def _restore(folder: Path) -> None:
    """Puts the network and the model of the hardware seed back beside its run.json: committed results have them once, in the
    network's folder."""
    train, run = folder.parent / "train.json", folder / "run.json"
    if run.exists() and train.exists() and read_json(train).get("hardware_seed") == read_json(run).get("seed"):
        for name in ("folded.npz", "model.keras"):
            if (file := folder.parent / name).exists() and not (folder / name).exists():
                with replacing(folder / name) as temporary:
                    temporary.write_bytes(file.read_bytes())


def _recipe(study: Study, name: str) -> dict:
    """What train.json says of how a network was trained."""
    if (model := study.model_path(name)) is not None:
        return keras_model.identity(model)
    network = study.network(name)
    recipe = identity.settings_of(network, study.recipe(name))
    if isinstance(network, FrontNetwork):
        return {"name": network.recipe, "method": network.kind, **recipe, **vars(network.method)}
    return {"name": network.recipe, **recipe}


def training_versions(study: Study, name: str) -> dict[str, int]:
    """The declared versions of what trains a network, or imports it."""
    if study.model_path(name) is not None:
        return identity.versions("importing")
    return identity.training_versions(study.network(name), study.recipe(name))


def train_missing(study: Study, log: Log = print) -> None:
    """Trains the networks of a study that are not trained yet, for a notebook that runs alone."""
    for entry in study.networks:
        if not (study.folder(entry.name) / "train.json").exists():
            log(f"{entry.name} is not trained yet in {short(study.results)}: doing that first")
            training(study, entry.name, log)


def trained_network(study: Study, name: str, log: Log = print) -> FoldedNetwork:
    """The folded network that goes to hardware; trained now if it is not there."""
    path = study.folder(name) / "folded.npz"
    if not path.exists():
        log(f"{name} is not trained yet in {short(study.results)}: doing that first")
        training(study, name, log)
    return load_network(path)


def check_predictions(study: Study, name: str, log: Log = print) -> Predictions:
    """The outputs of every seed's folded network on the test part, from the files of the networks: nothing is trained.

    A seed whose network is not there (of some networks only the best seed's is committed) is left out; the log says so.

    Raises:
        StudyError: the accuracies are not those of train.json: the networks were tested on other rows.
    """
    trained_network(study, name, log)
    folder = study.folder(name)
    done = read_json(folder / "train.json")
    test = as_network_gives_it(study, name, test_part(study, done["dataset"], log))
    networks = _present(folder, done)
    computed = predictions.compute(networks, test)
    quality = metrics.quality(test.y_test)
    for run in done["runs"]:
        if run["seed"] not in networks:
            log(f"{name}, seed {run['seed']}: its network is not here, its {quality} is not checked")
            continue
        value = metrics.judged(computed.logits[run["seed"]], test.y_test, test.w_test)
        if abs(value - run[quality]) > KEPT_PRECISION * max(1.0, abs(value)):
            raise StudyError(
                f"{name}, seed {run['seed']}: {quality} {value:.10g} on the test part in {short(study.results)}/"
                f"data, but {run[quality]:.10g} in train.json; these are not the rows or not the network that "
                "train.json tells of: take the committed ones again (`git checkout`), or train")
    return computed


def _present(folder: Path, train: dict) -> dict[int, Path]:
    """The file of each seed's network that is there. The hardware seed's is committed once, in the network's folder."""
    files = {run["seed"]: folder / f"seed-{run['seed']}" / "folded.npz" for run in train["runs"]}
    return {seed: file if file.exists() else folder / "folded.npz" for seed, file in files.items()
            if file.exists() or seed == train["hardware_seed"]}


def conversion(study: Study, name: str, log: Log = print) -> dict:
    """Compare hls4ml's emulation with the exact network, row by row; writes convert.json and returns its content.

    Raises:
        StudyError: a row differs. convert.json is written all the same: it holds the count.
    """
    from ultralow.synthesis import hls4ml

    _refuse_shared(study, name)
    settings, network = study.settings, trained_network(study, name, log)
    x = _rows(study, name, settings.rows.hls, log)
    result = hls4ml.compare(network, network.encode(x), part=settings.part, clock_ns=settings.clock_ns,
                            log=log).to_dict()
    _keep(study, name, "convert.json", result, conversion_identity(study, name))
    _insist(name, result, "keras", "hls")
    return result


def synthesis(study: Study, name: str, log: Log = print) -> dict:
    """Trace the circuit of a network, simulate it against the network, synthesise it; writes synthesis.json, and rtl/ to take
    home (:mod:`ultralow.synthesis.deliverable`). Where the study asks for it, networks with fixed-point weights are built with
    a multiplier for each weight, too, in rtl-multipliers/.

    Raises:
        StudyError: a row differs; or the study asks for Vitis and it is not there.
    """
    from ultralow.synthesis import deliverable, implement

    _refuse_shared(study, name)
    settings, network, folder = study.settings, trained_network(study, name, log), study.folder(name)
    for sentence in study.without_effect:
        log(sentence)
    clock_ns = settings.clock_ns
    test = as_network_gives_it(study, name, test_part(study, study.network(name).dataset, log))
    codes = network.codes(_rows(study, name, settings.rows.rtl, log, test))
    with replacing(folder / "rtl") as temporary:
        cost = implement.measure(network, codes, temporary, clock_ns, log, settings.vhdl, **study.override(name).tracing)
        deliverable.write(network, test, cost, settings.part if settings.tool == "open" else "")
    result = cost.to_dict()
    if settings.multipliers and network.multipliable:
        with replacing(folder / "rtl-multipliers") as temporary:
            result["multipliers"] = implement.with_multipliers(network, codes, temporary, clock_ns, log).to_dict()
    if settings.tool == "vitis":
        result |= vars(implement.synthesise_with_vitis(network, folder, settings.part, clock_ns, log))
    _keep(study, name, "synthesis.json", result, synthesis_identity(study, name))
    _insist(name, result, "interpreter", "rtl", "netlist")
    if "multipliers" in result:
        _insist(name, result["multipliers"], "netlist")
    return result


def _refuse_shared(study: Study, name: str) -> None:
    if name in study.shared:
        raise StudyError(f"{name} is converted and built by study {study.shared[name]}, whose results this study takes; run that "
                         "study, or leave out results_of")


def conversion_identity(study: Study, name: str) -> identity.Parts:
    """What convert.json of a trained network depends on."""
    settings = study.settings
    return identity.of_step("conversion", *inputs_of(study, name), rows=settings.rows.hls, part=settings.part,
                            clock_ns=settings.clock_ns)


def synthesis_identity(study: Study, name: str) -> identity.Parts:
    """What synthesis.json of a trained network, and its circuit, depend on."""
    settings, override = study.settings, study.override(name)
    # The README to take home says what a code is; where this is the data's unit, its identity does.
    unit = {"raw_targets": True} if study.settings.data[study.network(name).dataset].target and override.gives_raw_targets else {}
    return identity.of_step("synthesis", *inputs_of(study, name), rows=settings.rows.rtl, part=settings.part,
                            clock_ns=settings.clock_ns, tool=settings.tool, vhdl=settings.vhdl,
                            multipliers=settings.multipliers, **override.tracing, **unit)


def inputs_of(study: Study, name: str) -> tuple[str, dict[str, str]]:
    """SHA-256 of a trained network's values, and of the arrays of its dataset."""
    return identity.of_network(study.folder(name) / "folded.npz"), checksums(study, study.network(name).dataset)


def _keep(study: Study, name: str, file: str, result: dict, parts: identity.Parts) -> None:
    write_json(study.folder(name) / file, {"network": name, **result, "identity": parts})
    manifest.record(study, name, "conversion" if file == "convert.json" else "synthesis", parts["versions"])


def teacher_of(study: Study, recipe: Recipe, data: Dataset, log: Log) -> Teacher | None:
    """The recipe's teacher, a network that the study trained, and what it says of the training rows."""
    if recipe.teacher is None:
        return None
    network = trained_network(study, recipe.teacher, log)
    values = identity.of_network(study.folder(recipe.teacher) / "folded.npz")
    return Teacher(recipe.teacher, values, network.logits(network.encode(data.x_train)))


def _rows(study: Study, name: str, limit: int, log: Log, test: Dataset | None = None) -> np.ndarray:
    """Up to ``limit`` rows (rows, features) to compare: the ``test`` part, filled up from validation and training if it is
    small."""
    of = study.network(name).dataset
    x = (test_part(study, of, log) if test is None else test).x_test
    if len(x) < limit:
        whole = dataset(study, of, log)
        x = np.concatenate([x, whole.x_valid, whole.x_train])
    return x[:limit]


def _insist(name: str, result: dict, *kinds: str) -> None:
    for kind in kinds:
        rows, exact = result[f"{kind}_rows"], result[f"{kind}_rows_exact"]
        if exact != rows:
            raise OwnFault(f"{name}: {rows - exact} of {rows} rows differ from the folded network ({kind}); "
                           "this is a bug, please report it with this notebook")
