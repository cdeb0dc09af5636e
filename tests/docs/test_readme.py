"""README's numbers are those of the committed study."""

import pandas as pd
import pytest

import update_readme
from ultralow import csvfile
from ultralow.errors import StudyError
from ultralow.study.study import root


def paper():
    return csvfile.read(root() / update_readme.RESULTS / "comparison.csv")


def test_readme_is_current():
    text = (root() / "README.md").read_text(encoding="utf-8")
    assert update_readme.current(root()) == text, "run `make readme`"
    assert (root() / update_readme.FIGURE).exists() == (update_readme.FIGURE in text)


def test_another_number_would_be_seen():
    text, table = (root() / "README.md").read_text(encoding="utf-8"), paper()
    table.loc[0, "accuracy_mean"] += 0.001
    assert update_readme.renewed(text, table) != text
    with pytest.raises(StudyError, match="lacks the lines"):
        update_readme.renewed("no marks", table)


def test_a_network_stands_beside_the_slides_and_what_is_missing_is_empty():
    table = paper().head(2).astype(object)
    table.loc[0, ["lut", "lut_percent", "dsp", "dsp_percent", "latency_ns"]] = [42815, 3.6215, 0, 0.0, 60.0]
    for stage in ("hls", "rtl"):
        table[[f"{stage}_rows", f"{stage}_rows_exact"]] = [[1000, 1000], [pd.NA, pd.NA]]
    table.loc[1, ["lut_percent", "published_lut_percent", "latency_ns", "accuracy_std"]] = pd.NA
    text = update_readme.block(table, figure=True)
    first, second = (line for line in text.splitlines() if line.startswith("| jets-"))
    assert "| 42,815 = 3.62% (7%) | 0% (60%) | 60 ns (60 ns) |" in first and " ± " in first
    assert "|  | " in second and " ± " not in second and "nan" not in text.lower() and "<NA>" not in text
    assert "1,000 of 1,000 rows of hls4ml's emulation, in 1 networks" in text and text.endswith(f"({update_readme.FIGURE})")
