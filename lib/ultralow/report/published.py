"""Read the published figures that ours stand beside, with the conditions under which each was obtained."""

from __future__ import annotations

from functools import cache
from importlib import resources

import pandas as pd

from ultralow.device import TOTALS
from ultralow.errors import unknown


@cache
def _text() -> pd.DataFrame:
    with resources.files("ultralow.report").joinpath("published.csv").open(encoding="utf-8") as stream:
        return pd.read_csv(stream, dtype=str, keep_default_na=False).set_index("id", drop=False)


def rows() -> pd.DataFrame:
    """All published rows, one each, indexed by id, in our units.

    Columns: table, method, architecture, dataset, dataset_variant, accuracy, auc_min, auc_max (shares),
    latency_ns, clock_mhz, throughput_fps, lut_percent, ff_percent, dsp_percent, bram_percent, bram and lut (counts),
    lut_from_share, device, tool_stage, source, confidence. Where only the share of a VU9P is published, ``lut`` follows
    from it, and ``lut_from_share`` is true.
    """
    text = _text()
    table = text[["table", "method", "architecture", "dataset", "dataset_variant", "device", "tool_stage", "source",
                  "confidence"]].copy()
    for column, (name, scale) in _COLUMNS.items():
        table[column] = (pd.to_numeric(text[name].replace("", None)) * scale).round(6)
    counted = pd.to_numeric(text["lut"].replace("", None))
    table["lut_from_share"] = counted.isna() & table["lut_percent"].notna()
    table["lut"] = counted.fillna((table["lut_percent"] / 100 * TOTALS["lut"]).round())
    return table


def row(name: str) -> dict:
    """One published row in our units (see :func:`rows`).

    Raises:
        StudyError: no such row; the message names the nearest.
    """
    table = rows()
    if name not in table.index:
        raise unknown("published row", name, table.index)
    return {key: None if pd.isna(value) else value for key, value in table.loc[name].items()}


def of_task(dataset: str) -> pd.DataFrame:
    """Published networks of the same task with an accuracy, and LUTs or a latency; see :func:`rows`. None of a dataset of
    one's own."""
    table = rows()
    table = table[table["dataset"] == {"jets": "jets HLF", "mnist": "MNIST"}.get(dataset)]
    return table[table["accuracy"].notna() & (table["lut"].notna() | table["latency_ns"].notna())]


def resolution(name: str, column: str) -> float:
    """Half a unit of the last printed digit of a published value: what lies closer to it agrees with it."""
    source, scale = _COLUMNS[column]
    _, _, decimals = _text().at[name, source].partition(".")
    return 0.5 * 10.0 ** -len(decimals) * scale


# ours: (column of the file, factor to our unit)
_COLUMNS = {
    "accuracy": ("accuracy_percent", 0.01),
    "auc_min": ("auc_min_percent", 0.01),
    "auc_max": ("auc_max_percent", 0.01),
    "latency_ns": ("latency_us", 1000.0),
    "clock_mhz": ("clock_mhz", 1.0),
    "throughput_fps": ("throughput_kfps", 1000.0),
    "lut_percent": ("lut_percent", 1.0),
    "ff_percent": ("ff_percent", 1.0),
    "dsp_percent": ("dsp_percent", 1.0),
    "bram_percent": ("bram_percent", 1.0),
    "bram": ("bram", 1.0),
}
