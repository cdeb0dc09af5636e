"""Draw a dataset's features by class, and count its rows."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd

from ultralow.data.dataset import Dataset
from ultralow.data.distributions import EDGES, Distributions
from ultralow.report.figures.style import COLOURS, DASHES, STYLE, Canvas, Figure, label


MOST_PANELS = 40  # histograms take a fifth of a second each, and nobody looks through a thousand


def features(shown: Distributions) -> Figure:
    """Distribution of every feature of the training part by class; for images the mean image of each class."""
    return _histograms(shown) if shown.images is None else _images(shown)


def rows(data: Dataset) -> pd.DataFrame:
    """How many rows each part has, class by class; of a regression each target's mean and deviation, in its unit."""
    parts = {"training": data.y_train, "validation": data.y_valid, "test": data.y_test}
    if data.classes:
        counts = {part: np.bincount(y, minlength=len(data.classes)) for part, y in parts.items()}
        return pd.DataFrame(counts, index=pd.Index(data.classes, name="class"))
    units = {part: y * data.target_scale + data.target_mean for part, y in parts.items()}
    columns = {(part, what): value for part, y in units.items()
            for what, value in (("rows", [len(y)] * len(data.targets)), ("mean", y.mean(0)), ("deviation", y.std(0)))}
    return pd.DataFrame(columns, index=pd.Index(data.targets, name="target"))


def _histograms(shown: Distributions) -> Figure:
    names, columns = shown.features[:MOST_PANELS], 4
    rows = -(-len(names) // columns)
    with matplotlib.rc_context(STYLE | {"xtick.labelsize": 7, "ytick.labelsize": 7}):
        canvas = Canvas(figsize=(2.4 * columns, 1.9 * rows))
        panels = canvas.subplots(rows, columns, squeeze=False).ravel()
        for index, (axes, name) in enumerate(zip(panels, names)):
            for group, of in enumerate(shown.groups):
                axes.stairs(shown.densities[group, index], EDGES, label=label(of), color=COLOURS[group % len(COLOURS)],
                            linestyle=DASHES[group % len(DASHES)])
            axes.set_xlabel(f"{label(name)} [deviations]", fontsize=8)
            axes.set_yticks([])
        for axes in panels[len(names):]:
            axes.remove()
        canvas.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=min(len(shown.groups), 8))
        canvas.supylabel("share of rows (each outline has area 1)", fontsize=9)
    which = "" if len(names) == len(shown.features) else f" The first {len(names)} of {len(shown.features):,} features."
    return Figure(canvas, "Features of the training part after scaling, in standard deviations from the mean of all "
                  f"classes. The outermost bins hold everything beyond.{which}",
                  f"{len(names)} small histograms, one per feature, each with an outline for "
                  f"{', '.join(shown.groups)}.")


def _images(shown: Distributions) -> Figure:
    side = int(len(shown.features) ** 0.5)
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=(1.0 * len(shown.groups), 1.5))
        for axes, name, mean in zip(canvas.subplots(1, len(shown.groups), squeeze=False)[0], shown.groups, shown.images):
            axes.imshow(mean.reshape(side, side), cmap="gray_r", vmin=0, vmax=1)
            axes.set(title=label(name))
            axes.set_axis_off()
    return Figure(canvas, "Mean image of each class in the training part.",
                  f"A row of {len(shown.groups)} blurred digits, {shown.groups[0]} to {shown.groups[-1]}.")
