"""Knows how a table is laid out for readers of the report: rounded cells, the published value below, a mark."""

from __future__ import annotations

import pandas as pd

from ultralow.answers import conditions
from ultralow.catalogue import FINN
from ultralow.published import row as published_row
from ultralow.tables import PAIRS, front, verdict

MARKS = {"better": "▲", "worse": "▼", "equal": "=", "other data": "≠"}

GLOSSARY = [
    ("accuracy", "share of the test part whose largest output is the true class, of the folded network, which is the "
                 "network in the hardware; mean over seeds ± standard deviation"),
    ("AUC", "area under the ROC curve of each class against the rest, mean over seeds; smallest to largest class. "
            "The mark belongs to the smallest"),
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


def main(table: pd.DataFrame, dataset: str) -> dict:
    """The networks of one dataset, FINN's left out, ours beside published."""
    rows = table[(table["dataset"] == dataset) & ~table["network"].str.startswith(FINN)]
    return {"id": f"table-{dataset}", "title": f"Networks on {dataset}", "caption": conditions(rows),
            "header": ["network", "accuracy", "AUC", "latency [ns]", "LUT", "FF", "DSP", "BRAM", "hls4ml exact",
                       "Verilog exact"],
            "words": ["network"], "rows": [_main_row(row) for row in rows.to_dict("records")]}


def finn(table: pd.DataFrame, source: str) -> dict:
    """FINN's table 1, from :func:`ultralow.tables.finn`; ``source`` of the digits."""
    rows = []
    for row in table.to_dict("records"):
        cells = []
        for kind in ("binary", "float"):
            ours, theirs = row[f"{kind}_error_percent"], row[f"published_{kind}_error_percent"]
            cells.append(_cell(ours, "{:.2f}", _beside("FINN", theirs, "{:.2f}")))
        cells += [_cell(row["parameters"], "{:,}"), _cell(row["operations"], "{:,}")]
        rows.append({"name": str(row["neurons"]), "under": "", "cells": cells, "data": {}})
    return {"id": "table-finn", "title": "Error against neurons per layer", "rows": rows, "words": [],
            "caption": f"Three hidden layers; our digits are from the source “{source}”, FINN’s are MNIST. "
                       "Parameters and operations are counted as FINN counts them.",
            "header": ["neurons in each layer", "binary error [%]", "float error [%]", "parameters", "operations"]}


def published(dataset: str) -> dict:
    """What others published for the task, each row with the conditions of its numbers."""
    rows = []
    for row in front(dataset).to_dict("records"):
        cells = [_cell(row["accuracy"], "{:.3f}"), _cell(row["lut"], "{:,.0f}"), _cell(row["latency_ns"], "{:,.10g}")]
        cells += [_words(row[name]) for name in ("device", "tool_stage", "source", "confidence")]
        rows.append({"name": row["method"], "under": row["architecture"], "cells": cells, "data": {}})
    return {"id": f"published-{dataset}", "title": f"Published networks for {dataset}", "rows": rows,
            "caption": "Unlike conditions stand side by side here: compare only rows of one device and tool stage. "
                       "Where a paper gives only a share of a VU9P, LUTs are computed from it.",
            "header": ["network", "accuracy", "LUT", "latency [ns]", "device", "tool stage", "source",
                       "read or quoted"],
            "words": ["network", "device", "tool stage", "source", "read or quoted"]}


def _main_row(row: dict) -> dict:
    spread = "" if pd.isna(row["accuracy_std"]) else f" ± {row['accuracy_std']:.3f}"
    accuracy = _cell(row["accuracy_mean"], "{:.3f}" + spread, *_compared(row, "accuracy_mean", "{:.3g}"))
    cells = [accuracy, _areas(row), _cell(row["latency_ns"], "{:.0f}", *_compared(row, "latency_ns", "{:.0f}"))]
    counted = "" if pd.isna(row["lut"]) else f"{row['lut']:,} = "
    for name in ("lut_percent", "ff_percent", "dsp_percent", "bram18_percent"):
        form = "0 %" if not pd.isna(row[name]) and row[name] == 0 else "{:.2f} %"
        cells.append(_cell(row[name], (counted if name == "lut_percent" else "") + form,
                           *_compared(row, name, "{:.3g} %")))
    cells += [_exact(row, "hls"), _exact(row, "rtl")]
    data = {"network": row["network"], "dataset": row["dataset"], "accuracy": row["accuracy_mean"]}
    if not pd.isna(row["lut_percent"]):
        data |= {"lut": row["lut_percent"], "latency": row["latency_ns"]}
    return {"name": row["network"], "under": row["architecture"], "cells": cells, "data": data}


def _areas(row: dict) -> dict:
    """Smallest and largest AUC in one cell, marked by the smallest, which is the harder to keep."""
    if pd.isna(row["auc_min"]):
        return _cell(None, "")
    beside, mark = "", ""
    if not pd.isna(row["published_auc_min"]):
        beside = f"{row['published_auc_min']:.2f} to {row['published_auc_max']:.2f}"
        mark = verdict(row, "auc_min")
    return _cell(row["auc_min"], "{:.3f} to " + f"{row['auc_max']:.3f}", beside, mark)


def _compared(row: dict, column: str, form: str) -> tuple[str, str]:
    """The published value as text, and the verdict on ours."""
    beside = PAIRS[column][0]
    mark = "" if pd.isna(row["published_row"]) else verdict(row, column)
    return _beside("", row[beside], form), mark


def _exact(row: dict, stage: str) -> dict:
    whole, same = row[f"{stage}_rows"], row[f"{stage}_rows_exact"]
    if pd.isna(whole) or pd.isna(same):
        return _cell(None, "")
    return _cell(same, f"{same:,} of {whole:,}" + (" ✓" if same == whole else " ✗"))


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
        theirs = published_row(row["published_row"])
        text += f" Answers to “{theirs['method']}” ({theirs['table']})."
    return text
