"""Draw every figure of a study, under its name and in the report's order."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from ultralow import csvfile
from ultralow.files import read_json, replacing, write_json
from ultralow.importing import keras_file
from ultralow.networks.catalogue import FINN
from ultralow.report import comparison, published, selection
from ultralow.report.figures import cost, data, inputs, roc, style, training
from ultralow.report.figures.style import Figure
from ultralow.data.sources import IN_WORDS
from ultralow.report.results import Results, hardware_run


def compared(folder: str | Path, table: pd.DataFrame) -> dict[str, Figure]:
    """Figures that compare the networks of ``table`` (:func:`ultralow.report.comparison.table`), dataset by dataset."""
    results, figures = Results(Path(folder)), {}
    for dataset, rows in table.groupby("dataset", sort=False):
        # FINN's networks answer a question of their own and would bury the others.
        rows = rows[~rows["network"].str.startswith(FINN)]
        if len(rows):
            figures |= _cost_figures(dataset, rows) | _input_figures(results, dataset, rows)
            figures |= _roc_figures(results, dataset, rows)
    return figures | _study_figures(Path(folder), table)


def single(folder: str | Path, name: str) -> dict[str, Figure]:
    """Figures of one network: ROC curves and confusion matrix (of a regression estimates against truth), weights of the
    hardware seed, training curves."""
    results = Results(Path(folder))
    train, network = results.train(name), results.exact(name)
    if train.get("targets"):
        figures = {f"estimates-{name}": judgement(results, name)}
    else:
        figures = {f"roc-{name}": roc.roc(name, results.roc_bands(name)), f"confusion-{name}": judgement(results, name)}
    if network.kernels:
        figures[f"weights-{name}"] = training.weights(network, _latent_kernels(results, name))
    histories = {run["seed"]: run["history"] for run in train["runs"]}
    if any(histories.values()):
        figures[f"training-{name}"] = training.training(name, histories)
    return figures


def judgement(results: Results, name: str) -> Figure:
    """What the hardware seed's network takes for what: its confusion matrix, or a regression's estimates against the
    truth, in the targets' units."""
    train = results.train(name)
    if train.get("targets"):
        return training.estimates(name, results.estimates(name))
    return training.confusion(name, train["classes"], hardware_run(train)["confusion"])


def precisions(rows: pd.DataFrame) -> dict[str, str]:
    """Networks of the same layers that differ in precision only: {float, binary, ternary: the study's first of each}.

    Of the layers that have most of the three; empty if there are none.
    """
    candidates = [{kind: of["network"].iloc[0] for kind in ("float", "binary", "ternary")
                   if len(of := same[same["kind"] == kind])} for _, same in rows.groupby("architecture", sort=False)]
    return max(candidates, key=len, default={})


def write(folder: str | Path, results: str | Path, compared: Mapping[str, Figure], networks: Sequence[str]) -> int:
    """Replaces ``folder``: ``compared`` as SVG and PNG, the :func:`single` figures of each of ``networks`` as SVG, and
    figures.json. Networks are drawn in as many processes as this one has processors.

    figures.json holds caption, alternative text, order, width and network (null where compared) of each.

    Args:
        results: the study's folder, of which the networks are drawn.

    Returns:
        how many figures there are.
    """
    with replacing(folder) as temporary:
        with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("fork"), _die_with, (os.getpid(),)) as drawing:
            drawn = drawing.map(partial(_write_single, Path(results), temporary), networks)  # begins here
            entries = _write(compared, temporary, ("svg", "png"), None)
            for of_network in drawn:
                entries |= of_network
        write_json(temporary / "figures.json", {name: entry | {"order": order} for order, (name, entry) in
                                                enumerate(entries.items())})
    return len(entries)


def _write_single(results: Path, folder: Path, network: str) -> dict[str, dict]:
    return _write(single(results, network), folder, ("svg",), network)


def _write(figures: Mapping[str, Figure], folder: Path, kinds: Sequence[str], network: str | None) -> dict[str, dict]:
    """Writes figures; what figures.json says of each, less its order."""
    for name, figure in figures.items():
        style.write(figure, folder / name, kinds)
    return {name: {"caption": figure.caption, "alt": figure.alt, "network": network,
                   "width_inches": figure.canvas.get_figwidth()} for name, figure in figures.items()}


def _die_with(parent: int) -> None:
    """Ends this process with its parent, however that ends: it would go on to write into a folder that nobody waits for."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def read(folder: str | Path) -> dict[str, dict]:
    """What figures.json says of each written figure by name, in order; empty if none were written."""
    path = Path(folder) / "figures.json"
    entries = read_json(path) if path.exists() else {}
    return dict(sorted(entries.items(), key=lambda item: item[1]["order"]))


def _cost_figures(dataset: str, rows: pd.DataFrame) -> dict[str, Figure]:
    """Accuracy against LUTs and latency, where any was measured."""
    others = published.of_task(dataset)
    if not all(map(comparison.comparable, rows["source"])):
        others = others.iloc[:0]
    return {f"accuracy-{column.removesuffix('_ns')}-{dataset}":
            cost.accuracy_against(dataset, column, rows, selection.pareto(rows, column), others)
            for column in ("lut", "latency_ns") if rows[column].notna().any()}


def _input_figures(results: Results, dataset: str, rows: pd.DataFrame) -> dict[str, Figure]:
    """The dataset's features, zero weights, and which inputs the networks use: pixels of images, else each feature's
    importance."""
    networks = {name: results.exact(name) for name in rows["network"]}
    shown = results.distributions(dataset)
    figures = {f"features-{dataset}": data.features(shown)} if shown else {}
    zeros = {name: [float(np.mean(kernel == 0)) for kernel in network.kernels] for name, network in networks.items()
             if network.kernels}
    if zeros:
        figures[f"sparsity-{dataset}"] = inputs.sparsity(zeros)
    if dataset == "mnist":
        figures[f"pixels-{dataset}"] = inputs.pixels({name: network.readers() for name, network in networks.items()})
    elif len(importance := results.importance(list(networks))):
        figures[f"importance-{dataset}"] = inputs.importances(importance, dataset)
    return figures


def _roc_figures(results: Results, dataset: str, rows: pd.DataFrame) -> dict[str, Figure]:
    """ROC curves by precision and by class, and their areas; none of a regression."""
    bands = {name: curves for name in rows["network"] if (curves := results.roc_bands(name))}
    if not bands:
        return {}
    figures = {}
    if len(chosen := precisions(rows)) > 1:
        figures[f"precision-{dataset}"] = roc.roc_by_precision(
            dataset, {kind: (name, bands[name]) for kind, name in chosen.items()}, IN_WORDS.get(rows["source"].iloc[0], ""))
    figures[f"auc-{dataset}"] = roc.auc_by_class(
        dataset, {name: {c: band.auc_mean for c, band in curves.items()} for name, curves in bands.items()})
    if len(bands) > 1:  # else the network's own figure shows the same curves
        for number, name in enumerate(results.train(next(iter(bands)))["classes"]):
            if having := {network: curves[name] for network, curves in bands.items() if name in curves}:
                figures[f"roc-{dataset}-{style.file_name(name, number)}"] = roc.roc_of_class(name, having)
    return figures


def _study_figures(folder: Path, table: pd.DataFrame) -> dict[str, Figure]:
    """FINN's networks, and the area sweep, where the study has them."""
    figures = {}
    if len(finn := comparison.finn_table(table)):
        figures["finn"] = cost.finn(finn)
    if (folder / "area.csv").exists():
        figures["area-latency"] = cost.area_latency(csvfile.read(folder / "area.csv"))
    return figures


def _latent_kernels(results: Results, name: str) -> list[np.ndarray]:
    """The real weights that training rounded, where the model is there.

    Models of FINN's networks are too large to be committed: a figure of theirs would be another one in each clone.
    """
    model = results.path(name) / "model.keras"
    return keras_file.latent_kernels(model) if model.exists() and not name.startswith(FINN) else []
