"""Committed circuits, made again: accuracy, the bytes of the Verilog, LUTs and stages are what results/ says.

The suite takes one network of every kind, so that no hardware number moves unseen; ``make test-golden`` takes all others.
"""

import json
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pytest

from ultralow.circuit import design, rtl
from ultralow.circuit.design import Design
from ultralow.circuit.pipeline import pipeline
from ultralow.circuit.tracing import trace
from ultralow.data.dataset import PIXEL_SCALE, load_test
from ultralow.exact.load import load_network
from ultralow.files import root
from ultralow.metrics import accuracy
from ultralow.study import datasets, study as studies
from ultralow.synthesis import implement, netlist, testbench, timing, yosys
from ultralow.synthesis.stage_search import Build

NETS = ("paper/jets-bnn-small", "paper/jets-tnn-relu", "frontier/jets-tables-60", "frontier/jets-trees-25",
        "frontier/jets-learned-50", "frontier/jets-hgq-tables-5", "frontier/mnist-votes-30")
SLOW_SYNTHESIS = ("paper/jets-tnn-relu",)  # half a minute: its counts are compared by `make test-golden`
ALL = sorted(str(path.parent.parent.relative_to(root() / "results"))
             for path in (root() / "results").glob("*/*/rtl*/info.json") if path.parent.name == "rtl")
OTHERS = [name for name in ALL if name not in NETS]
COUNTS = ("lut", "ff", "carry4", "dsp", "bram18")


@dataclass(frozen=True)
class Golden:
    """A committed network with its circuit."""

    folder: Path

    @property
    def rtl(self) -> Path:
        return self.folder / "rtl"

    @cached_property
    def network(self):
        return load_network(self.folder / "folded.npz")

    @cached_property
    def design(self) -> Design:
        return design.read(self.rtl)

    @cached_property
    def synthesis(self) -> dict:
        return json.loads((self.folder / "synthesis.json").read_text())

    @cached_property
    def training(self) -> dict:
        return json.loads((self.folder / "train.json").read_text())

    @cached_property
    def comb(self):
        return trace(self.network, **self.synthesis["options"])

    @cached_property
    def vectors(self) -> np.ndarray:
        """Input codes (rows, inputs) of the committed testbench."""
        port = self.design.input
        lines = (self.rtl / "inputs.hex").read_text().split()
        packed = [np.frombuffer(int(line, 16).to_bytes(port.byte_count, "little"), np.uint8) for line in lines]
        return port.unpack(np.stack(packed))


@cache
def golden(name: str) -> Golden:
    return Golden(root() / "results" / name)


@cache
def stored_test_part(study: str, dataset: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Features (rows, features) as networks take them, and labels, of the test part; None where MNIST is not at hand, which
    is not committed."""
    # The front's jets are those of the paper study, and are committed there.
    path = datasets.test_file(studies.load(root() / f"config/{study}.yaml"), dataset)
    mnist = root().parent / "shared" / "data" / "mnist.npz"
    assert path or dataset != "jets"
    if path:
        data = load_test(path)
        return data.x_test, data.y_test
    if dataset == "mnist" and mnist.exists():
        arrays = np.load(mnist)
        return arrays["x_test"].reshape(-1, 784).astype(np.float32) / np.float32(PIXEL_SCALE), arrays["y_test"].astype(np.int64)
    return None


def check_accuracy(circuit: Golden) -> None:
    """Accuracy on the test part, of the seed that went to hardware, and the testbench's vectors."""
    network, part = circuit.network, stored_test_part(circuit.folder.parent.name, circuit.training["dataset"])
    if part is not None:
        run, = (run for run in circuit.training["runs"] if run["seed"] == circuit.training["hardware_seed"])
        x = network.encode(part[0])
        assert accuracy(network.logits(x), part[1]) == run["accuracy"]
        assert (testbench.vectors(network.input.codes(x[:256]), circuit.design.input)
                == (circuit.rtl / "inputs.hex").read_text())
    check_vectors(circuit)


def check_vectors(circuit: Golden) -> None:
    assert len(circuit.vectors) == 256
    assert (testbench.vectors(circuit.network(circuit.vectors), circuit.design.output)
            == (circuit.rtl / "outputs.hex").read_text())


def check_verilog(circuit: Golden, folder: Path) -> None:
    """The network's circuit, in stages as even as the clock allows, gives the committed bytes."""
    stages = pipeline(circuit.comb, rtl.usable_ns(circuit.synthesis["clock_ns"]))
    rtl.write(circuit.comb, folder, circuit.network.name, circuit.synthesis["clock_ns"], stages=stages)
    check_files(folder, circuit.design)


def check_files(folder: Path, committed: Design) -> None:
    for name in (f"{committed.top}.v", f"{committed.top}.xdc", "info.json"):
        assert (folder / name).read_bytes() == (committed.folder / name).read_bytes(), name


def check_counts(circuit: Golden) -> None:
    """One synthesis of the committed Verilog: counts, stage delays, and the netlist's logits for the vectors."""
    counts, mapped = yosys.synthesise(circuit.design)
    compare_counts(Build(circuit.design, counts, mapped, timing.endpoints(mapped)), circuit.synthesis)
    simulated = netlist.simulate(mapped, circuit.design, circuit.vectors)
    assert np.array_equal(simulated, circuit.network(circuit.vectors))


def compare_counts(built: Build, expected: dict) -> None:
    for key in COUNTS:
        assert getattr(built.counts, key) == expected[key], key
    assert list(built.stage_delays_ns) == expected["stage_delays_ns"]
    assert len(built.stage_delays_ns) == built.design.latency_cycles == expected["latency_cycles"]


@pytest.mark.parametrize("name", NETS)
def test_accuracy_and_vectors_are_the_committed_ones(name):
    check_accuracy(golden(name))


@pytest.mark.parametrize("name", NETS)
def test_verilog_is_the_committed_one_byte_by_byte(name, tmp_path):
    check_verilog(golden(name), tmp_path / "rtl")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.golden] * (name in SLOW_SYNTHESIS)) for name in NETS])
def test_counts_are_the_committed_ones(name):
    check_counts(golden(name))


def test_there_is_a_committed_network_of_every_kind():
    assert set(NETS) <= set(ALL)
    kinds = [(type(golden(name).network).__name__, golden(name).training.get("kind")) for name in NETS]
    assert len(set(kinds)) >= 5


def test_one_newline_more_is_seen(monkeypatch, tmp_path):
    monkeypatch.setattr(rtl.verilog, "module", lambda *args, module=rtl.verilog.module, **ports: module(*args, **ports) + "\n")
    with pytest.raises(AssertionError, match="jets_tables_60.v"):
        check_verilog(golden("frontier/jets-tables-60"), tmp_path / "rtl")


def test_doubled_counts_are_seen(monkeypatch):
    def doubled(text, parse=yosys.parse_counts):
        return yosys.Counts(**{key: 2 * number for key, number in vars(parse(text)).items()})

    monkeypatch.setattr(yosys, "parse_counts", doubled)
    with pytest.raises(AssertionError, match="lut"):
        check_counts(golden("frontier/jets-tables-60"))


@pytest.mark.parametrize("name", ["paper/jets-bnn-small", "frontier/jets-tables-60"])
def test_another_rounding_of_the_inputs_is_seen(monkeypatch, name):
    circuit = golden(name)
    nearest = type(circuit.network).encode

    def rounded_up(self, x):
        return nearest(self, np.asarray(x) + self.input.step / (2 if self.gain is None else 2 * self.gain))

    monkeypatch.setattr(type(circuit.network), "encode", rounded_up)
    with pytest.raises(AssertionError):
        check_accuracy(circuit)


@pytest.mark.golden
@pytest.mark.parametrize("name", OTHERS)
def test_every_other_committed_circuit_is_made_again(name, tmp_path):
    """As the study makes it: with the whole search for stages that the netlist keeps, up to twenty syntheses."""
    circuit = golden(name)
    check_accuracy(circuit)
    built = implement.build(circuit.comb, tmp_path / "rtl", circuit.network.name, circuit.synthesis["clock_ns"], print)
    check_files(tmp_path / "rtl", circuit.design)
    compare_counts(built, circuit.synthesis)
    assert np.array_equal(netlist.simulate(built.netlist, built.design, circuit.vectors), circuit.network(circuit.vectors))


@pytest.mark.golden
@pytest.mark.parametrize("name", [name for name in ALL if (golden(name).folder / "rtl-multipliers").exists()])
def test_every_committed_circuit_with_multipliers_is_made_again(name, tmp_path):
    circuit = golden(name)
    measured = implement.with_multipliers(circuit.network, circuit.vectors, tmp_path / "rtl", circuit.synthesis["clock_ns"])
    committed = circuit.folder / "rtl-multipliers"
    check_files(tmp_path / "rtl", design.read(committed))
    for key in ("lut", "ff", "dsp", "bram18", "latency_cycles", "latency_ns"):
        assert measured.to_dict()[key] == circuit.synthesis["multipliers"][key], key
    assert measured.netlist_rows == measured.netlist_rows_exact == 256
