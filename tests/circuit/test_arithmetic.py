"""Rectified and scaled sums as tables of low bits: every code against the formula."""

import numpy as np
import pytest

from ultralow.circuit.arithmetic import MOST_BITS, scaled, staircase
from ultralow.exact.opcodes import SUMS, Opcode


def circuit(make, low: int, high: int):
    """The circuit of one signal between ``low`` and ``high``, and of its negative; None where ``make`` gives None."""
    from alkaid.trace import FVArray, HWConfig, trace

    hwconf = HWConfig(1, 1, -1)
    inputs = FVArray.from_lhs(np.array([float(low)]), np.array([float(high)]), np.ones(1), hwconf=hwconf)
    signals = [make(inputs[0]), make(-inputs[0])]
    if any(signal is None for signal in signals):
        return None
    return trace(inputs, FVArray(np.array(signals, dtype=object), hwconf=hwconf), keep_dead_inputs=True)


@pytest.mark.parametrize(("scale", "offset", "drop", "ceiling"), [
    (5, 3, 2, 15), (-5, 3, 2, 15), (1, 0, 0, 31), (3, -700, 1, 7), (3, 900, 1, 7), (13, 16, 4, 31), (-1, 40, 5, 1),
    (64, 1, 0, 3), (1, 0, -2, 15), (7, -2, 7, 15), (1, 5000, 3, 15), (1, -5000, 3, 15)])
def test_every_sum_gets_its_code(scale, offset, drop, ceiling):
    low, high = -150, 201
    made = circuit(lambda v: staircase(v, scale, offset, drop, ceiling), low, high)
    sums = np.arange(low, high + 1)
    factor = 2.0**-drop
    expected = [np.clip(np.floor((scale * s + offset) * factor), 0, ceiling) for s in (sums, -sums)]
    assert np.array_equal(made.predict(sums[:, None].astype(float)), np.transpose(expected))
    assert not any(op.opcode in (*SUMS, Opcode.MULTIPLY) for op in made.ops)


@pytest.mark.parametrize(("scale", "offset"), [(5, 0), (-5, 3), (12, -700), (-777, 2**20), (3 * 2**12, -1)])
@pytest.mark.parametrize(("low", "high", "factor", "move", "sums_in_it"), [
    (0, 255, 1, 0, 0), (-128, 127, 1, 0, 0), (-64, 63, 4, 0, 0), (0, 1, 1, 0, 1), (0, 511, 1, 0, 1), (-1024, 1023, 1, 0, 1),
    (-128, 127, 5, 0, 3), (0, 127, 6, -300, 4)])
def test_tables_scale_a_sum(scale, offset, low, high, factor, move, sums_in_it):
    made = circuit(lambda v: scaled(v * float(factor) + float(move), scale, offset), low, high)
    sums = np.arange(low, high + 1)
    expected = [scale * (factor * s + move) + offset for s in (sums, -sums)]
    assert np.array_equal(made.predict(sums[:, None].astype(float)), np.transpose(expected))
    assert sum(op.opcode in (*SUMS, Opcode.ADD_CONSTANT, Opcode.MULTIPLY) for op in made.ops) <= 2 * sums_in_it


@pytest.mark.parametrize(("scale", "offset", "high"), [
    (1, 3, 100), (-64, 3, 100), (0, 3, 100), (5, 3, 2**14), (2**24 + 1, 0, 200)])
def test_shifts_and_wide_sums_are_not_scaled_by_tables(scale, offset, high):
    assert circuit(lambda v: scaled(v, scale, offset), 0, high) is None


def test_wide_stairs_are_left_to_arithmetic():
    assert circuit(lambda v: staircase(v, 1, 0, MOST_BITS, 31), -20000, 20000) is None
