"""The ways to install the study agree with one another."""

import re
import tomllib

import pytest
import yaml

from ultralow.study.study import root

EXTRAS = ["jets", "slurm", "htcondor"]  # with a lock of their own, beyond requirements.lock
PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==", re.MULTILINE)


def names(text):
    return {re.sub(r"[-_.]+", "-", name).lower() for name in text}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((root() / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("lock", ["requirements.lock", *(f"requirements-{extra}.lock" for extra in EXTRAS)])
def test_locks_have_hashes_and_no_addresses(lock):
    text = (root() / lock).read_text()
    assert "://" not in text and "--index-url" not in text and "--find-links" not in text
    for entry in re.split(r"\n(?=[A-Za-z0-9])", text)[1:]:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_locks_hold_every_dependency(project):
    def wanted(requirements):
        return names(re.match(r"[A-Za-z0-9_.-]+", requirement)[0] for requirement in requirements)

    locked = names(PINNED.findall((root() / "requirements.lock").read_text()))
    optional = project["optional-dependencies"]
    assert wanted(project["dependencies"]) | wanted(optional["test"]) <= locked
    for extra in EXTRAS:
        more = names(PINNED.findall((root() / f"requirements-{extra}.lock").read_text()))
        assert wanted(optional[extra]) <= more and not locked & more, extra
    assert set(optional) == {"test", *EXTRAS}


def test_conda_takes_the_lock_and_the_same_python(project):
    environment = yaml.safe_load((root() / "environment.yml").read_text())["dependencies"]
    *plain, pip = environment
    assert pip == {"pip": ["--require-hashes --requirement requirements.lock"]}
    (python,) = (entry for entry in plain if entry.startswith("python="))
    assert project["requires-python"].startswith(f">={python.removeprefix('python=')}")
    assert {"make", "perl", "cxx-compiler"} <= set(plain)
