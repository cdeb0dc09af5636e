"""Knows how the study's figures are drawn: values in, a figure with caption and alternative text out."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import mplhep
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas

from ultralow.files import replacing
from ultralow.folded import FoldedNetwork
from ultralow.metrics import Band

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


def roc(network: str, bands: Mapping[str, Band]) -> Figure:
    """ROC curves of one network, one line per class, with the band over seeds."""
    with matplotlib.rc_context(STYLE):
        canvas, axes = _efficiencies(network, len(bands))
        for index, (name, band) in enumerate(bands.items()):
            spread = f" ± {band.auc_std:.3f}" if band.auc_std is not None else ""
            _curve(axes, band, index, f"{name}   AUC {band.auc_mean:.3f}{spread}")
        _legend(canvas, axes)
    shaded = " Shaded: smallest to largest of the seeds." if any(b.auc_std is not None for b in bands.values()) else ""
    return Figure(canvas, f"{network}: background efficiency against signal efficiency, each class against the rest. "
                          f"Lower is better.{shaded}",
                  f"ROC curves of {network}. AUC: " + _listed({k: b.auc_mean for k, b in bands.items()}))


def roc_of_class(name: str, bands: Mapping[str, Band]) -> Figure:
    """ROC curves of one class, one line per network."""
    with matplotlib.rc_context(STYLE):
        canvas, axes = _efficiencies(f"class {name}", len(bands))
        for index, (network, band) in enumerate(bands.items()):
            _curve(axes, band, index, f"{network}   {band.auc_mean:.3f}")
        _legend(canvas, axes, title="AUC")
    return Figure(canvas, f"Class {name} against the rest, network by network. Lower is better.",
                  f"ROC curves of class {name}. AUC: " + _listed({k: b.auc_mean for k, b in bands.items()}))


def auc_by_class(dataset: str, areas: Mapping[str, Mapping[str, float]]) -> Figure:
    """AUC (0 to 1) of each network (outer key) and class (inner key)."""
    classes = list(dict.fromkeys(name for values in areas.values() for name in values))
    with matplotlib.rc_context(STYLE):
        canvas, axes = _axes(max(5.0, 1.2 + 0.75 * len(classes)) + 2.2, 4.2)
        for index, (network, values) in enumerate(areas.items()):
            shift = (index - (len(areas) - 1) / 2) * 0.7 / max(len(areas), 1)
            axes.plot([position + shift for position in range(len(classes))],
                      [values.get(name, np.nan) for name in classes], linestyle="none", label=network,
                      color=COLOURS[index % len(COLOURS)], marker=MARKERS[index % len(MARKERS)])
        for edge in range(1, len(classes)):
            axes.axvline(edge - 0.5, color="0.8", linewidth=0.8)
        axes.set_xticks(range(len(classes)), classes)
        axes.tick_params(axis="x", which="both", length=0)
        axes.set_xlim(-0.5, len(classes) - 0.5)
        axes.set(xlabel="class", ylabel="AUC", title=dataset)
        canvas.legend(loc="outside right upper")
    return Figure(canvas, f"{dataset}: AUC of each class against the rest, mean over seeds. Higher is better.",
                  f"AUC by class on {dataset}. " + "; ".join(f"{k}: {_listed(v)}" for k, v in areas.items()))


def accuracy_against(dataset: str, cost: str, table: pd.DataFrame, front: Iterable[str],
                     published: pd.DataFrame) -> Figure:
    """Accuracy against ``cost`` ("lut" or "latency_ns"), ours (``table``, columns network, accuracy_mean, accuracy_std)
    with the Pareto front (names), and published rows by the stage that their numbers come from.
    """
    ours, others = table.dropna(subset=[cost]), published.dropna(subset=[cost])
    label = {"lut": "LUTs", "latency_ns": "latency [ns]"}[cost]
    with matplotlib.rc_context(STYLE):
        canvas, axes = _axes(8.6, 4.8)
        for index, (stage, rows) in enumerate(others.groupby("tool_stage", sort=True)):
            axes.scatter(rows[cost], rows["accuracy"], s=26, facecolors="none", edgecolors="0.35",
                         marker=("o", "s", "^", "D", "v", "P")[index % 6], label=f"published: {stage}", zorder=2)
        line = ours.set_index("network").loc[list(front)]
        axes.step(line[cost], line["accuracy_mean"], where="post", color="0.6", linestyle="--", zorder=1,
                  label="our Pareto front")
        for index, row in enumerate(ours.to_dict("records")):
            spread = None if pd.isna(row["accuracy_std"]) else row["accuracy_std"]
            axes.errorbar(row[cost], row["accuracy_mean"], yerr=spread, color=COLOURS[index % len(COLOURS)], zorder=3,
                          marker=MARKERS[index % len(MARKERS)], markersize=7, linestyle="none", label=row["network"])
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(_power_of_ten)
        axes.set(xlabel=label, ylabel="accuracy", title=dataset)
        canvas.legend(loc="outside right upper")
    listed = "; ".join(f"{r['network']} {r['accuracy_mean']:.3f} at {r[cost]:,.0f}" for r in ours.to_dict("records"))
    beside = "Open grey: published, each with the tool stage its number comes from. " if len(others) else ""
    return Figure(canvas, f"{dataset}: accuracy against {label}. Filled: this study. {beside}"
                          "The dashed steps join our networks that no other of ours beats.",
                  f"Accuracy against {label} on {dataset}. {listed or 'No network was taken to gates'}.")


def training(network: str, histories: Mapping[int, Mapping[str, Sequence[float]]]) -> Figure:
    """Loss and accuracy by epoch, training and validation part, one line per seed (key)."""
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=(8.6, 3.4))
        for axes, name in zip(canvas.subplots(1, 2), ("loss", "accuracy")):
            for index, (seed, history) in enumerate(histories.items()):
                for part, dash in (("", "-"), ("val_", "--")):
                    values = history.get(part + name, [])
                    axes.plot(range(1, len(values) + 1), values, linestyle=dash, color=COLOURS[index % len(COLOURS)],
                              label=f"seed {seed}, {'validation' if part else 'training'}")
            axes.set(xlabel="epoch", ylabel=name, title=network)
            axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="lower right")
    last = {seed: h["val_accuracy"][-1] for seed, h in histories.items() if h.get("val_accuracy")}
    return Figure(canvas, f"{network}: loss and accuracy by epoch; dashed: the validation part.",
                  f"Training curves of {network}. Last validation accuracy: "
                  + _listed({f"seed {seed}": value for seed, value in last.items()}))


def confusion(network: str, classes: Sequence[str], counts: np.ndarray) -> Figure:
    """Confusion matrix (true, predicted) as shares of each true class, from counts."""
    counts = np.asarray(counts, float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 3.0 + 0.32 * len(classes)
    with matplotlib.rc_context(STYLE | {"xtick.minor.visible": False, "ytick.minor.visible": False}):
        canvas, axes = _axes(size + 0.6, size)
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
                  f"Confusion matrix of {network}. Found correctly: " + _listed(dict(zip(classes, shares.diagonal()))))


def weights(folded: FoldedNetwork) -> Figure:
    """Histogram of the weights of each layer as the hardware holds them."""
    with matplotlib.rc_context(STYLE | {"xtick.minor.visible": False}):
        canvas = Canvas(figsize=(max(4.0, 2.0 * len(folded.layers)), 2.8))
        panels = canvas.subplots(1, len(folded.layers), sharey=True, squeeze=False)[0]
        for index, (axes, layer) in enumerate(zip(panels, folded.layers)):
            values = layer.kernel * 2.0**-layer.kernel_fraction
            if layer.weights in ("binary", "ternary"):
                levels = (-1, 1) if layer.weights == "binary" else (-1, 0, 1)
                axes.bar(levels, [np.mean(values == level) for level in levels], width=0.6, color=COLOURS[0])
                axes.set_xticks(levels, [f"{level:+d}" if level else "0" for level in levels])
            else:
                axes.hist(values.ravel(), bins=41, weights=np.full(values.size, 1 / values.size), color=COLOURS[0])
            axes.set_title(f"{'x'.join(map(str, values.shape))}, zero {np.mean(values == 0):.0%}", fontsize=9)
        panels[0].set_ylabel("share of weights")
        panels[-1].set_xlabel("weight")
    zeros = {f"layer {i + 1}": float(np.mean(s.kernel == 0)) for i, s in enumerate(folded.layers)}
    return Figure(canvas, f"{folded.name}: weights of each layer as the hardware holds them.",
                  f"Weight histograms of {folded.name}. Share of zeros: {_listed(zeros)}")


def finn(table: pd.DataFrame) -> Figure:
    """Error against neurons per layer, ours and FINN's, from :func:`ultralow.tables.finn`."""
    with matplotlib.rc_context(STYLE):
        canvas, axes = _axes()
        for index, kind in enumerate(("binary", "float")):
            for prefix, dash, fill in (("", "-", "full"), ("published_", ":", "none")):
                rows = table.dropna(subset=[f"{prefix}{kind}_error_percent"])
                if len(rows):
                    axes.plot(rows["neurons"].astype(float), rows[f"{prefix}{kind}_error_percent"].astype(float),
                              linestyle=dash, marker=MARKERS[index], color=COLOURS[index], fillstyle=fill,
                              label=f"{kind}, {'FINN' if prefix else 'this study'}")
        axes.set_xscale("log", base=2)
        neurons = table["neurons"].astype(int).tolist()
        axes.set_xticks(neurons, [str(n) for n in neurons])
        axes.set(xlabel="neurons in each of three hidden layers", ylabel="error [%]")
        axes.legend()
    listed = "; ".join(f"{r['neurons']}: binary {_cell(r['binary_error_percent'])}, "
                       f"float {_cell(r['float_error_percent'])}" for r in table.to_dict("records"))
    return Figure(canvas, "Error against width, binary and float, beside FINN's table 1 (open symbols).",
                  f"Error in percent by neurons per layer. {listed}.")


def _axes(width: float = 6.0, height: float = 4.6) -> tuple[Canvas, matplotlib.axes.Axes]:
    canvas = Canvas(figsize=(width, height))
    return canvas, canvas.subplots()


def _curve(axes: matplotlib.axes.Axes, band: Band, index: int, label: str) -> None:
    colour, shown = COLOURS[index % len(COLOURS)], band.mean > 0  # zero has no place on a log axis
    axes.plot(band.signal[shown], band.mean[shown], label=label, color=colour, linestyle=DASHES[index % len(DASHES)],
              marker=MARKERS[index % len(MARKERS)], markevery=(8 * index % 40, 40), markersize=4)
    if band.auc_std is not None:
        axes.fill_between(band.signal[shown], np.maximum(band.low[shown], 1e-6), band.high[shown], color=colour,
                          alpha=0.25, linewidth=0)


def _efficiencies(title: str, lines: int) -> tuple[Canvas, matplotlib.axes.Axes]:
    canvas, axes = _axes(6.0 if lines <= _INSIDE else 8.2)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_power_of_ten)
    axes.set(xlabel="signal efficiency", ylabel="background efficiency", title=title, xlim=(0, 1), ylim=(1e-4, 1))
    return canvas, axes


_INSIDE = 5  # so many lines' legend fits below the curves


def _legend(canvas: Canvas, axes: matplotlib.axes.Axes, title: str | None = None) -> None:
    inside = len(axes.get_lines()) <= _INSIDE
    place, loc = (axes, "lower right") if inside else (canvas, "outside right upper")
    place.legend(loc=loc, title=title, title_fontsize=9)


def _power_of_ten(value: float, _: int) -> str:
    """1000 and 0.01 as they are written: shorter than a power, and quicker to draw than matplotlib's mathematics."""
    return f"{value:,.0f}" if value >= 1 else f"{value:.10f}".rstrip("0")


def _listed(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items() if not pd.isna(value)) + "."


def _cell(value: float) -> str:
    return "not measured" if pd.isna(value) else f"{value:.2f}"
