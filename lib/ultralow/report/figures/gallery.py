"""Knows which figures a study gets, under which names, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ultralow import csvfile, metrics
from ultralow.exact import description
from ultralow.importing import latent
from ultralow.report import comparison, importance
from ultralow.report.figures import cost as costfigures, inputs, roc, style
from ultralow.networks.catalogue import FINN
from ultralow.report.figures.style import Figure
from ultralow.files import read_json, replacing, write_json
from ultralow.report.results import SOURCES, Outcomes, hardware_run


def compared(folder: str | Path, table: pd.DataFrame) -> dict[str, Figure]:
    """Figures that compare the networks of ``table`` (:func:`ultralow.report.comparison.comparison`), dataset by dataset."""
    return dict(_compared(Path(folder), table))


def single(folder: str | Path, name: str) -> dict[str, Figure]:
    """Figures of one network: ROC curves and confusion matrix (of a regression estimates against truth), weights of the
    hardware seed, training curves."""
    outcomes = Outcomes(Path(folder))
    train = outcomes.train(name)
    network = outcomes.folded(name)
    # Models of FINN's networks are too large to be committed: a figure of theirs would be another one in each clone.
    model, histories = outcomes.folder / name / "model.keras", {run["seed"]: run["history"] for run in train["runs"]}
    layered = bool(description.of(network).kernels)
    before = latent.kernels(model) if layered and model.exists() and not name.startswith(FINN) else ()
    rocs = {} if train.get("targets") else {f"roc-{name}": roc.roc(name, bands(outcomes, name))}
    return {**rocs, f"{'estimates' if train.get('targets') else 'confusion'}-{name}": judgement(outcomes, name),
            **({f"weights-{name}": style.weights(network, before)} if layered else {}),
            **({f"training-{name}": style.training(name, histories)} if any(histories.values()) else {})}


def _compared(folder: Path, table: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    outcomes = Outcomes(folder)
    for dataset, rows in table.groupby("dataset", sort=False):
        # FINN's networks answer a question of their own and would bury the others.
        main = rows[~rows["network"].str.startswith(FINN)]
        if len(main) == 0:
            continue
        beside = comparison.front(dataset)
        if not all(map(comparison.comparable, main["source"])):
            beside = beside.iloc[:0]
        for cost in ("lut", "latency_ns"):
            if main[cost].notna().any():
                yield f"accuracy-{cost.removesuffix('_ns')}-{dataset}", costfigures.accuracy_against(
                    dataset, cost, main, comparison.pareto(main, cost), beside)
        folded = {name: outcomes.folded(name) for name in main["network"]}
        if shares := {name: found for name, network in folded.items() if (found := importance.zero_shares(network))}:
            yield f"sparsity-{dataset}", inputs.sparsity(shares)
        if dataset == "mnist":
            yield f"pixels-{dataset}", inputs.pixels(
                {name: importance.readers(network) for name, network in folded.items()})
        elif len(found := importances(folder, list(main["network"]))):
            yield f"importance-{dataset}", inputs.importances(found, dataset)
        if outcomes.train(main["network"].iloc[0]).get("targets"):
            continue
        curves = {name: bands(outcomes, name) for name in main["network"]}
        if len(chosen := precisions(main)) > 1:
            where = SOURCES.get(main["source"].iloc[0], "")
            yield f"precision-{dataset}", roc.roc_by_precision(
                dataset, {kind: (name, curves[name]) for kind, name in chosen.items()}, where)
        yield f"auc-{dataset}", roc.auc_by_class(
            dataset, {name: {c: band.auc_mean for c, band in found.items()} for name, found in curves.items()})
        if len(curves) == 1:
            continue  # the network's own figure shows the same curves
        for name in outcomes.train(main["network"].iloc[0])["classes"]:
            having = {network: found[name] for network, found in curves.items() if name in found}
            if having:
                yield f"roc-{dataset}-{name}", roc.roc_of_class(name, having)
    if len(finn := comparison.finn(table)):
        yield "finn", costfigures.finn(finn)
    if (folder / "area.csv").exists():
        yield "area-latency", costfigures.area_latency(csvfile.read(folder / "area.csv"))


def precisions(rows: pd.DataFrame) -> dict[str, str]:
    """Networks of the same layers that differ in precision only: {float, binary, ternary: the study's first of each}.

    Of the layers that have most of the three; empty if there are none.
    """
    found = [{kind: of["network"].iloc[0] for kind in ("float", "binary", "ternary")
              if len(of := same[same["kind"] == kind])} for _, same in rows.groupby("architecture", sort=False)]
    return max(found, key=len, default={})


def importances(folder: Path, networks: list[str]) -> pd.DataFrame:
    """What importance.csv says of ``networks``; empty if it was not made."""
    path = folder / "importance.csv"
    table = csvfile.read(path) if path.exists() else pd.DataFrame({"network": []})
    return table[table["network"].isin(networks)]


def bands(outcomes: Outcomes, name: str) -> dict[str, metrics.Band]:
    """ROC bands over the network's seeds, by class; a class without rows in the test part is left out."""
    scores, classes = outcomes.scores(name), outcomes.train(name)["classes"]
    curves = [metrics.roc_per_class(logits, scores.labels, classes, scores.weights) for logits in scores.logits.values()]
    return {c: metrics.band([found[c] for found in curves]) for c in classes if all(c in found for found in curves)}


def judgement(outcomes: Outcomes, name: str) -> Figure:
    """What the hardware seed's network takes for what: its confusion matrix, or a regression's estimates against the
    truth, in the targets' units."""
    train = outcomes.train(name)
    if not train.get("targets"):
        return style.confusion(name, train["classes"], hardware_run(train)["confusion"])
    scores = outcomes.scores(name)
    mean, scale = np.array(list(train["targets"].values())).T
    found = scores.logits[train["hardware_seed"]]
    return style.estimates(name, list(train["targets"]), scores.labels * scale + mean, found * scale + mean)


def write(folder: str | Path, compared: Mapping[str, Figure], single: Mapping[str, Mapping[str, Figure]]) -> None:
    """Replaces ``folder``: ``compared`` as SVG and PNG, each network's figures (``single``) as SVG, and figures.json.

    figures.json holds caption, alternative text, order, width and network (null where compared) of each.
    """
    named = [(None, name, figure) for name, figure in compared.items()]
    named += [(of, name, figure) for of, drawn in single.items() for name, figure in drawn.items()]
    with replacing(folder) as temporary:
        for of, name, figure in named:
            style.write(figure, temporary / name, ("svg",) if of else ("svg", "png"))
        write_json(temporary / "figures.json", {
            name: {"caption": figure.caption, "alt": figure.alt, "order": order, "network": of,
                   "width_inches": figure.canvas.get_figwidth()}
            for order, (of, name, figure) in enumerate(named)})


def read(folder: str | Path) -> dict[str, dict]:
    """What figures.json says of each written figure by name, in order; empty if none were written."""
    path = Path(folder) / "figures.json"
    entries = read_json(path) if path.exists() else {}
    return dict(sorted(entries.items(), key=lambda item: item[1]["order"]))
