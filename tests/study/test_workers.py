"""Several workers on one search: together they try so many networks as the study asks for, and no two the same."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from test_experiments import a_study, fake_fit

from ultralow import cli
from ultralow.study import runs, search, search_storage as storage, steps, study
from ultralow.errors import StudyError
from ultralow.files import read_json

TRIALS = 20
# A worker whose trials take no training but some time: the others come in between.
WORKER = """
import random, sys, time
from pathlib import Path
import test_experiments as tests
from ultralow.study import runs, search, study

def fit(*arguments):
    time.sleep(random.uniform(0, 0.2))
    return tests.fake_fit(*arguments)

runs.fit, runs.start_keras = fit, lambda backend: None
study.root = lambda: Path(sys.argv[1])
search.work_as(study.load(sys.argv[2]), "binary", int(sys.argv[3]))
"""


def python(*arguments):
    return subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1",
                                 "TF_CPP_MIN_LOG_LEVEL": "3"})


def ended(processes):
    texts = [process.communicate(timeout=300)[0] for process in processes]
    assert not any(process.returncode for process in processes), "\n".join(texts)


def a_search(monkeypatch, folder, **settings):
    settings = {"dataset": "jets", "weights": ["binary"], "trials": TRIALS, "workers": 3, **settings}
    this = a_study(monkeypatch, folder, search=settings)
    this.file.write_text(yaml.safe_dump({**this.settings.model_dump(), "search": settings}))
    return this


@pytest.mark.parametrize("url", ["journal", "sqlite:///{folder}/trials.db"])
def test_workers_share_one_search(url, monkeypatch, tmp_path):
    this = a_search(monkeypatch, tmp_path, storage=url.format(folder=tmp_path))
    ended([python("-c", WORKER, str(tmp_path), str(this.file), str(n)) for n in (1, 2, 3)])
    trials = storage.opened(this, "binary")
    assert len(search.finished(trials)) == len(search.claimed(trials)) == TRIALS  # not one too many
    counts = [read_json(search.worker_file(this, "binary", n))["trials"] for n in (1, 2, 3)]
    assert sum(counts) == TRIALS and min(counts) > 0
    drawn = [tuple(trial.params.values()) for trial in search.finished(trials)]
    assert len(set(drawn)) == TRIALS  # each worker draws its own
    monkeypatch.setattr(runs, "fit", lambda *arguments: pytest.fail("enough was tried"))
    monkeypatch.setattr(runs, "start_keras", lambda backend: None)
    table, shown = search.searched(this, "binary", lambda line: None)
    assert len(table) == TRIALS and table["on_front"].any()
    # The journal remains of it, also where a database was the storage.
    again, _ = search.finished_search(storage.journal(this, "binary"), "binary", TRIALS)
    pd.testing.assert_frame_equal(again, table)


def test_what_killed_workers_began_is_tried_again(monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "fit", fake_fit)
    monkeypatch.setattr(runs, "start_keras", lambda backend: None)
    this = a_search(monkeypatch, tmp_path, trials=6)
    storage.opened(this, "binary").ask()  # begun, never told
    assert search.work_as(this, "binary", 1, lambda line: None) == 5  # for all that it knows, somebody is at it
    assert len(search.search(this, "binary", lambda line: None)) == 6


def test_two_processes_train_for_one_search(tmp_path):
    """As the workflow does it, with Keras, at the smallest size."""
    name = f"test-workers-{os.getpid()}"
    (file := tmp_path / "workers.yaml").write_text(yaml.safe_dump({
        "name": name, "smoke": True, "data": {"jets": {"source": "generated", "path": "data/jets.root", "rows": 1000}},
        "networks": {"jets-bnn-small": None}, "seeds": [1],
        "search": {"dataset": "jets", "weights": ["binary"], "trials": 4, "epochs": 1, "rows": 300, "workers": 2}}))
    this = study.load(file)
    try:
        steps.data(this, "jets", lambda line: None)
        ended([python("-m", "ultralow.cli", "worker", str(file), "binary", str(n)) for n in (1, 2)])
        trials = search.finished(storage.opened(this, "binary"))
        assert len(trials) == 4 and len({tuple(trial.params.values()) for trial in trials}) == 4
        assert sum(read_json(search.worker_file(this, "binary", n))["trials"] for n in (1, 2)) == 4
    finally:
        shutil.rmtree(this.results, ignore_errors=True)


@pytest.mark.parametrize("url, message", [
    ("trials.db", "search.storage 'trials.db' is neither 'journal' nor the URL of a database"),
    ("sqlite:////nowhere/at/all/trials.db", "search.storage sqlite:////nowhere/at/all/trials.db does not open"),
    ("postgresql+psycopg2://me:secret@host/t", r"search.storage postgresql\+psycopg2://me:\*\*\*@host/t needs a data")])
def test_a_storage_that_does_not_work_is_named(url, message, monkeypatch, tmp_path):
    monkeypatch.setattr(storage, "ATTEMPTS", 1)
    with pytest.raises(StudyError, match=message) as fault:
        storage.opened(a_search(monkeypatch, tmp_path, storage=url), "binary")
    assert "secret" not in str(fault.value)


@pytest.mark.parametrize("weights, worker, message", [("ternary", 1, "no search for networks of ternary weights"),
                                                      ("binary", 4, "worker 4 is not one of 1 to 3")])
def test_a_worker_that_the_study_does_not_have_is_refused(weights, worker, message, monkeypatch, tmp_path, capsys):
    this = a_search(monkeypatch, tmp_path)
    assert cli.main(["worker", str(this.file), weights, str(worker)]) == 2
    assert message in capsys.readouterr().err
