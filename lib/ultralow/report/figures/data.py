"""Draw a dataset's features by class, and count its rows."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd

from ultralow.data.dataset import Dataset
from ultralow.report.figures.style import COLOURS, DASHES, STYLE, Canvas, Figure


def features(data: Dataset) -> Figure:
    """Distribution of every feature of the training part by class; for images the mean image of each class."""
    return _images(data) if data.name == "mnist" else _histograms(data)


def rows(data: Dataset) -> pd.DataFrame:
    """How many rows each part has, class by class; of a regression each target's mean and deviation, in its unit."""
    parts = {"training": data.y_train, "validation": data.y_valid, "test": data.y_test}
    if data.classes:
        counts = {part: np.bincount(y, minlength=len(data.classes)) for part, y in parts.items()}
        return pd.DataFrame(counts, index=pd.Index(data.classes, name="class"))
    units = {part: y * data.target_scale + data.target_mean for part, y in parts.items()}
    told = {(part, what): value for part, y in units.items()
            for what, value in (("rows", [len(y)] * len(data.targets)), ("mean", y.mean(0)), ("deviation", y.std(0)))}
    return pd.DataFrame(told, index=pd.Index(data.targets, name="target"))


def _histograms(data: Dataset) -> Figure:
    columns = 4
    rows, kinds = -(-len(data.features) // columns), data.classes or ("all rows",)
    with matplotlib.rc_context(STYLE | {"xtick.labelsize": 7, "ytick.labelsize": 7}):
        canvas = Canvas(figsize=(2.4 * columns, 1.9 * rows))
        panels = canvas.subplots(rows, columns, squeeze=False).ravel()
        bins = np.linspace(-4, 4, 41)
        for index, (axes, name) in enumerate(zip(panels, data.features)):
            for label, of in enumerate(kinds):
                chosen = data.y_train == label if data.classes else slice(None)
                axes.hist(np.clip(data.x_train[chosen, index], -4, 4), bins, density=True, label=of, histtype="step",
                          color=COLOURS[label % len(COLOURS)], linestyle=DASHES[label % len(DASHES)])
            axes.set_xlabel(f"{name} [deviations]", fontsize=8)
            axes.set_yticks([])
        for axes in panels[len(data.features):]:
            axes.remove()
        canvas.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=min(len(kinds), 8))
        canvas.supylabel("share of rows (each outline has area 1)", fontsize=9)
    return Figure(canvas, "Features of the training part after scaling, in standard deviations from the mean of all "
                  "classes. The outermost bins hold everything beyond.",
                  f"{len(data.features)} small histograms, one per feature, each with an outline for "
                  f"{', '.join(kinds)}.")


def _images(data: Dataset) -> Figure:
    side = int(len(data.features) ** 0.5)
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=(1.0 * len(data.classes), 1.5))
        for label, axes in enumerate(canvas.subplots(1, len(data.classes), squeeze=False)[0]):
            mean = data.x_train[data.y_train == label].mean(axis=0)
            axes.imshow(mean.reshape(side, side), cmap="gray_r", vmin=0, vmax=1)
            axes.set(title=data.classes[label])
            axes.set_axis_off()
    return Figure(canvas, "Mean image of each class in the training part.",
                  f"A row of {len(data.classes)} blurred digits, {data.classes[0]} to {data.classes[-1]}.")
