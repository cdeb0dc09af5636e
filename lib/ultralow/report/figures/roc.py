"""Draw ROC curves and their areas: background against signal efficiency, bands over seeds."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np

from ultralow.report.figures.style import DASHES, STYLE, Canvas, Figure, blank, label, listed, look, power_of_ten
from ultralow.metrics import SMALLEST_EFFICIENCY, Band


def roc(network: str, bands: Mapping[str, Band]) -> Figure:
    """ROC curves of one network, one line per class, with the band over seeds."""
    with matplotlib.rc_context(STYLE):
        canvas, axes = _efficiencies(network, len(bands))
        for index, (name, band) in enumerate(bands.items()):
            spread = f" ± {band.auc_std:.3f}" if band.auc_std is not None else ""
            _curve(axes, band, index, f"{label(name)}   AUC {band.auc_mean:.3f}{spread}")
        _legend(canvas, axes)
    shaded = " Shaded: smallest to largest of the seeds." if any(b.auc_std is not None for b in bands.values()) else ""
    return Figure(canvas, f"{network}: background efficiency against signal efficiency, each class against the rest. "
                          f"Lower is better.{shaded}",
                  f"ROC curves of {network}. AUC: " + listed({k: b.auc_mean for k, b in bands.items()}))


def roc_of_class(name: str, bands: Mapping[str, Band]) -> Figure:
    """ROC curves of one class, one line per network."""
    with matplotlib.rc_context(STYLE):
        canvas, axes = _efficiencies(f"class {label(name)}", len(bands))
        for index, (network, band) in enumerate(bands.items()):
            _curve(axes, band, index, f"{network}   {band.auc_mean:.3f}")
        _legend(canvas, axes, title="AUC")
    return Figure(canvas, f"Class {name} against the rest, network by network. Lower is better.",
                  f"ROC curves of class {name}. AUC: " + listed({k: b.auc_mean for k, b in bands.items()}))


def roc_by_precision(title: str, kinds: Mapping[str, tuple[str, Mapping[str, Band]]], where: str = "") -> Figure:
    """Small multiples: for each class one panel with a curve per precision, {kind: (network, {class: band})}.

    ``where`` names the source of the rows, on the right above the first panel.
    """
    classes = list(dict.fromkeys(name for _, bands in kinds.values() for name in bands))
    columns = min(len(classes), 5)
    rows = -(-len(classes) // columns)
    with matplotlib.rc_context(STYLE | {"font.size": 10}):
        canvas = Canvas(figsize=(2.0 + 1.9 * columns, 0.9 + 2.2 * rows))
        panels = canvas.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, name in zip(panels.ravel(), classes):
            areas = []
            for index, (_, bands) in enumerate(kinds.values()):
                if name in bands:
                    _curve(axes, bands[name], index, "")
                    areas.append(f"{bands[name].auc_mean:.3f}")
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(power_of_ten)
            axes.set(xlim=(0, 1), ylim=(1e-4, 1))
            axes.set_title(label(name), fontsize=10)
            axes.text(0.97, 0.04, "AUC\n" + "\n".join(areas), transform=axes.transAxes, ha="right", va="bottom",
                      fontsize=8, linespacing=1.15, bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1})
        for axes in panels.ravel()[len(classes):]:
            axes.remove()
        canvas.supxlabel("signal efficiency", fontsize=10)
        canvas.supylabel("background efficiency", fontsize=10)
        lines = [matplotlib.lines.Line2D([], [], linestyle=DASHES[i], markersize=4, **look(i))
                 for i in range(len(kinds))]
        canvas.legend(lines, [f"{kind} ({network})" for kind, (network, _) in kinds.items()],
                      loc="outside upper center", ncols=len(kinds), title=where or None, title_fontsize=9)
    listed_by_kind = "; ".join(f"{kind}: {listed({n: b.auc_mean for n, b in bands.items()}).rstrip('.')}"
                               for kind, (_, bands) in kinds.items())
    return Figure(canvas, f"{title}: float against binary against ternary weights and activations in the same layers, "
                          "each class against the rest. The AUCs in a panel stand in the legend’s order. Lower is "
                          "better. Shaded: smallest to largest of the seeds, where there are several.",
                  f"ROC curves by precision on {title}. AUC of {listed_by_kind}.")


def auc_by_class(dataset: str, areas: Mapping[str, Mapping[str, float]]) -> Figure:
    """AUC (0 to 1) of each network (outer key) and class (inner key)."""
    classes = list(dict.fromkeys(name for values in areas.values() for name in values))
    with matplotlib.rc_context(STYLE):
        canvas, axes = blank(max(5.0, 1.2 + 0.75 * len(classes)) + 2.2, 4.2)
        for index, (network, values) in enumerate(areas.items()):
            shift = (index - (len(areas) - 1) / 2) * 0.7 / max(len(areas), 1)
            axes.plot([position + shift for position in range(len(classes))],
                      [values.get(name, np.nan) for name in classes], linestyle="none", label=network,
                      **look(index))
        for edge in range(1, len(classes)):
            axes.axvline(edge - 0.5, color="0.8", linewidth=0.8)
        axes.set_xticks(range(len(classes)), list(map(label, classes)))
        axes.tick_params(axis="x", which="both", length=0)
        axes.set_xlim(-0.5, len(classes) - 0.5)
        axes.set(xlabel="class", ylabel="AUC", title=dataset)
        canvas.legend(loc="outside right upper")
    return Figure(canvas, f"{dataset}: AUC of each class against the rest, mean over seeds. Higher is better.",
                  f"AUC by class on {dataset}. " + "; ".join(f"{k}: {listed(v)}" for k, v in areas.items()))


def _curve(axes: matplotlib.axes.Axes, band: Band, index: int, label: str) -> None:
    shown, style = band.mean > 0, look(index)  # zero has no place on a log axis
    signal, mean = _with_markers(band.signal[shown], band.mean[shown], index)
    axes.plot(signal, mean, label=label, linestyle=DASHES[index % len(DASHES)], markersize=4,
              markevery=np.searchsorted(signal, _marked(signal, index)).tolist(), **style)
    if band.auc_std is not None:
        axes.fill_between(band.signal[shown], np.maximum(band.low[shown], SMALLEST_EFFICIENCY), band.high[shown],
                          color=style["color"], alpha=0.25, linewidth=0)


def _marked(signal: np.ndarray, index: int) -> np.ndarray:
    """Signal efficiencies that bear a marker: ten a curve, shifted from curve to curve so that none hides another."""
    if not len(signal):
        return signal
    marked = signal[0] + 0.02 * (index % 5) + 0.1 * np.arange(11)
    return marked[marked <= signal[-1]]


def _with_markers(signal: np.ndarray, mean: np.ndarray, index: int) -> tuple[np.ndarray, np.ndarray]:
    """The curve with a point at each marker; between its points it is straight on a logarithmic axis."""
    if not len(signal):
        return signal, mean
    every = np.union1d(signal, _marked(signal, index))
    return every, 10 ** np.interp(every, signal, np.log10(mean))


def _efficiencies(title: str, lines: int) -> tuple[Canvas, matplotlib.axes.Axes]:
    canvas, axes = blank(6.0 if lines <= _INSIDE else 8.2)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(power_of_ten)
    axes.set(xlabel="signal efficiency", ylabel="background efficiency", title=title, xlim=(0, 1), ylim=(1e-4, 1))
    return canvas, axes


_INSIDE = 5  # so many lines' legend fits below the curves


def _legend(canvas: Canvas, axes: matplotlib.axes.Axes, title: str | None = None) -> None:
    inside = len(axes.get_lines()) <= _INSIDE
    place, loc = (axes, "lower right") if inside else (canvas, "outside right upper")
    place.legend(loc=loc, title=title, title_fontsize=9)
