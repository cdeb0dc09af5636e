"""Choose networks: the Pareto front, the best within a budget, the fewest LUTs for an accuracy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ultralow.report import published
from ultralow.report.comparison import comparable, qualities

# Upper limits that triggers talk in; None: no limit.
LATENCY_NS = (30, 50, 100, None)
LUT_PERCENT = (0.5, 1, 2, 5, None)
# Accuracies to look at: points below the study's float network, for jets; shares of digits classified correctly.
POINTS_BELOW = (0.5, 1.0, 1.5, 3.0)
DIGITS = (0.967, 0.979, 0.983)
PUBLISHED = "published"


def pareto(table: pd.DataFrame, cost: str) -> list[str]:
    """Networks that no other beats: none is as good (:func:`ultralow.report.comparison.quality`) for less ``cost``, or better
    for as much."""
    known = table.assign(quality=qualities(table)).dropna(subset=[cost]).sort_values(
        [cost, "quality", "network"], ascending=[True, False, True])
    best, names = -np.inf, []
    for row in known.to_dict("records"):
        if row["quality"] > best:
            best = row["quality"]
            names.append(row["network"])
    return names


def measured(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of :func:`ultralow.report.comparison.table` whose circuit was measured: LUTs and latency."""
    return table.dropna(subset=["lut_percent", "latency_ns"])


def best_within(rows: pd.DataFrame, latency_ns: float | None, lut_percent: float | None) -> dict | None:
    """The best of the measured ``rows`` within both limits; of equal ones the smaller. None if none fits."""
    fits = measured(rows)
    fits = fits if latency_ns is None else fits[fits["latency_ns"] <= latency_ns]
    fits = fits if lut_percent is None else fits[fits["lut_percent"] <= lut_percent]
    if fits.empty:
        return None
    fits = fits.assign(quality=qualities(fits))
    return fits.sort_values(["quality", "lut"], ascending=[False, True], kind="stable").iloc[0].to_dict()


def accuracy_levels(table: pd.DataFrame, dataset: str) -> dict[str, float]:
    """Accuracies (shares) to look at, by their name; none for a dataset without float network, but digits."""
    rows = table[table["dataset"] == dataset]
    if dataset == "mnist":
        return {f"at least {100 * least:g}%": least for least in DIGITS if all(map(comparable, rows["source"]))}
    float_rows = rows[rows["kind"] == "float"].dropna(subset=["accuracy_mean"])
    if float_rows.empty:
        return {}
    best = float_rows.loc[float_rows["accuracy_mean"].idxmax()]
    return {f"{best['network']} − {points:g} points: {100 * best['accuracy_mean'] - points:.2f}%":
            best["accuracy_mean"] - points / 100 for points in POINTS_BELOW}


def fewest_luts(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """LUTs of the smallest network of each kind (columns, cheapest first) whose mean accuracy reaches each level (rows); NA
    where none does. Digits have the smallest published network beside them: placed and routed, some without their encoder.

    Args:
        table: rows of :func:`ultralow.report.comparison.table`.
    """
    levels = accuracy_levels(table, dataset)
    columns = {kind: [_smallest(rows[rows["accuracy_mean"] >= least]) for least in levels.values()]
               for kind, rows in _built(table, dataset).groupby("kind", sort=False)}
    if dataset == "mnist" and levels and columns:
        rows = published.of_task(dataset).dropna(subset=["lut"])
        columns[PUBLISHED] = [_smallest(rows[rows["accuracy"] >= least - 1e-9]) for least in levels.values()]
    luts = pd.DataFrame(columns, index=pd.Index(list(levels), name="accuracy"), dtype="Int64").dropna(axis=1, how="all")
    return luts[sorted(luts, key=lambda kind: (kind == PUBLISHED, luts[kind].isna().sum(), luts[kind].min()))]


def smallest_networks(table: pd.DataFrame, dataset: str) -> dict[str, str]:
    """The network with the fewest LUTs at each level, of all kinds that the study built."""
    built = _built(table, dataset)
    reaching = {level: built[built["accuracy_mean"] >= least] for level, least in accuracy_levels(table, dataset).items()}
    return {level: rows.loc[rows["lut"].idxmin(), "network"] for level, rows in reaching.items() if len(rows)}


def _built(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    return table[table["dataset"] == dataset].dropna(subset=["lut", "accuracy_mean"])


def _smallest(rows: pd.DataFrame):
    return pd.NA if rows.empty else int(rows["lut"].min())
