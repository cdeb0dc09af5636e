"""Counts of circuits small enough to count by hand, and what the counting refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
from random_networks import input_rows, random_network

from ultralow.circuit import rtl
from ultralow.circuit.tracing import trace
from ultralow.circuit.design import Design, Port
from ultralow.synthesis import implement, yosys
from ultralow.synthesis.yosys import Counts
from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed
from ultralow.exact.dense import FoldedLayer, FoldedNetwork


def written(folder, name: str, body: str, ports: str):
    """A hand-written module in place of a network's."""
    folder.mkdir()
    (folder / f"{name}.v").write_text(f"module {name} (input clk, {ports});\n{body}\nendmodule\n")
    return Design(folder, name, Port(1, 1, False), Port(1, 1, False), latency_cycles=1, clock_ns=5.0)


def test_counts_of_known_circuits(tmp_path):
    vote = written(tmp_path / "a", "vote", "always @(posedge clk) y <= (a & b) ^ (c | d) ^ (e & f);",
                   "input a, b, c, d, e, f, output reg y")
    found, _ = yosys.synthesise(vote)
    assert found == Counts(lut=1, ff=1)
    # Eight bits and eight bits: one table in front of each bit of the chain.
    adder = written(tmp_path / "b", "adder", "always @(posedge clk) y <= a + b;",
                    "input [7:0] a, b, output reg [7:0] y")
    found, _ = yosys.synthesise(adder)
    assert (found.lut, found.ff, found.carry4) == (8, 8, 2)
    # A threshold of seven bits fits in two tables; a carry chain would take seven.
    threshold = written(tmp_path / "c", "threshold", "wire signed [7:0] s = $signed(a) - 8'sd19; "
                        "always @(posedge clk) y <= s[7];", "input [6:0] a, output reg y")
    assert yosys.synthesise(threshold)[0].lut <= 2


@pytest.mark.parametrize("exchanged", [False, True])
def test_a_chain_takes_in_the_table_of_either_operand(tmp_path, exchanged):
    from alkaid.trace import FVArray, HWConfig, trace

    hwconf = HWConfig(1, 1, -1)
    ends = np.array([255.0, 255.0, 255.0, 1.0])
    inputs = FVArray.from_lhs(np.zeros(4), ends, np.ones(4), hwconf=hwconf)
    chosen, other = inputs[3].msb_mux(inputs[0], inputs[1]), inputs[2]
    total = other + chosen if exchanged else chosen + other
    design = rtl.write(trace(inputs, FVArray(np.array([total], dtype=object), hwconf=hwconf)), tmp_path / "rtl", "n")
    assert yosys.synthesise(design)[0].lut <= 9  # and none for the choice


def test_measure_counts_equal_rows_and_is_reproducible(tmp_path):
    network = random_network(21, [4, 6, 5, 3], ("ternary", "ternary"), "fixed<4,2>")
    codes = input_rows(network, 1000)
    first, second = (implement.measure(network, codes, tmp_path / name, log=lambda line: None) for name in "ab")
    assert first == replace(second, design=first.design) and first.to_dict() == second.to_dict()
    assert first.rows_exact == first.interpreter_rows_exact == first.rows == 1000
    assert first.netlist_rows_exact == first.netlist_rows == 1000
    assert first.lut > 0 and first.ff > 0 and first.dsp == first.bram18 == 0
    assert first.latency_ns == first.latency_cycles * 5.0
    assert first.input_bits <= first.input_format_bits == 16
    assert implement.exact_rows(np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 5]])) == 1


def test_the_netlist_is_written(tmp_path):
    layer = FoldedLayer(np.array([[1], [-1]]), "linear", "binary", scale=np.array([1]), offset=np.array([0]))
    design = rtl.write(trace(FoldedNetwork("n", Fixed(6, 6), (layer,))), tmp_path / "rtl", "n")
    yosys.synthesise(design, written=tmp_path / "n.v")
    assert "module n(" in (tmp_path / "n.v").read_text()


def test_faults_are_told(tmp_path):
    broken = written(tmp_path / "a", "broken", "assign y = ;", "output y")
    with pytest.raises(StudyError, match="synthesis of .*a ended"):
        yosys.synthesise(broken)
    with pytest.raises(StudyError, match=r"\$mul"):
        yosys.parse_counts(json.dumps({"design": {"num_cells_by_type": {"$lut": 3, "$mul": 1}}}))
