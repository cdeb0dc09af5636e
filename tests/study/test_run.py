"""A run holds its results folder, and its jobs compute alike whatever the caller's environment is."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ultralow.errors import StudyError
from ultralow.study import study as studies, workflow
from ultralow.study.workflow import alone


def test_a_results_folder_stays_taken_while_the_jobs_of_a_killed_run_go_on(tmp_path):
    with alone(tmp_path) as lock:
        with pytest.raises(StudyError, match="another run is at work in"), alone(tmp_path):
            pass
        jobs = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=(lock,))
    try:
        with pytest.raises(StudyError, match="another run is at work in"), alone(tmp_path):
            pass
    finally:
        jobs.kill()
        jobs.wait()
    with alone(tmp_path):
        pass


def test_jobs_have_one_thread_and_this_python_whatever_the_callers_environment(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(studies, "root", lambda: tmp_path)
    (tmp_path / "one.yaml").write_text(yaml.safe_dump({
        "name": "one", "data": {"mnist": {"source": "digits28"}}, "networks": {"mnist-tnn": None}}))
    calls = []

    class Ended:
        def __init__(self, command, **options):
            calls.append((command, options))

        def wait(self):
            return 3

    monkeypatch.setattr(workflow.subprocess, "Popen", Ended)
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    monkeypatch.setenv("PATH", "/somewhere")
    # A plan needs no server, and says nothing of a report.
    assert workflow.run(str(tmp_path / "one.yaml"), workflow.Options(cores=2, further=("--dry-run",))) == 3
    (command, options), = calls
    assert options["env"]["OMP_NUM_THREADS"] == "1" and options["env"]["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert options["env"]["PATH"].split(":") == [str(Path(sys.executable).parent), "/somewhere"]
    assert command[1:4] == ["-m", "snakemake", "--dry-run"] and command[command.index("--cores") + 1] == "2"
    assert capsys.readouterr() == ("", "")
