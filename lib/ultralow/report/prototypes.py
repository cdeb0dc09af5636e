"""Knows FINN's prototypes (table 3 of arXiv:1612.07119) beside our circuits of the same networks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from ultralow.report import published

# ours -> FINN's rows of the same layers: as fast as the device allows (max), and for 12,200 frames a second (fix)
PROTOTYPES = {"finn-256-binary": ("finn-sfc-max", "finn-sfc-fix"), "finn-1024-binary": ("finn-lfc-max", "finn-lfc-fix")}


def beside(table: pd.DataFrame, estimates: Mapping[str, float] = MappingProxyType({})) -> list[dict]:
    """Rows for each network of PROTOTYPES that ``table`` (:func:`ultralow.report.comparison.comparison`) has: FINN's, then ours.

    Keys: name, network (None for FINN's), architecture, accuracy, throughput_fps, latency_ns, lut, bram, clock_mhz,
    conditions. What was not measured is None; ``estimates`` of LUTs of networks that were not built stand in words.
    """
    rows = []
    ours = {row["network"]: row for row in table.to_dict("records")}
    for network, theirs in PROTOTYPES.items():
        if network in ours:
            rows += [_finn(published.row(name)) for name in theirs] + [_own(ours[network], estimates.get(network))]
    return rows


def _finn(row: dict) -> dict:
    keys = ("architecture", "accuracy", "throughput_fps", "latency_ns", "lut", "bram", "clock_mhz")
    return {"name": row["method"], "network": None, "conditions": f"{row['device']}, {row['tool_stage']}",
            **{key: row[key] for key in keys}}


def _own(row: dict, estimate: float | None) -> dict:
    known = {key: None if pd.isna(value) else value for key, value in row.items()}
    clock, interval = known["clock_ns"], known["interval"]
    return {"name": row["network"], "network": row["network"], "architecture": row["architecture"],
            "accuracy": row["accuracy_mean"], "throughput_fps": clock and 1e9 / (clock * interval),
            "latency_ns": known["latency_ns"], "lut": known["lut"], "bram": known["bram18"],
            "clock_mhz": clock and 1000 / clock,
            "conditions": f"not placed; {known['tool']}" if clock else _unbuilt(estimate) if estimate else ""}


def _unbuilt(luts: float) -> str:
    share = luts / published.VU9P["lut"]
    return (f"not built; about {round(luts, -4):,.0f} LUTs by the quick estimate, {share:.0%} of the VU9P: "
            f"{'it may fit' if share < 1 else 'does not fit'}")
