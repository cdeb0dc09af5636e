"""Trace a network of look-up tables and sums as a dataflow circuit of few LUTs.

A carry chain has a six-input table in front of each bit, of which adding needs one input only: a table of five bits fits into
it. So a sum is a row of carry chains, each of which takes in one table at no cost beyond its own bits; a tree of adders would
cost half as much again, and be faster. Bits are counted five at a time for the same reason
(:func:`ultralow.circuit.arithmetic.count_for_chains`).
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, log2

import numpy as np

from ultralow.device import CHAIN_LUT_INPUTS
from ultralow.exact.lut import TableNetwork, Tables, width
from ultralow.circuit.arithmetic import count_by_tables, count_for_chains, plus, side_by_side, total, variable


def trace(network: TableNetwork, delay_constraint: int = 2, log: Callable[[str], None] | None = None):
    """The network as a circuit; as :func:`ultralow.circuit.tracing.trace`.

    Args:
        delay_constraint: additions in a row that a sum may take beyond the shortest tree; −1: any number. 0 also counts bits by
            tables alone.
    """
    from alkaid.trace import FVArray, HWConfig, trace as alkaid_trace

    log = log or (lambda line: None)
    count, ends = network.widths[0], (float(network.input.low_code), float(network.input.high_code))
    inputs = FVArray.from_lhs(*(np.full(count, end) for end in ends), np.ones(count), hwconf=HWConfig(1, 1, -1))
    signals, hwconf = list(np.asarray(inputs)), inputs[0].hwconf
    for position, (layer, spans) in enumerate(zip(network.layers, network.spans()), start=1):
        log(f"layer {position}/{len(network.layers)}: {layer.outputs} {type(layer).__name__.lower()}")
        if isinstance(layer, Tables):
            signals = [_looked_up(signals, spans, key, values, hwconf) for key, values in zip(layer.keys, layer.values)]
        else:
            signals = [_added([signals[i] for i in terms], int(offset), layer.bits, delay_constraint, hwconf)
                       for terms, offset in zip(layer.terms, layer.offset)]
    return alkaid_trace(inputs, FVArray(np.array(signals, dtype=object), hwconf=hwconf), keep_dead_inputs=True)


def _looked_up(signals: list, spans: list, key: np.ndarray, values: np.ndarray, hwconf):
    """The table's output. What the key reads of constants, and what the table does not depend on, is left out first."""
    key, values = _needed(signals, key, values)
    if not len(key):
        return variable(int(values[0]), hwconf)
    return _key(signals, spans, key).lookup(values.astype(np.float64), (0.0, 2.0 ** len(key) - 1, 1.0))


def _needed(signals: list, key: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    for place in range(len(key) - 1, -1, -1):
        element, bit = key[place]
        halves = values.reshape(-1, 2, 2**place)
        signal = signals[element]
        if signal.opr == "const":
            values = halves[:, int(signal.low) >> bit & 1].ravel()
        elif (halves[:, 0] == halves[:, 1]).all():
            values = halves[:, 0].ravel()
        else:
            continue
        key = np.delete(key, place, axis=0)
    return key, values


def _key(signals: list, spans: list, key: np.ndarray):
    """The key's bits side by side as one signal. Neighbours of one element are taken together."""
    parts, place = [], 0
    while place < len(key):
        element, bit = key[place]
        run = 1
        while place + run < len(key) and tuple(key[place + run]) == (element, bit + run):
            run += 1
        signal = signals[element]
        if bit or run < width(*spans[element]) or signal.low < 0:
            # From `bit` on, so many bits, the rest cut off on both sides.
            signal = signal.quantize(0, int(bit) + run, -int(bit)) * 2.0 ** -int(bit)
        parts.append((place, signal))
        place += run
    return side_by_side(parts)


def _added(terms: list, offset: int, bits: int | None, delay_constraint: int, hwconf):
    """The terms' sum: rows of additions, each as long as may be, and a tree of what they give."""
    offset += sum(int(term.low) for term in terms if term.opr == "const")
    terms = [term for term in terms if term.opr != "const"]
    single = [term for term in terms if (term.low, term.high) == (0, 1)]
    if len(single) > 2:
        counts, offset = (count_for_chains if delay_constraint else count_by_tables)(single, offset)
        terms = [term for term in terms if (term.low, term.high) != (0, 1)] + counts
    if not terms:
        return variable(offset if bits is None else offset % 2**bits, hwconf)
    # What a row cannot take in is best its beginning. Python's sort keeps the order of equals.
    terms.sort(key=lambda term: (term.latency, _free(term)))
    length = _length(len(terms), delay_constraint)
    count = ceil(len(terms) / length)
    rows = []
    for row in (terms[start::count] for start in range(count)):
        so_far = row[0]
        for term in row[1:]:
            so_far = _cut(so_far + term, bits)
        rows.append(so_far)
    value = _cut(total(rows), bits)
    if not offset or bits is None:
        return plus(value, offset)
    # By a table: alkaid 0.8.2 cuts a constant that was added to a shifted signal at the wrong bit.
    codes = (np.arange(2.0**bits) + offset) % 2**bits
    return value.lookup(codes, (0.0, 2.0**bits - 1, 1.0))


def _length(terms: int, delay_constraint: int) -> int:
    """How many terms a row takes."""
    if delay_constraint < 0:
        return terms
    most = ceil(log2(terms)) + delay_constraint
    return max(n for n in range(1, terms + 1) if n - 1 + ceil(log2(ceil(terms / n))) <= most)


def _cut(value, bits: int | None):
    return value if bits is None or (value.low >= 0 and value.high < 2**bits) else value.quantize(0, bits, 0)


def _free(term) -> bool:
    """Whether a carry chain takes the term in: a table of few bits that nobody else reads."""
    return term.opr == "lookup" and sum(term._from[0].kif) <= CHAIN_LUT_INPUTS
