"""Knows how a table is laid out for readers of the report: rounded cells, the published value below, a mark."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ultralow.report import published as others
from ultralow.report.summary import conditions
from ultralow.report.budgets import LATENCY_NS, LUT_PERCENT, best
from ultralow.networks.catalogue import FINN
from ultralow.report.prototypes import beside as prototypes_beside
from ultralow.report.comparison import PAIRS, front, quality, verdict

_SLIDES = {"jets": "jets", "mnist": "MNIST"}
MARKS = {"better": "▲", "worse": "▼", "equal": "=", "other data": "≠"}

GLOSSARY = [
    ("accuracy", "share of the test part whose largest output is the true class, of the folded network, which is the "
                 "network in the hardware; mean over seeds ± standard deviation"),
    ("AUC", "area under the ROC curve of each class against the rest, mean over seeds ± standard deviation; of the "
            "class with the smallest, and of the one with the largest"),
    ("R²", "of a regression: share of the targets’ variance in the test part that the folded network explains"),
    ("latency", "clock cycles from input to output × clock period. The period is the target that the tools were given; "
                "no open tool can time this device"),
    ("LUT, FF, DSP, BRAM", "what the circuit occupies, in percent of a VU9P (1,182,240 LUTs, 2,364,480 flip-flops, "
                           "6,840 DSPs, 4,320 BRAMs of 18 kbit)"),
    ("hls4ml exact", "rows on which the compiled hls4ml code gives exactly the folded network’s outputs, of the rows "
                     "compared"),
    ("Verilog exact", "rows on which the simulated Verilog gives exactly the folded network’s outputs, of the rows "
                      "compared"),
    ("tool stage", "where published gates come from: high-level synthesis estimates are not place and route"),
]


_HEADER = ["network", "accuracy", "smallest AUC", "largest AUC", "latency [ns]", "LUT", "FF", "DSP", "BRAM",
           "hls4ml exact", "Verilog exact"]


def slides(table: pd.DataFrame, dataset: str) -> dict | None:
    """The slides' table of one dataset, row by row in their order: ours, and in each cell the published value.

    A row that several of our networks answer stands once for each; one that none answers has no values of ours. None
    of a dataset that the slides do not have.
    """
    rows = table[(table["dataset"] == dataset) & ~table["network"].str.startswith(FINN)]
    if dataset not in _SLIDES:
        return None
    named = others.rows()[lambda known: known["table"] == f"slides, {_SLIDES[dataset]}"]
    shown = []
    for name in named.index:
        answers = rows[rows["published_row"] == name].to_dict("records")
        shown += [_main_row(row, f"slides: {others.row(name)['method']}") for row in answers]
        if not answers:
            shown.append(_unanswered(others.row(name)))
    return {"id": f"slides-{dataset}", "title": f"The slides’ table on {dataset}, row by row",
            "caption": conditions(rows), "header": _HEADER, "words": ["network"], "rows": shown}


def main(table: pd.DataFrame, dataset: str) -> dict | None:
    """The other networks of one dataset, FINN's left out; None if there are none."""
    rows = table[(table["dataset"] == dataset) & ~table["network"].str.startswith(FINN) & table["published_row"].isna()]
    if rows.empty:
        return None
    what = quality(rows.iloc[0])[0]
    more = ("Conditions as above; the slides have no network with these layers." if dataset in _SLIDES else
            conditions(rows))
    return {"id": f"table-{dataset}", "title": f"{'More n' if dataset in _SLIDES else 'N'}etworks on {dataset}",
            "caption": more, "header": [what if name == "accuracy" else name for name in _HEADER], "words": ["network"],
            "rows": [_main_row(row) for row in rows.to_dict("records")]}


def budget(table: pd.DataFrame, dataset: str) -> dict:
    """The most accurate network within each pair of limits: a row per latency, a column per share of LUTs."""
    rows = table[table["dataset"] == dataset]
    shown = []
    for latency in LATENCY_NS:
        cells = []
        for lut in LUT_PERCENT:
            found = best(rows, latency, lut)
            cells.append(_words("none") if found is None else _words(found["network"]) | {
                "beside": f"{quality(found)[1]:.3f}, {found['lut_percent']:.2g} %, {found['latency_ns']:.0f} ns"})
        shown.append({"name": f"{latency} ns" if latency else "any latency", "under": "", "cells": cells, "data": {}})
    return {"id": f"choose-{dataset}", "title": f"Best network on {dataset} within a budget", "rows": shown,
            "caption": "Rows: latency at most. Columns: LUTs at most, in percent of a VU9P. Below a name its accuracy or R², "
                       "LUTs and latency. Of the networks whose circuit was measured; “none” fits if all are larger or "
                       "slower.",
            "header": ["latency", *(f"{lut:g} % LUTs" if lut else "any LUTs" for lut in LUT_PERCENT)],
            "words": ["latency", *(f"{lut:g} % LUTs" if lut else "any LUTs" for lut in LUT_PERCENT)], "plain": True}


def finn(table: pd.DataFrame, compared: pd.DataFrame) -> dict:
    """FINN's table 1, from :func:`ultralow.report.comparison.finn`; ``compared`` is the comparison that it comes from."""
    rows, behind = [], {row["network"]: row for row in compared.to_dict("records")}
    source = next(row["source"] for name, row in behind.items() if name.startswith(FINN))
    for row in table.to_dict("records"):
        cells = []
        for kind in ("binary", "float"):
            ours, theirs = row[f"{kind}_error_percent"], row[f"published_{kind}_error_percent"]
            known = behind.get(f"{FINN}{row['neurons']}-{kind}", {})
            mark = "" if pd.isna(theirs) else verdict(known, "accuracy_mean")
            cells.append(_cell(ours, "{:.2f}" + _spread(known.get("accuracy_std"), 100, 2),
                               _beside("FINN", theirs, "{:.2f}"), mark))
        cells += [_cell(row["parameters"], "{:,}"), _cell(row["operations"], "{:,}")]
        rows.append({"name": str(row["neurons"]), "under": "", "cells": cells, "data": {}})
    return {"id": "table-finn", "title": "Error against neurons per layer", "rows": rows, "words": [],
            "caption": f"Three hidden layers; our digits are from the source “{source}”, FINN’s are MNIST. "
                       "Means over seeds ± standard deviation. "
                       "Parameters and operations are counted as FINN counts them.",
            "header": ["neurons in each layer", "binary error [%]", "float error [%]", "parameters", "operations"]}


def prototypes(table: pd.DataFrame, estimates: Mapping[str, float]) -> dict | None:
    """FINN's table 3, the networks that are ours too; None if the study has none of them. ``estimates``: LUTs of those
    that were not built."""
    rows = []
    for row in prototypes_beside(table, estimates):
        throughput, latency = row["throughput_fps"], row["latency_ns"]
        cells = [_cell(row["accuracy"], "{:.3f}"), _cell(None if throughput is None else throughput / 1000, "{:,.10g}"),
                 _cell(None if latency is None else latency / 1000, "{:,.4g}"), _cell(row["lut"], "{:,.0f}"),
                 _cell(row["bram"], "{:g}"), _cell(row["clock_mhz"], "{:g}"), _words(row["conditions"])]
        rows.append({"name": row["name"] + (" (ours)" if row["network"] else ""), "under": row["architecture"],
                     "cells": cells, "data": {"network": row["network"]} if row["network"] else {}})
    return rows and {"id": "table-prototypes", "title": "FINN’s prototypes (table 3) beside ours", "rows": rows,
            "caption": "FINN’s rows were placed on a Zynq and hold their weights in BRAM; “max” is as fast as the "
                       "device allows, “fix” is folded to 12,200 frames a second. Ours is unfolded: the weights are "
                       "wiring, a new digit enters at every clock, and no BRAM is needed. Unlike devices and tools: "
                       "compare orders of magnitude. FINN’s BRAMs are blocks of 36 kbit, ours of 18 kbit. Power is "
                       "not measured here.",
            "header": ["network", "accuracy", "thousand frames/s", "latency [µs]", "LUT", "BRAM", "clock [MHz]",
                       "device and tools"], "words": ["network", "device and tools"]} or None


def published(dataset: str) -> dict:
    """What others published for the task, each row with the conditions of its numbers."""
    rows = []
    known = front(dataset).sort_values("accuracy", ascending=False, kind="stable")
    for row in known.sort_values(["tool_stage", "device"], kind="stable").to_dict("records"):
        share = f"from {row['lut_percent']:g} %" if row["lut_from_share"] else ""
        cells = [_cell(row["accuracy"], "{:.3f}"), _cell(row["lut"], "{:,.0f}", share),
                 _cell(row["latency_ns"], "{:,.10g}"), _cell(row["clock_mhz"], "{:,.10g}")]
        cells += [_words(row[name]) for name in ("device", "tool_stage", "dataset_variant", "source", "confidence")]
        rows.append({"name": row["method"], "under": row["architecture"], "cells": cells, "data": {}})
    return {"id": f"published-{dataset}", "title": f"Published networks for {dataset}", "rows": rows,
            "caption": "Unlike conditions stand side by side here, like ones together: compare only rows of one "
                       "device, tool stage and data set; an empty cell was not told. Where a paper gives only a share "
                       "of a VU9P, LUTs are computed from it.",
            "header": ["network", "accuracy", "LUT", "latency [ns]", "clock [MHz]", "device", "tool stage", "data set",
                       "source", "read or quoted"],
            "words": ["network", "device", "tool stage", "data set", "source", "read or quoted"]}


def _main_row(row: dict, under: str = "") -> dict:
    _, mean, deviation = quality(row)
    cells = [_cell(mean, "{:.3f}" + _spread(deviation), *_compared(row, "accuracy_mean", "{:.3g}")),
             *(_cell(row[name], "{:.3f}" + _spread(row.get(f"{name}_std")), *_compared(row, name, "{:.2f}"))
               for name in ("auc_min", "auc_max"))]
    cells.append(_cell(row["latency_ns"], "{:.0f}", *_compared(row, "latency_ns", "{:.0f}")))
    counted = "" if pd.isna(row["lut"]) else f"{row['lut']:,} = "
    for name in ("lut_percent", "ff_percent", "dsp_percent", "bram18_percent"):
        form = "0 %" if not pd.isna(row[name]) and row[name] == 0 else "{:.2f} %"
        cells.append(_cell(row[name], (counted if name == "lut_percent" else "") + form,
                           *_compared(row, name, "{:.3g} %")))
    cells += [_exact(row, "hls"), _exact(row, "rtl")]
    return {"name": row["network"], "under": row["architecture"], "more": under, "cells": cells,
            "data": {"network": row["network"]}}


def _unanswered(row: dict) -> dict:
    """A row of the slides that no network of the study answers: published values only."""
    known = {key: float("nan") if value is None else value for key, value in row.items()}
    texts = [_beside("", known["accuracy"], "{:.3g}"),
             *(_beside("", known[name], "{:.2f}") for name in ("auc_min", "auc_max")),
             _beside("", known["latency_ns"], "{:.0f}"),
             *(_beside("", known[f"{name}_percent"], "{:.3g} %") for name in ("lut", "ff", "dsp", "bram")), "", ""]
    return {"name": "not in this study", "under": row["architecture"], "more": f"slides: {row['method']}",
            "cells": [_cell(None, "", text) for text in texts], "data": {}}


def _spread(deviation: float | None, scale: float = 1, digits: int = 3) -> str:
    return "" if deviation is None or pd.isna(deviation) else f" ± {scale * deviation:.{digits}f}"


def _compared(row: dict, column: str, form: str) -> tuple[str, str]:
    """The published value as text, and the verdict on ours."""
    beside = PAIRS[column][0]
    mark = "" if pd.isna(row["published_row"]) else verdict(row, column)
    return _beside("", row[beside], form), mark


def _exact(row: dict, stage: str) -> dict:
    whole, same = row[f"{stage}_rows"], row[f"{stage}_rows_exact"]
    if pd.isna(whole) or pd.isna(same):
        return _cell(None, "")
    return _cell(same, f"all {whole:,} ✓" if same == whole else f"{same:,} of {whole:,} ✗")


def _cell(value: object, form: str, beside: str = "", mark: str = "") -> dict:
    """A cell: text, sorting key, published text, verdict with its symbol. An absent value has no text."""
    absent = value is None or pd.isna(value)
    return {"text": "" if absent else form.format(value), "key": None if absent else value, "beside": beside,
            "verdict": mark, "mark": MARKS.get(mark, ""), "text_align": False}


def _words(value: str) -> dict:
    return _cell(None, "") | {"text": value, "text_align": True}


def _beside(name: str, value: object, form: str) -> str:
    return "" if pd.isna(value) else f"{name} {form.format(value)}".strip()


def describe(row: dict) -> str:
    """One network in a sentence or two, for its own section."""
    zero = "" if pd.isna(row["zero_weights"]) else f", {row['zero_weights']:.0%} of the weights zero"
    text = f"{row['architecture']}, {row['kind']}, {row['parameters']:,} parameters{zero}; input {row['input']}."
    if not pd.isna(row["published_row"]):
        theirs = others.row(row["published_row"])
        text += f" Answers to “{theirs['method']}” ({theirs['table']})."
    return text
