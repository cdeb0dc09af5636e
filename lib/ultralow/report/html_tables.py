"""Lay out the report's tables: rounded cells, the published value below ours, and a mark that judges them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import pandas as pd

from ultralow.device import TOTALS
from ultralow.networks.catalogue import FINN
from ultralow.report import published
from ultralow.report.comparison import PAIRS, quality, verdict
from ultralow.report.selection import LATENCY_NS, LUT_PERCENT, best_within
from ultralow.report.summary import conditions

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
# ours -> FINN's rows of the same layers: as fast as the device allows (max), and for 12,200 frames a second (fix)
PROTOTYPES = {"finn-256-binary": ("finn-sfc-max", "finn-sfc-fix"), "finn-1024-binary": ("finn-lfc-max", "finn-lfc-fix")}


@dataclass(frozen=True)
class Cell:
    """A cell: its text, what it is sorted by, the published value below, and the verdict on ours. An absent value has no
    text and no key."""

    text: str
    key: object = None
    beside: str = ""
    verdict: str = ""
    is_text: bool = False

    @property
    def mark(self) -> str:
        """The verdict's symbol."""
        return MARKS.get(self.verdict, "")


@dataclass(frozen=True)
class Row:
    """A row: its name, what stands in small print below it, its cells; and the network that it is about, if it is ours."""

    name: str
    cells: list[Cell]
    under: str = ""
    more: str = ""
    network: str | None = None


@dataclass(frozen=True)
class HtmlTable:
    """A table of the report. ``words``: columns of the header that hold text; ``sortable``: whether a click sorts it."""

    id: str
    title: str
    caption: str
    header: list[str]
    rows: list[Row]
    words: list[str] = field(default_factory=list)
    sortable: bool = True


def slides(table: pd.DataFrame, dataset: str) -> HtmlTable | None:
    """The slides' table of one dataset, row by row in their order: ours, and in each cell the published value.

    A row that several of our networks answer stands once for each; one that none answers has no values of ours. None
    of a dataset that the slides do not have.
    """
    rows = _without_finn(table, dataset)
    if dataset not in _SLIDES:
        return None
    named = published.rows()[lambda known: known["table"] == f"slides, {_SLIDES[dataset]}"]
    shown = []
    for name in named.index:
        answers = rows[rows["published_row"] == name].to_dict("records")
        shown += [_network_row(row, f"slides: {published.row(name)['method']}") for row in answers]
        if not answers:
            shown.append(_unanswered_row(published.row(name)))
    return HtmlTable(f"slides-{dataset}", f"The slides’ table on {dataset}, row by row", conditions(rows), _HEADER, shown,
                     ["network"])


def main(table: pd.DataFrame, dataset: str) -> HtmlTable | None:
    """The other networks of one dataset, FINN's left out; None if there are none."""
    rows = _without_finn(table, dataset)[lambda known: known["published_row"].isna()]
    if rows.empty:
        return None
    judged_by = quality(rows.iloc[0]).name
    header = [judged_by if name == "accuracy" else name for name in _HEADER]
    on_slides = dataset in _SLIDES
    caption = "Conditions as above; the slides have no network with these layers." if on_slides else conditions(rows)
    return HtmlTable(f"table-{dataset}", f"{'More n' if on_slides else 'N'}etworks on {dataset}", caption, header,
                     [_network_row(row) for row in rows.to_dict("records")], ["network"])


def budget(table: pd.DataFrame, dataset: str) -> HtmlTable:
    """The most accurate network within each pair of limits: a row per latency, a column per share of LUTs."""
    rows = table[table["dataset"] == dataset]
    shown = [Row(f"{latency} ns" if latency else "any latency", [_best_cell(rows, latency, lut) for lut in LUT_PERCENT])
             for latency in LATENCY_NS]
    header = ["latency", *(f"{lut:g} % LUTs" if lut else "any LUTs" for lut in LUT_PERCENT)]
    return HtmlTable(f"choose-{dataset}", f"Best network on {dataset} within a budget",
                     "Rows: latency at most. Columns: LUTs at most, in percent of a VU9P. Below a name its accuracy or R², "
                     "LUTs and latency. Of the networks whose circuit was measured; “none” fits if all are larger or "
                     "slower.", header, shown, header, sortable=False)


def finn(table: pd.DataFrame, compared: pd.DataFrame) -> HtmlTable:
    """FINN's table 1, from :func:`ultralow.report.comparison.finn_table`; ``compared`` is the comparison that it comes
    from."""
    ours = {row["network"]: row for row in compared.to_dict("records")}
    source = next(row["source"] for name, row in ours.items() if name.startswith(FINN))
    rows = [Row(str(row["neurons"]), [*(_error_cell(row, kind, ours.get(f"{FINN}{row['neurons']}-{kind}", {}))
                                        for kind in ("binary", "float")),
                                      _cell(row["parameters"], "{:,}"), _cell(row["operations"], "{:,}")])
            for row in table.to_dict("records")]
    return HtmlTable("table-finn", "Error against neurons per layer",
                     f"Three hidden layers; our digits are from the source “{source}”, FINN’s are MNIST. "
                     "Means over seeds ± standard deviation. Parameters and operations are counted as FINN counts them.",
                     ["neurons in each layer", "binary error [%]", "float error [%]", "parameters", "operations"], rows)


def prototypes(table: pd.DataFrame, estimates: Mapping[str, float]) -> HtmlTable | None:
    """FINN's table 3, the networks that are ours too; None if the study has none of them. ``estimates``: LUTs of those
    that were not built."""
    rows = []
    for row in prototype_rows(table, estimates):
        throughput, latency = row["throughput_fps"], row["latency_ns"]
        cells = [_cell(row["accuracy"], "{:.3f}"), _cell(None if throughput is None else throughput / 1000, "{:,.10g}"),
                 _cell(None if latency is None else latency / 1000, "{:,.4g}"), _cell(row["lut"], "{:,.0f}"),
                 _cell(row["bram"], "{:g}"), _cell(row["clock_mhz"], "{:g}"), _text_cell(row["conditions"])]
        rows.append(Row(row["name"] + (" (ours)" if row["network"] else ""), cells, row["architecture"], network=row["network"]))
    if not rows:
        return None
    return HtmlTable("table-prototypes", "FINN’s prototypes (table 3) beside ours",
                     "FINN’s rows were placed on a Zynq and hold their weights in BRAM; “max” is as fast as the "
                     "device allows, “fix” is folded to 12,200 frames a second. Ours is unfolded: the weights are "
                     "wiring, a new digit enters at every clock, and no BRAM is needed. Unlike devices and tools: "
                     "compare orders of magnitude. FINN’s BRAMs are blocks of 36 kbit, ours of 18 kbit. Power is "
                     "not measured here.",
                     ["network", "accuracy", "thousand frames/s", "latency [µs]", "LUT", "BRAM", "clock [MHz]",
                      "device and tools"], rows, ["network", "device and tools"])


def prototype_rows(table: pd.DataFrame, estimates: Mapping[str, float] = MappingProxyType({})) -> list[dict]:
    """Rows for each network of PROTOTYPES that ``table`` (:func:`ultralow.report.comparison.table`) has: FINN's (table 3 of
    arXiv:1612.07119), then ours.

    Keys: name, network (None for FINN's), architecture, accuracy, throughput_fps, latency_ns, lut, bram, clock_mhz,
    conditions. What was not measured is None; ``estimates`` of LUTs of networks that were not built stand in words.
    """
    rows = []
    ours = {row["network"]: row for row in table.to_dict("records")}
    for network, theirs in PROTOTYPES.items():
        if network in ours:
            rows += [_finns_prototype(published.row(name)) for name in theirs]
            rows.append(_our_prototype(ours[network], estimates.get(network)))
    return rows


def published_networks(dataset: str) -> HtmlTable:
    """What others published for the task, each row with the conditions of its numbers."""
    known = published.of_task(dataset).sort_values("accuracy", ascending=False, kind="stable")
    rows = []
    for row in known.sort_values(["tool_stage", "device"], kind="stable").to_dict("records"):
        share = f"from {row['lut_percent']:g} %" if row["lut_from_share"] else ""
        cells = [_cell(row["accuracy"], "{:.3f}"), _cell(row["lut"], "{:,.0f}", share),
                 _cell(row["latency_ns"], "{:,.10g}"), _cell(row["clock_mhz"], "{:,.10g}")]
        cells += [_text_cell(row[name]) for name in ("device", "tool_stage", "dataset_variant", "source", "confidence")]
        rows.append(Row(row["method"], cells, row["architecture"]))
    return HtmlTable(f"published-{dataset}", f"Published networks for {dataset}",
                     "Unlike conditions stand side by side here, like ones together: compare only rows of one "
                     "device, tool stage and data set; an empty cell was not stated. Where a paper gives only a share "
                     "of a VU9P, LUTs are computed from it.",
                     ["network", "accuracy", "LUT", "latency [ns]", "clock [MHz]", "device", "tool stage", "data set",
                      "source", "read or quoted"], rows,
                     ["network", "device", "tool stage", "data set", "source", "read or quoted"])


def describe(row: dict) -> str:
    """One network in a sentence or two, for its own section."""
    zero = "" if pd.isna(row["zero_weights"]) else f", {row['zero_weights']:.0%} of the weights zero"
    text = f"{row['architecture']}, {row['kind']}, {row['parameters']:,} parameters{zero}; input {row['input']}."
    if not pd.isna(row["published_row"]):
        theirs = published.row(row["published_row"])
        text += f" Answers to “{theirs['method']}” ({theirs['table']})."
    return text


def _without_finn(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    return table[(table["dataset"] == dataset) & ~table["network"].str.startswith(FINN)]


def _network_row(row: dict, more: str = "") -> Row:
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
    return Row(row["network"], [*cells, _exact_cell(row, "hls"), _exact_cell(row, "rtl")], row["architecture"], more,
               row["network"])


def _unanswered_row(row: dict) -> Row:
    """A row of the slides that no network of the study answers: published values only."""
    known = {key: float("nan") if value is None else value for key, value in row.items()}
    texts = [_beside("", known["accuracy"], "{:.3g}"),
             *(_beside("", known[name], "{:.2f}") for name in ("auc_min", "auc_max")),
             _beside("", known["latency_ns"], "{:.0f}"),
             *(_beside("", known[f"{name}_percent"], "{:.3g} %") for name in ("lut", "ff", "dsp", "bram")), "", ""]
    return Row("not in this study", [_cell(None, "", text) for text in texts], row["architecture"], f"slides: {row['method']}")


def _best_cell(rows: pd.DataFrame, latency_ns: float | None, lut_percent: float | None) -> Cell:
    best = best_within(rows, latency_ns, lut_percent)
    if best is None:
        return _text_cell("none")
    return _text_cell(best["network"], f"{quality(best).mean:.3f}, {best['lut_percent']:.2g} %, {best['latency_ns']:.0f} ns")


def _error_cell(row: dict, kind: str, network: dict) -> Cell:
    """Our error of FINN's table 1, and FINN's below; ``network`` is the comparison's row of ours, if there is one."""
    ours, theirs = row[f"{kind}_error_percent"], row[f"published_{kind}_error_percent"]
    mark = "" if pd.isna(theirs) else verdict(network, "accuracy_mean")
    return _cell(ours, "{:.2f}" + _spread(network.get("accuracy_std"), 100, 2), _beside("FINN", theirs, "{:.2f}"), mark)


def _exact_cell(row: dict, kind: str) -> Cell:
    """How many rows are exact; ``kind`` is hls or rtl."""
    rows, exact = row[f"{kind}_rows"], row[f"{kind}_rows_exact"]
    if pd.isna(rows) or pd.isna(exact):
        return _cell(None, "")
    return _cell(exact, f"all {rows:,} ✓" if exact == rows else f"{exact:,} of {rows:,} ✗")


def _spread(deviation: float | None, scale: float = 1, digits: int = 3) -> str:
    return "" if deviation is None or pd.isna(deviation) else f" ± {scale * deviation:.{digits}f}"


def _compared(row: dict, column: str, form: str) -> tuple[str, str]:
    """The published value as text, and the verdict on ours."""
    beside = PAIRS[column][0]
    mark = "" if pd.isna(row["published_row"]) else verdict(row, column)
    return _beside("", row[beside], form), mark


def _cell(value: object, form: str, beside: str = "", verdict: str = "") -> Cell:
    absent = value is None or pd.isna(value)
    return Cell("" if absent else form.format(value), None if absent else value, beside, verdict)


def _text_cell(text: str, beside: str = "") -> Cell:
    return Cell(text, beside=beside, is_text=True)


def _beside(name: str, value: object, form: str) -> str:
    return "" if pd.isna(value) else f"{name} {form.format(value)}".strip()


def _finns_prototype(row: dict) -> dict:
    keys = ("architecture", "accuracy", "throughput_fps", "latency_ns", "lut", "bram", "clock_mhz")
    return {"name": row["method"], "network": None, "conditions": f"{row['device']}, {row['tool_stage']}",
            **{key: row[key] for key in keys}}


def _our_prototype(row: dict, estimate: float | None) -> dict:
    known = {key: None if pd.isna(value) else value for key, value in row.items()}
    clock_ns, interval = known["clock_ns"], known["interval"]
    return {"name": row["network"], "network": row["network"], "architecture": row["architecture"],
            "accuracy": row["accuracy_mean"], "throughput_fps": clock_ns and 1e9 / (clock_ns * interval),
            "latency_ns": known["latency_ns"], "lut": known["lut"], "bram": known["bram18"],
            "clock_mhz": clock_ns and 1000 / clock_ns,
            "conditions": f"not placed; {known['tool']}" if clock_ns else _unbuilt(estimate) if estimate else ""}


def _unbuilt(luts: float) -> str:
    share = luts / TOTALS["lut"]
    return (f"not built; about {round(luts, -4):,.0f} LUTs by the quick estimate, {share:.0%} of the VU9P: "
            f"{'it may fit' if share < 1 else 'does not fit'}")
