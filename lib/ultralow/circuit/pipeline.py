"""Knows in which pipeline stage each operation of a circuit stands: as few stages as the clock allows.

What an operation takes is said as the synthesis script maps it (:mod:`ultralow.synthesis.yosys`, :mod:`ultralow.device`):
sums of up to three bits or of six bits in all, thresholds and choices become tables, and several of them in a row
become one where they depend on six bits at most; wider sums become carry chains. :func:`ultralow.synthesis.timing.endpoints`
tells of the netlist what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

from ultralow.exact.opcodes import inverts
from ultralow.device import BIT_NS, CHAIN_LUT_INPUTS, CHAIN_NS, LUT_INPUTS, MULTIPLIER_NS, TABLE_NS

_PLAIN_SUM_BITS = 3  # see adders.v


@dataclass(frozen=True)
class _Signal:
    """A value: its stage, when it is settled there (ns), and what one table computes each of its bits from: bits of the
    operations ``leaves``, of which a bit of the value needs ``inputs`` at most, settled at ``start`` (ns)."""

    stage: int
    arrival: float
    leaves: frozenset[int]
    inputs: int
    start: float


@dataclass(frozen=True)
class Pipeline:
    """Each operation's stage and estimated arrival there (ns), and the estimated delay (ns) of each stage; and which sums'
    carry chains take in the first operand (:func:`_takes_first`)."""

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
    signals: list[_Signal] = []
    bits = [sum(op.qint.kif) for op in comb.ops]
    used = comb.ref_count
    # Read in more than one bit.
    wide = {source for index, op in enumerate(comb.ops) for source in op.input_ids if bits[index] > 1 or op.opcode != 3}
    delays, taking_first = [0.0], set()
    for index, op in enumerate(comb.ops):
        stage = max((signals[i].stage for i in op.input_ids), default=0)
        # A carry chain takes in a table that only it reads, if both stand in one stage.
        taken = [i for i in op.input_ids if op.opcode in (0, 1) and used[i] == 1 and _is_taken_in(comb, i, bits)]

        def placed(stage: int) -> _Signal:
            for i in taken:
                signals[i] = _signal(comb, i, stage, signals, bits, wide)
            return _signal(comb, index, stage, signals, bits, wide)

        signal, follows = placed(stage), any(signals[i].arrival and signals[i].stage == stage for i in op.input_ids)
        late = extra.get((index, follows), 0.0)
        if follows and signal.arrival + late > limit:
            signal, late = placed(stage + 1), extra.get((index, False), 0.0)
        if late:
            signal = _Signal(signal.stage, signal.arrival + late, frozenset([index]), 1, signal.arrival + late)
        signals.append(signal)
        if op.opcode == 0 and _is_chain(comb, index, bits) and _takes_first(comb, index, signals, bits, used):
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
    while _is_wiring(comb, index) and stages[source := comb.ops[index].input_ids[0]] == stages[index]:
        index = source
    return index


def _is_wiring(comb, index: int) -> bool:
    """Some bits of a value, their complement, or a bit again and again."""
    op = comb.ops[index]
    return (op.opcode == 3 or inverts(op)
            or op.opcode == -2 and sum(comb.ops[op.input_ids[0]].qint.kif) == 1)


def _is_chain(comb, index: int, bits: list[int]) -> bool:
    """Whether the operation is a sum in a carry chain."""
    op = comb.ops[index]
    return (op.opcode in (-2, 0, 1) and bits[index] > _PLAIN_SUM_BITS
            and sum(bits[i] for i in op.input_ids) > LUT_INPUTS)


def _is_taken_in(comb, index: int, bits: list[int]) -> bool:
    """Whether the operation is a look-up of so few bits that the tables in front of a carry chain can be it."""
    op = comb.ops[index]
    return op.opcode == 8 and bits[op.input_ids[0]] <= CHAIN_LUT_INPUTS


def _takes_first(comb, index: int, signals: list[_Signal], bits: list[int], used: list[int]) -> bool:
    """Whether a sum's carry chain had better take in its first operand than its second.

    The tables in front of a chain have one input for the one operand; in place of the other's they can have the inputs of the table
    that computes it. That saves this table's delay, and the table itself if nothing else reads it.
    """

    def gain(operand: int) -> tuple[bool, bool, float]:
        source, alone = operand, used[operand] == 1
        while _is_wiring(comb, source) and signals[behind := comb.ops[source].input_ids[0]].stage == stage:
            source, alone = behind, alone and used[behind] == 1
        op, signal = comb.ops[source], signals[source]
        # Of a look-up all bits or none, of a sum in tables the upper bits least.
        looked_up = op.opcode == 8
        taken = (signal.stage == stage and signal.arrival > 0 and op.opcode != 7 and not _is_chain(comb, source, bits)
                 and (not looked_up or _is_taken_in(comb, source, bits)))
        return (alone, looked_up, signal.arrival) if taken else (False, False, 0.0)

    stage = signals[index].stage
    first, second = map(gain, comb.ops[index].input_ids)
    return first > second


def _signal(comb, index: int, stage: int, signals: list[_Signal], bits: list[int], wide: set[int]) -> _Signal:
    """The operation's result if it stands in ``stage``; of the operations ``wide`` more than one bit is read."""
    op = comb.ops[index]

    def settled(source: int, at: float) -> _Signal:
        # A constant needs no input of a table.
        constant = comb.ops[source].opcode == 5
        return _Signal(stage, at, frozenset() if constant else frozenset([source]), 0 if constant else 1, at)

    # What is settled in an earlier stage comes out of a register.
    given = {i: signals[i] if signals[i].stage == stage else settled(i, 0.0) for i in op.input_ids}
    arrival = max((signal.arrival for signal in given.values()), default=0.0)
    match op.opcode:
        case -1 | 5:  # input, constant
            return settled(index, 0.0)
        case 7:  # product
            return settled(index, arrival + MULTIPLIER_NS)
        case 3 | 9 | -2 if _is_wiring(comb, index):
            (source, signal), = given.items()
            narrow = op.opcode == 3 and bits[index] < bits[source] and signal.leaves == {source}
            return settled(index, arrival) if narrow else signal
        case -2 | 0 | 1 if _is_chain(comb, index, bits):
            # alkaid takes minus, and differences of numbers that do not overlap, for free; they take a carry chain.
            chain = op.latency - max(comb.ops[i].latency for i in op.input_ids)
            return settled(index, arrival + (chain if chain or op.opcode == 0 else _adder_ns(bits[index])))
    # One table, of what the sources' tables depend on or, where that is too much or comes later, of the sources: for each source
    # what is best.
    found = None
    for sources in product(*((signal, settled(i, signal.arrival)) for i, signal in given.items())):
        leaves = frozenset().union(*(signal.leaves for signal in sources))
        inputs = total = sum(bits[leaf] for leaf in leaves)
        if op.opcode in (2, 6, 10):  # rectifier, choice, logic: each bit for itself
            inputs = sum(signal.inputs for signal in sources) * (2 if op.opcode == 2 else 1)
        start = max((signal.start for signal in sources), default=0.0)
        if min(inputs, total) <= LUT_INPUTS and (found is None or (start, inputs) < (found.start, found.inputs)):
            found = _Signal(stage, start + TABLE_NS, leaves, inputs, start)
    if found is not None:
        return found
    # Two tables deep are a threshold (a constant added, and the sum's sign read) and a table of seven bits; three are a whole
    # sum and a table of eight or nine bits.
    deep = index in wide if op.opcode == 4 else sum(bits[i] for i in op.input_ids) > 7
    return settled(index, arrival + (3 if deep else 2) * TABLE_NS)


def _adder_ns(bits: int) -> float:
    return TABLE_NS + CHAIN_NS + BIT_NS * (bits - 1)
