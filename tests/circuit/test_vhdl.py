"""The circuit in VHDL, read by ghdl and run by the testbench of the Verilog."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from random_networks import corner_network, input_rows, random_network
from test_rtl import mixed_network

from ultralow.circuit import rtl, vhdl
from ultralow.circuit.tracing import trace
from ultralow.synthesis import testbench
from ultralow.exact.dense import FoldedNetwork

NETWORKS = {"mixed": replace(mixed_network(), name="mixed"), "corners": corner_network("ternary"),
            "corners-relu": corner_network("ufixed<4,2>"),
            "fixed": random_network(9, [8, 12, 12, 4], ("fixed", "ufixed<5,3>"), "fixed<6,3>")}


def written(network: FoldedNetwork, folder):
    design = rtl.write(trace(network), folder, network.name, clock_ns=3.0, in_vhdl=True)
    testbench.write(network, input_rows(network, 300), design)
    return folder, design.top


@pytest.mark.skipif(not shutil.which("ghdl"), reason="ghdl is not installed")
@pytest.mark.parametrize("name", NETWORKS)
def test_ghdl_makes_the_same_circuit_of_it(name, tmp_path):
    folder, top = written(NETWORKS[name], tmp_path / "rtl")
    for command in (["-a", "--std=93", f"{top}.vhd"], ["--synth", "--std=93", "--out=verilog", top]):
        done = subprocess.run(["ghdl", *command], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert done.stdout != (folder / f"{top}.v").read_text()
    (folder / f"{top}.v").write_text(done.stdout)
    assert testbench.run(folder).startswith("PASS: ")


@pytest.mark.parametrize("name", NETWORKS)
def test_it_has_the_verilogs_signals_and_registers(name, tmp_path):
    folder, top = written(NETWORKS[name], tmp_path / "rtl")
    first, second = (folder / f"{top}.v").read_text(), (folder / f"{top}.vhd").read_text()
    declared = re.findall(r"^(?:wire|reg) [^\n]*\n([^;]*);", first, re.MULTILINE)
    wires = {name for names in declared for name in re.findall(r"v\d+(?:_\d+)?(?=,|$)", names, re.MULTILINE)}
    assert set(re.findall(r"signal (v\w+) :", second)) == wires and len(wires) > 30
    assert len(re.findall(r" <= ", first)) == len(re.findall(r"^            \w.* <= ", second, re.MULTILINE))


def test_a_name_that_vhdl_does_not_take_is_extended():
    assert "entity \\_1_a\\ is" in vhdl.module("_1_a", [], 1, 1) and "entity a_1 is" in vhdl.module("a_1", [], 1, 1)
