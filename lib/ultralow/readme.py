"""Knows the part of README.md that a study decides: `make readme` renews it from the committed paper study."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd

from ultralow import tables
from ultralow.catalogue import FINN
from ultralow.errors import StudyError
from ultralow.files import replacing
from ultralow.study import root

BEGIN, END = "<!-- paper study: begin -->", "<!-- paper study: end -->"
RESULTS = "results/paper"
FIGURE = f"{RESULTS}/figures/accuracy-lut-jets.svg"
# Trained for their accuracies alone; the report has them.
LEFT_OUT = r"-reference$"

_TASKS = {"jets": "Jets", "mnist": "MNIST"}
_SOURCES = {"generated": "generated with Pythia 8, **not** the published set", "openml": "the published set (OpenML)",
            "zenodo": "the published set (Zenodo)", "file": "read from a file", "mnist": "the official set",
            "digits28": "scikit-learn's small digits, **not** MNIST"}
_HEAD = ("network", "layers", "accuracy", "smallest and largest AUC", "LUT, % of a VU9P", "DSP", "latency")


def block(table: pd.DataFrame, figure: bool) -> str:
    """The markdown between the two marks, for a comparison table (:func:`ultralow.tables.comparison`); ``figure`` tells
    whether FIGURE is there."""
    main = table[~table["network"].str.startswith(FINN) & ~table["network"].str.contains(LEFT_OUT)]
    parts = [*(_task(dataset, rows) for dataset, rows in main.groupby("dataset", sort=False)), _exactness(table),
             f"![Accuracy against LUTs of the jet networks, beside published networks]({FIGURE})" if figure else ""]
    return "\n\n".join(filter(None, parts))


def renewed(text: str, table: pd.DataFrame, figure: bool = True) -> str:
    """README's ``text`` with the block of ``table``.

    Raises:
        StudyError: the marks are not there.
    """
    return between(text, BEGIN, END, block(table, figure), "README.md")


def between(text: str, begin: str, end: str, body: str, name: str) -> str:
    """``text`` of the file ``name`` with ``body`` between the lines ``begin`` and ``end``.

    Raises:
        StudyError: the marks are not there.
    """
    if begin not in text or end not in text:
        raise StudyError(f"{name} lacks the lines {begin} and {end}; put them around its tables")
    return re.sub(f"(?s)(?<={re.escape(begin)}\n).*(?=\n{re.escape(end)})", lambda _: body, text)


def current(folder: Path) -> str:
    """README.md in ``folder`` as the committed results there want it."""
    table = tables.read(folder / RESULTS / "comparison.csv")
    return renewed((folder / "README.md").read_text(encoding="utf-8"), table, (folder / FIGURE).exists())


def main() -> int:
    """``python -m ultralow.readme``: takes the tables from results/paper and writes README.md."""
    try:
        text = current(root())
        with replacing(root() / "README.md") as temporary:
            temporary.write_text(text, encoding="utf-8")
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _task(dataset: str, rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    seeds = "" if pd.isna(first["seeds"]) else f", {first['seeds']} seed{'' if first['seeds'] == 1 else 's'}"
    source = _SOURCES.get(first["source"], first["source"])
    caption = (f"{_TASKS.get(dataset, dataset)} ({source}): {first['train_rows']:,} rows to train, "
               f"{first['test_rows']:,} to test{seeds}.")
    lines = ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD), *map(_line, rows.to_dict("records"))]
    return "\n".join([caption, "", *lines])


def _line(row: dict) -> str:
    """One network, the slides' value in brackets behind ours; what was not measured is empty."""
    def cell(form: str, *columns: str) -> str:
        values = [row.get(column) for column in columns]
        return "" if any(map(pd.isna, values)) else form.format(*values)

    def beside(form: str, *columns: str) -> str:
        return f" ({text})" if (text := cell(form, *columns)) else ""

    accuracy = cell("{:.4f} ± {:.4f}", "accuracy_mean", "accuracy_std") or cell("{:.4f}", "accuracy_mean")
    cells = [row["network"], row["architecture"], accuracy + beside("{:g}", "published_accuracy"),
             cell("{:.3f} – {:.3f}", "auc_min", "auc_max") + beside("{:g} – {:g}", "published_auc_min",
                                                                    "published_auc_max"),
             cell("{:,} = {:.2f}%", "lut", "lut_percent") + beside("{:g}%", "published_lut_percent"),
             cell("{:.2g}%", "dsp_percent") + beside("{:g}%", "published_dsp_percent"),
             cell("{:.0f} ns", "latency_ns") + beside("{:g} ns", "published_latency_ns")]
    return "| " + " | ".join(text.strip() for text in cells) + " |"


def _exactness(table: pd.DataFrame) -> str:
    said = []
    for stage, what in (("hls", "of hls4ml's emulation"), ("rtl", "of the simulated Verilog")):
        done = table.dropna(subset=[f"{stage}_rows", f"{stage}_rows_exact"])
        if len(done):
            said.append(f"{done[f'{stage}_rows_exact'].sum():,} of {done[f'{stage}_rows'].sum():,} rows {what}, in "
                        f"{len(done)} networks")
    return f"Equal to the folded network in every output: {'; '.join(said)}." if said else ""


if __name__ == "__main__":
    sys.exit(main())
