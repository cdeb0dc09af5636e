"""Write the tables of README.md anew from the committed studies, paper and frontier (`make readme`)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from ultralow import csvfile
from ultralow.data.sources import IN_WORDS
from ultralow.networks.catalogue import FINN
from ultralow.errors import StudyError
from ultralow.files import replacing
from ultralow.study.study import root

BEGIN, END = "<!-- paper study: begin -->", "<!-- paper study: end -->"
RESULTS = "results/paper"
FIGURE = f"{RESULTS}/figures/accuracy-lut-jets.svg"
FRONT_BEGIN, FRONT_END = "<!-- frontier study: begin -->", "<!-- frontier study: end -->"
FRONT = "results/frontier"
# Trained for their accuracies alone; the report has them.
LEFT_OUT = r"-reference$"

_TASKS = {"jets": "Jets", "mnist": "MNIST"}
_FRONT_HEAD = ("network", "what it is", "accuracy", "LUT", "FF", "latency")
_HEAD = ("network", "layers", "accuracy", "smallest and largest AUC", "LUT, % of a VU9P", "DSP", "latency")


def block(table: pd.DataFrame, figure: bool) -> str:
    """The markdown between the two marks, for a comparison table (:func:`ultralow.report.comparison.table`); ``figure`` tells
    whether FIGURE is there."""
    main = table[~table["network"].str.startswith(FINN) & ~table["network"].str.contains(LEFT_OUT)]
    parts = [part for dataset, rows in main.groupby("dataset", sort=False)
             for part in (_caption(dataset, rows), _table(_HEAD, map(_cells, rows.to_dict("records"))))]
    parts.append(_exactness(table))
    if figure:
        parts.append(f"![Accuracy against LUTs of the jet networks, beside published networks]({FIGURE})")
    return "\n\n".join(filter(None, parts))


def front_block(table: pd.DataFrame, figures: Iterable[str]) -> str:
    """The same of the frontier study: what was built, the fewest LUTs first; ``figures`` are the names of those that are
    there."""
    parts = []
    for dataset, rows in table.dropna(subset=["lut"]).groupby("dataset", sort=False):
        parts += [_caption(dataset, rows), _table(_FRONT_HEAD, map(_front_cells, rows.sort_values("lut").to_dict("records")))]
        if (name := f"accuracy-lut-{dataset}.svg") in figures:
            parts.append(f"![Accuracy against LUTs on {dataset}: the study's networks, and published ones]"
                         f"({FRONT}/figures/{name})")
    return "\n\n".join([*parts, _exactness(table)])


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
    text = renewed((folder / "README.md").read_text(encoding="utf-8"), csvfile.read(folder / RESULTS / "comparison.csv"),
                   (folder / FIGURE).exists())
    front = csvfile.read(folder / FRONT / "comparison.csv")
    return between(text, FRONT_BEGIN, FRONT_END, front_block(front, [p.name for p in (folder / FRONT / "figures").glob("*.svg")]),
                   "README.md")


def main() -> int:
    """``python docs/update_readme.py``: takes the tables from results/paper and results/frontier, and writes README.md."""
    try:
        text = current(root())
        with replacing(root() / "README.md") as temporary:
            temporary.write_text(text, encoding="utf-8")
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _caption(dataset: str, rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    seeds = "" if pd.isna(first["seeds"]) else f", {first['seeds']} seed{'' if first['seeds'] == 1 else 's'}"
    source = IN_WORDS.get(first["source"], first["source"])
    return (f"{_TASKS.get(dataset, dataset)} ({source}): {first['train_rows']:,} rows to train, "
            f"{first['test_rows']:,} to test{seeds}.")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, *rows]
    lines = ["| " + " | ".join(text.strip() for text in cells) + " |" for cells in lines]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def _cell(row: dict, form: str, *columns: str) -> str:
    """The values as ``form`` has them; empty where one was not measured."""
    values = [row.get(column) for column in columns]
    return "" if any(map(pd.isna, values)) else form.format(*values)


def _accuracy(row: dict) -> str:
    return _cell(row, "{:.4f} ± {:.4f}", "accuracy_mean", "accuracy_std") or _cell(row, "{:.4f}", "accuracy_mean")


def _front_cells(row: dict) -> list[str]:
    return [row["network"], row["kind"], _accuracy(row), _cell(row, "{:,}", "lut"), _cell(row, "{:,}", "ff"),
            _cell(row, "{:.0f} ns", "latency_ns")]


def _cells(row: dict) -> list[str]:
    """One network, the slides' value in brackets behind ours."""
    def beside(form: str, *columns: str) -> str:
        return f" ({text})" if (text := _cell(row, form, *columns)) else ""

    return [row["network"], row["architecture"], _accuracy(row) + beside("{:g}", "published_accuracy"),
            _cell(row, "{:.3f} – {:.3f}", "auc_min", "auc_max") + beside("{:g} – {:g}", "published_auc_min",
                                                                         "published_auc_max"),
            _cell(row, "{:,} = {:.2f}%", "lut", "lut_percent") + beside("{:g}%", "published_lut_percent"),
            _cell(row, "{:.2g}%", "dsp_percent") + beside("{:g}%", "published_dsp_percent"),
            _cell(row, "{:.0f} ns", "latency_ns") + beside("{:g} ns", "published_latency_ns")]


def _exactness(table: pd.DataFrame) -> str:
    rows = []
    for kind, what in (("hls", "of hls4ml's emulation"), ("rtl", "of the simulated Verilog")):
        done = table.dropna(subset=[f"{kind}_rows", f"{kind}_rows_exact"])
        if len(done):
            rows.append(f"{done[f'{kind}_rows_exact'].sum():,} of {done[f'{kind}_rows'].sum():,} rows {what}, in "
                        f"{len(done)} networks")
    return f"Equal to the folded network in every output: {'; '.join(rows)}." if rows else ""


if __name__ == "__main__":
    sys.exit(main())
