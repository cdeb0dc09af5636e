"""Knows how a circuit becomes pipelined Verilog, and how that Verilog is simulated."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ultralow.files import canonical_json, read_json, replacing

PART = "xcvu9p-flga2104-2L-e"
# Share of the clock kept free for what the delay estimate does not know (clock skew, congestion): the value that
# the vendor's tool takes by default.
CLOCK_UNCERTAINTY = 0.125


def write(comb, folder: str | Path, name: str, clock_ns: float = 5.0) -> dict:
    """Writes ``<name>.v``, ``primitives.v``, ``<name>.xdc`` and ``info.json`` into ``folder``; gives info.json's content.

    The top module ``<name>`` has ports clk, model_inp and model_out: all elements of a port have the same width,
    element 0 in the lowest bits. A new input may come with every clock (interval 1).

    ``latency_cycles`` counts clock periods from the edge that takes an input into the input register to the edge
    after which its logits stand in the output register: the number of pipeline stages. ``stage_delays_ns`` are
    alkaid's estimates of logic and routing for UltraScale+, not results of place and route.
    """
    from alkaid.codegen.rtl import RTLModel

    name = re.sub(r"\W|^(?=\d)", "_", name)
    stages, delays = _stages(comb, clock_ns * (1 - CLOCK_UNCERTAINTY))
    fsm = _machine(comb, stages)
    info = {
        "top": name, "clock_ns": clock_ns, "interval": 1, "latency_cycles": len(delays),
        "stage_delays_ns": delays, "delay_estimate_ns": comb.latency[1], "lut_estimate": comb.cost,
        "register_bits": sum(s.width for s in fsm.signals.values() if s.reg), "part": PART,
        "input": _port(fsm.inp_signals[0]), "output": _port(fsm.out_signals[0]),
    }
    with replacing(folder) as scratch, TemporaryDirectory() as raw:
        RTLModel(fsm, raw, name, part_name=PART, clock_period=clock_ns, clock_uncertainty=CLOCK_UNCERTAINTY,
                 ternary_fuse=False, print_latency=False).write()
        scratch.mkdir(parents=True)
        sources = Path(raw, "src")
        text = "\n".join(_renamed(path.read_text(), name) for path in sorted(sources.glob("*.v")))
        (scratch / f"{name}.v").write_text(text)
        (scratch / "primitives.v").write_text(
            "\n".join(path.read_text() for path in sorted(sources.glob("static/*.v")) if path.stem in text))
        shutil.copy(sources / f"{name}.xdc", scratch / f"{name}.xdc")
        (scratch / "info.json").write_text(canonical_json(info))
    return info


def read_info(folder: str | Path) -> dict:
    """What :func:`write` said of the Verilog in ``folder``."""
    return read_json(Path(folder) / "info.json")


def _stages(comb, limit: float) -> tuple[list[int], list[float]]:
    """Each operation's pipeline stage, as early as it fits, and the delay (ns) of each stage.

    An operation that would end later than ``limit`` after its stage's registers starts the next stage.
    """
    stage, arrival, delays = [], [], [0.0]
    latencies = [op.latency for op in comb.ops]
    for op in comb.ops:
        delay = op.latency - max((latencies[i] for i in op.input_ids), default=op.latency)
        now = max((stage[i] for i in op.input_ids), default=0)
        start = max((arrival[i] for i in op.input_ids if stage[i] == now), default=0.0)
        if start and start + delay > limit + 1e-9:
            now, start = now + 1, 0.0
        stage.append(now)
        arrival.append(start + delay)
        delays += [0.0] * (now + 1 - len(delays))
        delays[now] = max(delays[now], arrival[-1])
    return stage, delays


def _machine(comb, stages: list[int]):
    """The circuit with registers between the stages, at the input and at the output."""
    from alkaid.trace.pipeline import to_pipeline

    # alkaid cuts by time. With the stage's number as the time of all its operations, its cuts are ours.
    timed = [op if op.opcode in (-1, 5) else op._replace(latency=stage + 1.0) for op, stage in zip(comb.ops, stages)]
    return to_pipeline(comb._replace(ops=timed), n_stages=max(stages) + 1, verbose=False)


def _port(signal) -> dict:
    signed, integers, fraction = (int(v) for v in np.max(signal.precisions, axis=0))
    return {"elements": signal.size, "bits": signed + integers + fraction, "signed": bool(signed),
            "fraction": fraction, "used_bits": signal.width}


def _renamed(text: str, name: str) -> str:
    """alkaid's module names made unique to this network, so that two networks fit in one design."""
    text = re.sub(r"\blogic(\d+)\b", rf"{name}_stage\1", text)
    text = re.sub(rf"\b{name}\b", f"{name}_core", text)
    return re.sub(rf"\b{name}_wrapper\b", name, text)
