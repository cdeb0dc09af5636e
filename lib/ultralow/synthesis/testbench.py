"""Knows the self-checking testbench of a network's Verilog: its vectors, its text, and how to run it.

Plain Verilog-2001, for any simulator. The logits it expects come from the folded network, not from the circuit.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ultralow.synthesis import verilator
from ultralow.errors import StudyError
from ultralow.files import replacing
from ultralow.exact.dense import FoldedNetwork
from ultralow.circuit.rtl import read_info

SIMULATORS = ("iverilog", "verilator")


def write(network: FoldedNetwork, codes: np.ndarray, folder: str | Path) -> None:
    """Writes ``<top>_tb.v``, ``inputs.hex`` and ``outputs.hex`` beside the Verilog in ``folder``.

    Args:
        codes: input codes (rows, inputs), one row for each vector.
    """
    folder, info = Path(folder), read_info(folder)
    files = {"inputs.hex": vectors(codes, info["input"]), "outputs.hex": vectors(network(codes), info["output"]),
             f"{info['top']}_tb.v": text(info, len(codes))}
    for name, content in files.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(content)


def vectors(codes: np.ndarray, port: dict) -> str:
    """Port values for $readmemh, one row a line, of codes (rows, elements); element 0 is rightmost."""
    digits = -(-port["elements"] * port["bits"] // 4)
    return "".join(f"{int.from_bytes(row.tobytes(), 'little'):0{digits}x}\n" for row in verilator.pack(codes, port))


def text(info: dict, rows: int) -> str:
    """The testbench of the Verilog that ``info`` (info.json) describes, for so many rows of vectors."""
    widths = {name: info[name]["elements"] * info[name]["bits"] for name in ("input", "output")}
    return _TEXT.format(top=info["top"], rows=rows, latency=info["latency_cycles"], half=info["clock_ns"] / 2,
                        input_width=widths["input"], output_width=widths["output"], **info["output"])


def run(folder: str | Path, simulator: str | None = None) -> str:
    """The line that the testbench in ``folder`` ends with: ``PASS: ...`` or ``FAIL: ...``.

    Args:
        simulator: iverilog or verilator; None: iverilog where it is installed, else verilator.

    Raises:
        StudyError: the simulator is missing, or does not get that far.
    """
    folder, info = Path(folder).resolve(), read_info(folder)
    simulator = simulator or ("iverilog" if shutil.which("iverilog") else "verilator")
    sources = [folder / f"{info['top']}.v", folder / f"{info['top']}_tb.v"]
    with TemporaryDirectory(prefix="ultralow-") as scratch:
        done = subprocess.run(_program(simulator, sources, Path(scratch)), cwd=folder, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("PASS: ", "FAIL: "))]
    # The simulator's code must tell the same story, for whoever runs it in a script.
    if len(lines) != 1 or lines[0].startswith("PASS") != (done.returncode == 0):
        raise StudyError(f"the testbench in {folder} gave no verdict ({simulator}, code {done.returncode}); write "
                         f"the folder anew with the gates stage:\n{(done.stdout + done.stderr)[-1000:]}")
    return lines[0]


def _program(simulator: str, sources: list[Path], scratch: Path) -> list[str]:
    """Compiles with the simulator; the command that runs the result."""
    if simulator == "verilator":
        return [str(verilator.build(sources, sources[-1].stem, scratch, testbench=True))]
    if simulator != "iverilog":
        raise StudyError(f"simulator {simulator!r} is none of {SIMULATORS}")
    if not shutil.which("iverilog"):
        raise StudyError("iverilog is not on PATH; install it (package iverilog) or take simulator verilator")
    program = str(scratch / "testbench")
    verilator.checked(["iverilog", "-g2001", "-o", program, *map(str, sources)], scratch, "iverilog")
    return ["vvp", "-N", program]


_TEXT = """\
// Self-checking testbench of {top}: a new row at every clock; every logit of every row is compared
// with outputs.hex {latency} clock periods later. It ends in one line, PASS or FAIL; after FAIL it stops ($stop).
`timescale 1 ns / 1 ps

module {top}_tb;
    // Run it in the folder of these files, or give their paths.
    parameter INPUTS = "inputs.hex";
    parameter OUTPUTS = "outputs.hex";
    localparam ROWS = {rows};
    localparam LATENCY = {latency};
    localparam LOGITS = {elements};
    localparam BITS = {bits};

    reg [{input_width}-1:0] inputs [0:ROWS-1];
    reg [{output_width}-1:0] outputs [0:ROWS-1];
    reg clk;
    reg [{input_width}-1:0] model_inp;
    wire [{output_width}-1:0] model_out;
    reg [{output_width}-1:0] expected;
    reg signed [BITS-1:0] want, got, first_want, first_got;
    integer edges, row, logit, wrong_rows, wrong_logits, wrong_before, first_row, first_logit, file;

    {top} dut (.clk(clk), .model_inp(model_inp), .model_out(model_out));

    task fail;
        begin
            $stop;
            $finish;
        end
    endtask

    initial begin
        wrong_rows = 0;
        wrong_logits = 0;
        file = $fopen(INPUTS, "r");
        if (file != 0) begin
            $fclose(file);
            file = $fopen(OUTPUTS, "r");
        end
        if (file == 0) begin
            $display("FAIL: no %0s or %0s here; run in the folder that holds them", INPUTS, OUTPUTS);
            fail;
        end else begin
            $fclose(file);
            $readmemh(INPUTS, inputs);
            $readmemh(OUTPUTS, outputs);
            for (edges = 0; edges < ROWS + LATENCY; edges = edges + 1) begin
                // Inputs change half a period before the edge that takes them.
                clk = 1'b0;
                model_inp = inputs[edges % ROWS];
                #{half:g} clk = 1'b1;
                #{half:g} ;
                if (edges >= LATENCY) begin
                    row = edges - LATENCY;
                    expected = outputs[row];
                    wrong_before = wrong_logits;
                    for (logit = 0; logit < LOGITS; logit = logit + 1) begin
                        want = expected[BITS*logit +: BITS];
                        got = model_out[BITS*logit +: BITS];
                        if (got !== want || ^want === 1'bx) begin
                            if (wrong_logits == 0) begin
                                first_row = row;
                                first_logit = logit;
                                first_want = want;
                                first_got = got;
                            end
                            wrong_logits = wrong_logits + 1;
                        end
                    end
                    if (wrong_logits != wrong_before) wrong_rows = wrong_rows + 1;
                end
            end
            if (wrong_logits == 0) begin
                $display("PASS: %0d logits of %0d rows are as expected, %0d clock periods after their inputs",
                         LOGITS * ROWS, ROWS, LATENCY);
                $finish;
            end else begin
                $display("FAIL: %0d of %0d logits in %0d of %0d rows differ; first: row %0d, logit %0d: %0d, not %0d",
                         wrong_logits, LOGITS * ROWS, wrong_rows, ROWS, first_row, first_logit, first_got, first_want);
                fail;
            end
        end
    end
endmodule
"""
