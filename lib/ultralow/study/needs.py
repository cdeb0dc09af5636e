"""Knows what each stage asks of the machine it runs on, and what Slurm and HTCondor call that: for every profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ultralow.errors import unknown

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
STAGES = {
    "data": Needs(mem_mb=6000, minutes=60),
    "training": Needs(mem_mb=6000, minutes=120, gpus=1),
    "ablations": Needs(mem_mb=6000, minutes=240, gpus=1),
    "search": Needs(mem_mb=6000, minutes=120, gpus=1),
    "conversion": Needs(mem_mb=6000, minutes=60),
    "gates": Needs(mem_mb=12000, minutes=240),
    "area": Needs(mem_mb=12000, minutes=240),
    "comparison": Needs(mem_mb=6000, minutes=60),
    # A notebook that shows what is finished, or the report.
    "page": Needs(mem_mb=4000, minutes=30),
}


def resources(stage: str, gpu: bool = False) -> dict[str, int | Callable[..., int]]:
    """Snakemake's resources of a stage's jobs. A second attempt may use twice as much: the first may have been stopped
    for memory or time.

    Args:
        gpu: whether this run has GPUs to give.

    Raises:
        StudyError: there is no such stage.
    """
    if stage not in STAGES:
        raise unknown("stage", stage, STAGES)
    needs = STAGES[stage]
    found = {name: _grows(value) for name, value in {
        "mem_mb": needs.mem_mb,  # Slurm
        "runtime": needs.minutes,
        "htcondor_request_mem_mb": needs.mem_mb,
        "allowed_execute_duration": 60 * needs.minutes,
        "classad_MaxRuntime": 60 * needs.minutes,  # HTCondor at CERN stops a job after twenty minutes otherwise
    }.items()}
    return found | ({"gpu": needs.gpus, "request_gpus": needs.gpus} if gpu and needs.gpus else {})


def _grows(value: int) -> Callable[..., int]:
    return lambda wildcards, attempt: value * attempt
