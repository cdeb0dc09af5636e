"""Draw accuracy and cost against each other: ours with their Pareto front, beside published ones."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib
import pandas as pd

from ultralow.report.figures.style import COLOURS, DASHES, MARKERS, STYLE, Figure, blank, look, power_of_ten
from ultralow.report.comparison import qualities, quality

MOST_NAMES = 16  # that a figure's legend holds


def accuracy_against(dataset: str, cost: str, table: pd.DataFrame, front: Iterable[str],
                     published: pd.DataFrame) -> Figure:
    """Accuracy (or R² of a regression) against ``cost`` ("lut" or "latency_ns"), ours (``table``, rows of the comparison)
    with the Pareto front (names), and published rows by the conditions of their numbers: tool stage and device.
    """
    ours, others = table.dropna(subset=[cost]), published.dropna(subset=[cost])
    label = {"lut": "LUTs", "latency_ns": "latency [ns]"}[cost]
    what, ours = quality(table.iloc[0]).name, ours.assign(quality=qualities(ours))
    with matplotlib.rc_context(STYLE):
        canvas, axes = blank(8.6, 4.8)
        for index, (conditions, rows) in enumerate(others.groupby(conditions_of(others), sort=True)):
            axes.scatter(rows[cost], rows["accuracy"], s=26, facecolors="none", edgecolors="0.35",
                         marker=MARKERS[index % len(MARKERS)], label=f"published: {conditions}", zorder=2)
        line = ours.set_index("network").loc[list(front)]
        axes.step(line[cost], line["quality"], where="post", color="0.6", linestyle="--", zorder=1,
                  label="our Pareto front")
        # Too many for a legend each: by kind.
        by = "network" if len(ours) <= MOST_NAMES else "kind"
        for index, (name, rows) in enumerate(ours.groupby(by, sort=False)):
            spreads = [quality(row).deviation for row in rows.to_dict("records")]
            axes.errorbar(rows[cost], rows["quality"], yerr=[0 if pd.isna(spread) else spread for spread in spreads], zorder=3,
                          markersize=7, linestyle="none", label=name, **look(index))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(power_of_ten)
        axes.set(xlabel=label, ylabel=what, title=dataset)
        canvas.legend(loc="outside right upper")
    listed = "; ".join(f"{r['network']} {r['quality']:.3f} at {r[cost]:,.0f}" for r in ours.to_dict("records"))
    beside = "Open grey: published, each shape with the tool stage and device of its numbers. " if len(others) else ""
    return Figure(canvas, f"{dataset}: {what} against {label}. Filled: this study. {beside}"
                          "The dashed steps join our networks that no other of ours beats.",
                  f"{what[:1].upper() + what[1:]} against {label} on {dataset}. {listed or 'No circuit was synthesised'}.")


def conditions_of(published: pd.DataFrame) -> pd.Series:
    """What the numbers of each published row were obtained with, in words: tool stage and device."""
    return published["tool_stage"] + ", " + published["device"].replace("", "device not stated")


def area_latency(table: pd.DataFrame) -> Figure:
    """LUTs against latency of the same networks for several depths of sharing, a line for each network and clock.

    ``table`` has the columns network, clock_ns, delay_constraint, lut, latency_cycles, latency_ns.
    """
    known = table.dropna(subset=["lut", "latency_ns"])
    with matplotlib.rc_context(STYLE):
        canvas, axes = blank(8.6, 4.8)
        clocks = sorted(known["clock_ns"].unique())
        for index, (network, rows) in enumerate(known.groupby("network", sort=False)):
            for dash, clock in zip(DASHES * 9, clocks):
                line = rows[rows["clock_ns"] == clock].sort_values(["latency_ns", "lut"])
                if len(line):
                    axes.plot(*line[["latency_ns", "lut"]].astype(float).to_numpy().T, linestyle=dash, **look(index),
                              label=f"{network}, {clock:g} ns" if len(clocks) > 1 else network)
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(power_of_ten)
            axis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        axes.set(xlabel="latency [ns]", ylabel="LUTs")
        canvas.legend(loc="outside right upper", handlelength=4)
    ends = "; ".join(f"{network}: {_point(rows, 'latency_ns')}, to {_point(rows, 'lut')}"
                     for network, rows in known.groupby("network", sort=False))
    return Figure(canvas, "LUTs against latency of the same networks: sums that share more need more levels, and a "
                          "shorter clock more pipeline stages. All points of a network give the same outputs.",
                  f"LUTs against latency, from the fastest to the smallest circuit. {ends}.")


def _point(rows: pd.DataFrame, least: str) -> str:
    row = rows.loc[rows[least].idxmin()]
    return f"{row['lut']:,.0f} LUTs in {row['latency_ns']:,.0f} ns at a clock of {row['clock_ns']:g} ns"


def finn(table: pd.DataFrame) -> Figure:
    """Error against neurons per layer, ours and FINN's, from :func:`ultralow.report.comparison.finn_table`."""
    with matplotlib.rc_context(STYLE):
        canvas, axes = blank()
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


def _cell(value: float) -> str:
    return "not measured" if pd.isna(value) else f"{value:.2f}"
