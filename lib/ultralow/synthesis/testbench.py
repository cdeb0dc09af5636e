"""Write and run a self-checking testbench for a network's Verilog.

Plain Verilog-2001, for any simulator. The logits it expects come from the folded network, not from the circuit.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ultralow.circuit.design import Design, Port, read
from ultralow.errors import StudyError
from ultralow.exact.base import ExactNetwork
from ultralow.files import replacing
from ultralow.synthesis import templates, verilator

SIMULATORS = ("iverilog", "verilator")


def write(network: ExactNetwork, codes: np.ndarray, design: Design) -> None:
    """Writes ``<top>_tb.v``, ``inputs.hex`` and ``outputs.hex`` beside the design's Verilog.

    Args:
        codes: input codes (rows, inputs), one row for each vector.
    """
    files = {"inputs.hex": vectors(codes, design.input), "outputs.hex": vectors(network(codes), design.output),
             f"{design.top}_tb.v": text(design, len(codes))}
    for name, content in files.items():
        with replacing(design.folder / name) as temporary:
            temporary.write_text(content)


def vectors(codes: np.ndarray, port: Port) -> str:
    """Port values for $readmemh, one row a line, of codes (rows, elements); element 0 is rightmost."""
    digits = -(-port.width // 4)
    return "".join(f"{int.from_bytes(row.tobytes(), 'little'):0{digits}x}\n" for row in port.pack(codes))


def text(design: Design, rows: int) -> str:
    """The testbench of a design, for so many rows of vectors."""
    return templates.render("testbench.v", design=design, rows=rows, half_ns=f"{design.clock_ns / 2:g}")


def run(folder: str | Path, simulator: str | None = None) -> str:
    """The line that the testbench in ``folder`` ends with: ``PASS: ...`` or ``FAIL: ...``.

    Args:
        simulator: iverilog or verilator; None: iverilog where it is installed, else verilator.

    Raises:
        StudyError: the simulator is missing, or does not get that far.
    """
    design = read(Path(folder).resolve())
    simulator = simulator or ("iverilog" if shutil.which("iverilog") else "verilator")
    sources = [design.verilog, design.folder / f"{design.top}_tb.v"]
    with TemporaryDirectory(prefix="ultralow-") as scratch:
        done = subprocess.run(_program(simulator, sources, Path(scratch)), cwd=design.folder, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("PASS: ", "FAIL: "))]
    # The exit code must agree, for whoever runs it in a script.
    if len(lines) != 1 or lines[0].startswith("PASS") != (done.returncode == 0):
        raise StudyError(f"the testbench in {folder} gave no verdict ({simulator}, code {done.returncode}); write "
                         f"the folder again with the synthesis step:\n{(done.stdout + done.stderr)[-1000:]}")
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
