"""Knows which measured network fits a budget of latency and LUTs."""

from __future__ import annotations

import pandas as pd

from ultralow.report.comparison import qualities

# Upper limits that triggers talk in; None: no limit.
LATENCY_NS = (30, 50, 100, None)
LUT_PERCENT = (0.5, 1, 2, 5, None)


def measured(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of :func:`ultralow.report.comparison.comparison` whose circuit was measured: LUTs and latency."""
    return table.dropna(subset=["lut_percent", "latency_ns"])


def best(rows: pd.DataFrame, latency_ns: float | None, lut_percent: float | None) -> dict | None:
    """The best of the measured ``rows`` within both limits; of equal ones the smaller. None if none fits."""
    fits = measured(rows)
    fits = fits if latency_ns is None else fits[fits["latency_ns"] <= latency_ns]
    fits = fits if lut_percent is None else fits[fits["lut_percent"] <= lut_percent]
    if fits.empty:
        return None
    fits = fits.assign(quality=qualities(fits))
    return fits.sort_values(["quality", "lut"], ascending=[False, True], kind="stable").iloc[0].to_dict()
