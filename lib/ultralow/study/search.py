"""Search for networks by Optuna: layers, neurons and training, for accuracy and LUTs at once; alone or with other workers.

A finished search is shown without its training data. Where the data is prepared, training decides: what is of the same code and
rows is kept, and the rest is trained.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, Trial, TrialState

from ultralow import csvfile
from ultralow.circuit.lut_estimate import luts
from ultralow.errors import StudyError
from ultralow.files import read_text, write_json
from ultralow.networks.catalogue import CATALOGUE, NetworkSpec
from ultralow.networks.recipes import CHOICES, RECIPES, Recipe
from ultralow.study import identity, manifest, reuse, runs, search_storage as storage, steps
from ultralow.study.runs import Log
from ultralow.study.study import Study

GOALS = ("validation accuracy", "estimated LUTs")
BATCHES = (256, 512, 1024, 2048)
RANDOM_TRIALS = 10  # before the sampler begins to learn
WORKER_STEP = 15_485_863  # between the seeds of two workers: a prime far from 1000


def searched(study: Study, weights: str, log: Log = print) -> tuple[pd.DataFrame, optuna.Study]:
    """The table of :func:`search` and its trials: the finished ones where this run does not train or cannot.

    Raises:
        StudyError: a line of the journal is damaged.
    """
    path = storage.journal(study, weights)
    _check_lines(path)
    if reuse.mode() is not None or not steps.has_dataset(study, study.settings.search.dataset):
        if (kept := finished_search(path, weights, study.settings.search.trials)) is not None:
            log(f"taken as it is: {path.name}, {len(kept[0])} trials")
            return kept
        reuse.refuse(f"{path} is missing or lacks trials that the study file asks for")
    table = search(study, weights, log)
    return table, storage.opened(study, weights)


def search(study: Study, weights: str, log: Log = print) -> pd.DataFrame:
    """Trials up to the number that the study's ``search`` asks for, then the table of all; writes <weights>.csv.

    The trials stand in a storage (:mod:`ultralow.study.search_storage`): a stopped search goes on, and what several workers tried
    before counts. A single process gives the same trials for the same seed, also after a stop. Accuracy is that of the
    folded network on the validation part; the test part is not touched.

    Returns:
        One row per finished trial: trial, architecture, the parameters, valid_accuracy, lut_estimate, on_front.
    """
    trials = work(study, weights, log)
    table = tabulate(trials)
    storage.keep(study, weights)
    csv = storage.journal(study, weights).with_suffix(".csv")
    csvfile.write(table, csv)
    identity.write(csv, parts := storage.trial_identity(study))
    manifest.record(study, f"search-{study.settings.search.dataset}", weights, parts["versions"])
    return table


def work(study: Study, weights: str, log: Log = print, worker: int = 0) -> optuna.Study:
    """Adds trials until there are as many as the study's ``search`` asks for.

    Args:
        worker: 0 is alone at work; 1, 2 … work at the same time, each under a number of its own. They leave out trials
            that others have begun, so that together they make no trial too many; those that a killed worker had begun
            are left to worker 0.
    """
    settings, seed = study.settings.search, study.settings.seeds[0]
    data = steps.dataset(study, settings.dataset, log).head(settings.rows)
    trials = storage.opened(study, weights)
    runs.start_keras(study.settings.backend)
    counted = claimed if worker else finished
    while (done := len(counted(trials))) < settings.trials:
        # A sampler of its own for each trial: what it draws depends on the seed and the trials before, not on
        # how often the search was stopped.
        trials.sampler = sampler(seed, done, worker)
        trial = trials.ask()
        if worker and sum(other.number < trial.number for other in claimed(trials)) >= settings.trials:
            trials.tell(trial, state=TrialState.FAIL)  # others were faster
            continue
        if worker:
            trial.set_user_attr("worker", worker)
        try:
            network, recipe = suggest(trial, settings.dataset, weights, settings.epochs)
            model, folded, history, accuracy = runs.fit(network, recipe, data, seed, lambda line: None)
            cost = luts(folded)
        except BaseException:
            trials.tell(trial, state=TrialState.FAIL)
            raise
        last = trials.tell(trial, (accuracy, cost))
        log(f"trial {done + 1} of {settings.trials}: {architecture(last)}, validation accuracy {accuracy:.4f}, "
            f"about {cost:,.0f} LUTs")
    return trials


def work_as(study: Study, weights: str, worker: int, log: Log = print) -> int:
    """Is one of several workers: tries networks until they together have tried enough; writes how many were this one's.

    Raises:
        StudyError: the study has no such search or no such worker.
    """
    if study.settings.search is None or weights not in study.settings.search.weights:
        raise StudyError(f"study {study.settings.name} has no search for networks of {weights} weights; "
                         "see search.weights")
    if not 1 <= worker <= study.settings.search.workers:
        raise StudyError(f"worker {worker} is not one of 1 to {study.settings.search.workers}; see search.workers")
    trials = work(study, weights, log, worker)
    mine = sum(trial.user_attrs.get("worker") == worker for trial in finished(trials))
    write_json(worker_file(study, weights, worker), {"worker": worker, "trials": mine})
    return mine


def worker_file(study: Study, weights: str, worker: int) -> Path:
    """The file that says that a worker has finished."""
    return storage.journal(study, weights).with_suffix(f".worker-{worker}.json")


def suggest(trial: Trial, dataset: str, weights: str, epochs: int) -> tuple[NetworkSpec, Recipe]:
    """The trial's network and recipe: neurons, layers, batch size, learning rate, optimiser, as in the slides; and how
    strongly ternary weights are pulled to zero."""
    layers = trial.suggest_int("layers", 1, 4)
    hidden = tuple(2 * trial.suggest_int(f"neurons{n}", 4, 128, log=True) for n in range(1, layers + 1))
    like = next(entry for entry in CATALOGUE.values() if entry.dataset == dataset and entry.weights == weights)
    network = replace(like, name=f"{dataset}-{weights}-trial", widths=(like.widths[0], *hidden, like.widths[-1]),
                      published=None)
    recipe = replace(RECIPES[like.recipe], epochs=epochs, batch_size=trial.suggest_categorical("batch_size", BATCHES),
                     learning_rate=trial.suggest_float("learning_rate", 3e-4, 1e-1, log=True),
                     optimizer=trial.suggest_categorical("optimizer", CHOICES["optimizer"]), teacher=None)
    if weights == "ternary":
        recipe = replace(recipe, l1=trial.suggest_float("l1", 1e-6, 1e-4, log=True))
    return network, recipe


def sampler(seed: int, done: int, worker: int = 0) -> optuna.samplers.BaseSampler:
    """What proposes the trial after ``done`` others; workers at the same point propose different ones."""
    return optuna.samplers.TPESampler(seed=(1000 * seed + done + WORKER_STEP * worker) % 2**32,
                                      n_startup_trials=RANDOM_TRIALS)


def finished(trials: optuna.Study) -> list[FrozenTrial]:
    return trials.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def claimed(trials: optuna.Study) -> list[FrozenTrial]:
    """Finished trials and those that somebody works on."""
    return trials.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.RUNNING))


def architecture(trial: FrozenTrial) -> str:
    """Neurons of the hidden layers."""
    return "x".join(str(2 * trial.params[f"neurons{n}"]) for n in range(1, trial.params["layers"] + 1))


def tabulate(trials: optuna.Study) -> pd.DataFrame:
    """See :func:`search`."""
    best = {trial.number for trial in trials.best_trials}
    rows = [{"trial": trial.number, "hidden": architecture(trial), "layers": trial.params["layers"],
             **{name: trial.params[name] for name in ("batch_size", "learning_rate", "optimizer", "l1")
                if name in trial.params},
             "valid_accuracy": trial.values[0], "lut_estimate": round(trial.values[1]),
             "on_front": trial.number in best} for trial in finished(trials)]
    return pd.DataFrame(rows).round({"valid_accuracy": 6, "learning_rate": 8, "l1": 10})


def importances(trials: optuna.Study) -> dict[str, dict[str, float]]:
    """Share of every parameter that all trials have in the spread of each goal."""
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return {goal: dict(optuna.importance.get_param_importances(
        trials, evaluator=evaluator, target=lambda trial, index=index: trial.values[index]))
        for index, goal in enumerate(GOALS)}


def finished_search(path: Path, weights: str, trials: int) -> tuple[pd.DataFrame, optuna.Study] | None:
    """Table and trials in the journal ``path`` if so many are finished and the CSV beside it tells the same; else None.

    A copy of the journal is read, since opening one writes to it.
    """
    csv = path.with_suffix(".csv")
    if not (path.exists() and csv.exists()):
        return None
    with tempfile.TemporaryDirectory() as folder:
        trials_there = storage.journal_storage(Path(shutil.copy(path, folder)))
        for name in optuna.get_all_study_names(trials_there):
            kept = optuna.load_study(study_name=name, storage=trials_there)
            if name.startswith(f"{weights}-") and len(finished(kept)) >= trials:
                table = tabulate(kept)
                if csvfile.to_text(table) == csv.read_text(encoding="utf-8"):
                    return table, _in_memory(kept)
    return None


def _check_lines(journal: Path) -> None:
    """Optuna reads a journal line by line, and takes the last one for one that is still being written."""
    if not journal.exists():
        return
    try:
        for line in read_text(journal).splitlines()[:-1]:
            if not isinstance(json.loads(line), dict):
                raise ValueError("it is no object")
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{journal} is damaged ({error}); delete it and {journal.with_suffix('.csv').name} beside it, and "
                         "search again (`make study`)") from None


def _in_memory(trials: optuna.Study) -> optuna.Study:
    """The same trials without the file."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    copy = optuna.create_study(directions=trials.directions)
    copy.add_trials(finished(trials))
    return copy
