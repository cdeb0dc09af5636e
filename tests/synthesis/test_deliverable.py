"""The folder an engineer takes home, used as its README says; by iverilog where it is installed, else by Verilator."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import uproot
from random_networks import random_network

from ultralow.circuit import rtl
from ultralow.circuit.tracing import trace
from ultralow.circuit.design import read
from ultralow.synthesis import deliverable, testbench, yosys
from ultralow.synthesis.implement import Implementation
from ultralow.data import dataset, tabular
from ultralow.data.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.files import sha256
from ultralow.fixed_point import Fixed

ROWS, INPUTS = 100, 6
DRAW = np.random.default_rng(8)
NETWORK = replace(random_network(3, [INPUTS, 9, 7, 3], ("ternary", "ternary"), "fixed<5,3>"), classes=("a", "b", "c"),
                  gain=np.array([0.25, 1.5, 0.75, 1.0, 2.0, 0.625]), move=np.array([0.5, 0.0, -1.0, 0.0, 0.25, 0.0]))
MEAN, SCALE = DRAW.normal(size=INPUTS) * 10, DRAW.uniform(0.01, 50, INPUTS)
RAW = MEAN + SCALE * DRAW.normal(size=(ROWS, INPUTS)) * 2
SCALED, NONE = ((RAW - MEAN) / SCALE).astype(np.float32), np.zeros(0)
DATA = Dataset("jets", "made up", tuple("uvwxyz"), NETWORK.classes, x_train=NONE, y_train=NONE, x_valid=NONE,
               y_valid=NONE, x_test=SCALED, y_test=NONE, mean=MEAN, scale=SCALE)


def made(folder):
    design = rtl.write(trace(NETWORK), folder, NETWORK.name, clock_ns=2.5, in_vhdl=True)
    counts, _ = yosys.synthesise(design)
    deliverable.write(NETWORK, DATA, cost(design, counts))
    return folder


def cost(design, counts) -> Implementation:
    return Implementation(**vars(counts), design=design, stage_delays_ns=(), rows=1000, rows_exact=999, interpreter_rows_exact=1000,
                          netlist_rows=100, netlist_rows_exact=100, input_bits=30, input_format_bits=30,
                          circuit_architecture=NETWORK.architecture, tool="yosys", script=yosys.script())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made(tmp_path_factory.mktemp("study") / "rtl")


@pytest.fixture
def elsewhere(folder, tmp_path):
    """A copy, as an engineer makes it."""
    return shutil.copytree(folder, tmp_path / "project" / "network")


def test_the_testbench_passes_where_the_folder_was_taken(elsewhere):
    assert testbench.run(elsewhere).startswith(f"PASS: {3 * ROWS} logits of {ROWS} rows")


@pytest.mark.parametrize("simulator", ["verilator"] + ["iverilog"] * bool(shutil.which("iverilog")))
def test_a_wrong_expectation_fails(simulator, elsewhere):
    lines, bits = (elsewhere / "outputs.hex").read_text().split(), read(elsewhere).output.bits
    lines[17] = f"{int(lines[17], 16) ^ 1 << 2 * bits:x}"
    (elsewhere / "outputs.hex").write_text("\n".join(lines))
    right = int(NETWORK(NETWORK.codes(SCALED))[17, 2])
    assert testbench.run(elsewhere, simulator) == (
        f"FAIL: 1 of {3 * ROWS} logits in 1 of {ROWS} rows differ; "
        f"first: row 17, logit 2: {right}, not {right ^ 1}")


def test_a_circuit_one_cycle_too_slow_and_lost_vectors_fail(elsewhere):
    design = read(elsewhere)
    bench = elsewhere / f"{design.top}_tb.v"
    right = f"LATENCY = {design.latency_cycles};"
    assert right in bench.read_text()
    bench.write_text(bench.read_text().replace(right, f"LATENCY = {design.latency_cycles - 1};"))
    assert testbench.run(elsewhere).startswith("FAIL: ")
    (elsewhere / "outputs.hex").unlink()
    assert "no inputs.hex or outputs.hex" in testbench.run(elsewhere)


def test_the_readme_says_how_features_become_codes(folder):
    text = (folder / "README.md").read_text()
    assert [row[2] for row in tables(text)["feature"]] == [f"`{name}`" for name in DATA.features]
    factor, offset = np.array([row[-2:] for row in tables(text)["feature"]], float).T
    low, high = map(int, re.search(r"limited to (\S+) … (\d+)", text).groups())
    codes = np.clip(np.floor(factor * RAW + offset), low, high).astype(int)
    np.testing.assert_array_equal(codes, NETWORK.codes(SCALED))
    assert len(np.unique(codes)) > 20
    assert (folder / "inputs.hex").read_text() == testbench.vectors(codes, read(folder).input)
    assert [row[2] for row in tables(text)["class"]] == ["`a`", "`b`", "`c`"]
    assert f"A logit is code / {2**NETWORK.output_fraction}" in text and "999 of 1,000 rows" in text


OFFSETS = {"t": 1.7e9, "tiny": 0.0, "both": 1e9, "plain": 40.0, "huge": 3e15, "u": 1.0}
DEVIATIONS = {"t": 3.0, "tiny": 1e-6, "both": 1e-6, "plain": 2.5, "huge": 1e3, "u": 1e-9}


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz", ".h5", ".root", "arrays"])
def test_raw_features_become_the_studys_codes_by_the_readmes_own_numbers(folder, tmp_path, suffix):
    """From fv3net#1111 and scikit-learn#12333: large offsets, small deviations."""
    rng, rows = np.random.default_rng(9), 4000
    given = {name: OFFSETS[name] + DEVIATIONS[name] * rng.normal(size=rows) for name in OFFSETS} | {"kind": np.arange(rows) % 3}
    if suffix == "arrays":
        data = Dataset.from_arrays(np.stack([given[name] for name in OFFSETS], axis=1), given["kind"], list(OFFSETS))
    else:
        path = write_table(tmp_path / f"own{suffix}", given)
        data = dataset.split_and_scale(tabular.read("own", [path], tabular.Columns(list(OFFSETS), "kind")))
    for name, values in zip(OFFSETS, data.x_train.T):
        # The mean is one of the doubles there, too.
        assert abs(values.mean()) < 1e-3 + np.spacing(OFFSETS[name]) / DEVIATIONS[name] and abs(values.std() - 1) < 1e-3, name
    network = replace(NETWORK, input=Fixed.parse("fixed<14,3>"))
    text = deliverable.readme(network, data, cost(read(folder), yosys.Counts()), 4)
    assert "Subtract first" in text and "`both`" in text.split("Subtract first")[1].split("very far")[0]
    assert data.provenance["double_precision"] == ["t", "both", "huge", "u"]
    double = re.search(r"\(but (.*) as a 64-bit float\)", text)[1]
    raw = np.stack([given[name] if f"`{name}`" in double else given[name].astype(np.float32) for name in OFFSETS], axis=1)
    # Which rows are in the test part: those of every part together are all rows.
    mean, deviation, gain, move = np.array([row[3:7] for row in tables(text)["feature"]], float).T
    z = ((raw.astype(np.float64) - mean) / deviation).astype(np.float32)
    low, high = map(int, re.search(r"limited to (\S+) … (\d+)", text).groups())
    steps = float(re.search(r"code = floor\((\S+) · \(\(x", text)[1])
    codes = np.clip(np.floor(steps * (z.astype(np.float64) * gain + move)), low, high).astype(int)
    rows_of = {row.tobytes(): index for index, row in enumerate(z)}
    for part in (data.x_train, data.x_valid, data.x_test):
        index = [rows_of[row.tobytes()] for row in part]
        np.testing.assert_array_equal(codes[index], network.codes(part))
    assert (np.array([len(np.unique(column)) for column in codes.T]) > 50).all()


def write_table(path, given):
    match path.suffix:
        case ".csv":
            pd.DataFrame(given).to_csv(path, index=False)
        case ".parquet":
            pd.DataFrame(given).to_parquet(path)
        case ".npz":
            np.savez(path, **given)
        case ".h5":
            with h5py.File(path, "w") as file:
                for name, values in given.items():
                    file[name] = values
        case ".root":
            with uproot.recreate(path) as file:
                file.mktree("events", {name: values.dtype for name, values in given.items()}).extend(given)
    return path


def test_pixels_need_no_table(folder):
    pixels = replace(DATA, mean=np.zeros(INPUTS), scale=np.full(INPUTS, 256.0))
    text = deliverable.readme(replace(NETWORK, gain=None, move=None), pixels, cost(read(folder), yosys.Counts()), 4)
    assert "feature" not in tables(text) and "factor = 0.015625 and offset = 0" in text


def test_equal_columns_are_no_pixels_and_one_feature_is_enough(folder):
    """One number as input is asked for in fastmachinelearning/hls4ml#550 and #1133."""
    equal = replace(DATA, mean=np.ones(INPUTS), scale=np.full(INPUTS, 2.0))
    text = deliverable.readme(replace(NETWORK, gain=None, move=None), equal, cost(read(folder), yosys.Counts()), 4)
    assert "pixel" not in text and [row[2] for row in tables(text)["feature"]] == [f"`{name}`" for name in DATA.features]
    for mean, scale in ((0.5, 2.0), (0.0, 256.0)):
        one = replace(random_network(3, [1, 1, 1], ("ternary", "ternary"), "fixed<5,3>"), classes=("a", "b"))
        single = replace(DATA, features=("energy",), classes=("a", "b"), mean=np.array([mean]), scale=np.array([scale]))
        design = rtl.write(trace(one), folder.parent / f"one-{scale:g}", one.name)
        text = deliverable.readme(one, single, cost(design, yosys.Counts()), 4)
        assert tables(text)["feature"][0][2] == "`energy`" and "A code above 0 says `b`, any other `a`" in text


ODD = ("a|b", "`x`", "p_T <b> [GeV]", "Σ *E*", "", "tick ` bar | and `` two", "two\nlines", " blank ", "$x$", "\\|")


def test_names_of_any_letters_stay_whole_in_the_readme(folder):
    """As on GitHub: a bar ends a cell of a table even inside code (atom/markdown-preview#262)."""
    from bs4 import BeautifulSoup
    from nbconvert.filters import markdown2html_mistune

    network = replace(random_network(3, [len(ODD), 4, len(ODD)], ("ternary", "ternary"), "fixed<5,3>"), classes=ODD)
    data = replace(DATA, features=ODD, classes=ODD, mean=np.arange(len(ODD)), scale=np.full(len(ODD), 3.0))
    design = rtl.write(trace(network), folder.parent / "odd", network.name)
    page = BeautifulSoup(markdown2html_mistune(deliverable.readme(network, data, cost(design, yosys.Counts()), 4)), "html.parser")
    for title in ("feature", "class"):
        table = next(table for table in page("table") if title in [cell.get_text() for cell in table("th")])
        cells = [row("td")[2].get_text() for row in table("tr")[1:]]
        assert [cell.strip() for cell in cells] == [name.replace("\n", " ").strip() for name in ODD]
    assert not page("b") and not page("em")


@pytest.mark.parametrize("part, said", [("", False), ("xcvu9p-flga2104-2L-e", False), ("xc7z020clg400-1", True)])
def test_a_part_that_has_no_effect_is_told(part, said, folder):
    text = deliverable.readme(NETWORK, DATA, cost(read(folder), yosys.Counts()), 4, part)
    assert ("The study file asks for xc7z020clg400-1, which has no effect here" in text) == said
    assert "The part the estimates mean is xcvu9p-flga2104-2L-e. " in text


def test_verilator_takes_the_circuit_with_the_options_of_the_readme(elsewhere):
    """With the warnings that are fatal by default (ZFTurbo/Verilog-Generator-of-Neural-Net-Digit-Detector-for-FPGA#12)."""
    (command,) = re.findall(r"^    verilator (.*)$", (elsewhere / "README.md").read_text(), re.MULTILINE)
    assert "--binary" in command
    tool = Path(sys.executable).with_name("verilator-cli")
    done = subprocess.run([tool, *command.replace("--binary", "--lint-only").split()], cwd=elsewhere, capture_output=True, text=True)
    assert done.returncode == 0 and "%Warning" not in done.stderr, done.stderr


def test_the_readmes_template_keeps_the_valid_signal_with_its_row(elsewhere):
    template = re.search(r"```verilog\n(.*?)```", (elsewhere / "README.md").read_text(), re.DOTALL)[1]
    design = read(elsewhere)
    # Rows with gaps of none, one or two clocks between them.
    (elsewhere / f"{design.top}_tb.v").write_text(f"""`timescale 1 ns / 1 ps
        module {design.top}_tb;
            reg clk;
            {template}
            reg [{design.input.width}-1:0] inputs [0:{ROWS - 1}];
            reg [{design.output.width}-1:0] outputs [0:{ROWS - 1}];
            integer edges, sent, seen, wrong;
            initial begin
                $readmemh("inputs.hex", inputs);
                $readmemh("outputs.hex", outputs);
                sent = 0; seen = 0; wrong = 0;
                for (edges = 0; edges < {3 * ROWS + 40}; edges = edges + 1) begin
                    clk = 0;
                    features_valid = sent < {ROWS} && edges > 20 && edges % 7 % 3 != 1;
                    features = features_valid ? inputs[sent] : 0;
                    if (features_valid) sent = sent + 1;
                    #1 clk = 1;
                    #1 if (edges > 20 && logits_valid) begin
                        if (logits !== outputs[seen]) wrong = wrong + 1;
                        seen = seen + 1;
                    end
                end
                if (seen == {ROWS} && wrong == 0) begin $display("PASS: all"); $finish; end
                else begin $display("FAIL: %0d seen, %0d wrong", seen, wrong); $stop; $finish; end
            end
        endmodule""")
    assert testbench.run(elsewhere) == "PASS: all"


def test_the_same_network_gives_the_same_bytes_and_the_sums_are_theirs(folder, tmp_path):
    again = made(tmp_path / "again")  # and the testbench beside the Verilog does not disturb synthesis
    yosys.synthesise(read(again))
    names = {path.name for path in folder.iterdir()}
    assert {"README.md", "SHA256SUMS", "random.v", "random.vhd", "random.xdc", "random_tb.v"} <= names
    for name in names:
        assert (folder / name).read_bytes() == (again / name).read_bytes(), name
    sums = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert sums == {name: sha256(folder / name) for name in names - {"SHA256SUMS"}}


def test_faults_are_told(elsewhere):
    with pytest.raises(StudyError, match="none of .*iverilog"):
        testbench.run(elsewhere, "modelsim")
    (elsewhere / "random.v").write_text("module random;\nendmodule\n")
    with pytest.raises(StudyError):
        testbench.run(elsewhere)


def tables(text: str) -> dict[str, list[list[str]]]:
    """Rows of the README's tables, by the title of their third column."""
    found, title = {}, None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            title = None
        elif title is None:
            title = cells[2] if len(cells) > 2 else cells[0]
        elif set(cells) != {"---"}:
            found.setdefault(title, []).append(cells)
    return found
