"""Knows what results depend on: code, package versions, data, machine, commands and wall times."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from ultralow.study import reuse
from ultralow.files import read_json, write_json
from ultralow.study.study import Study, root

# The modules that decide a stage's result, less those of the stages before it. A change in one of them
# makes the stage's results old. Tables and figures are remade in any case.
STAGE_MODULES = {
    "prepare": ("data.table", "data.jets", "data.mnist", "data.readers", "data.tabular", "data.loading", "data.dataset"),
    "train": ("fixed_point", "exact.dense", "training.keras_setup", "training.folding", "training.evaluation", "training.layers", "training.augmentation", "training.pruning", "training.model", "training.train",
              "study.runs", "metrics"),
    "refine": ("training.weight_flips",),
    # Networks of the front: what all share, and each method's own.
    "front": ("fixed_point", "exact.dense", "exact.base", "exact.lut", "study.frontruns", "metrics"),
    "additive": ("training.lut.input_encoding", "training.lut.jax_training", "training.lut.coordinate_descent", "training.lut.additive_export", "training.lut.additive"),
    "votes": ("training.augmentation", "training.lut.boosting", "training.lut.jax_training", "training.lut.coordinate_descent", "training.lut.voting"),
    "trees": ("training.lut.input_encoding", "training.lut.boosted_trees"),
    "lutlayer": ("training.lut.input_encoding", "training.lut.jax_training", "training.lut.dwn"),
    "hgqtraining": ("training.lut.input_encoding", "training.keras_setup", "importing.hgq_model", "importing.hgq_trace", "exact.circuit", "exact.circuitfile", "training.lut.hgq"),
    # Models that no folded network can be.
    "take": ("importing.keras_file", "importing.hgq_model", "importing.hgq_trace", "exact.base", "exact.circuit", "exact.circuitfile", "study.foreign"),
    "search": ("circuit.lut_estimate", "study.search"),
    "convert": ("synthesis.hls4ml",),
    "measure": ("exact.simplify", "exact.opcodes", "circuit.tracing", "circuit.dense", "circuit.arithmetic", "circuit.bdd", "circuit.delays", "circuit.pipeline", "circuit.rtl", "circuit.verilog", "circuit.vhdl", "synthesis.verilator",
                "synthesis.yosys", "synthesis.netlist", "synthesis.implement", "synthesis.testbench", "synthesis.deliverable", "exact.dense_layer", "exact.circuit", "circuit.lut", "circuit.counting"),
}
PACKAGES = ("tensorflow-cpu", "tensorflow", "jax", "jaxlib", "keras", "numpy", "scikit-learn", "hls4ml", "hgq2", "alkaid",
            "verilator", "pyosys", "uproot", "pandas", "papermill", "snakemake", "ultralow")
_FLOATS = ("jax", "jaxlib", "keras", "numpy", "scikit-learn", "hgq2")


def code_digest(stage: str) -> str:
    """SHA-256 over the source of the modules that decide the results of ``stage``."""
    digest = hashlib.sha256()
    for module in STAGE_MODULES[stage]:
        digest.update((Path(__file__).parents[1] / f"{module.replace('.', '/')}.py").read_bytes())
    return digest.hexdigest()


def describe(study: Study) -> dict:
    """What the study is, without times or machine: the content of study.json."""
    settings = study.settings
    return {"name": settings.name, "seeds": settings.seeds, "networks": list(settings.networks),
            "data": {name: settings.data[name].model_dump() for name in study.datasets},
            "rows": settings.rows.model_dump(), "clock_ns": settings.clock_ns, "part": settings.part,
            "tool": settings.tool, "backend": settings.backend, "smoke": settings.smoke,
            # Whose results stand in another study's folder, and which of them this study shows.
            "shared": {name: {"study": other, "conversion": study.override(name).hls, "synthesis": study.override(name).gates}
                       for name, other in study.shared.items()}}


def manifest(study: Study) -> dict:
    """Versions, data checksums, seeds, machine, and the wall time of each executed notebook in seconds."""
    executed = sorted((study.results / "executed").glob("*.ipynb"))
    seconds = {path.stem: found for path in executed if (found := _wall_seconds(path)) is not None}
    code = {stage: code_digest(stage) for stage in STAGE_MODULES}
    command = f"make study STUDY={os.path.relpath(study.file, root())}"
    if (mode := reuse.mode()):
        # What was taken keeps what was said of it: showing a trained network is no training.
        before = read_json(path) if (path := study.results / "manifest.json").exists() else {}
        old = before.get("wall_seconds", {})
        seconds = old | {name: found for name, found in seconds.items() if not _is_training(name)}
        stages = ("prepare", "train", "refine", "take", "search", *(("convert", "measure") if mode == reuse.MEASURED else ()))
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
    duration = reuse.told(notebook).get("duration")
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
