"""Find the profile that a study runs with, and tell it what the jobs of each step need: memory, minutes, GPUs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import yaml

from ultralow.errors import StudyError, unknown
from ultralow.files import root

CONFIG = "config.yaml"
LOCAL = "local"
BUILT_IN = (LOCAL, "dryrun", "touch")  # executors that come with Snakemake


def names() -> list[str]:
    """Those in profiles/."""
    return sorted(path.parent.name for path in (root() / "profiles").glob(f"*/{CONFIG}"))


def executor(folder: Path) -> str:
    """What a profile hands jobs to: "local" is this machine.

    Raises:
        StudyError: the profile is not YAML, or not keys and values.
    """
    try:
        content = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StudyError(f"profile {folder / CONFIG} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise StudyError(f"profile {folder / CONFIG} must hold keys and values; see profiles/local/{CONFIG}")
    return str(content.get("executor", LOCAL))


def find(name: str) -> Path:
    """The folder of a profile: one of :func:`names`, or any folder with a config.yaml, relative or absolute.

    Raises:
        StudyError: there is none, it is not YAML, or what its executor needs is not installed.
    """
    folder = root() / "profiles" / name
    if name not in names():
        folder = Path(name).resolve()
        if not (folder / CONFIG).is_file():
            raise StudyError(f"{unknown('profile', name, names())} There are {', '.join(names())} in profiles/; the "
                             f"path of another folder with a {CONFIG} will do as well")
    if (plugin := executor(folder)) not in BUILT_IN and find_spec(
            f"snakemake_executor_plugin_{plugin.replace('-', '_')}") is None:
        way = (f"`make .venv/.ready-{plugin}`" if (root() / f"requirements-{plugin}.lock").exists() else
               f"`.venv/bin/pip install snakemake-executor-plugin-{plugin}`")
        raise StudyError(f"profile {name} needs the package snakemake-executor-plugin-{plugin}, which is not "
                         f"installed; {way} installs it")
    return folder


# One core a job, also where there are more: results do not depend on their number. Snakemake tells OpenMP this number.
CORES = 1


@dataclass(frozen=True)
class Needs:
    """Memory in MB and minutes for the largest networks of the slides; GPUs, where the run is given any."""

    mem_mb: int
    minutes: int
    gpus: int = 0


# Minutes: at least four times what the paper study took (results/paper/manifest.json). Memory: synthesis of the widest
# networks needs most, 4.3 GB were measured for mnist-bnn.
STEPS = {
    "data": Needs(mem_mb=6000, minutes=60),
    "training": Needs(mem_mb=6000, minutes=120, gpus=1),
    "ablations": Needs(mem_mb=6000, minutes=240, gpus=1),
    "search": Needs(mem_mb=6000, minutes=120, gpus=1),
    "conversion": Needs(mem_mb=6000, minutes=60),
    "synthesis": Needs(mem_mb=12000, minutes=240),
    "area": Needs(mem_mb=12000, minutes=240),
    "comparison": Needs(mem_mb=6000, minutes=60),
    # A notebook that shows what is finished, or the report.
    "page": Needs(mem_mb=4000, minutes=30),
}


def resources(step: str, gpu: bool = False) -> dict[str, int | Callable[..., int]]:
    """Snakemake's resources of a step's jobs. A second attempt may use twice as much: the first may have been stopped
    for memory or time.

    Args:
        gpu: whether this run has GPUs to give.

    Raises:
        StudyError: there is no such step.
    """
    if step not in STEPS:
        raise unknown("step", step, STEPS)
    needs = STEPS[step]
    asked = {name: _grows(value) for name, value in {
        "mem_mb": needs.mem_mb,  # Slurm
        "runtime": needs.minutes,
        "htcondor_request_mem_mb": needs.mem_mb,
        "allowed_execute_duration": 60 * needs.minutes,
        "classad_MaxRuntime": 60 * needs.minutes,  # HTCondor at CERN stops a job after twenty minutes otherwise
    }.items()}
    return asked | ({"gpu": needs.gpus, "request_gpus": needs.gpus} if gpu and needs.gpus else {})


def _grows(value: int) -> Callable[..., int]:
    return lambda wildcards, attempt: value * attempt
