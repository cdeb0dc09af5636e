"""Assign operations to pipeline stages: as few stages as the clock allows, by estimated delays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ultralow.circuit.delays import DelayModel, Signal, is_wiring


@dataclass(frozen=True)
class Pipeline:
    """Each operation's stage and estimated arrival there (ns), and the estimated delay (ns) of each stage; and which sums'
    carry chains take in the first operand (:meth:`ultralow.circuit.delays.DelayModel.takes_first`)."""

    stages: list[int]
    arrivals: list[float]
    delays: list[float]
    taking_first: frozenset[int]


def pipeline(comb, limit: float, extra: Mapping[tuple[int, bool], float] = MappingProxyType({})) -> Pipeline:
    """As few stages as possible, none above ``limit`` (ns) if no operation is; among cuts with so few, the one whose
    slowest stage is fastest. ``extra`` as of :func:`cut`."""
    best = cut(comb, limit, extra)
    fewest, slowest = len(best.delays), min(limit, max(best.delays))
    lower = slowest * 0.5
    for _ in range(12):
        middle = (lower + slowest) / 2
        trial = cut(comb, middle, extra)
        if len(trial.delays) > fewest:
            lower = middle
        else:
            best, slowest = trial, min(middle, max(trial.delays))
    return best


def cut(comb, limit: float, extra: Mapping[tuple[int, bool], float] = MappingProxyType({})) -> Pipeline:
    """As early as possible: what would end later than ``limit`` (ns) after its stage's registers starts the next stage.

    Args:
        extra: by how much (ns) operations turned out slower than estimated, told apart by whether others stood before them in
            their stage (:func:`behind`): those may be to blame.
    """
    model, signals = DelayModel(comb), []
    delays, taking_first = [0.0], set()
    for index, op in enumerate(comb.ops):
        absorbed = model.absorbed(index)
        first = max((signals[i].stage for i in op.input_ids), default=0)
        signal, operands = _placed(model, index, first, signals, absorbed)
        follows = any(operand.arrival and operand.stage == first for operand in operands.values())
        late_ns = extra.get((index, follows), 0.0)
        if follows and signal.arrival + late_ns > limit:
            signal, operands = _placed(model, index, first + 1, signals, absorbed)
            late_ns = extra.get((index, False), 0.0)
        if late_ns:
            end = signal.arrival + late_ns
            signal = Signal(signal.stage, end, frozenset([index]), 1, end)
        # The absorbed tables move to the stage of their chain.
        for i in absorbed:
            signals[i] = operands[i]
        signals.append(signal)
        if model.takes_first(index, signals):
            taking_first.add(index)
        delays += [0.0] * (signal.stage + 1 - len(delays))
        delays[signal.stage] = max(delays[signal.stage], signal.arrival)
    return Pipeline([signal.stage for signal in signals], [signal.arrival for signal in signals], delays,
                    frozenset(taking_first))


def behind(comb, index: int, cut: Pipeline) -> bool:
    """Whether the operation reads what takes time in its own stage."""
    return any(cut.stages[i] == cut.stages[index] and cut.arrivals[i] for i in comb.ops[index].input_ids)


def origin(comb, index: int, stages: list[int]) -> int:
    """The operation of the same stage whose result this one passes on, or itself."""
    while is_wiring(comb, index) and stages[source := comb.ops[index].input_ids[0]] == stages[index]:
        index = source
    return index


def _placed(model: DelayModel, index: int, stage: int, signals: list[Signal], absorbed: list[int]
            ) -> tuple[Signal, dict[int, Signal]]:
    """An operation's result in ``stage`` and its operands, of which the ``absorbed`` ones stand there too."""
    ops = model.comb.ops
    operands = {i: signals[i] for i in ops[index].input_ids}
    operands |= {i: model.result(i, stage, {j: signals[j] for j in ops[i].input_ids}) for i in absorbed}
    return model.result(index, stage, operands), operands
