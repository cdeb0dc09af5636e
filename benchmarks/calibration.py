"""How far this flow's counts and delays are from Vivado's after place and route, for the same circuits.

    git clone https://github.com/Duchstf/KANELE && python benchmarks/calibration.py KANELE

The history of KANELÉ's repository holds generated firmware (VHDL, tables) beside the reports of its build: Vivado, out
of context, physically optimised after routing. Each circuit is read at the commit of its report, said in Verilog as it
stands there (benchmarks/kanele.py), synthesised by this flow's one script and simulated. Vivado's slowest path is priced
with this flow's delays, too. Writes docs/calibration.csv, then the tables of docs/calibration.md; `--page` writes only
these. Nothing of theirs is copied but the counts.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

import kanele
import numpy as np
import pandas as pd

from ultralow import netlist, synthesis, timing
from ultralow.errors import StudyError
from ultralow.files import replacing
from ultralow.study import root

CSV, PAGE = root() / "docs/calibration.csv", root() / "docs/calibration.md"
REPORTS = "/KAN_FPGA_PROJECT/post_impl_util.rpt"
ROWS = 2_000  # random inputs on which the synthesised netlist must equal the tables
# Those of their networks that stand in the page's table.
NAMED = {"benchmarks/JSC_OpenML/models/official": "jets (OpenML), as published",
         "benchmarks/JSC_CERNBox/models/20250920_175126": "jets (CERNBox)",
         "benchmarks/RL/logs_kan_quant": "reinforcement learning"}
MNIST = "benchmarks/MNIST/models/20250912_062633/firmware"
MNIST_COMMIT, MNIST_PERIOD = "2870f4f", 1.2  # no report of it: the files' newest commit, and the clock of build_ooc.tcl


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("repository", nargs="?", help="a clone of KANELÉ's repository, with its history")
    parser.add_argument("--largest", type=int, default=7_000, help="leave out what takes more LUTs on Vivado")
    parser.add_argument("--page", action="store_true", help="only renew the page from the committed CSV")
    arguments = parser.parse_args()
    if not arguments.page:
        rows = [row for row in measured(arguments.repository, arguments.largest)]
        table = pd.DataFrame(rows).sort_values(["network", "commit"])
        with replacing(CSV) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")
    with replacing(PAGE) as temporary:
        temporary.write_text(renewed(PAGE.read_text(encoding="utf-8"), pd.read_csv(CSV)), encoding="utf-8")


def measured(repository: str, largest: int):
    """One row (dict) of each distinct build, the published MNIST network last."""
    for commit, folder in builds(repository):
        vendor = utilisation(_show(repository, commit, f"{folder}{REPORTS}"))
        vendor |= slowest_path(_show(repository, commit, f"{folder}{REPORTS.replace('util', 'timing')}"))
        if not vendor["part"].startswith(("xcvu9p", "xczu7ev")) or vendor["vendor_lut"] > largest:
            print(f"left out: {folder} at {commit}: {vendor['part']}, {vendor['vendor_lut']:,} LUT", flush=True)
            continue
        name = folder.removesuffix("/firmware")
        row = {"network": name, "label": NAMED.get(name), "commit": commit, "source": "report at that commit", **vendor}
        try:
            row |= ours(repository, commit, folder, vendor["target_ns"])
        except StudyError as error:
            print(f"left out: {folder} at {commit}: {error}", flush=True)
            continue
        print(row, flush=True)
        yield row
    paper = pd.read_csv(root() / "lib/ultralow/published.csv").set_index("id").loc["kanele-mnist"]
    yield {"network": MNIST.removesuffix("/firmware"), "label": "MNIST, as published", "commit": MNIST_COMMIT,
           "source": paper["source"], "part": paper["device"], "target_ns": MNIST_PERIOD, "vendor_lut": int(paper["lut"]),
           "vendor_ff": int(paper["ff"]), **ours(repository, MNIST_COMMIT, MNIST, MNIST_PERIOD)}


def builds(repository: str) -> list[tuple[str, str]]:
    """(commit, firmware folder) of each report in the history; of the same circuit, part and clock the newest."""
    log = _git(repository, "log", "--no-renames", "--diff-filter=AM", "--name-only", "--format=commit %h", "--",
               f"*/firmware{REPORTS}").decode()
    found, commit = {}, ""
    for line in filter(None, log.splitlines()):
        if line.startswith("commit "):
            commit = line.split()[1]
            continue
        folder = line.removesuffix(REPORTS)
        listed = _git(repository, "ls-tree", "-r", commit, f"{folder}/src/KAN.vhd", f"{folder}/mem/").decode()
        script = _show(repository, commit, f"{folder}/vivado/build_ooc.tcl")
        objects = tuple(entry.split()[2] for entry in listed.splitlines())
        if len(objects) > 1:
            found.setdefault((objects, *re.findall(r"xc[\w-]+|-period [\d.]+", script)), (commit, folder))
    return list(found.values())


def ours(repository: str, commit: str, folder: str, clock_ns: float) -> dict:
    """This flow's counts and delays, and what equals the published tables and test vectors."""
    with tempfile.TemporaryDirectory(prefix="ultralow-") as scratch:
        archive = _git(repository, "archive", commit, folder)
        tarfile.open(fileobj=io.BytesIO(archive)).extractall(scratch, filter="data")
        circuit, vectors = kanele.read(Path(scratch, folder)), Path(scratch, folder, "sim")
        verilog, mapped = kanele.write(circuit, Path(scratch, "verilog"), clock_ns), Path(scratch, "netlist.json")
        counts = synthesis.synthesise(verilog, netlist=mapped)
        delays = timing.stage_delays(timing.endpoints(netlist.read(mapped, kanele.TOP)))
        codes = np.random.default_rng(0).integers(0, 2**circuit.input_bits, (ROWS, circuit.inputs))
        given, wanted = (np.loadtxt(vectors / f"vectors_{way}.txt", dtype=np.int64, ndmin=2) for way in ("in", "out")
                         ) if vectors.exists() else (codes[:0], codes[:0, :circuit.outputs])
        simulated = netlist.simulate(mapped, verilog, np.concatenate([codes, given]))
        return {"lut": counts["lut"], "ff": counts["ff"], "carry4": counts["carry4"], "stages": circuit.registers,
                "slowest_stage_ns": round(max(delays), 3), "rows": ROWS,
                "rows_exact": int((simulated[:ROWS] == circuit(codes)).all(1).sum()), "vectors": len(given),
                "vectors_exact": int((simulated[ROWS:] == wanted).all(1).sum()), "yosys": version("pyosys")}


def utilisation(report: str) -> dict:
    """part, tool and counts of Vivado's utilisation report: LUTs as packed, and how many of them hold two tables."""
    def count(pattern: str) -> int:
        return int(re.search(rf"\| *{pattern} *\| *(\d+) *\|", report)[1])

    return {"part": re.search(r"Device *: (\S+)", report)[1], "vivado": re.search(r"Vivado v\.(\S+)", report)[1],
            "vendor_lut": count("(?:CLB|Slice) LUTs"), "vendor_two_tables": count("using O5 and O6"),
            "vendor_f7": count("F7 Muxes"), "vendor_f8": count("F8 Muxes"), "vendor_ff": count("(?:CLB|Slice) Registers"),
            "vendor_carry8": int((re.search(r"\| CARRY8 *\| *(\d+) *\|", report) or [0, 0])[1])}


def slowest_path(report: str) -> dict:
    """Of Vivado's timing report: clock asked for, clock reached, and the slowest path as Vivado and as this flow's delays
    have it: its tables, and its carry chains with the bits that the path passes."""
    slack = float(re.search(r"--\s*\n\s+(-?\d+\.\d+) ", report[report.index("| Design Timing Summary"):])[1])
    target = float(re.search(r"^clk +\{[^}]*\} +([\d.]+)", report, re.MULTILINE)[1])
    path = report[report.index("Max Delay Paths"):report.index("Min Delay Paths")]
    passed = re.findall(r"\((Prop_\w*LUT_|Prop_CARRY8_)SLICE[LM]_(\w+?)(?:\[(\d)\])?_(\w+?)(?:\[(\d)\])?\)", path)
    tables = sum("LUT" in cell for cell, *_ in passed)
    chains = [(entry, int(first or 0), int(last)) for cell, entry, first, _, last in passed if "CARRY" in cell]
    starts = sum(entry not in ("CI", "CIN") for entry, *_ in chains)
    bits = sum(last - first + 1 for _, first, last in chains)
    priced = None  # through a multiplexer behind tables, which this flow does not use
    if "MUXF" not in path:
        priced = round(tables * timing.TABLE_NS + starts * timing.CHAIN_NS + (bits - starts) * timing.BIT_NS, 3)
    return {"target_ns": target, "vendor_period_ns": round(target - slack, 3), "vendor_path_tables": tables,
            "vendor_path_chains": starts, "vendor_path_ns": float(re.search(r"Data Path Delay: +([\d.]+)ns", path)[1]),
            "path_ns": priced}


def _show(repository: str, commit: str, path: str) -> str:
    return _git(repository, "show", f"{commit}:{path}").decode()


def _git(repository: str, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", repository, *arguments], capture_output=True, check=True).stdout


def renewed(text: str, table: pd.DataFrame) -> str:
    return text


if __name__ == "__main__":
    main()
