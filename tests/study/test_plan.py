"""The plan of a study: what a run takes in, makes and leaves alone."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ultralow.study import plan, reuse, study as studies
from ultralow.study.study import root


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The files that git knows, as a clone has them: no data beside the embedded jets, nothing made."""
    folder = tmp_path_factory.mktemp("clone")
    files = subprocess.run(["git", "ls-files", "-z"], cwd=root(), capture_output=True, text=True, check=True).stdout
    for file in filter(None, files.split("\0")):
        if (root() / file).is_file():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(root() / file, folder / file)
            except OSError:  # another file system
                (folder / file).write_bytes((root() / file).read_bytes())
    return folder


@pytest.mark.parametrize("name", ["paper", "frontier"])
def test_a_report_of_a_clone_trains_synthesises_and_downloads_nothing(name, clone):
    environment = {**os.environ, "PYTHONPATH": str(clone / "lib"),
                   "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, "-m", "ultralow.cli", "report", f"config/{name}.yaml", "--dry-run"],
                          cwd=clone, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-3000:]
    jobs = re.findall(r"^(\w+) +\d+$", text, re.MULTILINE)
    assert {"comparison", "report", "all"} <= set(jobs) <= {"comparison", "report", "all", "page", "total"}, text[-3000:]


def test_a_studys_own_networks_are_made_and_those_of_another_are_taken(tmp_path, monkeypatch):
    file = tmp_path / "two.yaml"
    file.write_text("""
name: two
data: {jets: {source: generated, path: data/jets.root}}
networks:
  jets-float: {hls: false, gates: false}
  jets-bnn-small: {results_of: first, hls: false}
  jets-tnn-relu: {gates: false}
search: {dataset: jets, weights: [binary], workers: 2}
area: {networks: [jets-bnn-small]}
""")
    monkeypatch.chdir(root())
    this = plan.Plan(studies.load(file))
    assert this.own == ["jets-float", "jets-tnn-relu"] and this.converted == ["jets-tnn-relu"]
    assert this.file("jets-bnn-small", "train.json") == "results/first/jets-bnn-small/train.json"
    assert this.compared == {
        "train": ["results/two/jets-float/train.json", "results/first/jets-bnn-small/train.json",
                  "results/two/jets-tnn-relu/train.json"],
        "convert": ["results/two/jets-tnn-relu/convert.json"],
        "synthesis": ["results/first/jets-bnn-small/synthesis.json"], "area": ["results/two/area.csv"]}
    assert list(this.workers) == [1, 2] and this.experiments == ["results/two/search/jets-binary.csv"]
    assert "results/two/jets-tnn-relu/folded.npz" in this.targets and this.pages == {}
    # Whatever was measured is taken as it is, and nothing was.
    measured = plan.Plan(this.study, reuse.MEASURED)
    assert measured.compared["synthesis"] == measured.compared["area"] == [] and measured.pages == {}
    trained = plan.Plan(this.study, reuse.TRAINED)
    assert set(trained.pages) == {"jets-float-training", "jets-tnn-relu-training", "search-jets-binary"}


def test_what_decides_a_result_is_part_of_its_job(monkeypatch):
    monkeypatch.chdir(root())
    this = plan.Plan(studies.load("config/smoke.yaml"))
    before = this.training("jets-bnn-small"), this.training("jets-tnn-relu"), this.synthesis("jets-bnn-small")
    for entry in ("training", "weight flips", "synthesis"):
        monkeypatch.setitem(plan.identity.VERSIONS, entry, 99)
    after = this.training("jets-bnn-small"), this.training("jets-tnn-relu"), this.synthesis("jets-bnn-small")
    assert all(one != other for one, other in zip(before, after))
    assert before[0]["recipe"] == after[0]["recipe"] and "epochs=2" in before[0]["recipe"]


@pytest.mark.parametrize("value", ["config/quick.yaml", "a study {é}.yaml", "it's.yaml"])
def test_a_parameter_reaches_the_shell_whole(value):
    text = plan.quoted("study", value).replace("{{", "{").replace("}}", "}")  # as Snakemake takes them
    assert shlex.split(text) == [f"study={value}"] and shlex.split(plan.quoted("", "a b")) == ["a b"]


def test_no_name_is_no_match():
    assert re.fullmatch(plan.either(["a.b", "c"]), "a.b") and not re.fullmatch(plan.either(["a.b"]), "axb")
    assert not any(re.fullmatch(plan.either([]), text) for text in ("", "a"))
