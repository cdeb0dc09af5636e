"""Say in sentences what the comparison table holds."""

from __future__ import annotations

import pandas as pd

from ultralow.networks.catalogue import FINN
from ultralow.data.sources import IN_WORDS
from ultralow.report.comparison import comparable, quality, verdict
from ultralow.report.selection import best_within

FULL = ("float", "pruned")
_KINDS = {"binary": "binary weights and activations", "ternary": "ternary weights and activations",
          "binary+relu": "binary weights, ReLU activations", "ternary+relu": "ternary weights, ReLU activations",
          "float": "fixed-point weights of several bits", "pruned": "fixed-point weights, most of them zero"}

# A budget in ns and percent of LUTs that one network of many on a trigger's device may have.
USUAL = (50, 2)
_JUDGED = ("better", "equal", "worse")
_BESIDE = (("accuracy_mean", "accuracy as high or higher", ("better", "equal")),
           ("lut_percent", "fewer LUTs", ("better",)), ("latency_ns", "a shorter latency", ("better",)))


def headline(table: pd.DataFrame) -> list[str]:
    """What each bit costs and saves, a few sentences per dataset, and whether every step was exact."""
    sentences = []
    for dataset, rows in table[~table["network"].str.startswith(FINN)].groupby("dataset", sort=False):
        sentences += _dataset(dataset, rows.to_dict("records"))
    return [*sentences, *_exactness(table)]


def conditions(rows: pd.DataFrame) -> str:
    """Under which conditions the rows of one dataset were obtained, and how they differ from the published ones."""
    first = rows.iloc[0]
    text = (f"{_sentence(IN_WORDS.get(first['source'], first['source']))}. "
            f"{_count(first['train_rows'], 'row')} to train, {_count(first['test_rows'], 'row')} to test, "
            f"{_count(first['seeds'], 'seed')}.")
    if not comparable(first["source"]):
        text += " Accuracies published for MNIST are shown, never compared: the task is another one."
    elif first["source"] == "generated":
        text += " Accuracies published for the published data set are compared all the same: mind the difference."
    tools = sorted(set(rows["tool"].dropna()))
    if tools:
        stages = sorted(set(rows["published_tool_stage"].dropna()))
        text += f" Gates counted by {' and '.join(tools)}"
        text += f"; published gates by {' and '.join(stages)}." if stages else "."
    return text


def _dataset(dataset: str, rows: list[dict]) -> list[str]:
    low = max((row for row in rows if row["kind"] not in FULL), key=_quality, default=None)
    full = max((row for row in rows if row["kind"] in FULL), key=_quality, default=None)
    built = [row for row in rows if not pd.isna(row["lut"])]
    text = []
    if low:
        versus = f", against {_quality(full):.3f} for {full['network']}" if full else ""
        text.append(f"On {dataset} ({IN_WORDS.get(rows[0]['source'], rows[0]['source'])}), the best low-precision "
                    f"network is {low['network']} ({_KINDS.get(low['kind'], low['kind'])}): {_quality_text(low)}{versus}"
                    f"{_hardware(low)}.")
    elif full:
        text.append(f"On {dataset}, {full['network']} reaches {_quality_text(full)}{_hardware(full)}.")
    within = best_within(pd.DataFrame(rows), *USUAL)
    if within:
        known = low and within["network"] == low["network"]
        details = "" if known else f": {_quality_text(within)}{_hardware(within)}"
        text.append(f"Within {USUAL[0]} ns and {USUAL[1]}% of a VU9P’s LUTs the best is {within['network']}"
                    f"{details}.")
    if built:
        small = min(built, key=lambda row: (row["lut"], -_quality(row)))
        text.append(f"The smallest circuit is {low['network']}, too." if small is low else
                    f"The smallest circuit is {small['network']}: {_quality_text(small)}"
                    f"{_hardware(small)}.")
    beside = [f"{what} in {sum(verdict(row, column) in good for row in judged)} of {len(judged)}"
              for column, what, good in _BESIDE if (judged := [row for row in rows if verdict(row, column) in _JUDGED])]
    if beside:
        text.append(f"Beside the published networks with the same layers: {', '.join(beside)}.")
    return text


def _exactness(table: pd.DataFrame) -> list[str]:
    text = []
    for step, what in (("hls", "the compiled hls4ml code"), ("rtl", "the simulated Verilog")):
        done = table.dropna(subset=[f"{step}_rows", f"{step}_rows_exact"])
        if len(done):
            wrong = done[done[f"{step}_rows"] != done[f"{step}_rows_exact"]]
            total = _count(int(done[f"{step}_rows"].sum()), "row")
            verdict_text = ("agree on every one" if wrong.empty else f"disagree for {', '.join(wrong['network'])}")
            text.append(f"The folded network and {what} were compared on {total} in all, in "
                        f"{_count(len(done), 'network')}, and {verdict_text}.")
    return text


def _hardware(row: dict) -> str:
    if pd.isna(row["lut"]):
        return "; its circuit was not synthesised"
    dsp = "no DSP" if row["dsp"] == 0 else f"{row['dsp']:,} DSPs"
    return f", {int(row['lut']):,} LUTs ({row['lut_percent']:.2g}% of a VU9P), {dsp}, {row['latency_ns']:.0f} ns"


def _quality(row: dict) -> float:
    return quality(row).mean


def _quality_text(row: dict) -> str:
    what, mean, _ = quality(row)
    return f"{what} {mean:.3f}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
