from dataclasses import replace

import numpy as np
import pytest
from table_networks import random_table_network

from ultralow.exact.load import load_network
from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed
from ultralow.exact.lut import TableNetwork, Tables


def test_a_network_is_what_plain_numpy_makes_of_its_tables():
    network, codes = random_table_network(5), np.random.default_rng(5).integers(0, 16, (200, 5))
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
    network = replace(random_table_network(6), gain=np.linspace(1, 2, 5), move=np.zeros(5), classes=("a", "b", "c"))
    network.save(tmp_path / "a.npz")
    again = load_network(tmp_path / "a.npz")
    again.save(tmp_path / "b.npz")
    assert again == network and again != random_table_network(7) and hash(again) == hash(network)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("change, message", [
    ({"values0": np.array([1, 2], np.int64)}, "its keys want"),
    ({"lengths0": np.full(16, 40, np.int64)}, "does not say how long"),
    ({"parts1": np.full(16, 99, np.int64)}, "of 16 inputs, numbers 99 to 99"),
    ({"values1": np.full(4, 2**40, np.int64)}, "holds int64"),
    ({"parts0": np.zeros(3)}, "holds float64"),
])
def test_a_damaged_file_is_refused_with_what_is_wrong(tmp_path, change, message):
    arrays = random_table_network(8).arrays()
    np.savez_compressed(tmp_path / "folded.npz", **(arrays | change))
    with pytest.raises(StudyError, match=message):
        load_network(tmp_path / "folded.npz")


def test_a_table_that_reads_what_is_not_there_is_refused():
    key, values = (np.array([(0, 4)]),), (np.array([0, 1]),)
    with pytest.raises(StudyError, match="bit 4 of element 0 is read, which has 4"):
        TableNetwork("a", Fixed.parse("ufixed<4,4>"), (Tables(key, values),), (1, 1), "tables")
