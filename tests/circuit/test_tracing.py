"""Random folded networks: simplified, traced and interpreted, they must stay the same network in every row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import corner_network, input_rows, random_network

from ultralow.circuit.tracing import trace
from ultralow.exact.circuit import interpret, used_input_bits
from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed
from ultralow.exact.dense import FoldedLayer, FoldedNetwork
from ultralow.exact.lut import Sums, TableNetwork

FORMATS = ("fixed<5,2>", "ufixed<1,0>", "ufixed<3,1>", "fixed<4,4>")
KINDS = st.sampled_from([("binary", "binary"), ("ternary", "ternary"), ("binary", "ufixed<4,2>"),
                         ("ternary", "ufixed<3,2>"), ("fixed", "ufixed<5,2>")])
NETWORKS = st.tuples(st.integers(0, 10**6), st.lists(st.integers(1, 9), min_size=2, max_size=5), KINDS,
                     st.sampled_from(FORMATS))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(NETWORKS)
def test_circuit_gives_the_networks_logits(case):
    network = random_network(*case)
    codes = input_rows(network, 300)
    expected = network(codes)
    assert (network.simplified(codes) == expected).all()
    assert (interpret(trace(network), codes) == expected).all()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(NETWORKS, st.sampled_from([{"delay_constraint": -1}, {"delay_constraint": 2}, {"chunk": 3}]))
def test_options_change_the_circuit_not_the_logits(case, options):
    network = random_network(*case)
    codes = input_rows(network, 200)
    assert (interpret(trace(network, **options), codes) == network(codes)).all()


@pytest.mark.parametrize("activation", ["binary", "ternary", "ufixed<4,2>"])
def test_corners(activation):
    """Zero columns, copies and negated copies, thresholds at and beyond the rim, unused neurons and inputs."""
    network = corner_network(activation)
    codes = input_rows(network, 2000)
    expected = network(codes)
    small = network.simplified
    assert (small(codes) == expected).all()
    assert (interpret(trace(network), codes) == expected).all()
    assert small.layers[0].kernel.shape[0] == network.layers[0].kernel.shape[0]
    assert small.layers[0].kernel.shape[1] < network.layers[0].kernel.shape[1]


def test_simplify_removes_exactly_the_superfluous():
    kernel = np.array([[1, 1, -1, 1, 0, -1], [1, 1, -1, -1, 0, 1]])
    #                  a  =a  =−a  own  constant  never read
    first = FoldedLayer(kernel, "ternary", "ternary", high=np.array([1, 1, 2, 1, 1, 0]),
                        low=np.array([-2, -2, -1, -1, 0, -3]))
    readers = np.array([[1, 1], [1, 0], [-1, 0], [1, 1], [1, 1], [0, 0]])
    last = FoldedLayer(readers, "linear", "ternary", scale=np.array([1, 3]), offset=np.array([0, 5]), offset_fraction=0)
    network = FoldedNetwork("n", Fixed(3, 3), (first, last), ("a", "b"))
    small = network.simplified
    assert small.architecture == "2x2x2"
    assert small.layers[1].kernel.tolist() == [[3, 1], [1, 1]]
    codes = input_rows(network, 64)
    assert (small(codes) == network(codes)).all()


def test_one_bit_inputs_and_an_unused_input_keep_their_ports():
    network = random_network(3, [6, 5, 4], ("ternary", "ternary"), "ufixed<1,0>")
    first = network.layers[0]
    kernel = first.kernel.copy()
    kernel[2] = 0
    first = FoldedLayer(kernel, "ternary", "ternary", high=first.high, low=first.low)
    network = FoldedNetwork("n", network.input, (first, *network.layers[1:]))
    circuit = trace(network)
    codes = input_rows(network, 64)
    assert circuit.shape == (6, 4)
    assert (interpret(circuit, codes) == network(codes)).all()
    assert used_input_bits(circuit) <= 5


def test_same_network_gives_the_same_circuit():
    network = random_network(5, [6, 9, 7, 3], ("binary", "binary"), "fixed<5,2>")
    assert trace(network) == trace(network)


def test_progress_names_every_layer():
    lines = []
    trace(random_network(5, [6, 4, 3], ("binary", "binary"), "fixed<5,2>"), chunk=3, log=lines.append)
    assert lines == ["layer 1/2: 4 sums, block 1/2", "layer 1/2: 4 sums, block 2/2", "layer 2/2: 3 sums, block 1/2",
                     "layer 2/2: 3 sums, block 2/2", "optimising random"]


def test_numbers_that_the_tool_would_round_are_refused():
    def network(scale, offset):
        kernel = np.ones((2, 1), np.int64)
        layer = FoldedLayer(kernel, "linear", "binary", scale=np.array([scale]), offset=np.array([offset]))
        return FoldedNetwork("n", Fixed(4, 4), (layer,))

    with pytest.raises(StudyError, match="24 significant bits"):
        trace(network(2**25 + 1, 0))
    with pytest.raises(StudyError, match="31 significant bits"):
        trace(network(1, 2**33 + 1))
    codes = input_rows(network(1, 0), 50)
    wide = network(2**30, 2**40)
    assert (interpret(trace(wide), codes) == wide(codes)).all()


def test_a_kind_without_a_circuit_and_options_that_do_not_fit_are_refused_by_name():
    with pytest.raises(StudyError, match="no circuit can be made of a dict"):
        trace({})
    tables = TableNetwork("t", Fixed(2, 2, signed=False), (Sums((np.array([0, 1]),), np.array([3])),), (2, 1), "a sum")
    with pytest.raises(StudyError, match="t has tables and sums only: nothing to multiply"):
        trace(tables, multipliers=True)
    assert interpret(trace(tables), np.array([[1, 2], [3, 3]])).tolist() == [[6], [9]]
