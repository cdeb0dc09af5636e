"""Knows in which pipeline stage each operation of a circuit stands: as few stages as the clock allows.

What an operation takes is said as the synthesis script maps it (:mod:`ultralow.synthesis`, :mod:`ultralow.timing`):
sums of up to three bits or of six bits in all, thresholds and choices become tables, and several of them in a row
become one where they depend on six bits at most; wider sums become carry chains. :func:`ultralow.timing.endpoints`
tells of the netlist what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ultralow.timing import BIT_NS, CHAIN_NS, MULTIPLIER_NS, TABLE_NS

_TABLE_BITS = 6
_PLAIN_SUM_BITS = 3  # see adders.v


@dataclass(frozen=True)
class _Signal:
    """A value: its stage, when it is settled there (ns), and the operations that one table computes it from."""

    stage: int
    arrival: float
    leaves: frozenset[int]


@dataclass(frozen=True)
class Pipeline:
    """Each operation's stage and estimated arrival there (ns), and the estimated delay (ns) of each stage."""

    stages: list[int]
    arrivals: list[float]
    delays: list[float]


def pipeline(comb, limit: float) -> Pipeline:
    """As few stages as possible, none above ``limit`` (ns) if no operation is; among cuts with so few, the one whose
    slowest stage is fastest."""
    best = cut(comb, limit)
    fewest, slowest = len(best.delays), min(limit, max(best.delays))
    lower = slowest * 0.5
    for _ in range(12):
        middle = (lower + slowest) / 2
        trial = cut(comb, middle)
        if len(trial.delays) > fewest:
            lower = middle
        else:
            best, slowest = trial, min(middle, max(trial.delays))
    return best


def cut(comb, limit: float, extra: Mapping[int, float] = MappingProxyType({})) -> Pipeline:
    """As early as possible: what would end later than ``limit`` (ns) after its stage's registers starts the next stage.

    Args:
        extra: operations that turned out slower than estimated, and by how much (ns).
    """
    signals: list[_Signal] = []
    bits = [sum(op.qint.kif) for op in comb.ops]
    delays = [0.0]
    for index, op in enumerate(comb.ops):
        stage = max((signals[i].stage for i in op.input_ids), default=0)
        signal, late = _signal(comb, index, stage, signals, bits), extra.get(index, 0.0)
        if signal.arrival + late > limit and any(signals[i].arrival and signals[i].stage == stage for i in op.input_ids):
            signal = _signal(comb, index, stage + 1, signals, bits)
        if late:
            signal = replace(signal, arrival=signal.arrival + late, leaves=frozenset([index]))
        signals.append(signal)
        delays += [0.0] * (signal.stage + 1 - len(delays))
        delays[signal.stage] = max(delays[signal.stage], signal.arrival)
    return Pipeline([signal.stage for signal in signals], [signal.arrival for signal in signals], delays)


def _signal(comb, index: int, stage: int, signals: list[_Signal], bits: list[int]) -> _Signal:
    """The operation's result if it stands in ``stage``."""
    op, own = comb.ops[index], frozenset([index])
    # What is settled in an earlier stage comes out of a register.
    given = {i: signals[i] if signals[i].stage == stage else _Signal(stage, 0.0, frozenset([i]))
             for i in op.input_ids}
    start = max((signal.arrival for signal in given.values()), default=0.0)
    match op.opcode:
        case -1 | 5:  # input, constant
            return _Signal(stage, 0.0, own)
        case 3 | 9 if len(given) == 1:  # some bits of a value, or their complement
            (source, signal), = given.items()
            narrow = bits[index] < bits[source] and signal.leaves == {source}
            return _Signal(stage, start, own if narrow else signal.leaves)
        case -2 | 0 | 1 if bits[index] > _PLAIN_SUM_BITS and sum(bits[i] for i in op.input_ids) > _TABLE_BITS:
            # alkaid takes minus, and differences of numbers that do not overlap, for free; they take a carry chain.
            chain = op.latency - max(comb.ops[i].latency for i in op.input_ids)
            return _Signal(stage, start + (chain if chain or op.opcode == 0 else _adder_ns(bits[index])), own)
        case 7:  # product
            return _Signal(stage, start + MULTIPLIER_NS, own)
        case 2 | 6:  # rectifier, choice: a table for each bit
            return _Signal(stage, start + TABLE_NS, own)
    for leaves in (frozenset().union(*(signal.leaves for signal in given.values())), frozenset(given)):
        if sum(bits[leaf] for leaf in leaves) <= _TABLE_BITS:
            inside = [signals[leaf].arrival for leaf in leaves if signals[leaf].stage == stage]
            return _Signal(stage, max(inside, default=0.0) + TABLE_NS, leaves)
    return _Signal(stage, start + 2 * TABLE_NS, own)  # a threshold of up to a dozen bits


def _adder_ns(bits: int) -> float:
    return TABLE_NS + CHAIN_NS + BIT_NS * (bits - 1)
