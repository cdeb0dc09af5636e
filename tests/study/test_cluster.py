"""Profiles: they say where jobs run and nothing that the workflow says; what jobs need is said once, for every rule."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

from ultralow.study import cluster
from ultralow.errors import StudyError
from ultralow.study.study import root

RULE = re.compile(r"^ *rule (\w+):\n(.*?)(?=^ *rule |\Z)", re.MULTILINE | re.DOTALL)
RULES = dict(RULE.findall((root() / "Snakefile").read_text()))


def profile(name):
    return yaml.safe_load((root() / "profiles" / name / "config.yaml").read_text())


@pytest.mark.parametrize("name", cluster.names())
def test_a_profile_names_options_that_snakemake_has(name):
    known = {option.lstrip("-") for action in get_argument_parser()._actions for option in action.option_strings}
    content = profile(name)
    if find_spec(f"snakemake_executor_plugin_{content['executor']}") is None:  # which knows its options
        content = {key: value for key, value in content.items() if not key.startswith(content["executor"])}
    assert set(content) <= known
    # Memory and time of a rule are no profile's affair.
    assert not {"set-resources", "set-threads"} & set(content)
    assert not {"mem_mb", "runtime", "gpu"} & set(content.get("default-resources", {}))


def test_every_rule_says_what_it_needs():
    assert {"data", "training", "worker", "synthesis", "report"} <= set(RULES)
    steps = {}
    for name, text in RULES.items():
        if name != "all":
            (step,) = re.findall(r'\*\*cluster\.resources\("(\w+)"', text)
            assert "threads: cluster.CORES" in text, name
            steps.setdefault(step, set()).add(name)
            assert ("GPU" in text) == bool(cluster.STEPS[step].gpus), name
    assert set(steps) == set(cluster.STEPS)


def test_the_paper_study_took_a_quarter_of_the_time_that_is_asked_for():
    names = {"training": "-training", "ablations": "-ablations", "search": "search-", "conversion": "-conversion",
             "synthesis": "-(gates|synthesis)$", "area": "area", "comparison": "comparison", "data": "data-"}
    seconds = json.loads((root() / "results/paper/manifest.json").read_text())["wall_seconds"]
    assert set(names) == set(cluster.STEPS) - {"page"}  # a page draws what was measured
    for step, part in names.items():
        longest = max(s for name, s in seconds.items() if re.search(part, name))  # every step was measured
        assert 4 * longest <= 60 * cluster.STEPS[step].minutes, step


def test_a_second_attempt_may_use_more_and_a_gpu_is_asked_for_only_if_there_are_any():
    first, second = ({name: value(None, attempt=attempt) for name, value in cluster.resources("synthesis").items()}
                     for attempt in (1, 2))
    assert first["mem_mb"] == first["htcondor_request_mem_mb"] == 12000
    assert first["runtime"] * 60 == first["allowed_execute_duration"] == first["classad_MaxRuntime"]
    assert all(second[name] == 2 * first[name] for name in first)
    assert cluster.resources("training", gpu=True)["gpu"] == 1 and "gpu" not in cluster.resources("training")
    assert "gpu" not in cluster.resources("synthesis", gpu=True)
    with pytest.raises(StudyError, match="unknown step 'trainin'; did you mean 'training'"):
        cluster.resources("trainin")


def test_an_unknown_profile_is_named_with_those_there_are():
    assert {"htcondor", "local", "slurm"} <= set(cluster.names())
    with pytest.raises(StudyError, match=r"unknown profile 'slrum'; did you mean 'slurm'.* htcondor, local, "):
        cluster.find("slrum")


def test_a_profile_of_ones_own_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site").mkdir()
    config = tmp_path / "site/config.yaml"
    for text, message in (("executor: kubern\n", "needs the package snakemake-executor-plugin-kubern, which is not"),
                          ("- jobs\n", "must hold keys and values"), ("a: b: c\n", "is not YAML")):
        config.write_text(text)
        with pytest.raises(StudyError, match=message):
            cluster.find("site")
    config.write_text("executor: local\n")
    assert cluster.find("site") == tmp_path / "site"


def dry(*options):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([sys.executable, "-m", "ultralow.cli", "run", *options, "--dry-run"], cwd=root(), text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, env={**os.environ, "PATH": path})
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", cluster.names())
def test_a_study_is_planned_with_each_profile(name):
    executor = profile(name)["executor"]
    if executor != "local" and find_spec(f"snakemake_executor_plugin_{executor}") is None:
        pytest.skip(f"`make .venv/.ready-{executor}` was not run")
    code, text = dry("config/smoke.yaml", "--profile", name, "--gpu", "--forceall")
    assert code == 0, text[-3000:]
    assert re.search(r"^synthesis +3$", text, re.MULTILINE)


def test_the_command_refuses_an_unknown_profile():
    code, text = dry("config/smoke.yaml", "--profile", "slrum")
    assert code == 2 and text.startswith("error: unknown profile 'slrum'") and "Traceback" not in text


def test_reana_gives_a_container_what_the_study_needs():
    spec = yaml.safe_load((root() / "profiles/reana/reana.yaml").read_text())
    for path in (*spec["inputs"]["files"], *spec["inputs"]["directories"], spec["inputs"]["parameters"]["study"]):
        assert (root() / path).exists(), path
    (step,) = spec["workflow"]["specification"]["steps"]
    limit = int(step["kubernetes_memory_limit"].removesuffix("Gi")) * 2**30
    shared = profile("reana")["resources"]["mem_mb"]
    assert limit >= shared * 10**6 >= max(step.mem_mb for step in cluster.STEPS.values()) * 10**6
    assert "PROFILE=reana" in step["commands"][0]
