"""Knows how few look-up tables of the device an accuracy needs, for each kind of network that a study has built."""

from __future__ import annotations

import pandas as pd

from ultralow.report.comparison import comparable, front

# Points below the study's float network, for jets; shares of digits told right.
POINTS_BELOW = (0.5, 1.0, 1.5, 3.0)
DIGITS = (0.967, 0.979, 0.983)
PUBLISHED = "published"


def wanted(table: pd.DataFrame, dataset: str) -> dict[str, float]:
    """Accuracies (shares) to look at, by what they are called; none for a dataset without float network, but digits."""
    rows = table[table["dataset"] == dataset]
    if dataset == "mnist":
        return {f"at least {100 * least:g}%": least for least in DIGITS if all(map(comparable, rows["source"]))}
    float_rows = rows[rows["kind"] == "float"].dropna(subset=["accuracy_mean"])
    if float_rows.empty:
        return {}
    best = float_rows.loc[float_rows["accuracy_mean"].idxmax()]
    return {f"{best['network']} − {points:g} points: {100 * best['accuracy_mean'] - points:.2f}%":
            best["accuracy_mean"] - points / 100 for points in POINTS_BELOW}


def fewest(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """LUTs of the smallest network of each kind (columns, cheapest first) whose mean accuracy reaches each level (rows); NA
    where none does. Digits have the smallest published network beside them: placed and routed, some without their encoder.

    Args:
        table: rows of :func:`ultralow.report.comparison.comparison`.
    """
    levels = wanted(table, dataset)
    built = table[table["dataset"] == dataset].dropna(subset=["lut", "accuracy_mean"])
    columns = {kind: [_smallest(rows[rows["accuracy_mean"] >= least]) for least in levels.values()]
               for kind, rows in built.groupby("kind", sort=False)}
    if dataset == "mnist" and levels and columns:
        rows = front(dataset).dropna(subset=["lut"])
        columns[PUBLISHED] = [_smallest(rows[rows["accuracy"] >= least - 1e-9]) for least in levels.values()]
    found = pd.DataFrame(columns, index=pd.Index(list(levels), name="accuracy"), dtype="Int64").dropna(axis=1, how="all")
    return found[sorted(found, key=lambda kind: (kind == PUBLISHED, found[kind].isna().sum(), found[kind].min()))]


def names(table: pd.DataFrame, dataset: str) -> dict[str, str]:
    """The network with the fewest LUTs at each level, of all kinds that the study built."""
    built = table[table["dataset"] == dataset].dropna(subset=["lut", "accuracy_mean"])
    reaching = {level: built[built["accuracy_mean"] >= least] for level, least in wanted(table, dataset).items()}
    return {level: rows.loc[rows["lut"].idxmin(), "network"] for level, rows in reaching.items() if len(rows)}


def _smallest(rows: pd.DataFrame):
    return pd.NA if rows.empty else int(rows["lut"].min())
