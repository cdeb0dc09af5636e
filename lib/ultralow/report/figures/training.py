"""Draw what the training of one network gave: curves, confusion or estimates, weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np

from ultralow.exact.dense import FoldedNetwork
from ultralow.metrics import EstimateHistogram
from ultralow.report.figures.style import COLOURS, PLAIN, STYLE, Canvas, Figure, blank, label, listed


def training(network: str, histories: Mapping[int, Mapping[str, Sequence[float]]]) -> Figure:
    """Loss and accuracy by epoch (of a regression the loss), training and validation part, one line per seed (key)."""
    names = [name for name in ("loss", "accuracy") if any(name in history for history in histories.values())]
    with matplotlib.rc_context(STYLE | PLAIN):
        canvas = Canvas(figsize=(4.3 * len(names), 3.4))
        for axes, name in zip(canvas.subplots(1, len(names), squeeze=False)[0], names):
            for index, (seed, history) in enumerate(histories.items()):
                for part, dash in (("", "-"), ("val_", "--")):
                    values = history.get(part + name, [])
                    axes.plot(range(1, len(values) + 1), values, linestyle=dash, color=COLOURS[index % len(COLOURS)],
                              label=f"seed {seed}, {'validation' if part else 'training'}")
            axes.set(xlabel="epoch", ylabel=name, title=network)
            axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="upper right" if names[-1] == "loss" else "lower right")
    last = {seed: h[f"val_{names[-1]}"][-1] for seed, h in histories.items() if h.get(f"val_{names[-1]}")}
    return Figure(canvas, f"{network}: {' and '.join(names)} by epoch; dashed: the validation part.",
                  f"Training curves of {network}. Last validation {names[-1]}: "
                  + listed({f"seed {seed}": value for seed, value in last.items()}))


def confusion(network: str, classes: Sequence[str], counts: np.ndarray) -> Figure:
    """Confusion matrix (true, predicted) as shares of each true class, from counts."""
    counts = np.asarray(counts, float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 3.0 + 0.32 * len(classes)
    with matplotlib.rc_context(STYLE | PLAIN):
        canvas, axes = blank(size + 0.6, size)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for true, row in enumerate(shares):
            for predicted, share in enumerate(row):
                axes.text(predicted, true, f"{share:.2f}".lstrip("0") if share < 1 else "1", ha="center", va="center",
                          color="white" if share > 0.75 else "black", fontsize=9)
        axes.set_xticks(range(len(classes)), list(map(label, classes)))
        axes.set_yticks(range(len(classes)), list(map(label, classes)))
        axes.tick_params(length=0)
        axes.set(xlabel="predicted class", ylabel="true class", title=network)
    return Figure(canvas, f"{network}: share of each true class (row) that is taken for each class (column).",
                  f"Confusion matrix of {network}. Found correctly: " + listed(dict(zip(classes, shares.diagonal()))))


def estimates(network: str, targets: Mapping[str, EstimateHistogram]) -> Figure:
    """Estimates against the truth, target by target (key): how many rows lie where, and below the mean error and its deviation
    in slices of the truth that hold equally many rows."""
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=(4.3 * len(targets), 5.6))
        panels = canvas.subplots(2, len(targets), squeeze=False, sharex="col", height_ratios=(2, 1))
        for (upper, lower), (name, target) in zip(panels.T, targets.items()):
            ends = target.ends if target.ends[0] < target.ends[1] else (target.ends[0] - 0.5, target.ends[1] + 0.5)  # as counted
            edges = np.linspace(*ends, len(target.counts) + 1)
            if target.counts.any():  # a logarithm of none is none
                drawn = upper.pcolormesh(edges, edges, target.counts.T, cmap="Blues", norm="log")
                canvas.colorbar(drawn, ax=upper, label="rows")
            upper.plot(ends, ends, color="0.3", linestyle="--", linewidth=1)
            upper.set(xlim=ends, ylim=ends)
            upper.set(ylabel=f"{label(name)}, estimated", title=network)
            lower.errorbar(target.slice_truth, target.slice_error, target.slice_deviation, linestyle="none", marker="o",
                           color=COLOURS[0])
            lower.axhline(0, color="0.3", linewidth=1, linestyle="--")
            lower.set(xlabel=f"{label(name)}, true", ylabel="error")
    errors = {name: target.rmse for name, target in targets.items()}
    return Figure(canvas, f"{network}: estimates against the truth on the test part; below mean error and its standard "
                          "deviation in slices of the truth.",
                  f"Estimates of {network} against the truth. Root mean square error: {listed(errors)}")


def weights(folded: FoldedNetwork, latent: Sequence[np.ndarray] = ()) -> Figure:
    """Histogram of the weights of each layer as the hardware holds them, below that of its ``latent`` weights.

    ``latent``, where given, are the real weights that training rounded, of :func:`ultralow.importing.keras_file.latent_kernels`.
    """
    rows = [latent, None] if len(latent) == len(folded.layers) else [None]
    with matplotlib.rc_context(STYLE | PLAIN):
        canvas = Canvas(figsize=(max(4.0, 2.0 * len(folded.layers)), 2.1 * len(rows) + 0.7))
        panels = canvas.subplots(len(rows), len(folded.layers), sharey="row", squeeze=False)
        for axes, kernel in zip(panels[0], latent if len(rows) == 2 else ()):
            axes.hist(kernel.ravel(), bins=41, weights=np.full(kernel.size, 1 / kernel.size), histtype="stepfilled", color="0.55")
        for axes, layer in zip(panels[-1], folded.layers):
            values = layer.kernel * 2.0**-layer.kernel_fraction
            if layer.weights in ("binary", "ternary"):
                levels = (-1, 1) if layer.weights == "binary" else (-1, 0, 1)
                axes.bar(levels, [np.mean(values == level) for level in levels], width=0.6, color=COLOURS[0])
                axes.set_xticks(levels, [f"{level:+d}" if level else "0" for level in levels])
            else:
                axes.hist(values.ravel(), bins=41, weights=np.full(values.size, 1 / values.size), histtype="stepfilled",
                          color=COLOURS[0])
        for axes, layer in zip(panels[0], folded.layers):
            shape = "x".join(map(str, layer.kernel.shape))
            axes.set_title(f"{shape}, zero {np.mean(layer.kernel == 0):.0%}", fontsize=9)
        for axes, when in zip(panels[:, 0], ("before", "after") if len(rows) == 2 else ("weights",)):
            axes.set_ylabel(f"share {when}" if len(rows) == 2 else "share of weights")
        panels[-1][-1].set_xlabel("weight")
    zeros = {f"layer {i + 1}": float(np.mean(s.kernel == 0)) for i, s in enumerate(folded.layers)}
    above = " Above, grey: the real numbers that training rounded" if len(rows) == 2 else ""
    if above:
        fixed = folded.layers[0].weights == "fixed"
        above += "." if fixed else "; weights that it settled at a level stand there already."
    return Figure(canvas, f"{folded.name}: weights of each layer as the hardware holds them.{above}",
                  f"Weight histograms of {folded.name}. Share of zeros: {listed(zeros)}")
