"""Pipeline stages by estimated delays: as few as the clock allows, and what turned out slow moves on."""

import numpy as np
import pytest
from random_networks import random_network

from ultralow.circuit.arithmetic import staircase
from ultralow.circuit.pipeline import behind, cut, pipeline
from ultralow.circuit.tracing import trace
from ultralow.device import TABLE_NS


def test_a_faster_clock_takes_more_stages_and_each_fits():
    circuit = trace(random_network(9, [8, 12, 12, 4], ("binary", "binary"), "fixed<6,3>"))
    slow, fast = (pipeline(circuit, limit) for limit in (6.0, 2.0))
    assert len(fast.delays) > len(slow.delays)
    assert max(slow.delays) <= 6.0 and max(fast.delays) <= 2.0
    for index, op in enumerate(circuit.ops):
        assert all(fast.stages[source] <= fast.stages[index] for source in op.input_ids)


def test_an_operation_that_turned_out_slow_moves_on():
    circuit = trace(random_network(9, [8, 12, 12, 4], ("binary", "binary"), "fixed<6,3>"))
    before = cut(circuit, 3.0)
    last = max(range(len(circuit.ops)), key=lambda index: before.arrivals[index] if before.stages[index] == 1 else 0)
    after = cut(circuit, 3.0, {(last, True): 3.0})
    # Where nothing stands before it any more it is as fast as estimated.
    assert after.stages[last] == before.stages[last] + 1 and not behind(circuit, last, after)
    assert after.arrivals[last] < cut(circuit, 3.0, {(last, True): 3.0, (last, False): 1.0}).arrivals[last]


def test_a_rectifiers_two_choices_are_one_table_deep():
    from alkaid.trace import FVArray, HWConfig, trace

    hwconf = HWConfig(1, 1, -1)
    inputs = FVArray.from_lhs(np.full(2, -256.0), np.full(2, 255.0), np.ones(2), hwconf=hwconf)
    total = inputs[0] + inputs[1]
    circuit, alone = (trace(inputs, FVArray(np.array([signal], dtype=object), hwconf=hwconf))
                      for signal in (staircase(total, 1, 7, 2, 31), total))
    # Table of the stairs and both comparisons side by side, two deep; then below, on or above them.
    assert cut(circuit, 99.0).arrivals[-1] == pytest.approx(cut(alone, 99.0).arrivals[-1] + 3 * TABLE_NS)
