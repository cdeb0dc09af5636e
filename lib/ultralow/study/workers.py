"""Knows one of several workers on a search: `python -m ultralow.study.workers config/paper.yaml binary 2` is the second."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ultralow.study import search, storage
from ultralow.study import study as studies
from ultralow.errors import StudyError
from ultralow.files import write_json
from ultralow.study.runs import Log
from ultralow.study.study import Study


def work(study: Study, weights: str, worker: int, log: Log = print) -> int:
    """Tries networks until the workers together have tried enough; writes how many were this one's.

    Raises:
        StudyError: the study has no such search or no such worker.
    """
    if study.settings.search is None or weights not in study.settings.search.weights:
        raise StudyError(f"study {study.settings.name} has no search for networks of {weights} weights; "
                         "see search.weights")
    if not 1 <= worker <= study.settings.search.workers:
        raise StudyError(f"worker {worker} is not one of 1 to {study.settings.search.workers}; see search.workers")
    trials = search.work(study, weights, log, worker)
    mine = sum(trial.user_attrs.get("worker") == worker for trial in search.finished(trials))
    write_json(done(study, weights, worker), {"worker": worker, "trials": mine})
    return mine


def done(study: Study, weights: str, worker: int) -> Path:
    """The file that says that a worker has finished."""
    return storage.journal(study, weights).with_suffix(f".worker-{worker}.json")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="One of several workers on a study's search for networks.")
    parser.add_argument("study", help="study file, e.g. config/paper.yaml")
    parser.add_argument("weights", help="binary or ternary")
    parser.add_argument("worker", type=int, help="its number: 1, 2 … up to search.workers of the study file")
    given = parser.parse_args(arguments)
    try:
        print(f"worker {given.worker}: {work(studies.load(given.study), given.weights, given.worker)} trials")
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
