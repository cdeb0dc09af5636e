"""Draw what networks use: their inputs, and the weights that are not zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd

from ultralow.report.figures.style import PLAIN, STYLE, Canvas, Figure, label

MOST_FEATURES = 40  # of a figure of importances


def sparsity(shares: Mapping[str, Sequence[float]]) -> Figure:
    """Share of zero weights, layer by layer, of each network (key)."""
    depth = max(map(len, shares.values()))
    grid = np.full((len(shares), depth), np.nan)
    for row, values in zip(grid, shares.values()):
        row[:len(values)] = values
    canvas = _grid(grid, list(shares), [f"layer {i + 1}" for i in range(depth)], "{:.0%}", 1.0)
    return Figure(canvas, "Share of weights that are zero, layer by layer. The last layer of a network is the one that "
                          "gives the classes; empty: no such layer. Zero weights cost nothing in this hardware.",
                  "Zero weights. " + "; ".join(f"{name}: " + ", ".join(f"{value:.0%}" for value in values)
                                               for name, values in shares.items()) + ".")


def importances(table: pd.DataFrame, title: str) -> Figure:
    """What each feature is worth to each network, from :meth:`ultralow.report.results.Results.importance`."""
    points = table.pivot(index="feature", columns="network", values="accuracy_drop")
    points = (points[list(dict.fromkeys(table["network"]))] * 100).round(1) + 0.0
    points = points.loc[points.mean(axis=1).sort_values(ascending=False, kind="stable").index]
    every, points = len(points), points.head(MOST_FEATURES)
    which = "" if every == len(points) else f" Of {every:,} features the {len(points)} that are worth most."
    top = float(np.nanmax(points.to_numpy(), initial=1.0))
    names = [label(name) for name in points.index]
    canvas = _grid(points.to_numpy(float), names, list(points.columns), "{:.1f}", top, upright=True)
    best = "; ".join(f"{network}: " + ", ".join(f"{feature} {value:.1f}" for feature, value in
                                                points[network].nlargest(3).items()) for network in points)
    return Figure(canvas, f"{title}: accuracy lost, in percentage points, when the values of one feature are dealt out "
                          "anew among the rows of the test part, mean over several deals. Features that tell the same "
                          f"share their worth: a small number does not mean that a feature is useless.{which}",
                  f"Permutation importance on {title}. Largest three losses of accuracy in points: {best}.")


def pixels(readers: Mapping[str, np.ndarray]) -> Figure:
    """Share of first-layer neurons that read each pixel, {network: (pixels,)}; a pixel of share 0 is not wired."""
    side = int(len(next(iter(readers.values()))) ** 0.5)
    columns = min(len(readers), 4)
    rows = -(-len(readers) // columns)
    with matplotlib.rc_context(STYLE | PLAIN):
        canvas = Canvas(figsize=(0.9 + 2.1 * columns, 2.5 * rows))
        panels = canvas.subplots(rows, columns, squeeze=False).ravel()
        for axes, (network, shares) in zip(panels, readers.items()):
            read = np.where(shares > 0, shares, np.nan).reshape(side, side)
            image = axes.imshow(read, cmap="viridis_r", vmin=0, vmax=1)
            axes.set_facecolor("white")
            axes.set_title(f"{network}\n{np.count_nonzero(shares)} of {shares.size} pixels", fontsize=9)
            axes.set_xticks([])
            axes.set_yticks([])
        for axes in panels[len(readers):]:
            axes.remove()
        canvas.colorbar(image, ax=list(panels[:len(readers)]), label="share of neurons reading", shrink=0.8)
    counted = ", ".join(f"{network} {np.count_nonzero(shares)} of {shares.size}" for network, shares in readers.items())
    return Figure(canvas, "Which pixels the circuit reads, and by how many neurons of the first layer. White pixels "
                          "are not wired at all.",
                  f"Maps of {side}×{side} pixels. Read by at least one neuron: {counted}.")


def _grid(values: np.ndarray, rows: list[str], columns: list[str], form: str, top: float,
          upright: bool = False) -> Canvas:
    """Numbers on a tinted grid: the tint says nothing that the number does not."""
    longest = max(map(len, rows))
    with matplotlib.rc_context(STYLE | PLAIN):
        canvas = Canvas(figsize=(0.4 + 0.085 * longest + 0.62 * len(columns),
                                 0.5 + 0.3 * len(rows) + (0.075 * max(map(len, columns)) if upright else 0.3)))
        axes = canvas.subplots()
        axes.imshow(values, cmap="Blues", vmin=0, vmax=top, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            if not np.isnan(value):
                axes.text(column, row, form.format(value), ha="center", va="center", fontsize=9,
                          color="white" if value > 0.6 * top else "black")
        axes.set_yticks(range(len(rows)), rows, fontsize=9)
        axes.set_xticks(range(len(columns)), columns, fontsize=9, rotation=90 if upright else 0)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
    return canvas
