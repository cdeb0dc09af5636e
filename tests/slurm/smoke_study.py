"""The smoke study through a real Slurm gives what it gives without. By `make test-slurm`: minutes, and Slurm is needed.

Not found by `make test`, on purpose: it takes longer than a test may, and few machines have Slurm.
"""

import collections
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from one_node import OneNode, missing

from ultralow.study import cluster
from ultralow.study.workflow import alone
from ultralow.study.study import root

SMOKE = yaml.safe_load((root() / "config/smoke.yaml").read_text())
# The node keeps no accounts; what a site's own profile would say.
SITE = ["--slurm-no-account", "--slurm-status-command", "squeue", "--slurm-keep-successful-logs"]
LINE = r"synthesis jets-bnn-small: [\d,]+ LUT, [\d.]+ ns, all 200 rows exact"


def start(study, *options, environment=os.environ):
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    command = [sys.executable, "-m", "ultralow.cli", "run", str(study), *options]
    return subprocess.Popen(command, cwd=root(), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, start_new_session=True, env={
                                **environment, "PATH": path, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"})


@pytest.fixture
def study(tmp_path):
    """Makes study files of the smoke study whose results are removed in the end."""
    made = []

    def make(name, **changes):
        content = SMOKE | {"name": f"{name}-{os.getpid()}"} | changes
        (file := tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        made.append(root() / "results" / content["name"])
        return file, made[-1]

    yield make
    for results in made:
        shutil.rmtree(results, ignore_errors=True)


@pytest.fixture
def slurm(tmp_path_factory):
    if (lacking := missing()):
        pytest.fail(f"{', '.join(lacking)} not found; on Debian and Ubuntu: apt install slurm-wlm munge")
    with OneNode(tmp_path_factory.mktemp("slurm")) as node:
        yield node


def test_the_smoke_study_gives_the_same_on_slurm(slurm, study, tmp_path):
    search = SMOKE["search"] | {"workers": 2}
    (here, local), (there, remote) = study("test-here"), study("test-slurm", search=search)
    seconds = {}
    for name, file, options in (("slurm", there, ["--profile", "slurm", *SITE, "--slurm-logdir", str(tmp_path / "logs")]), ("here", here, ["--cores", "2"])):
        began = time.monotonic()
        run = start(file, *options, environment=slurm.environment)
        if name == "slurm":  # while its jobs are elsewhere, the results folder is this run's
            while not slurm.jobs() and run.poll() is None:
                time.sleep(0.5)
            second = start(file, *options, environment=slurm.environment)
            assert "another run is at work in" in second.communicate()[0] and second.returncode == 2
        text = run.communicate()[0]
        seconds[name] = time.monotonic() - began
        assert run.returncode == 0, text[-3000:]
        # The submitting process says what came out of each job, and how far the study is.
        assert re.search(rf"^{LINE}; \d+ of \d+", text, re.MULTILINE) and "jobid" not in text, text[-3000:]
    # A job says it in its own log, and in Slurm's.
    assert re.search(f"^{LINE}$", (remote / "logs/jets-bnn-small-synthesis.log").read_text(), re.MULTILINE)
    assert any(re.search(f"^{LINE}$", log.read_text(), re.MULTILINE) for log in (tmp_path / "logs").rglob("*.log"))
    jobs = slurm.jobs()
    states = collections.Counter(job["JobState"] for job in jobs)
    print(f"\nSlurm: {len(jobs)} jobs, {dict(states)}, {seconds['slurm']:.0f} s; here: {seconds['here']:.0f} s")

    for file in ("comparison.csv", "area.csv", "jets-bnn-small/folded.npz", "jets-bnn-small/synthesis.json"):
        assert (remote / file).read_bytes() == (local / file).read_bytes(), file
    # Every step was a job of Slurm's: a notebook each, the report, two workers on the search.
    assert states == {"COMPLETED": len(list((remote / "executed").glob("*.ipynb"))) + 1 + 2}
    assert {int(job["TimeLimit"]) for job in jobs} == {needs.minutes for needs in cluster.STEPS.values()}
    assert len((remote / "search/jets-binary.csv").read_text().splitlines()) == 1 + search["trials"]
    assert not list((remote / "search").glob("*.worker-*"))


def test_an_interrupted_study_takes_its_jobs_out_of_the_queue(slurm, study):
    file, results = study("test-stopped")
    run = start(file, "--profile", "slurm", *SITE, environment=slurm.environment)
    while not slurm.queue() and run.poll() is None:
        time.sleep(0.5)
    os.killpg(run.pid, signal.SIGINT)  # what Ctrl-C does
    text = run.communicate()[0]
    assert run.returncode and "Traceback" not in text, text[-3000:]
    end = time.monotonic() + 60  # seconds that Slurm may take
    while slurm.queue() and time.monotonic() < end:
        time.sleep(0.5)
    assert not slurm.queue() and {job["JobState"] for job in slurm.jobs()} <= {"CANCELLED", "COMPLETED"}
    with alone(results):
        pass


def test_a_refused_step_ends_at_once_and_its_sentence_stands_last(slurm, study, tmp_path):
    """One job and no second attempt: neither the run nor Snakemake's process on the node starts it again."""
    (tmp_path / "events.csv").write_text("x,kind\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(50)) + ",a\n")
    file, _ = study("test-refused", data={"d": {"source": "file", "path": str(tmp_path / "events.csv"), "features": ["x"], "label": "kind"}},
                    networks={"d-tnn-x": {"dataset": "d", "widths": [1, 2, 2], "weights": "ternary", "activation": "ternary",
                                          "input": "fixed<4,2>"}}, search=None, ablations=None, area=None)
    run = start(file, "--profile", "slurm", *SITE, environment=slurm.environment)
    text = run.communicate()[0]
    assert run.returncode == 2 and "Traceback" not in text and "Report: " not in text and "restart" not in text, text[-3000:]
    assert re.match(r"error: .*column 'x' has .*NaN", text.splitlines()[-1]), text[-3000:]
    assert len(slurm.jobs()) == 1
