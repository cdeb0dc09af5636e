"""The Verilog, simulated cycle by cycle, against the folded network; and the names of its nets."""

import re

import numpy as np
import pytest
from random_networks import corner_network, input_rows, random_network

from ultralow.circuit import rtl
from ultralow.circuit.pipeline import origin, pipeline
from ultralow.circuit.tracing import trace
from ultralow.synthesis import verilator
from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed
from ultralow.exact.dense import FoldedLayer, FoldedNetwork
from ultralow.exact.opcodes import inverts
from ultralow.circuit.design import Design, Endpoint, Port, read


def mixed_network() -> FoldedNetwork:
    """All activations, all kinds of weights and negative scales in one network, for one compilation."""
    parts = [random_network(seed, widths, kind, takes).layers[0] for seed, widths, kind, takes in [
        (1, [7, 12, 1], ("ternary", "ternary"), "fixed<6,3>"), (2, [12, 10, 1], ("binary", "binary"), "fixed<2,2>"),
        (3, [10, 9, 1], ("fixed", "ufixed<5,3>"), "fixed<2,2>"), (4, [9, 8, 1], ("binary", "ternary"), "ufixed<5,3>")]]
    relu = FoldedLayer(parts[2].kernel, "relu", "fixed", 3, format=Fixed.parse("ufixed<5,3>"),
                       scale=np.array([3, -2, 1, 5, 8, 2, -4, 7, 1]), scale_fraction=3,
                       offset=np.array([1, 2, 0, -3, 4, 0, 9, -1, 2]), offset_fraction=2)
    tight = FoldedLayer(parts[3].kernel, "ternary", "binary", high=np.arange(8) * 6 - 10, low=np.arange(8) * 6 - 30)
    logits = FoldedLayer(np.random.default_rng(5).integers(-9, 10, (8, 3)), "linear", "fixed", 2, scale_fraction=4,
                         scale=np.array([8, -12, 5]), offset=np.array([100, -3, 0]), offset_fraction=8)
    return FoldedNetwork("1 mixed", Fixed.parse("fixed<6,3>"), (parts[0], parts[1], relu, tight, logits))


@pytest.mark.parametrize("network", [mixed_network(), corner_network("ternary"), corner_network("ufixed<4,2>")],
                         ids=["mixed", "corners", "corners-relu"])
def test_simulated_verilog_gives_the_networks_logits(network, tmp_path):
    design = rtl.write(trace(network), tmp_path / "rtl", network.name, clock_ns=3.0)
    codes = input_rows(network, 3000)
    expected = network(codes)
    assert len(np.unique(expected, axis=0)) > 3
    assert (verilator.simulate(design, codes) == expected).all()
    assert design.latency_cycles == len(design.stage_delays_ns) and design.interval == 1
    assert sorted(p.name for p in (tmp_path / "rtl").iterdir()) == sorted(
        [f"{design.top}.v", f"{design.top}.xdc", "info.json"])
    again = read(tmp_path / "rtl")
    assert (again.top, again.input, again.output, again.latency_ns) == (design.top, design.input, design.output, design.latency_ns)
    assert again.stage_delays_ns == pytest.approx(design.stage_delays_ns)


def test_a_register_holds_what_a_complement_is_of(tmp_path):
    # A complement between carry chain and register would be a table; behind the register it is part of what reads it.
    circuit = trace(random_network(3, [8, 16, 16, 4], ("ternary", "ternary"), "fixed<6,3>"))
    text = rtl.write(circuit, tmp_path / "rtl", "n", clock_ns=2.0).verilog.read_text()
    complements = {f"v{index}" for index, op in enumerate(circuit.ops) if inverts(op)}
    assert not complements & set(re.findall(r"^(v\d+)_\d+ <= ", text, re.MULTILINE))
    assert complements & set(re.findall(r"^(v\d+)_\d+ = ~v\d+_\d+[,;]$", text, re.MULTILINE))


def test_every_register_of_the_verilog_belongs_to_its_operation(tmp_path):
    circuit = trace(random_network(3, [8, 16, 16, 4], ("ternary", "ternary"), "fixed<6,3>"))
    stages = pipeline(circuit, 2.0)
    text = rtl.write(circuit, tmp_path / "rtl", "n", clock_ns=2.0, stages=stages).verilog.read_text()
    by_name, registers = rtl.nets(circuit, stages), re.findall(r"^v(\d+)_(\d+) <= ", text, re.MULTILINE)
    assert len(registers) > 50
    assert all(by_name[f"v{index}_{stage}"] == (0, int(index)) for index, stage in registers)
    logits = [by_name[f"logit{position}"].operation for position in range(4)]
    assert logits == list(circuit.out_idxs) and by_name["model_out[0]"].operation == logits[0]
    # Of several names of a net the register's own counts; the latest arrival of an operation stays.
    index, stage = registers[-1]
    point, later = (Endpoint((("logit0", 0), (f"v{index}_{stage}", 3)), 1, arrival) for arrival in (1.0, 2.0))
    assert rtl.operations(circuit, [later, point], stages) == {origin(circuit, int(index), stages.stages): 2.0}
    with pytest.raises(StudyError, match="no operation belongs to the register"):
        rtl.operations(circuit, [Endpoint((("other", 0),), 1, 1.0)], stages)


def test_same_circuit_gives_the_same_files(tmp_path):
    network = random_network(5, [6, 9, 3], ("ternary", "ternary"), "fixed<5,2>")
    for name in ("a", "b"):
        rtl.write(trace(network), tmp_path / name, network.name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_ports_hold_codes():
    port = Port(3, 5, signed=True)
    codes = np.array([[-16, 0, 15], [3, -1, 7]])
    packed = port.pack(codes)
    assert packed.shape == (2, 2) and packed[0].tolist() == [0b00010000, 0b00111100]
    assert (port.unpack(packed) == codes).all()


def test_a_missing_compiler_is_named(tmp_path, monkeypatch):
    network = random_network(5, [2, 2, 2], ("ternary", "ternary"), "fixed<5,2>")
    design = rtl.write(trace(network), tmp_path / "rtl", "n")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(StudyError, match=r"g\+\+.*install"):
        verilator.simulate(design, input_rows(network, 4))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StudyError, match="nowhere"):
        read(tmp_path / "nowhere")
    design = Design(tmp_path / "nowhere", "n", Port(2, 3, True), Port(1, 3, True), latency_cycles=1, clock_ns=5.0)
    with pytest.raises(StudyError, match="nowhere"):
        verilator.simulate(design, np.zeros((1, 2), int))
