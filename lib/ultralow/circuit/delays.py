"""Estimate when an operation's result settles in its pipeline stage, as the synthesis script maps it.

Sums of up to three bits or of six bits in all, thresholds and choices become tables, and several of them in a row become
one where they depend on six bits at most; wider sums become carry chains (adders.v, :mod:`ultralow.synthesis.yosys`). What
came of it is read from the netlist (:mod:`ultralow.synthesis.timing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from ultralow.device import BIT_NS, CHAIN_LUT_INPUTS, CHAIN_NS, LUT_INPUTS, MULTIPLIER_NS, TABLE_NS
from ultralow.exact.opcodes import SUMS, Opcode, inverts

_PLAIN_SUM_BITS = 3  # see adders.v
_BIT_BY_BIT = (Opcode.RELU, Opcode.SELECT, Opcode.BITWISE_BINARY)


@dataclass(frozen=True)
class Signal:
    """A value: its stage, when it is settled there (ns), and what one table computes each of its bits from: bits of the
    operations ``leaves``, of which a bit of the value needs ``inputs`` at most, settled at ``start`` (ns)."""

    stage: int
    arrival: float
    leaves: frozenset[int]
    inputs: int
    start: float


def is_wiring(comb, index: int) -> bool:
    """Whether an operation gives some bits of a value, their complement, or a bit again and again."""
    op = comb.ops[index]
    return (op.opcode == Opcode.QUANTIZE or inverts(op)
            or op.opcode == Opcode.NEGATE and sum(comb.ops[op.input_ids[0]].qint.kif) == 1)


class DelayModel:
    """The delays of a circuit's operations (alkaid's CombLogic)."""

    def __init__(self, comb) -> None:
        self.comb = comb
        self._bits = [sum(op.qint.kif) for op in comb.ops]
        self._readers = comb.ref_count
        # Operations of which more than one bit is read.
        self._wide = {source for index, op in enumerate(comb.ops) for source in op.input_ids
                      if self._bits[index] > 1 or op.opcode != Opcode.QUANTIZE}

    def is_chain(self, index: int) -> bool:
        """Whether an operation is a sum in a carry chain."""
        op = self.comb.ops[index]
        return (op.opcode in (Opcode.NEGATE, *SUMS) and self._bits[index] > _PLAIN_SUM_BITS
                and sum(self._bits[i] for i in op.input_ids) > LUT_INPUTS)

    def absorbed(self, index: int) -> list[int]:
        """The operands that a sum's carry chain takes in, if they stand in its stage: look-ups that only the sum reads."""
        op = self.comb.ops[index]
        return [i for i in op.input_ids if op.opcode in SUMS and self._readers[i] == 1 and self._fits_in_chain(i)]

    def takes_first(self, index: int, signals: Sequence[Signal]) -> bool:
        """Whether a sum's carry chain had better take in its first operand than its second.

        The tables in front of a chain have one input for the one operand; in place of the other's they can have the inputs of
        the table that computes it. That saves this table's delay, and the table itself if nothing else reads it.

        Args:
            signals: those of the sum and of all operations before it.
        """

        def gain(operand: int) -> tuple[bool, bool, float]:
            source, alone = operand, self._readers[operand] == 1
            while is_wiring(self.comb, source) and signals[before := self.comb.ops[source].input_ids[0]].stage == stage:
                source, alone = before, alone and self._readers[before] == 1
            op, signal = self.comb.ops[source], signals[source]
            # Of a look-up all bits or none, of a sum in tables the upper bits least.
            looked_up = op.opcode == Opcode.LOOKUP
            gained = (signal.stage == stage and signal.arrival > 0 and op.opcode != Opcode.MULTIPLY
                      and not self.is_chain(source) and (not looked_up or self._fits_in_chain(source)))
            return (alone, looked_up, signal.arrival) if gained else (False, False, 0.0)

        if self.comb.ops[index].opcode != Opcode.ADD or not self.is_chain(index):
            return False
        stage = signals[index].stage
        first, second = map(gain, self.comb.ops[index].input_ids)
        return first > second

    def result(self, index: int, stage: int, operands: dict[int, Signal]) -> Signal:
        """An operation's result if it stands in ``stage``, of its operands by their number."""
        op = self.comb.ops[index]
        # What is settled in an earlier stage comes out of a register.
        operands = {i: signal if signal.stage == stage else self._settled(i, stage, 0.0) for i, signal in operands.items()}
        arrival = max((signal.arrival for signal in operands.values()), default=0.0)
        match op.opcode:
            case Opcode.INPUT | Opcode.CONSTANT:
                return self._settled(index, stage, arrival)
            case Opcode.MULTIPLY:
                return self._settled(index, stage, arrival + MULTIPLIER_NS)
            case Opcode.QUANTIZE | Opcode.BITWISE_UNARY | Opcode.NEGATE if is_wiring(self.comb, index):
                (source, signal), = operands.items()
                narrow = (op.opcode == Opcode.QUANTIZE and self._bits[index] < self._bits[source]
                          and signal.leaves == {source})
                return self._settled(index, stage, arrival) if narrow else signal
            case Opcode.NEGATE | Opcode.ADD | Opcode.SUBTRACT if self.is_chain(index):
                return self._settled(index, stage, arrival + self._chain_ns(index))
        if (merged := self._one_table(op.opcode, stage, operands)) is not None:
            return merged
        # Two tables deep are a threshold (a constant added, and the sum's sign read) and a table of seven bits; three are a
        # whole sum and a table of eight or nine bits.
        deep = index in self._wide if op.opcode == Opcode.ADD_CONSTANT else sum(self._bits[i] for i in op.input_ids) > 7
        return self._settled(index, stage, arrival + (3 if deep else 2) * TABLE_NS)

    def _settled(self, index: int, stage: int, at_ns: float) -> Signal:
        """An operation's result as a table reads it: by its own bits; a constant needs no input of a table."""
        if self.comb.ops[index].opcode == Opcode.CONSTANT:
            return Signal(stage, at_ns, frozenset(), 0, at_ns)
        return Signal(stage, at_ns, frozenset([index]), 1, at_ns)

    def _chain_ns(self, index: int) -> float:
        op = self.comb.ops[index]
        own = op.latency - max(self.comb.ops[i].latency for i in op.input_ids)
        # alkaid takes minus, and differences of numbers that do not overlap, for free; they take a carry chain.
        return own if own or op.opcode == Opcode.ADD else TABLE_NS + CHAIN_NS + BIT_NS * (self._bits[index] - 1)

    def _one_table(self, opcode: int, stage: int, operands: dict[int, Signal]) -> Signal | None:
        """The result as one table of what the operands' tables depend on or, where that is too much or comes later, of the
        operands: for each what is best. None where one table does not hold it."""
        best = None
        for sources in product(*((signal, self._settled(i, stage, signal.arrival)) for i, signal in operands.items())):
            leaves = frozenset().union(*(signal.leaves for signal in sources))
            inputs = total = sum(self._bits[leaf] for leaf in leaves)
            if opcode in _BIT_BY_BIT:
                inputs = sum(signal.inputs for signal in sources) * (2 if opcode == Opcode.RELU else 1)
            start = max((signal.start for signal in sources), default=0.0)
            if min(inputs, total) <= LUT_INPUTS and (best is None or (start, inputs) < (best.start, best.inputs)):
                best = Signal(stage, start + TABLE_NS, leaves, inputs, start)
        return best

    def _fits_in_chain(self, index: int) -> bool:
        """Whether an operation is a look-up of so few bits that the tables in front of a carry chain can be it."""
        op = self.comb.ops[index]
        return op.opcode == Opcode.LOOKUP and self._bits[op.input_ids[0]] <= CHAIN_LUT_INPUTS
