"""Delays of netlists small enough to add up by hand, and pipelines that meet their clock in the mapped netlist."""

import numpy as np
import pytest
from random_networks import input_rows, random_network
from test_yosys import written

from ultralow.synthesis import implement, yosys
from ultralow.synthesis.netlist import Netlist, simulate
from ultralow.synthesis.stage_search import Build, search
from ultralow.synthesis.timing import endpoints, stage_delays
from ultralow.synthesis.yosys import Counts
from ultralow.circuit.pipeline import cut, pipeline
from ultralow.errors import StudyError
from ultralow.device import BIT_NS, CHAIN_NS, TABLE_NS
from ultralow.circuit import rtl
from ultralow.circuit.tracing import trace
from ultralow.exact.opcodes import Opcode
from ultralow.circuit.design import Design, Endpoint, Port


def delays(design):
    _, netlist = yosys.synthesise(design)
    return stage_delays(endpoints(netlist))


def test_tables_and_chains_add_up(tmp_path):
    # Registers at the inputs; a sum of eight bits behind one table in the first stage, one table in the second.
    body = """reg [7:0] p, q, r, s; always @(posedge clk) begin p <= a; q <= b; r <= a & {8{^b[5:0]}}; end
              wire [7:0] t = p + q; always @(posedge clk) s <= t; always @(posedge clk) y <= ^s[5:0];"""
    found = delays(written(tmp_path / "v", "adder", body, "input [7:0] a, b, output reg y"))
    assert found == pytest.approx([TABLE_NS + CHAIN_NS + 4 * BIT_NS, TABLE_NS], abs=2 * BIT_NS)


def test_the_pipeline_meets_the_clock_in_the_netlist(tmp_path):
    network = random_network(9, [8, 24, 16, 4], ("binary", "binary"), "fixed<6,3>")
    codes, comb = input_rows(network, 500), trace(network)
    for clock_ns in (3.0, 5.0):
        built = implement.build(comb, tmp_path / f"{clock_ns}", "n", clock_ns, lambda line: None)
        assert max(built.stage_delays_ns) <= rtl.usable_ns(clock_ns)
        assert len(built.stage_delays_ns) <= built.design.latency_cycles
        np.testing.assert_array_equal(simulate(built.netlist, built.design, codes), network(codes))
    with pytest.raises(StudyError, match="take a longer clock_ns"):
        implement.build(comb, tmp_path / "fast", "n", 0.5, lambda line: None)


def test_full_stages_are_tried_before_one_more(tmp_path):
    comb, limit = trace(random_network(9, [8, 24, 16, 4], ("binary", "binary"), "fixed<6,3>")), 4.5
    even, full, built = pipeline(comb, limit), cut(comb, limit), []
    design = Design(tmp_path, "n", Port(8, 6, True), Port(4, 1, True), latency_cycles=1, clock_ns=5.0)

    def build(stages):
        built.append(stages)
        late = stages.stages != full.stages
        return Build(design, Counts(), Netlist({}, {}, {}), [
            Endpoint(((name, 0),), stages.stages[net.operation], limit + late)
            for name, net in rtl.nets(comb, stages).items()
            if net.rank == 0 and comb.ops[net.operation].opcode == Opcode.ADD])

    assert even.stages != full.stages
    assert search(comb, limit, build, lambda line: None) is not None
    assert built[-1].stages == full.stages and all(len(stages.delays) == len(even.delays) for stages in built)


def test_a_multiplier_for_each_product_that_needs_one(tmp_path):
    network = random_network(5, [5, 6, 3], ("fixed", "ufixed<5,3>"), "fixed<5,2>")
    codes = input_rows(network, 500)
    found = implement.with_multipliers(network, codes, tmp_path / "rtl", 5.0, lambda line: None)
    products = {(position, row, int(weight)) for position, layer in enumerate(network.simplified.layers)
                for row, weights in enumerate(layer.kernel // np.gcd.reduce(layer.kernel, axis=None))
                for weight in weights if abs(weight) & (abs(weight) - 1)}
    assert found.netlist_rows_exact == found.netlist_rows == 500
    # Synthesis finds some products to be of few values, and makes no multiplier of them.
    circuit = trace(network, multipliers=True)
    assert 0 < found.dsp <= sum(op.opcode == Opcode.MULTIPLY for op in circuit.ops) == len(products)


def test_an_unknown_cell_has_no_delay():
    with pytest.raises(StudyError, match="RAMB18E2"):
        endpoints(Netlist({"memory": {"type": "RAMB18E2", "connections": {}}}, {}, {}))
