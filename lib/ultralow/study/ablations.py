"""Measure what one change of a recipe is worth: the same network, seeds and rows, with and without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ultralow import csvfile, metrics
from ultralow.study import identity, manifest, reuse, runs, steps
from ultralow.errors import StudyError
from ultralow.networks.recipes import Recipe
from ultralow.study.runs import Log
from ultralow.study.study import Study

UNCHANGED = "as it is"


def ablated(study: Study, network: str, log: Log = print) -> pd.DataFrame:
    """The table of :func:`ablate`: the finished one where this run does not train, or cannot without the rows."""
    if reuse.mode() is not None or not steps.has_dataset(study, study.network(network).dataset):
        path = folder(study, network).with_suffix(".csv")
        if (table := finished_ablations(study, network, path)) is not None:
            log(f"taken as it is: {path.name}, {len(table)} variants")
            return table
        reuse.refuse(f"{path} is missing or not what the study file asks for")
    return ablate(study, network, log)


def ablate(study: Study, network: str, log: Log = print) -> pd.DataFrame:
    """Trains a network with its recipe, and with each change of the study's ``ablations`` that says something new.

    Every variant has the study's seeds, so that differences are paired. Accuracies are of the folded network on the
    validation part; the test part is not touched. Writes results/<study>/ablations/<network>.csv.

    Returns:
        One row per variant, the unchanged first: change, settings, seeds, valid_accuracy_mean, valid_accuracy_std,
        difference_points (percentage points against the unchanged), difference_error (standard error of its mean;
        NA for one seed), zero_weights.

    Raises:
        StudyError: the study has no ablations, or not of this network.
    """
    settings = study.settings.ablations
    if settings is None or network not in settings.networks:
        raise StudyError(f"study {study.settings.name} asks for no ablations of {network}; "
                         "name it under ablations.networks")
    entry, recipes = study.network(network), variants(study, network)
    data = steps.dataset(study, entry.dataset, log).head(settings.rows)
    accuracies, rows = {}, []
    for number, (change, recipe) in enumerate(recipes.items(), start=1):
        log(f"{network}, variant {number} of {len(recipes)}: {change}")
        teacher, place = steps.teacher_of(study, recipe, data, log), folder(study, network) / _safe(change)
        jobs = [runs.Job(entry, recipe, data, seed, place / f"seed-{seed}", study.settings.backend, teacher, test=False)
                for seed in study.settings.seeds]
        results = [runs.run(job, _quiet).result for job in jobs]
        accuracies[change] = np.array([run["valid_accuracy"] for run in results])
        difference = 100 * (accuracies[change] - accuracies[UNCHANGED])
        rows.append({
            "change": change, "settings": _settings(recipe, recipes[UNCHANGED]), "seeds": len(results),
            "valid_accuracy_mean": accuracies[change].mean(), "valid_accuracy_std": metrics.deviation(accuracies[change]),
            "difference_points": difference.mean(),
            "difference_error": None if len(results) < 2 else metrics.deviation(difference) / len(results) ** 0.5,
            "zero_weights": np.mean([run["zero_weights"] for run in results])})
        log(f"  validation accuracy {accuracies[change].mean():.4f}, {difference.mean():+.2f} points")
    table = typed(pd.DataFrame(rows))
    csvfile.write_with_checksum(table, folder(study, network).with_suffix(".csv"))
    identity.write(folder(study, network).with_suffix(".csv"), parts := table_identity(study, network, data.sha256))
    manifest.record(study, network, "ablations", parts["versions"])
    return table


def finished_ablations(study: Study, network: str, path: Path) -> pd.DataFrame | None:
    """The table in ``path`` if it has every variant of the study's ablations, with all seeds; else None."""
    if not path.exists():
        return None
    table = typed(csvfile.read(path).astype({"settings": "string"}).fillna({"settings": ""}))
    whole = (list(table["change"]) == list(variants(study, network))
             and (table["seeds"] == len(study.settings.seeds)).all())
    return table if whole else None


def table_identity(study: Study, network: str, data: dict[str, str]) -> identity.Parts:
    """What the table of a network's ablations depends on; ``data``: SHA-256 of each array of the rows that are trained on."""
    entry, recipes = study.network(network), variants(study, network)
    versions = {name: version for recipe in recipes.values()
                for name, version in identity.training_versions(entry, recipe).items()}
    return identity.plain({"network": identity.specification(entry), "data": data, "seeds": study.settings.seeds,
                           "recipes": {change: identity.settings_of(entry, recipe) for change, recipe in recipes.items()},
                           "backend": study.settings.backend, "versions": versions})


def variants(study: Study, network: str) -> dict[str, Recipe]:
    """The recipe as it is, and after each change that applies to the network, by the change's name."""
    settings, kind = study.settings.ablations, study.network(network).kind
    recipe = study.recipe(network, settings.recipes.get(network))
    if settings.epochs:
        recipe = replace(recipe, epochs=settings.epochs)
    changed = {change: replace(recipe, **fields) for change, fields in settings.changes.items()}
    return {UNCHANGED: recipe, **{change: other for change, other in changed.items()
                                  if other != recipe and ("threshold" not in settings.changes[change]
                                                          or kind.startswith("ternary"))}}


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with numbers that may be NA, rounded as they are written."""
    numbers = table.columns.difference(["change", "settings", "seeds"])
    return table.astype({column: "Float64" for column in numbers}).round(dict.fromkeys(numbers, 6))


def folder(study: Study, network: str) -> Path:
    """Where the variants of a network are kept."""
    return study.results / "ablations" / network


def _settings(recipe: Recipe, base: Recipe) -> str:
    """What differs, as text."""
    return ", ".join(f"{name}={value}" for name, value in vars(recipe).items() if value != getattr(base, name))


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)


def _quiet(line: str) -> None:
    pass
