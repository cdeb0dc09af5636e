"""Validate a sample of jets as a physicist would: means against the published ones, mass peaks, cut flow, correlations."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ultralow.data.jets import CLASSES, FEATURES
from ultralow.data.dataset import Table

REFERENCE_MEANS = dict(zip(FEATURES, (
    -2.865, 0.4333, 0.03777, 0.0080, 0.04562, 0.00762, 1.296, 1.084, 1.296, 0.1904, 0.0900, 0.0425, 0.2812, 0.1440,
    75.17, 51.89), strict=True))
"""Means of the training part of the published set (OpenML 42468, split of the original study)."""

PDG_MASS_GEV = {"W": 80.4, "Z": 91.2, "t": 172.5}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def against_reference(table: Table) -> pd.DataFrame:
    """One row per feature: our mean, its standard error, the published mean, and the relative difference in percent.

    The five classes get equal weight, as they (nearly) have in the published set.
    """
    by_class = np.array([table.x[table.y == label].mean(0, dtype=np.float64) for label in range(len(CLASSES))])
    errors = np.array([_variance_of_mean(table.x[table.y == label]) for label in range(len(CLASSES))])
    mean, error = by_class.mean(0), np.sqrt(errors.sum(0)) / len(CLASSES)
    reference = np.array([REFERENCE_MEANS[name] for name in FEATURES])
    columns = {"mean": mean, "standard_error": error, "published": reference,
               "difference_percent": 100 * (mean / reference - 1)}
    return pd.DataFrame({**columns, **dict(zip(CLASSES, by_class))}, index=pd.Index(FEATURES, name="feature"))


def quantiles(table: Table, feature: str) -> pd.DataFrame:
    """QUANTILES of one feature, one row per class."""
    column = table.x[:, FEATURES.index(feature)]
    values = [np.quantile(column[table.y == label].astype(np.float64), QUANTILES) for label in range(len(CLASSES))]
    return pd.DataFrame(values, index=pd.Index(CLASSES, name="class"), columns=QUANTILES)


def cut_flow(table: Table) -> pd.DataFrame:
    """Collisions left after each cut, one row per class, and the efficiency of all cuts together."""
    flow = pd.DataFrame(table.provenance["cut_flow"]).T.loc[list(CLASSES)]
    steps = list(table.provenance["cut_flow"][CLASSES[0]])
    # JSON sorts keys; the flow goes down.
    flow = flow[sorted(steps, key=lambda step: -flow[step].sum())]
    return flow.assign(efficiency=flow.iloc[:, -1] / flow.iloc[:, 0]).rename_axis("class")


def mass_peaks(table: Table, width_gev: float = 2.0, window_gev: float = 40.0) -> pd.DataFrame:
    """Mode of the groomed mass within ``window_gev`` of the particle's mass, and the share of jets within 10%."""
    column = table.x[:, FEATURES.index("mass_mmdt")]
    rows = {}
    for name, true in PDG_MASS_GEV.items():
        mass = column[table.y == CLASSES.index(name)]
        counts, edges = np.histogram(mass, np.arange(true - window_gev, true + window_gev + width_gev, width_gev))
        top = counts.argmax()
        rows[name] = {"particle_mass_gev": true, "peak_gev": (edges[top] + edges[top + 1]) / 2,
                      "within_10_percent": float(np.mean(abs(mass / true - 1) < 0.1))}
    return pd.DataFrame(rows).T.rename_axis("class")


def correlations(table: Table) -> pd.DataFrame:
    """Pearson correlation of every pair of features over the whole sample."""
    return pd.DataFrame(np.corrcoef(table.x.T.astype(np.float64)), index=FEATURES, columns=FEATURES)


def separation(table: Table, feature: str, first: str, second: str) -> float:
    """Kolmogorov-Smirnov distance of ``feature`` between two classes: 0 equal, 1 apart."""
    column = table.x[:, FEATURES.index(feature)]
    a, b = (np.sort(column[table.y == CLASSES.index(name)]) for name in (first, second))
    both = np.concatenate([a, b])
    return float(np.max(np.abs(np.searchsorted(a, both, side="right") / len(a)
                               - np.searchsorted(b, both, side="right") / len(b))))


def _variance_of_mean(x: np.ndarray) -> np.ndarray:
    return x.var(0, dtype=np.float64) / len(x)
