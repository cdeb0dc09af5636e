"""Draw jets: distributions by class, the groomed mass, the correlations."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ultralow.report.figures.style import COLOURS, DASHES, PLAIN, STYLE, Figure
from ultralow.data.jetgen.validation import PDG_MASS_GEV, REFERENCE_MEANS
from ultralow.data.jets import CLASSES, FEATURES
from ultralow.data.dataset import Table

# Plain digits: the style's font has no subscripts.
LABELS = {
    "zlogz": "Σ z ln z", "c1_b0_mmdt": "C1, β=0", "c1_b1_mmdt": "C1, β=1", "c1_b2_mmdt": "C1, β=2",
    "c2_b1_mmdt": "C2, β=1", "c2_b2_mmdt": "C2, β=2", "d2_b1_mmdt": "D2, β=1", "d2_b2_mmdt": "D2, β=2",
    "d2_a1_b1_mmdt": "D2, α=1 β=1", "d2_a1_b2_mmdt": "D2, α=1 β=2", "m2_b1_mmdt": "M2, β=1", "m2_b2_mmdt": "M2, β=2",
    "n2_b1_mmdt": "N2, β=1", "n2_b2_mmdt": "N2, β=2", "mass_mmdt": "groomed mass (GeV)",
    "multiplicity": "particles in the jet",
}


def distributions(table: Table, features: Sequence[str] = FEATURES) -> Figure:
    """Each feature's distribution by class, four to a row; a tick above marks the published mean of all classes."""
    with matplotlib.rc_context({**STYLE, "font.size": 9}):
        rows = -(-len(features) // 4)
        canvas, panels = plt.subplots(rows, 4, figsize=(11, 2.5 * rows), squeeze=False)
        for axes in panels.flat[len(features):]:
            axes.remove()
        for axes, name in zip(panels.flat, features):
            _by_class(axes, table, name, _edges(table, name))
            axes.plot(REFERENCE_MEANS[name], 1.0, marker="v", color="black", clip_on=False,
                      transform=axes.get_xaxis_transform())
            axes.set_xlabel(LABELS[name], loc="center")
            axes.set_yticks([])
        canvas.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(CLASSES))
        plt.close(canvas)
    return Figure(canvas, f"{len(features)} features by class, each distribution with unit area; the 1% at each "
                          "end is left out of the view. Triangle: mean of the published set over all classes.",
                  "Histograms by class of " + ", ".join(LABELS[name] for name in features) + ".")


def groomed_mass(table: Table, up_to_gev: float = 220.0) -> Figure:
    """The groomed jet mass by class, with the masses of W, Z and top."""
    with matplotlib.rc_context(STYLE):
        canvas, axes = plt.subplots()
        _by_class(axes, table, "mass_mmdt", np.arange(0, up_to_gev + 1, 2.0))
        for name, mass in PDG_MASS_GEV.items():
            axes.axvline(mass, color="0.6", linewidth=0.8, zorder=0)
            axes.annotate(f" {name}", (mass, 0.99), xycoords=axes.get_xaxis_transform(), va="top", color="0.3")
        axes.set(xlabel="groomed jet mass (GeV)", ylabel="jets per 2 GeV (unit area)", xlim=(0, up_to_gev))
        axes.set_yscale("log")
        axes.set_ylim(1e-4, 1.0)
        axes.legend(loc="upper right")
        plt.close(canvas)
    return Figure(canvas, "Groomed (mMDT) jet mass by class; the vertical lines are the masses of W, Z and top.",
                  "Groomed jet mass: falling for q and g, peaks near 80, 91 and 172 GeV for W, Z and t.")


def correlation_matrix(correlations: pd.DataFrame) -> Figure:
    """The correlation matrix of the features, as percentages."""
    with matplotlib.rc_context(STYLE | PLAIN | {"font.size": 8}):
        canvas, axes = plt.subplots(figsize=(8, 7))
        image = axes.imshow(correlations, vmin=-1, vmax=1, cmap="RdBu_r")
        names = [LABELS.get(name, name) for name in correlations.columns]
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        for row, values in enumerate(correlations.to_numpy()):
            for column, value in enumerate(values):
                axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=6.5,
                          color="white" if abs(value) > 0.6 else "black")
        canvas.colorbar(image, label="correlation", shrink=0.8)
        plt.close(canvas)
    off = correlations.where(~np.eye(len(correlations), dtype=bool)).stack()
    return Figure(canvas, "Correlation of the features in percent, all classes together.",
                  f"Matrix of correlations, from {100 * off.min():.0f}% to {100 * off.max():.0f}%.")


def differences(comparison: pd.DataFrame) -> Figure:
    """Relative difference to the published means, one bar per feature, with the statistical error."""
    with matplotlib.rc_context({**STYLE, "ytick.minor.visible": False}):
        canvas, axes = plt.subplots(figsize=(6.0, 4.8))
        error = 100 * comparison["standard_error"] / comparison["published"].abs()
        axes.barh(range(len(comparison)), comparison["difference_percent"], xerr=error, color=COLOURS[0], alpha=0.7)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(comparison)), [LABELS[name] for name in comparison.index])
        axes.invert_yaxis()
        axes.set_xlabel("generated / published mean − 1 (%)")
        plt.close(canvas)
    worst = comparison["difference_percent"].abs().idxmax()
    return Figure(canvas, "Means of the generated jets relative to those of the published set; error bars are "
                          "statistical, of the generated sample.",
                  f"Bars of relative differences; the largest is {LABELS[worst]} with "
                  f"{comparison['difference_percent'][worst]:+.1f}%.")


def _by_class(axes, table: Table, name: str, edges: np.ndarray) -> None:
    column = table.x[:, FEATURES.index(name)]
    for label, kind in enumerate(CLASSES):
        share, _ = np.histogram(column[table.y == label], edges)
        axes.stairs(share / np.sum(table.y == label), edges, color=COLOURS[label], label=kind,
                    linestyle=DASHES[label],
                    linewidth=2.0 if DASHES[label] == ":" else None)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)


def _edges(table: Table, name: str) -> np.ndarray:
    low, high = np.quantile(table.x[:, FEATURES.index(name)], (0.01, 0.99))
    if name == "multiplicity":  # whole numbers: bins of equal many, edges between them
        step = max(1, int((high - low) // 40))
        return np.arange(np.floor(low) - 0.5, high + step, step)
    return np.linspace(low, high, 51)
