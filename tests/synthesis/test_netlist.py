"""The synthesised netlist against the folded network, and its simulator against yosys's own models of the cells."""

import json
import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_networks import corner_network, input_rows, random_network

from ultralow.circuit import rtl
from ultralow.circuit.design import Design, Port
from ultralow.circuit.tracing import trace
from ultralow.synthesis import netlist, verilator, yosys
from ultralow.errors import StudyError

NETWORKS = {"corners": corner_network("ternary"), "corners-relu": corner_network("ufixed<4,2>"),
            "binary": random_network(3, [6, 9, 7, 3], ("binary", "binary"), "fixed<4,2>"),
            "ternary": random_network(4, [8, 10, 4], ("ternary", "ternary"), "ufixed<3,3>"),
            "fixed": random_network(5, [5, 6, 3], ("fixed", "ufixed<5,3>"), "fixed<5,2>")}


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """Design and netlist by the network's name; of one the netlist is written as Verilog, too."""
    built = {}
    for name, network in NETWORKS.items():
        design = rtl.write(trace(network), tmp_path_factory.mktemp(name) / "rtl", network.name, clock_ns=3.0)
        written = design.folder / "netlist.v" if name == "fixed" else None
        counts, cells = yosys.synthesise(design, written)
        assert min(counts.lut, counts.ff, counts.carry4 + (name != "fixed")) > 0
        built[name] = design, cells
    return built


@pytest.mark.parametrize("name", NETWORKS)
def test_the_netlist_gives_the_networks_logits(name, mapped):
    network, codes = NETWORKS[name], input_rows(NETWORKS[name], 3000)
    design, cells = mapped[name]
    logits = netlist.simulate(cells, design, codes)
    assert len(np.unique(logits, axis=0)) > 3
    np.testing.assert_array_equal(logits, network(codes))


def test_verilator_says_the_same_of_the_netlist_with_yosys_own_cells(mapped, tmp_path):
    import pyosys

    (design, _), network = mapped["fixed"], NETWORKS["fixed"]
    cells = (Path(pyosys.__file__).parent / "share/xilinx/cells_sim.v").read_text()
    carry4 = re.search(r"^module CARRY4\(.*?^endmodule", cells, re.MULTILINE | re.DOTALL)[0]
    carry4 = re.sub(r"specify.*?endspecify", "", carry4, flags=re.DOTALL)  # delays
    (tmp_path / f"{design.top}.v").write_text((design.folder / "netlist.v").read_text() + carry4)
    codes = input_rows(network, 3000)
    logits = verilator.simulate(replace(design, folder=tmp_path), codes, optimise="-O0")
    np.testing.assert_array_equal(logits, network(codes))


def test_a_wrong_table_shows(mapped):
    """One table in five at a time has all its bits turned round."""
    (design, mapping), network = mapped["binary"], NETWORKS["binary"]
    mapping, codes = deepcopy(mapping), input_rows(network, 2000)
    tables = [cell for cell in mapping.cells.values() if cell["type"] == "$lut"][::5]
    seen = 0
    for cell in tables:
        right = cell["parameters"]["LUT"]
        cell["parameters"]["LUT"] = right.translate(str.maketrans("01", "10"))
        seen += (netlist.simulate(mapping, design, codes) != network(codes)).any()
        cell["parameters"]["LUT"] = right
    assert 0.9 * len(tables) < seen  # a few do not matter for any row


def test_a_dsp_multiplies(tmp_path):
    """A netlist by hand: two inputs of 8 bits, their product of 16, registers behind ports and product."""
    nets = iter(range(2, 1000))
    clk, given, taken, products, out = ([next(nets) for _ in range(width)] for width in (1, 16, 16, 48, 16))

    def extended(bits: list[int], width: int) -> list[int]:
        return bits + bits[-1:] * (width - len(bits))

    cells = {f"r{q}": {"type": "$_DFF_P_", "connections": {"C": clk, "D": [d], "Q": [q]}}
             for d, q in zip(given + products[:16], taken + out)}
    cells["multiplier"] = {"type": "DSP48E2", "connections": {
        "A": extended(taken[:8], 30), "B": extended(taken[8:], 18), "P": products}}
    ports = {name: {"bits": bits} for name, bits in (("clk", clk), ("model_inp", given), ("model_out", out))}
    product = netlist.parse(json.dumps({"modules": {"product": {"ports": ports, "cells": cells}}}), "product")
    design = Design(tmp_path, "product", Port(2, 8, signed=True), Port(1, 16, signed=True), latency_cycles=1, clock_ns=5.0)
    codes = np.vstack([[[-128, -128], [127, -128], [0, -1]], np.random.default_rng(2).integers(-128, 128, (500, 2))])
    assert (netlist.simulate(product, design, codes) == codes.prod(axis=1, keepdims=True)).all()


def test_what_no_pipeline_has_is_refused(mapped):
    (design, cells), codes = mapped["binary"], input_rows(NETWORKS["binary"], 4)
    for change, told in (({"type": "$_DLATCH_P_"}, r"cell \S+ is a \$_DLATCH_P_"), ({"A": "Y"}, "has a loop")):
        odd = deepcopy(cells)
        cell = next(c for c in odd.cells.values() if c["type"] == "$lut")
        if "A" in change:
            cell["connections"]["A"][0] = cell["connections"]["Y"][0]
        cell |= {key: value for key, value in change.items() if key == "type"}
        with pytest.raises(StudyError, match=told):
            netlist.simulate(odd, design, codes)
