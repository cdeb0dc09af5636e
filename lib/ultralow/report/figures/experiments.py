"""Draw experiments with training: what a change is worth, and what a search found."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd

from ultralow.report.figures.style import COLOURS, MARKERS, STYLE, Canvas, Figure


def ablations(network: str, table: pd.DataFrame) -> Figure:
    """What each change is worth in percentage points, from :func:`ultralow.study.ablations.ablate`; the best on top."""
    changes = table.iloc[1:].sort_values("difference_points")
    names, points = changes["change"].tolist(), changes["difference_points"].astype(float).to_numpy()
    errors = changes["difference_error"].astype(float).fillna(0).to_numpy()
    with matplotlib.rc_context(STYLE | {"ytick.minor.visible": False}):
        canvas = Canvas(figsize=(7.6, 1.2 + 0.3 * len(names)))
        axes = canvas.subplots()
        axes.axvline(0, color="0.6", linewidth=1)
        axes.errorbar(points, range(len(names)), xerr=errors, linestyle="none", marker="o", color=COLOURS[0], capsize=3)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", length=0)
        axes.set(xlabel="change of the validation accuracy [percentage points]", title=network)
    listed = ", ".join(f"{name} {value:+.2f}" for name, value in zip(names[::-1], points[::-1]))
    return Figure(canvas, f"{network}: what one change of its recipe does to the accuracy on the validation part. Mean of "
                          "paired differences over the seeds; the bars are standard errors of that mean.",
                  f"Change of accuracy of {network} in percentage points: {listed}.")


def search_front(table: pd.DataFrame, title: str) -> Figure:
    """Accuracy against estimated LUTs of every trial of :func:`ultralow.study.search.search`, and the front."""
    front = table[table["on_front"]].sort_values("lut_estimate")
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=(7.0, 4.4))
        axes = canvas.subplots()
        for index, (layers, rows) in enumerate(table.groupby("layers")):
            axes.scatter(rows["lut_estimate"], rows["valid_accuracy"], s=22, marker=MARKERS[index],
                         color=COLOURS[index], label=f"{layers} hidden layer{'' if layers == 1 else 's'}")
        axes.step(front["lut_estimate"], front["valid_accuracy"], where="post", color="0.4", linestyle="--",
                  label="front")
        axes.set_xscale("log")
        axes.set(xlabel="estimated LUTs", ylabel="validation accuracy", title=title)
        axes.legend(loc="lower right")
    listed = "; ".join(f"{row['hidden']}: {row['valid_accuracy']:.3f} at about {row['lut_estimate']:,.0f}"
                       for row in front.to_dict("records"))
    return Figure(canvas, "Every trial of the search. The dashed steps join the trials that no other beats in both.",
                  f"Accuracy against estimated LUTs of {len(table)} trials. On the front: {listed}.")


def search_history(table: pd.DataFrame, title: str) -> Figure:
    """Validation accuracy by trial, and the best so far."""
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=(7.0, 3.4))
        axes = canvas.subplots()
        axes.plot(table["trial"], table["valid_accuracy"], linestyle="none", marker="o", color=COLOURS[0], label="trial")
        axes.step(table["trial"], np.maximum.accumulate(table["valid_accuracy"]), where="post", color=COLOURS[1],
                  label="best so far")
        axes.set(xlabel="trial", ylabel="validation accuracy", title=title)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="lower right")
    return Figure(canvas, "Accuracy of the trials in their order.",
                  f"Validation accuracy of {len(table)} trials; the best is {table['valid_accuracy'].max():.4f}.")


def importances(values: dict[str, dict[str, float]], title: str) -> Figure:
    """Share of each parameter in the spread of each goal; {goal: {parameter: share}}."""
    names = list(next(iter(values.values())))[::-1]
    with matplotlib.rc_context(STYLE | {"ytick.minor.visible": False}):
        canvas = Canvas(figsize=(7.0, 1.2 + 0.35 * len(names)))
        axes = canvas.subplots()
        for index, (goal, shares) in enumerate(values.items()):
            axes.plot([shares.get(name, 0.0) for name in names], range(len(names)), linestyle="none",
                      marker=MARKERS[index], color=COLOURS[index], label=goal)
        axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        axes.tick_params(axis="y", length=0)
        axes.set(xlabel="share in the spread between trials", title=title, xlim=(0, 1))
        axes.legend(loc="lower right")
    listed = "; ".join(f"{goal}: " + ", ".join(f"{name.replace('_', ' ')} {share:.2f}" for name, share in shares.items())
                       for goal, shares in values.items())
    return Figure(canvas, "What the trials' accuracy and cost depend on, by a forest of regression trees (fANOVA).",
                  f"Importance of the parameters. {listed}.")
