"""Put a study's results in one table: what each network achieves and costs, beside what was published."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ultralow import csvfile, metrics
from ultralow.device import TOTALS
from ultralow.errors import StudyError
from ultralow.networks.catalogue import CATALOGUE
from ultralow.report import published
from ultralow.report.results import Results, hardware_run, judged_by, need

# ours -> the published column beside it; +1 where more is better, -1 where less is
PAIRS = {
    "accuracy_mean": ("published_accuracy", +1),
    "auc_min": ("published_auc_min", +1),
    "auc_max": ("published_auc_max", +1),
    "latency_ns": ("published_latency_ns", -1),
    "lut_percent": ("published_lut_percent", -1),
    "ff_percent": ("published_ff_percent", -1),
    "dsp_percent": ("published_dsp_percent", -1),
    "bram18_percent": ("published_bram_percent", -1),
}

# Columns as the files of the steps name them; of convert.json: ours -> theirs.
_TRAIN = ("network", "dataset", "source", "architecture", "kind", "input", "parameters", "train_rows", "test_rows")
_CONVERT = {"hls_tool": "tool", "hls_rows": "hls_rows", "hls_rows_exact": "hls_rows_exact",
            "keras_rows": "keras_rows", "keras_rows_exact": "keras_rows_exact"}
_SIMULATION = ("rtl_rows", "rtl_rows_exact", "netlist_rows", "netlist_rows_exact", "circuit_architecture", "input_bits")
_RESOURCES = tuple(TOTALS)
_TIMING = ("lut_estimate", "latency_cycles", "interval", "clock_ns", "latency_ns", "tool")
# Of the same network with a multiplier for each weight.
_MULTIPLIERS = ("lut", "ff", "dsp", "latency_ns")
_COUNTS = ("parameters", "train_rows", "test_rows", "seeds", "hls_rows", "hls_rows_exact", "keras_rows",
           "keras_rows_exact", "rtl_rows", "rtl_rows_exact", "netlist_rows", "netlist_rows_exact", "input_bits", "lut",
           "ff", "dsp", "bram18", "latency_cycles", "interval", "multipliers_lut", "multipliers_ff", "multipliers_dsp")
_TEXTS = ("network", "dataset", "source", "architecture", "kind", "input", "hls_tool", "circuit_architecture", "tool",
          "published_row", "published_tool_stage")
# Digits after the point: shares to a hundredth of a percent and one more; percentages and ns to a thousandth.
_DIGITS = {"accuracy": 5, "auc": 5, "r2": 5, "rmse": 9, "zero": 5, "published_accuracy": 5, "published_auc": 5}
# An AUC's column while the table is made: a class may be called min or max.
_AUC = "auc_of_"


class Quality(NamedTuple):
    """What a network is judged by, in words, and its mean and standard deviation over the seeds."""

    name: str
    mean: float
    deviation: float


def table(folder: str | Path) -> pd.DataFrame:
    """One row per network in the study's order. Accuracies, AUCs and zero weights are shares; ``_percent`` columns
    are percent of a VU9P; ``_ns`` are nanoseconds. Means and sample standard deviations are over seeds; hardware
    columns belong to one network, the hardware seed's, whose accuracy is ``accuracy_hardware``.

    NA is a thing not measured. Published columns are filled only where the published network has the same layers.

    Raises:
        StudyError: a network has no training result, or a file lacks a key.
    """
    results = Results(Path(folder))
    rows = [_row(results, network) for network in results.networks]
    if not rows:
        raise StudyError(f"{folder}/study.json lists no networks; add one to the study file")
    columns = pd.DataFrame(rows, columns=_columns(rows))
    return pd.DataFrame({name.replace(_AUC, "auc_"): _typed(columns[name]) for name in columns})


def seed_table(train: dict) -> pd.DataFrame:
    """Of each seed (index) what train.json says: validation and test part, before folding and after, zero weights."""
    of = judged_by(train)
    what = {"r2": "R²", "accuracy": "accuracy"}[of]
    names = {f"valid_{of}": f"{what}, validation (folded)", f"{of}_float": f"{what}, test before folding",
             of: f"{what}, test (folded)", "zero_weights": "share of zero weights"}
    # A network without matrices of weights has no zero ones.
    return pd.DataFrame(train["runs"]).set_index("seed")[list(names)].dropna(axis=1, how="all").rename(columns=names)


def trained_on(folder: str | Path) -> pd.DataFrame:
    """Networks (column ``networks``, comma-separated) by the device and package versions that their runs were trained with;
    empty where no run says so."""
    results, groups = Results(Path(folder)), {}
    for network in results.networks:
        for run in results.train(network)["runs"]:
            if machine := run.get("trained_on"):
                packages = ", ".join(f"{name} {version}" for name, version in sorted(machine["packages"].items()))
                groups.setdefault((machine["device"], packages), {})[network] = None
    return pd.DataFrame([(*machine, ", ".join(networks)) for machine, networks in groups.items()],
                        columns=["device", "packages", "networks"])


def finn_table(table: pd.DataFrame) -> pd.DataFrame:
    """FINN's table 1 from the rows finn-<neurons>-<binary|float> of :func:`table`; empty if there are none.

    Errors are percent of the test part. Parameters and operations are counted as FINN counts them: weights and
    biases, and two operations for each weight.
    """
    rows: dict[int, dict] = {}
    for entry in table[table["network"].str.match(r"finn-\d+-(binary|float)$")].to_dict("records"):
        neurons, kind = int(entry["network"].split("-")[1]), entry["network"].split("-")[2]
        widths = [int(n) for n in entry["architecture"].split("x")]
        weights = sum(n * m for n, m in zip(widths, widths[1:]))
        row = rows.setdefault(neurons, {"neurons": neurons, "parameters": weights + sum(widths[1:]),
                                        "operations": 2 * weights})
        row[f"{kind}_error_percent"] = 100 * (1 - entry["accuracy_mean"])
        if not pd.isna(entry["published_accuracy"]):
            row[f"published_{kind}_error_percent"] = 100 * (1 - entry["published_accuracy"])
    columns = ["neurons", "binary_error_percent", "float_error_percent", "parameters", "operations",
               "published_binary_error_percent", "published_float_error_percent"]
    result = pd.DataFrame([rows[n] for n in sorted(rows)], columns=columns)
    return result.astype({c: "Float64" if "error" in c else "Int64" for c in columns}).round(3)


def verify(folder: str | Path) -> None:
    """That comparison.csv in ``folder`` is still what the results beside it say.

    Raises:
        StudyError: it is missing, damaged or changed.
    """
    path = Path(folder) / "comparison.csv"
    if not path.exists() or path.read_bytes() != csvfile.to_text(table(folder)).encode():
        raise StudyError(f"{path} is missing, damaged or was changed by hand: it does not say what the results beside it "
                         "say; delete it and run the same command again")


def comparable(source: str) -> bool:
    """Whether published accuracies may stand beside results on ``source``: digits28 is another, easier task."""
    return source != "digits28"


def verdict(row: dict | pd.Series, column: str) -> str:
    """``better``, ``worse`` or ``equal`` within the published digits; ``other data``; or nothing if a side is absent.

    ``column`` is one of PAIRS; ``row`` is a row of :func:`table`.
    """
    beside, sign = PAIRS[column]
    ours, theirs = row[column], row[beside]
    if pd.isna(ours) or pd.isna(theirs):
        return ""
    if column in ("accuracy_mean", "auc_min", "auc_max") and not comparable(row["source"]):
        return "other data"
    tolerance = published.resolution(row["published_row"], beside.removeprefix("published_"))
    if abs(ours - theirs) <= tolerance * (1 + 1e-9):
        return "equal"
    return "better" if sign * (ours - theirs) > 0 else "worse"


def quality(row: dict | pd.Series) -> Quality:
    """What a row of :func:`table` is judged by: accuracy, or R² of a regression."""
    if pd.isna(row["accuracy_mean"]) and not pd.isna(row.get("r2_mean", pd.NA)):
        return Quality("R²", row["r2_mean"], row["r2_std"])
    return Quality("accuracy", row["accuracy_mean"], row.get("accuracy_std", pd.NA))


def qualities(table: pd.DataFrame) -> pd.Series:
    """The means of :func:`quality`, row by row."""
    if "r2_mean" not in table:
        return table["accuracy_mean"]
    # A column that is empty in the file was read as one of whole numbers.
    return table["accuracy_mean"].astype("Float64").fillna(table["r2_mean"].astype("Float64"))


def _row(results: Results, network: str) -> dict:
    """One network's row of :func:`table`, as far as it was measured."""
    train, path = results.train(network), results.path(network) / "train.json"
    row = {key: need(train, key, path) for key in _TRAIN}
    if not need(train, "runs", path):
        raise StudyError(f"{path} holds no runs; train {network} again")
    row |= _quality_columns(train, path) | _auc_columns(train["runs"], need(train, "classes", path))
    # Where there is no emulation, the model itself was compared when it was taken.
    row |= {key: value for key, value in hardware_run(train).items() if key in ("keras_rows", "keras_rows_exact")}
    if convert := results.convert(network):
        row |= {ours: convert.get(theirs) for ours, theirs in _CONVERT.items()}
    if synthesis := results.synthesis(network):
        row |= _synthesis_columns(synthesis)
    return row | _published_columns(network, row["architecture"])


def _quality_columns(train: dict, path: Path) -> dict:
    """Accuracy, or R² and RMSE of a regression, over the seeds; zero weights of the hardware seed."""
    of, runs, hardware = judged_by(train), train["runs"], hardware_run(train)
    values = [need(run, of, path) for run in runs]
    columns = {"seeds": len(runs), f"{of}_mean": np.mean(values), f"{of}_std": _deviation(values),
               f"{of}_float": np.mean([run[f"{of}_float"] for run in runs]), f"{of}_hardware": hardware[of],
               "zero_weights": hardware.get("zero_weights")}
    return columns | {f"rmse_{target}": np.mean([run["rmse"][target] for run in runs]) for target in train.get("targets", ())}


def _auc_columns(runs: list[dict], classes: list[str]) -> dict:
    """Each class's AUC over the seeds; the smallest and the largest, with the spread of the classes that have them."""
    of_seeds = {name: [run["auc"].get(name) for run in runs] for name in classes}
    means = {name: _mean(values) for name, values in of_seeds.items()}
    known = {name: mean for name, mean in means.items() if mean is not None}
    columns = {f"{_AUC}{name}": mean for name, mean in means.items()} | {"auc_min": None, "auc_max": None}
    for column, choose in (("auc_min", min), ("auc_max", max)) if known else ():
        # Of equal areas the last class's spread.
        chosen = choose(reversed(known), key=known.get)
        columns |= {column: known[chosen], f"{column}_std": _deviation(of_seeds[chosen])}
    return columns


def _synthesis_columns(synthesis: dict) -> dict:
    """Simulation, resources and timing of the circuit; and of that with multipliers, where it was built."""
    columns = {key: synthesis.get(key) for key in (*_SIMULATION, *_RESOURCES, *_TIMING)}
    columns |= {f"{key}_percent": 100 * synthesis[key] / whole for key, whole in TOTALS.items()
                if synthesis.get(key) is not None}
    return columns | {f"multipliers_{key}": synthesis["multipliers"][key] for key in _MULTIPLIERS if "multipliers" in synthesis}


def _published_columns(network: str, architecture: str) -> dict:
    """The published values, if the catalogue names a row and its layers are those that were trained."""
    entry = CATALOGUE.get(network)
    if entry is None or entry.published is None:
        return {}
    values = published.row(entry.published)
    if values["architecture"] != architecture:
        return {}
    named = {beside: values[beside.removeprefix("published_")] for beside, _ in PAIRS.values()}
    return named | {"published_row": entry.published, "published_tool_stage": values["tool_stage"]}


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _deviation(values: Iterable[float | None]) -> float | None:
    """Sample standard deviation; None of fewer than two values."""
    return metrics.deviation([value for value in values if value is not None])


def _typed(column: pd.Series) -> pd.Series:
    """Counts as integers, texts as texts, else numbers rounded; NA where a value is missing."""
    if column.name in _COUNTS:
        return column.astype("Int64")
    if column.name in _TEXTS:
        return column.astype("string")
    digits = next((n for start, n in _DIGITS.items() if column.name.startswith(start)), 3)
    return pd.to_numeric(column).astype("Float64").round(digits)


def _columns(rows: list[dict]) -> list[str]:
    """The table's columns in their order; classes and targets as the rows have them."""
    def named(*starts: str) -> list[str]:
        return list(dict.fromkeys(column for row in rows for column in row if column.startswith(starts)))

    resources = [name for key in _RESOURCES for name in (key, f"{key}_percent")]
    return [*_TRAIN, "seeds", "accuracy_mean", "accuracy_std", "accuracy_float", "accuracy_hardware", *named("r2_", "rmse_"),
            *named(_AUC), "auc_min", "auc_min_std", "auc_max", "auc_max_std", "zero_weights", *_CONVERT, *_SIMULATION,
            *resources, *_TIMING, *(f"multipliers_{key}" for key in _MULTIPLIERS), *(beside for beside, _ in PAIRS.values()),
            "published_row", "published_tool_stage"]
