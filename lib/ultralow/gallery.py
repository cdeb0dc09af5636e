"""Knows which figures a study gets, under which names, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from ultralow import figures, metrics, tables
from ultralow.catalogue import FINN
from ultralow.figures import Figure
from ultralow.files import read_json, replacing, write_json
from ultralow.outcomes import Outcomes


def compared(folder: str | Path, table: pd.DataFrame) -> dict[str, Figure]:
    """Figures that compare the networks of ``table`` (:func:`ultralow.tables.comparison`), dataset by dataset."""
    return dict(_compared(Path(folder), table))


def single(folder: str | Path, name: str) -> dict[str, Figure]:
    """Figures of one network: ROC curves, confusion matrix, weights of the hardware seed, training curves."""
    outcomes = Outcomes(Path(folder))
    train = outcomes.train(name)
    hardware = next((run for run in train["runs"] if run["seed"] == train.get("hardware_seed")), train["runs"][0])
    return {f"roc-{name}": figures.roc(name, bands(outcomes, name)),
            f"confusion-{name}": figures.confusion(name, train["classes"], hardware["confusion"]),
            f"weights-{name}": figures.weights(outcomes.folded(name)),
            f"training-{name}": figures.training(name, {run["seed"]: run["history"] for run in train["runs"]})}


def _compared(folder: Path, table: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    outcomes = Outcomes(folder)
    for dataset, rows in table.groupby("dataset", sort=False):
        # FINN's networks answer a question of their own and would bury the others.
        main = rows[~rows["network"].str.startswith(FINN)]
        if len(main) == 0:
            continue
        beside = tables.front(dataset)
        if not all(map(tables.comparable, main["source"])):
            beside = beside.iloc[:0]
        for cost in ("lut", "latency_ns"):
            if main[cost].notna().any():
                yield f"accuracy-{cost.removesuffix('_ns')}-{dataset}", figures.accuracy_against(
                    dataset, cost, main, tables.pareto(main, cost), beside)
        curves = {name: bands(outcomes, name) for name in main["network"]}
        yield f"auc-{dataset}", figures.auc_by_class(
            dataset, {name: {c: band.auc_mean for c, band in found.items()} for name, found in curves.items()})
        if len(curves) == 1:
            continue  # the network's own figure shows the same curves
        for name in outcomes.train(main["network"].iloc[0])["classes"]:
            having = {network: found[name] for network, found in curves.items() if name in found}
            if having:
                yield f"roc-{dataset}-{name}", figures.roc_of_class(name, having)
    if len(finn := tables.finn(table)):
        yield "finn", figures.finn(finn)


def bands(outcomes: Outcomes, name: str) -> dict[str, metrics.Band]:
    """ROC bands over the network's seeds, by class; a class without rows in the test part is left out."""
    scores, classes = outcomes.scores(name), outcomes.train(name)["classes"]
    curves = [metrics.roc_per_class(logits, scores.labels, classes) for logits in scores.logits.values()]
    return {c: metrics.band([found[c] for found in curves]) for c in classes if all(c in found for found in curves)}


def write(folder: str | Path, compared: Mapping[str, Figure], single: Mapping[str, Mapping[str, Figure]]) -> None:
    """Replaces ``folder``: ``compared`` as SVG and PNG, each network's figures (``single``) as SVG, and figures.json.

    figures.json holds caption, alternative text, order, width and network (null where compared) of each.
    """
    named = [(None, name, figure) for name, figure in compared.items()]
    named += [(of, name, figure) for of, drawn in single.items() for name, figure in drawn.items()]
    with replacing(folder) as temporary:
        for of, name, figure in named:
            figures.write(figure, temporary / name, ("svg",) if of else ("svg", "png"))
        write_json(temporary / "figures.json", {
            name: {"caption": figure.caption, "alt": figure.alt, "order": order, "network": of,
                   "width_inches": figure.canvas.get_figwidth()}
            for order, (of, name, figure) in enumerate(named)})


def read(folder: str | Path) -> dict[str, dict]:
    """What figures.json says of each written figure by name, in order; empty if none were written."""
    path = Path(folder) / "figures.json"
    entries = read_json(path) if path.exists() else {}
    return dict(sorted(entries.items(), key=lambda item: item[1]["order"]))
