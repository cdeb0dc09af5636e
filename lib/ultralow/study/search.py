"""Knows how Optuna looks for networks: layers, neurons and training, accuracy and LUTs at once."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, Trial, TrialState

from ultralow import csvfile
from ultralow.study import identity, manifest, runs, steps, storage
from ultralow.networks.catalogue import CATALOGUE, NetworkSpec
from ultralow.circuit.lut_estimate import luts
from ultralow.networks.recipes import CHOICES, RECIPES, Recipe
from ultralow.study.runs import Log
from ultralow.study.study import Study

GOALS = ("validation accuracy", "estimated LUTs")
BATCHES = (256, 512, 1024, 2048)
RANDOM_TRIALS = 10  # before the sampler begins to learn
WORKER_STEP = 15_485_863  # between the seeds of two workers: a prime far from 1000


def search(study: Study, weights: str, log: Log = print) -> pd.DataFrame:
    """Trials up to the number that the study's ``search`` asks for, then the table of all; writes <weights>.csv.

    The trials stand in a storage (:mod:`ultralow.study.storage`): a stopped search goes on, and what several workers tried
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
