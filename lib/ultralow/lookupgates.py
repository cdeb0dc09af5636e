"""Knows how tables and sums become a dataflow circuit of few gates.

A carry chain adds one thing to another with a six-input table for each bit, and of its inputs the sum needs one only: a table
of five bits fits in with it. So sums are built as chains to which a table at a time is added, which then costs no more than its
own bits; a tree would cost half as much again. Bits are counted by the same token, five at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ultralow.gates import _sum
from ultralow.lookup import Sums, TableNetwork, Tables, width
from ultralow.steps import plus, variable

FREE_BITS = 5  # of a table that a carry chain takes in
_TABLE_BITS = 6


def trace(network: TableNetwork, log: Callable[[str], None] | None = None):
    """The network as a CombLogic (alkaid): integer input codes in, integer logit codes out."""
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
            signals = [_added([signals[i] for i in terms], int(offset), layer.bits, hwconf)
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
        parts.append(signal * 2.0**place if place else signal)
        place += run
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    return whole


def _added(terms: list, offset: int, bits: int | None, hwconf):
    """The terms' sum, a chain: what needs a whole table first, then what fits in with the carry chain."""
    offset += sum(int(term.low) for term in terms if term.opr == "const")
    terms = [term for term in terms if term.opr != "const"]
    single = [term for term in terms if (term.low, term.high) == (0, 1)]
    if len(single) > 2:
        terms = [term for term in terms if (term.low, term.high) != (0, 1)] + _counts(single)
    # One that the chain cannot take in is best its beginning. Python's sort keeps the order of equals.
    terms.sort(key=lambda term: (term.latency, _free(term)))
    total = None
    for term in terms:
        total = _cut(term if total is None else total + term, bits)
    if total is None:
        return variable(offset if bits is None else offset % 2**bits, hwconf)
    return _cut(plus(total, offset), bits) if offset else total


def _cut(value, bits: int | None):
    return value if bits is None or (value.low >= 0 and value.high < 2**bits) else value.quantize(0, bits, 0)


def _free(term) -> bool:
    """Whether a carry chain takes the term in: a table of few bits that nobody else reads."""
    return term.opr == "lookup" and sum(term._from[0].kif) <= FREE_BITS


def _counts(bits: list) -> list:
    """How many of the bits are 1, as a few numbers: the first counts six of them, the others five each."""
    bits, counts = sorted(bits, key=lambda bit: bit.latency), []
    while bits:
        size = _TABLE_BITS if not counts else FREE_BITS
        group, bits = bits[:size], bits[size:]
        whole = group[0]
        for place, bit in enumerate(group[1:], start=1):
            whole = whole + bit * 2.0**place
        ones = np.array([code.bit_count() for code in range(2 ** len(group))], np.float64)
        counts.append(whole.lookup(ones, (0.0, 2.0 ** len(group) - 1, 1.0)) if len(group) > 1 else group[0])
    return counts
