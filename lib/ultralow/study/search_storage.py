"""Keep the trials of a search: in a journal file, which a shared file system may hold, or in a database."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from ultralow.errors import StudyError
from ultralow.files import read_json, replacing
from ultralow.study import identity
from ultralow.study.sections import JOURNAL
from ultralow.study.study import Study

ATTEMPTS = 5  # to open a database


def opened(study: Study, weights: str) -> optuna.Study:
    """The search in its storage; new if there is none. Several processes may have it open.

    Raises:
        StudyError: the database does not open, or its driver is not installed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = study.settings.search.storage
    store = journal_storage(journal(study, weights)) if url == JOURNAL else _database(url)
    with _named(url):
        return optuna.create_study(storage=store, study_name=_name(study, weights), load_if_exists=True,
                                   directions=("maximize", "minimize"))


def keep(study: Study, weights: str) -> None:
    """Writes trials of a database into the journal file, too: it is what remains of a search, with the table."""
    if (url := study.settings.search.storage) != JOURNAL:
        with replacing(journal(study, weights)) as temporary:
            optuna.copy_study(from_study_name=_name(study, weights), from_storage=_database(url),
                              to_storage=journal_storage(temporary))


def journal(study: Study, weights: str) -> Path:
    """results/<study>/search/<dataset>-<weights>.journal"""
    return study.results / "search" / f"{study.settings.search.dataset}-{weights}.journal"


def journal_storage(path: Path) -> BaseStorage:
    """Trials in a file. A symbolic link is its lock, which is atomic on NFS as well; one that a killed process left is
    taken away after half a minute."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        backend = optuna.storages.journal
        return optuna.storages.JournalStorage(
            backend.JournalFileBackend(str(path), backend.JournalFileSymlinkLock(str(path))))


def _database(url: str) -> BaseStorage:
    """Workers that start together all find a new database empty, and only one of them can make its tables: the others
    try again."""
    from sqlalchemy.exc import SQLAlchemyError

    with _named(url):
        for _ in range(ATTEMPTS - 1):
            try:
                return optuna.storages.RDBStorage(url)
            except SQLAlchemyError:
                time.sleep(1)
        return optuna.storages.RDBStorage(url)


@contextmanager
def _named(url: str) -> Iterator[None]:
    """Faults of a database as the study file's own, without the password that its URL may hold."""
    from sqlalchemy import make_url  # a second
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except ImportError as error:
        raise StudyError(f"search.storage {_shown(make_url(url))} needs a database driver that is not installed "
                         f"({error}); install it into .venv, e.g. psycopg2-binary or pymysql") from error
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        why = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise StudyError(f"search.storage {_shown(make_url(url))} does not open ({why}); mend the URL or the database, "
                         f"or leave it out: the trials then stand in a {JOURNAL} file of the results folder") from error


def _shown(url) -> str:
    return url.render_as_string(hide_password=True)


def _name(study: Study, weights: str) -> str:
    """Changes with what a trial's result depends on: trials of other rows or other versions are no guide."""
    return f"{weights}-{identity.digest(trial_identity(study))[:12]}"


def trial_identity(study: Study) -> identity.Parts:
    """What the trials of a search depend on."""
    settings = study.settings.search
    data = read_json(study.results / "data" / f"{settings.dataset}.json")["sha256"]
    return identity.plain({"settings": settings.model_dump(exclude={"trials", "weights", "workers", "storage"}), "data": data,
                           "seed": study.settings.seeds[0], "backend": study.settings.backend,
                           "versions": identity.versions("training", "weight flips", "search")})
