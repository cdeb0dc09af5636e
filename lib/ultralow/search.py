"""Knows how Optuna looks for networks: layers, neurons and training, accuracy and LUTs at once."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, Trial, TrialState

from ultralow import runs, stages, tables
from ultralow.catalogue import CATALOGUE, Network
from ultralow.estimate import luts
from ultralow.files import canonical_json, read_json
from ultralow.provenance import code_digest
from ultralow.recipes import CHOICES, RECIPES, Recipe
from ultralow.runs import Log
from ultralow.study import Study

GOALS = ("validation accuracy", "estimated LUTs")
BATCHES = (256, 512, 1024, 2048)
RANDOM_TRIALS = 10  # before the sampler begins to learn


def search(study: Study, weights: str, log: Log = print) -> pd.DataFrame:
    """Trials up to the number that the study's ``search`` asks for, then the table of all; writes <weights>.csv.

    The trials stand in a journal file: a stopped search goes on, and several processes may work on the same one.
    A single process gives the same trials for the same seed, also after a stop. Accuracy is that of the folded
    network on the validation part; the test part is not touched.

    Returns:
        One row per finished trial: trial, architecture, the parameters, valid_accuracy, lut_estimate, on_front.
    """
    settings = study.settings.search
    data = stages.prepared(study, settings.dataset, log).head(settings.rows)
    trials = opened(study, weights)
    runs.start_keras(study.settings.backend)
    seed = study.settings.seeds[0]

    def objective(trial: Trial) -> tuple[float, float]:
        network, recipe = suggest(trial, settings.dataset, weights, settings.epochs)
        model, folded, history, accuracy = runs.fit(network, recipe, data, seed, lambda line: None)
        return accuracy, luts(folded)

    while (done := len(finished(trials))) < settings.trials:
        # A sampler of its own for each trial: what it draws depends on the seed and the trials before, not on
        # how often the search was stopped.
        trials.sampler = sampler(seed, done)
        trials.optimize(objective, n_trials=1)
        accuracy, cost = (last := finished(trials)[-1]).values
        log(f"trial {done + 1} of {settings.trials}: {architecture(last)}, validation accuracy {accuracy:.4f}, "
            f"about {cost:,.0f} LUTs")
    table = tabulate(trials)
    tables.write(table, journal(study, weights).with_suffix(".csv"))
    return table


def suggest(trial: Trial, dataset: str, weights: str, epochs: int) -> tuple[Network, Recipe]:
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


def sampler(seed: int, done: int) -> optuna.samplers.BaseSampler:
    """What proposes the trial after ``done`` others."""
    return optuna.samplers.TPESampler(seed=1000 * seed + done, n_startup_trials=RANDOM_TRIALS)


def opened(study: Study, weights: str) -> optuna.Study:
    """The search in its journal file; new if there is none."""
    path = journal(study, weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    return optuna.create_study(storage=storage, study_name=f"{weights}-{_digest(study)}",
                               directions=("maximize", "minimize"), load_if_exists=True)


def _digest(study: Study) -> str:
    """Changes with what a trial's result depends on: trials of other rows or other code are no guide."""
    settings, runs_on = study.settings.search.model_dump(exclude={"trials", "weights"}), study.settings.backend
    data = read_json(study.results / "data" / f"{settings['dataset']}.json")["sha256"]
    parts = canonical_json([settings, study.settings.seeds[0], runs_on, data, code_digest("train"), code_digest("search")])
    return hashlib.sha256(parts.encode()).hexdigest()[:12]


def journal(study: Study, weights: str) -> Path:
    return study.results / "search" / f"{study.settings.search.dataset}-{weights}.journal"


def finished(trials: optuna.Study) -> list[FrozenTrial]:
    return trials.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


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
