"""Knows how the study's figures are drawn: values in, a figure with caption and alternative text out."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import mplhep
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas

from ultralow.files import replacing
from ultralow.exact.dense import FoldedNetwork

# Okabe and Ito's colours, without the yellow that vanishes on white. Markers and dashes tell the lines apart
# without colour.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00", "#7a4b00", "#8a2be2", "#666666")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))

# mplhep's house style (ticks inwards on all sides, labels at the ends) at the size of a page.
STYLE = mplhep.style.ROOT | {
    "font.size": 11, "figure.figsize": (6.0, 4.6), "figure.dpi": 100, "axes.linewidth": 1.0, "lines.linewidth": 1.4,
    "lines.markersize": 5, "axes.titlesize": 11, "axes.titlelocation": "left", "legend.fontsize": 9,
    "xtick.major.size": 6, "xtick.minor.size": 3, "ytick.major.size": 6, "ytick.minor.size": 3,
    "figure.constrained_layout.use": True, "svg.hashsalt": "ultralow", "svg.fonttype": "path", "figure.facecolor": "w",
}


@dataclass(frozen=True)
class Figure:
    """A drawing, what it shows (caption), and what a reader would see in it (alt). Shows itself in a notebook."""

    canvas: Canvas
    caption: str
    alt: str
    _drawn: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)

    def bytes(self, kind: str) -> bytes:
        """The drawing as ``svg`` or ``png``; the same values give the same bytes."""
        if kind not in self._drawn:
            with matplotlib.rc_context(STYLE):
                if not self._drawn:
                    # The layout is solved once, and by the same renderer for all kinds: three times faster.
                    self.canvas.draw_without_rendering()
                    self.canvas.set_layout_engine("none")
                stream = io.BytesIO()
                self.canvas.savefig(stream, format=kind, dpi=150, metadata=_METADATA[kind])
            self._drawn[kind] = stream.getvalue()
        return self._drawn[kind]

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.bytes("png")).decode()
        size = f"width:{self.canvas.get_figwidth():.3g}in;max-width:100%"
        return (f'<figure><img src="data:image/png;base64,{data}" alt="{html.escape(self.alt)}" style="{size}">'
                f"<figcaption>{html.escape(self.caption)}</figcaption></figure>")


# Without these matplotlib writes its version and the date.
_METADATA = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}


def write(figure: Figure, path: str | Path, kinds: Sequence[str] = ("svg", "png")) -> None:
    """Writes ``path`` with the suffix of each kind."""
    for kind in kinds:
        with replacing(Path(path).with_name(f"{Path(path).name}.{kind}")) as temporary:
            temporary.write_bytes(figure.bytes(kind))


def training(network: str, histories: Mapping[int, Mapping[str, Sequence[float]]]) -> Figure:
    """Loss and accuracy by epoch (of a regression the loss), training and validation part, one line per seed (key)."""
    names = [name for name in ("loss", "accuracy") if any(name in history for history in histories.values())]
    with matplotlib.rc_context(STYLE):
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
    with matplotlib.rc_context(STYLE | {"xtick.minor.visible": False, "ytick.minor.visible": False}):
        canvas, axes = blank(size + 0.6, size)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for true, row in enumerate(shares):
            for predicted, share in enumerate(row):
                axes.text(predicted, true, f"{share:.2f}".lstrip("0") if share < 1 else "1", ha="center", va="center",
                          color="white" if share > 0.75 else "black", fontsize=9)
        axes.set_xticks(range(len(classes)), classes)
        axes.set_yticks(range(len(classes)), classes)
        axes.tick_params(length=0)
        axes.set(xlabel="predicted class", ylabel="true class", title=network)
    return Figure(canvas, f"{network}: share of each true class (row) that is taken for each class (column).",
                  f"Confusion matrix of {network}. Found correctly: " + listed(dict(zip(classes, shares.diagonal()))))


def estimates(network: str, targets: Sequence[str], truth: np.ndarray, found: np.ndarray) -> Figure:
    """Estimates against the truth (rows, targets), in the targets' units: how many rows lie where, and below the mean
    error and its deviation in slices of the truth that hold equally many rows."""
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=(4.3 * len(targets), 5.6))
        panels = canvas.subplots(2, len(targets), squeeze=False, sharex="col", height_ratios=(2, 1))
        for (upper, lower), name, true, estimate in zip(panels.T, targets, truth.T, found.T):
            ends = np.quantile(true, (0.001, 0.999))
            drawn = upper.hist2d(true, estimate, bins=60, range=(ends, ends), cmap="Blues", norm="log")[3]
            upper.plot(ends, ends, color="0.3", linestyle="--", linewidth=1)
            canvas.colorbar(drawn, ax=upper, label="rows")
            upper.set(ylabel=f"{name}, estimated", title=network)
            edges = np.unique(np.quantile(true, np.linspace(0, 1, 16)))
            part = np.clip(np.searchsorted(edges, true, side="right") - 1, 0, max(len(edges) - 2, 0))
            slices = [estimate[part == n] - true[part == n] for n in range(len(edges) - 1)]
            lower.errorbar([true[part == n].mean() for n in range(len(slices))], [s.mean() for s in slices],
                           [s.std() for s in slices], linestyle="none", marker="o", color=COLOURS[0])
            lower.axhline(0, color="0.3", linewidth=1, linestyle="--")
            lower.set(xlabel=f"{name}, true", ylabel="error")
    errors = {name: float(np.sqrt(np.mean((e - t) ** 2))) for name, t, e in zip(targets, truth.T, found.T)}
    return Figure(canvas, f"{network}: estimates against the truth on the test part; below mean error and its standard "
                          "deviation in slices of the truth.",
                  f"Estimates of {network} against the truth. Root mean square error: {listed(errors)}")


def weights(folded: FoldedNetwork, latent: Sequence[np.ndarray] = ()) -> Figure:
    """Histogram of the weights of each layer as the hardware holds them, below that of its ``latent`` weights.

    ``latent``, where given, are the real weights that training rounded, of :func:`ultralow.importing.latent.kernels`.
    """
    rows = [latent, None] if len(latent) == len(folded.layers) else [None]
    with matplotlib.rc_context(STYLE | {"xtick.minor.visible": False, "ytick.minor.visible": False}):
        canvas = Canvas(figsize=(max(4.0, 2.0 * len(folded.layers)), 2.1 * len(rows) + 0.7))
        panels = canvas.subplots(len(rows), len(folded.layers), sharey="row", squeeze=False)
        for axes, kernel in zip(panels[0], latent if len(rows) == 2 else ()):
            axes.hist(kernel.ravel(), bins=41, weights=np.full(kernel.size, 1 / kernel.size), color="0.55")
        for axes, layer in zip(panels[-1], folded.layers):
            values = layer.kernel * 2.0**-layer.kernel_fraction
            if layer.weights in ("binary", "ternary"):
                levels = (-1, 1) if layer.weights == "binary" else (-1, 0, 1)
                axes.bar(levels, [np.mean(values == level) for level in levels], width=0.6, color=COLOURS[0])
                axes.set_xticks(levels, [f"{level:+d}" if level else "0" for level in levels])
            else:
                axes.hist(values.ravel(), bins=41, weights=np.full(values.size, 1 / values.size), color=COLOURS[0])
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


def look(index: int) -> dict:
    """Colour and marker of the index-th of several networks; beyond COLOURS the markers are open."""
    colour = COLOURS[index % len(COLOURS)]
    return {"color": colour, "marker": MARKERS[index % len(MARKERS)],
            "markerfacecolor": colour if index // len(COLOURS) % 2 == 0 else "white"}


def blank(width: float = 6.0, height: float = 4.6) -> tuple[Canvas, matplotlib.axes.Axes]:
    """An empty drawing of one panel, sizes in inches; within STYLE's context."""
    canvas = Canvas(figsize=(width, height))
    return canvas, canvas.subplots()


def power_of_ten(value: float, _: int) -> str:
    """1000 and 0.01 as they are written: shorter than a power, and quicker to draw than matplotlib's mathematics."""
    return f"{value:,.0f}" if value >= 1 else f"{value:.10f}".rstrip("0")


def listed(values: Mapping[str, float]) -> str:
    """Names and values as a sentence's end, for alternative texts."""
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items() if not pd.isna(value)) + "."
