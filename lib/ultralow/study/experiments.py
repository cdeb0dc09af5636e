"""Knows when an ablation or a search is finished, and shows it then without its training data.

Where the data is prepared, training decides (:mod:`ultralow.study.ablations`, :mod:`ultralow.study.search`): it keeps what is of the
same code and rows, and trains the rest.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import optuna
import pandas as pd

from ultralow import csvfile
from ultralow.files import read_text
from ultralow.study import ablations, reuse, search, steps, storage
from ultralow.errors import StudyError
from ultralow.study.runs import Log
from ultralow.study.study import Study


def ablate(study: Study, network: str, log: Log = print) -> pd.DataFrame:
    """The table of :func:`ultralow.study.ablations.ablate`: the finished one where this run does not train or cannot."""
    if _shown(study, study.network(network).dataset):
        path = ablations.folder(study, network).with_suffix(".csv")
        if (table := finished_ablations(study, network, path)) is not None:
            log(f"taken as it is: {path.name}, {len(table)} variants")
            return table
        reuse.refuse(f"{path} is missing or not what the study file asks for")
    return ablations.ablate(study, network, log)


def searched(study: Study, weights: str, log: Log = print) -> tuple[pd.DataFrame, optuna.Study]:
    """The table of :func:`ultralow.study.search.search` and its trials: the finished ones where this run does not train or
    cannot.

    Raises:
        StudyError: a line of the journal is damaged.
    """
    _check_lines(storage.journal(study, weights))
    if _shown(study, study.settings.search.dataset):
        path = storage.journal(study, weights)
        if (found := finished_search(path, weights, study.settings.search.trials)) is not None:
            log(f"taken as it is: {path.name}, {len(found[0])} trials")
            return found
        reuse.refuse(f"{path} is missing or lacks trials that the study file asks for")
    table = search.search(study, weights, log)
    return table, storage.opened(study, weights)


def finished_ablations(study: Study, network: str, path: Path) -> pd.DataFrame | None:
    """The table in ``path`` if it has every variant of the study's ablations, with all seeds; else None."""
    if not path.exists():
        return None
    table = ablations.typed(csvfile.read(path).astype({"settings": "string"}).fillna({"settings": ""}))
    whole = (list(table["change"]) == list(ablations.variants(study, network))
             and (table["seeds"] == len(study.settings.seeds)).all())
    return table if whole else None


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
            found = optuna.load_study(study_name=name, storage=trials_there)
            if name.startswith(f"{weights}-") and len(search.finished(found)) >= trials:
                table = search.tabulate(found)
                if csvfile.to_text(table) == csv.read_text(encoding="utf-8"):
                    return table, _in_memory(found)
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


def _in_memory(found: optuna.Study) -> optuna.Study:
    """The same trials without the file."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    copy = optuna.create_study(directions=found.directions)
    copy.add_trials(search.finished(found))
    return copy


def _shown(study: Study, dataset: str) -> bool:
    return reuse.mode() is not None or not steps.has_dataset(study, dataset)
