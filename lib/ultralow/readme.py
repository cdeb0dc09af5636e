"""Knows the part of README.md that a study decides: `make readme` renews it from the quick study's results."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pandas as pd

from ultralow import tables
from ultralow.errors import StudyError
from ultralow.files import replacing
from ultralow.study import load, root

BEGIN, END = "<!-- quick study: begin -->", "<!-- quick study: end -->"
TABLE, FIGURE = "docs/quick-comparison.csv", "docs/figures/quick-accuracy-lut.svg"


def block(table: pd.DataFrame) -> str:
    """The markdown between the two marks, for a comparison table (:func:`ultralow.tables.comparison`)."""
    lines = ["| network | layers | accuracy | AUC | LUT (of a VU9P) | FF | DSP | latency | slides: LUT, latency |",
             "|" + "---|" * 9, *map(_line, table.to_dict("records")), "", _exactness(table)]
    return "\n".join(lines)


def renewed(text: str, table: pd.DataFrame) -> str:
    """README's ``text`` with the block of ``table``.

    Raises:
        StudyError: the marks are not there.
    """
    found = re.sub(f"(?s)(?<={re.escape(BEGIN)}\n).*(?=\n{re.escape(END)})", lambda _: block(table), text)
    if BEGIN not in text or END not in text:
        raise StudyError(f"README.md lacks the lines {BEGIN} and {END}; put them around the table of the quick study")
    return found


def main() -> int:
    """``python -m ultralow.readme``: takes table and figure from results/quick and writes README.md."""
    results = load("config/quick.yaml").results
    try:
        table = tables.read(results / "comparison.csv")
        text = renewed((root() / "README.md").read_text(encoding="utf-8"), table)
        for source, target in ((results / "comparison.csv", TABLE), (results / "figures/accuracy-lut-jets.svg", FIGURE)):
            with replacing(root() / target) as temporary:
                shutil.copyfile(source, temporary)
        with replacing(root() / "README.md") as temporary:
            temporary.write_text(text, encoding="utf-8")
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _line(row: dict) -> str:
    def cell(form: str, *columns: str) -> str:
        values = [row[column] for column in columns]
        return "" if any(map(pd.isna, values)) else form.format(*values)

    slides = (cell("{:g}%", "published_lut_percent"), cell("{:g} ns", "published_latency_ns"))
    cells = [row["network"], row["architecture"], cell("{:.3f}", "accuracy_mean"),
             cell("{:.3f} – {:.3f}", "auc_min", "auc_max"), cell("{:,} ({:.2f}%)", "lut", "lut_percent"),
             cell("{:,}", "ff"), cell("{:,}", "dsp"), cell("{:.0f} ns", "latency_ns"), ", ".join(filter(None, slides))]
    return "| " + " | ".join(cells) + " |"


def _exactness(table: pd.DataFrame) -> str:
    said = []
    for stage, what in (("hls", "of hls4ml's emulation"), ("rtl", "of the simulated Verilog")):
        done = table.dropna(subset=[f"{stage}_rows"])
        if len(done):
            said.append(f"{done[f'{stage}_rows_exact'].sum():,} of {done[f'{stage}_rows'].sum():,} rows {what}, in "
                        f"{len(done)} networks")
    return "Equal to the folded network in every output: " + "; ".join(said) + "."


if __name__ == "__main__":
    sys.exit(main())
