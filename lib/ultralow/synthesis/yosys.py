"""Knows what a Verilog design costs on the device: one fixed synthesis script, and what its counts mean.

Counted are raw look-up tables of up to six inputs, as mapped: not packed two to a site, no place and route.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from ultralow.circuit import delays
from ultralow.errors import StudyError
from ultralow.circuit.rtl import read_info, usable_ns

# yosys, step by step. Each sum of two becomes an adder of its own (sums.v), each product a DSP48E2 (products.v). Adders
# of up to three bits, of six bits in all or of a constant become plain logic (adders.v), wider ones carry chains with a
# table in front of each bit. Then abc maps logic to six-input tables: as few as will do where every path keeps the
# clock, with the delays of timing.py, those of the carry chains between the tables, too. (The older `abc` knows levels
# of tables only, and none of what lies between: of two paths it saves tables on the one that is late already.) 16 cuts
# per node, or thresholds of six bits are missed. A leaner script than synth_xilinx, which takes several times as long.
SCRIPT = """
read_verilog -defer {sources}
hierarchy -top {top}
proc
flatten -noscopeinfo
opt_expr
opt_clean
wreduce
opt_expr
techmap -map {sums} -map {products}
alumacc
opt_merge
opt_clean
techmap -map {adders}
techmap -D LUT_SIZE=6 -map +/techmap.v -map +/xilinx/arith_map.v
simplemap
opt_expr
opt_merge
opt_clean
read_verilog -lib -specify {boxes}
abc9 -lut {tables} -D {picoseconds} -script +&scorr;&sweep;&dc2;&dch,-f;&if,{{D}},-C,16;&mfs
delete =* {top} %d
opt_clean
"""
SUMS, PRODUCTS, ADDERS = (Path(__file__).with_name(name) for name in ("sums.v", "products.v", "adders.v"))
_WORKER = """
import ctypes, signal, sys
# Dies with its parent, so that a killed study leaves no synthesis behind.
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
from pyosys import libyosys as ys
design = ys.Design()
for line in open(sys.argv[1]):
    ys.run_pass(line.strip(), design)
"""


def synthesise(folder: str | Path, netlist: str | Path | None = None) -> dict:
    """Counts of the Verilog in ``folder``.

    Args:
        netlist: where to write the mapped design, if wanted: as JSON if the name ends so, else as Verilog.

    Returns:
        lut (raw tables, those in front of carry chains included), ff, dsp, bram18, carry4, script, tool, version.

    Raises:
        StudyError: the synthesis fails or is killed (out of memory).
    """
    folder, info = Path(folder).resolve(), read_info(folder)
    source = folder / f"{info['top']}.v"  # and not the testbench beside it
    with TemporaryDirectory(prefix="ultralow-") as scratch:
        boxes, tables = Path(scratch, "boxes.v"), Path(scratch, "tables")
        boxes.write_text(delays.boxes())
        tables.write_text(delays.tables())
        files = {"sources": source, "sums": SUMS, "products": PRODUCTS, "adders": ADDERS}
        for name, file in files.items():  # yosys takes a path apart at its spaces: by names that have none
            Path(scratch, f"{name}.v").symlink_to(file)
        text = SCRIPT.format(**{name: f"{scratch}/{name}.v" for name in files}, top=info["top"], boxes=boxes, tables=tables,
                             picoseconds=int(1000 * usable_ns(info["clock_ns"])))
        if netlist:
            command = "write_json" if Path(netlist).suffix == ".json" else "write_verilog -noattr"
            text += f"{command} {Path(netlist).resolve()}\n"
        text += f"tee -q -o {scratch}/stat.json stat -json\n"
        Path(scratch, "script").write_text(text.lstrip())
        # Large pages: the synthesis walks through gigabytes, and takes a fifth longer in small ones.
        done = subprocess.run([sys.executable, "-c", _WORKER, f"{scratch}/script"], capture_output=True, text=True,
                              env={"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", **os.environ})
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
            raise StudyError(f"synthesis of {folder} ended with code {done.returncode} (−9: out of memory); "
                             f"take a smaller network or a larger machine:\n{said}")
        counts = parse_counts(Path(scratch, "stat.json").read_text())
    return {**counts, "script": SCRIPT.strip().replace("\n", "; "), "tool": "yosys", "version": version("pyosys")}


def parse_counts(text: str) -> dict:
    """lut, ff, dsp, bram18 and carry4 of the JSON that yosys's ``stat`` prints.

    Raises:
        StudyError: a cell type remains that is none of these: the script has not mapped everything; or the text is
            something else.
    """
    try:
        cells = dict(json.loads(text)["design"]["num_cells_by_type"])
        if not all(type(number) is int and number >= 0 for number in cells.values()):
            raise ValueError("a count is no number")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StudyError(f"the counts of the synthesis cannot be read ({type(error).__name__}: {error}); run it again") from None
    found = dict.fromkeys(("lut", "ff", "dsp", "bram18", "carry4"), 0)
    for kind, number in cells.items():
        for name, pattern in _CELLS.items():
            if re.fullmatch(pattern, kind):
                found[name] += number
                break
        else:
            raise StudyError(f"synthesis left {number} cells of type {kind} unmapped")
    return found


_CELLS = {"lut": r"\$lut|LUT\d", "ff": r"\$_S?DFF\w*_", "dsp": "DSP48E2", "bram18": "RAMB18E2", "carry4": "CARRY4"}
