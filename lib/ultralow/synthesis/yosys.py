"""Synthesise a Verilog design with Yosys, by one fixed script, and count its cells.

Counted are raw look-up tables of up to six inputs, as mapped: not packed two to a site, no place and route.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ultralow.circuit.design import Design
from ultralow.circuit.rtl import usable_ns
from ultralow.circuit.verilog_module import spelled_out
from ultralow.errors import StudyError
from ultralow.synthesis import timing
from ultralow.synthesis.netlist import Netlist, parse

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


@dataclass(frozen=True)
class Counts:
    """Cells of a mapped design: raw tables of up to six inputs (those in front of carry chains included), registers, carry
    chains of four bits, DSP48E2, block RAMs of 18 kbit."""

    lut: int = 0
    ff: int = 0
    carry4: int = 0
    dsp: int = 0
    bram18: int = 0


def script() -> str:
    """The synthesis script in one line, as results tell it."""
    return SCRIPT.strip().replace("\n", "; ")


def synthesise(design: Design, written: str | Path | None = None) -> tuple[Counts, Netlist]:
    """Counts and netlist of a design's Verilog. Yosys reads it spelled out, with tables as choices: it maps those to fewer tables
    of the device than constants with an index.

    Args:
        written: where to write the netlist as Verilog, too, if wanted.

    Raises:
        StudyError: the synthesis fails or is killed (out of memory).
    """
    with TemporaryDirectory(prefix="ultralow-") as scratch:
        boxes, tables = Path(scratch, "boxes.v"), Path(scratch, "tables")
        boxes.write_text(timing.boxes())
        tables.write_text(timing.tables())
        # By its name, and not the testbench beside it.
        Path(scratch, "sources.v").write_text(spelled_out(design.verilog.read_text()))
        files = {"sums": SUMS, "products": PRODUCTS, "adders": ADDERS}
        for name, file in files.items():  # yosys takes a path apart at its spaces: by names that have none
            Path(scratch, f"{name}.v").symlink_to(file)
        lines = SCRIPT.format(**{name: f"{scratch}/{name}.v" for name in ("sources", *files)}, top=design.top,
                              boxes=boxes, tables=tables, picoseconds=int(1000 * usable_ns(design.clock_ns)))
        lines += f"write_json {scratch}/netlist.json\ntee -q -o {scratch}/stat.json stat -json\n"
        if written:
            lines += f"write_verilog -noattr {scratch}/netlist.v\n"
        Path(scratch, "script").write_text(lines.lstrip())
        # Large pages: the synthesis walks through gigabytes, and takes a fifth longer in small ones.
        done = subprocess.run([sys.executable, "-c", _WORKER, f"{scratch}/script"], capture_output=True, text=True,
                              env={"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", **os.environ})
        if done.returncode:
            last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
            raise StudyError(f"synthesis of {design.folder} ended with code {done.returncode} (−9: out of memory); "
                             f"take a smaller network or a larger machine:\n{last}")
        if written:
            shutil.copyfile(f"{scratch}/netlist.v", written)
        return (parse_counts(Path(scratch, "stat.json").read_text()),
                parse(Path(scratch, "netlist.json").read_text(), design.top))


def parse_counts(text: str) -> Counts:
    """The counts in the JSON that yosys's ``stat`` prints.

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
    counts = dict.fromkeys(_CELLS, 0)
    for kind, number in cells.items():
        for name, pattern in _CELLS.items():
            if re.fullmatch(pattern, kind):
                counts[name] += number
                break
        else:
            raise StudyError(f"synthesis left {number} cells of type {kind} unmapped")
    return Counts(**counts)


_CELLS = {"lut": r"\$lut|LUT\d", "ff": r"\$_S?DFF\w*_", "dsp": "DSP48E2", "bram18": "RAMB18E2", "carry4": "CARRY4"}
