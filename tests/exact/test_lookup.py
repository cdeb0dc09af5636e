from dataclasses import replace

import numpy as np
import pytest

from ultralow.circuit import rtl
from ultralow.circuit.tracing import trace
from ultralow.exact.circuit import interpret
from ultralow.exact.load import load_network
from ultralow.synthesis import verilator
from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed
from ultralow.exact.lut import Sums, TableNetwork, Tables


def random_network(seed: int, form: str = "ufixed<4,4>", inputs: int = 5, hidden: int = 4, outputs: int = 3) -> TableNetwork:
    """Tables of any bits, wrapping sums, tables of those, sums with offsets; constants and unread outputs among them."""
    rng, given = np.random.default_rng(seed), Fixed.parse(form)

    def tables(count: int, elements: int, bits: int, reach: int) -> Tables:
        keys, values = [], []
        for _ in range(count):
            places = rng.choice(elements * bits, rng.integers(0, 6), replace=False)
            keys.append(np.stack(np.divmod(places, bits), 1).astype(np.int64))
            values.append(rng.integers(0, reach, 2 ** len(places)) if rng.random() < 0.8 else np.full(2 ** len(places), 3))
        return Tables(tuple(keys), tuple(values))

    below, above = tables(4 * hidden, inputs, given.bits, 5), tables(30, hidden, 4, rng.choice([2, 7]))
    sums = Sums(tuple(np.arange(4 * n, 4 * n + 4) for n in range(hidden)), rng.integers(0, 9, hidden), 4)
    last = Sums(tuple(np.sort(rng.choice(30, size, replace=False)) for size in (13, 7, 0)[:outputs]),
                rng.integers(-5, 9, outputs))
    return TableNetwork("random", given, (below, sums, above, last), (inputs, hidden, outputs), "random tables")


@pytest.mark.parametrize("delay_constraint", [-1, 0, 2])
@pytest.mark.parametrize("seed, form", [(1, "ufixed<4,4>"), (2, "fixed<4,2>"), (3, "ufixed<4,4>"), (4, "fixed<4,4>")])
def test_circuit_and_verilog_equal_the_network_on_every_row(tmp_path, seed, form, delay_constraint):
    network = random_network(seed, form)
    given = network.input
    codes = np.random.default_rng(seed).integers(given.low_code, given.high_code + 1, (2000, 5))
    comb, expected = trace(network, delay_constraint=delay_constraint), network(codes)
    assert np.array_equal(interpret(comb, codes), expected)
    design = rtl.write(comb, tmp_path / "rtl", "random", clock_ns=2.0)
    assert np.array_equal(verilator.simulate(design, codes), expected)


def test_a_network_is_what_plain_numpy_makes_of_its_tables():
    network, codes = random_network(5), np.random.default_rng(5).integers(0, 16, (200, 5))
    below, sums, above, last = network.layers
    found = codes
    for tables, added in ((below, sums), (above, last)):
        looked_up = np.array([[values[sum(int(row[e] >> b & 1) << i for i, (e, b) in enumerate(key))]
                               for key, values in zip(tables.keys, tables.values)] for row in found])
        found = np.array([[sum(row[i] for i in terms) + offset for terms, offset in zip(added.terms, added.offset)]
                          for row in looked_up])
        if added.bits:
            found %= 2**added.bits
    assert np.array_equal(network(codes), found)
    assert network.logits(codes.astype(float)).tolist() == found.tolist()
    assert network.readers().shape == (5,) and 0 < network.readers().max() <= 1


def test_files_give_back_the_network_and_equal_networks_equal_bytes(tmp_path):
    network = replace(random_network(6), gain=np.linspace(1, 2, 5), move=np.zeros(5), classes=("a", "b", "c"))
    network.save(tmp_path / "a.npz")
    again = load_network(tmp_path / "a.npz")
    again.save(tmp_path / "b.npz")
    assert again == network and again != random_network(7) and hash(again) == hash(network)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("change, message", [
    ({"values0": np.array([1, 2], np.int64)}, "its keys want"),
    ({"lengths0": np.full(16, 40, np.int64)}, "does not say how long"),
    ({"parts1": np.full(16, 99, np.int64)}, "of 16 inputs, numbers 99 to 99"),
    ({"values1": np.full(4, 2**40, np.int64)}, "holds int64"),
    ({"parts0": np.zeros(3)}, "holds float64"),
])
def test_a_damaged_file_is_refused_with_what_is_wrong(tmp_path, change, message):
    arrays = random_network(8).arrays()
    np.savez_compressed(tmp_path / "folded.npz", **(arrays | change))
    with pytest.raises(StudyError, match=message):
        load_network(tmp_path / "folded.npz")


def test_a_table_that_reads_what_is_not_there_is_refused():
    key, values = (np.array([(0, 4)]),), (np.array([0, 1]),)
    with pytest.raises(StudyError, match="bit 4 of element 0 is read, which has 4"):
        TableNetwork("a", Fixed.parse("ufixed<4,4>"), (Tables(key, values),), (1, 1), "tables")


def test_a_chain_takes_in_tables_of_five_bits(tmp_path):
    """Four tables of four bits each: the first costs its bits, each other what it adds."""
    from ultralow.synthesis import yosys

    rng = np.random.default_rng(0)
    keys = tuple(np.array([(element, bit) for bit in range(5)]) for element in range(4))
    values = tuple(np.append(rng.integers(0, 16, 30), [0, 15]) for _ in range(4))
    network = TableNetwork("chain", Fixed.parse("ufixed<5,5>"), (Tables(keys, values), Sums((np.arange(4),), np.zeros(1, np.int64))),
                           (4, 1), "tables")
    counts, _ = yosys.synthesise(rtl.write(trace(network, delay_constraint=-1), tmp_path / "rtl", "chain"))
    assert counts.lut == 16
