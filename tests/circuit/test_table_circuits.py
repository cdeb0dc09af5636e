"""Circuits of tables and sums: the network's codes in every row, and tables that carry chains take in."""

import numpy as np
import pytest
from table_networks import random_table_network

from ultralow.circuit import rtl
from ultralow.circuit.tracing import trace
from ultralow.exact.circuit import interpret
from ultralow.exact.lut import Sums, TableNetwork, Tables
from ultralow.fixed_point import Fixed
from ultralow.synthesis import verilator, yosys


@pytest.mark.parametrize("delay_constraint", [-1, 0, 2])
@pytest.mark.parametrize("seed, form", [(1, "ufixed<4,4>"), (2, "fixed<4,2>"), (3, "ufixed<4,4>"), (4, "fixed<4,4>")])
def test_circuit_and_verilog_equal_the_network_on_every_row(tmp_path, seed, form, delay_constraint):
    network = random_table_network(seed, form)
    form = network.input
    codes = np.random.default_rng(seed).integers(form.low_code, form.high_code + 1, (2000, 5))
    comb, expected = trace(network, delay_constraint=delay_constraint), network(codes)
    assert np.array_equal(interpret(comb, codes), expected)
    design = rtl.write(comb, tmp_path / "rtl", "random", clock_ns=2.0)
    assert np.array_equal(verilator.simulate(design, codes), expected)


def test_a_chain_takes_in_tables_of_five_bits(tmp_path):
    """Four tables of four bits each: the first costs its bits, each other what it adds."""
    rng = np.random.default_rng(0)
    keys = tuple(np.array([(element, bit) for bit in range(5)]) for element in range(4))
    values = tuple(np.append(rng.integers(0, 16, 30), [0, 15]) for _ in range(4))
    network = TableNetwork("chain", Fixed.parse("ufixed<5,5>"), (Tables(keys, values), Sums((np.arange(4),), np.zeros(1, np.int64))),
                           (4, 1), "tables")
    counts, _ = yosys.synthesise(rtl.write(trace(network, delay_constraint=-1), tmp_path / "rtl", "chain"))
    assert counts.lut == 16
