"""How far this flow's counts and delays are from Vivado's after place and route, for the same circuits.

    git clone https://github.com/Duchstf/KANELE && python benchmarks/calibration.py KANELE

The history of KANELÉ's repository holds generated firmware (VHDL, tables) beside the reports of its build: Vivado, out
of context, physically optimised after routing. Each circuit is read at the commit of its report, said in Verilog as it
stands there (benchmarks/kanele.py), synthesised by this flow's one script and simulated. Vivado's slowest path is
priced with this flow's delays, too. Writes docs/calibration.csv, then the tables of docs/calibration.md; `--page`
writes only these. Nothing of theirs is copied but the counts. Half an hour.
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

from ultralow.synthesis import netlist, timing, yosys
from ultralow.errors import StudyError
from ultralow.files import replacing
from update_readme import between
from ultralow.study.study import root

CSV, PAGE = root() / "docs/calibration.csv", root() / "docs/calibration.md"
REPORTS = "/KAN_FPGA_PROJECT/post_impl_util.rpt"
BEGIN, END = "<!-- calibration: begin -->", "<!-- calibration: end -->"
FAST_NS = 1.2  # clocks of this and less are hard to reach: Vivado's slowest path is as fast as it can be made
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
        table = pd.DataFrame(measured(arguments.repository, arguments.largest)).convert_dtypes()
        table = table.sort_values(["network", "commit"])
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
        row = {"network": name, "label": NAMED.get(name), "commit": commit, "source": "report", **vendor}
        try:
            row |= ours(repository, commit, folder, vendor["target_ns"]) | vectors_now(repository, folder)
        except StudyError as error:
            print(f"left out: {folder} at {commit}: {error}", flush=True)
            continue
        row["vendor_latency_ns"] = round(row["stages"] * row["vendor_period_ns"], 1)
        if not 0.8 < row["ff"] / row["vendor_ff"] < 1.25:
            print(f"left out: {folder} at {commit}: {row['vendor_ff']:,} registers in the report, {row['ff']:,} in the "
                  "VHDL: one is older than the other", flush=True)
            continue
        print(row, flush=True)
        yield row
    paper = pd.read_csv(root() / "lib/ultralow/report/published.csv").set_index("id").loc["kanele-mnist"]
    yield {"network": MNIST.removesuffix("/firmware"), "label": "MNIST, as published", "commit": MNIST_COMMIT,
           "source": paper["source"], "part": paper["device"], "target_ns": MNIST_PERIOD,
           "vendor_lut": int(paper["lut"]), "vendor_ff": int(paper["ff"]),
           "vendor_latency_ns": round(1000 * paper["latency_us"], 1),
           **ours(repository, MNIST_COMMIT, MNIST, MNIST_PERIOD), **vectors_now(repository, MNIST)}


def builds(repository: str) -> list[tuple[str, str]]:
    """(commit, firmware folder) of each report in the history beside its circuit, once."""
    log = _git(repository, "log", "--no-renames", "--diff-filter=AM", "--name-only", "--format=commit %h", "--",
               f"*/firmware{REPORTS}").decode()
    found, commit = {}, ""
    for line in filter(None, log.splitlines()):
        if line.startswith("commit "):
            commit = line.split()[1]
            continue
        folder = line.removesuffix(REPORTS)
        listed = _git(repository, "ls-tree", "-r", commit, f"{folder}/src/KAN.vhd", f"{folder}/mem/").decode()
        objects = tuple(entry.split()[2] for entry in listed.splitlines())
        if len(objects) > 1:  # with its tables
            found.setdefault((objects, _show(repository, commit, line)), (commit, folder))
    return list(found.values())


def ours(repository: str, commit: str, folder: str, clock_ns: float) -> dict:
    """This flow's counts and delays, and what equals the published tables and test vectors."""
    with tempfile.TemporaryDirectory(prefix="ultralow-") as scratch:
        firmware = unpacked(repository, commit, folder, scratch)
        circuit = kanele.read(firmware)
        design = kanele.write(circuit, Path(scratch, "verilog"), clock_ns)
        counts, mapped = yosys.synthesise(design)
        delays = timing.stage_delays(timing.endpoints(mapped))
        codes = np.random.default_rng(0).integers(0, 2**circuit.input_bits, (ROWS, circuit.inputs))
        given, wanted = vectors(firmware) if (firmware / "sim").exists() else (codes[:0], codes[:0, :circuit.outputs])
        simulated = netlist.simulate(mapped, design, np.concatenate([codes, given]))
        return {"lut": counts.lut, "ff": counts.ff, "carry4": counts.carry4, "stages": circuit.registers,
                "slowest_stage_ns": round(max(delays), 3), "rows": ROWS,
                "rows_exact": int((simulated[:ROWS] == circuit(codes)).all(1).sum()), "vectors": len(given),
                "vectors_exact": int((simulated[ROWS:] == wanted).all(1).sum()), "yosys": version("pyosys")}


def vectors_now(repository: str, folder: str) -> dict:
    """How many test vectors of the repository's last commit its tables there give; nothing if the folder is gone."""
    with tempfile.TemporaryDirectory(prefix="ultralow-") as scratch:
        try:
            firmware = unpacked(repository, "HEAD", folder, scratch)
        except subprocess.CalledProcessError:
            return {}
        given, wanted = vectors(firmware)
        exact = (kanele.read(firmware)(given) == wanted).all(1)
        return {"vectors_now": len(given), "vectors_now_exact": int(exact.sum())}


def unpacked(repository: str, commit: str, folder: str, scratch: str) -> Path:
    archive = io.BytesIO(_git(repository, "archive", commit, folder))
    tarfile.open(fileobj=archive).extractall(scratch, filter="data")
    return Path(scratch, folder)


def vectors(firmware: Path) -> list[np.ndarray]:
    """Input and output codes (rows, elements) of the published test vectors."""
    return [np.loadtxt(firmware / f"sim/vectors_{way}.txt", dtype=np.int64, ndmin=2) for way in ("in", "out")]


def utilisation(report: str) -> dict:
    """part, tool and counts of Vivado's utilisation report: LUTs as packed, and how many of them hold two tables."""
    def count(pattern: str) -> int:
        return int(re.search(rf"\| *{pattern} *\| *(\d+) *\|", report)[1])

    return {"part": re.search(r"Device *: (\S+)", report)[1], "vivado": re.search(r"Vivado v\.(\S+)", report)[1],
            "vendor_lut": count("(?:CLB|Slice) LUTs"), "vendor_ff": count("(?:CLB|Slice) Registers"),
            "vendor_two_tables": count("using O5 and O6"), "vendor_f7": count("F7 Muxes"),
            "vendor_f8": count("F8 Muxes"),
            "vendor_carry8": int((re.search(r"\| CARRY8 *\| *(\d+) *\|", report) or [0, 0])[1])}


def slowest_path(report: str) -> dict:
    """Of Vivado's timing report: clock asked for, clock reached, and the slowest path as Vivado has it and as this
    flow's delays do, added up over its tables and the bits of carry chains that it passes."""
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
    """The page's ``text`` with the tables of calibration.csv between its marks.

    Raises:
        StudyError: the marks are not there.
    """
    tables = "\n\n".join((_named(table), _luts(table), _paths(table), _exactness(table)))
    return between(text, BEGIN, END, tables, PAGE.name)


def _named(table: pd.DataFrame) -> str:
    lines = []
    for row in table.dropna(subset=["label"]).sort_values("vendor_lut").to_dict("records"):
        period = "" if pd.isna(row["vendor_period_ns"]) else f"{row['vendor_period_ns']:.2f} ns"
        source = f"report at {row['commit']}" if row["source"] == "report" else row["source"]
        lines.append((row["label"], row["part"].split("-")[0], f"{row['vendor_lut']:,}", f"{row['lut']:,}",
                      f"{row['lut'] / row['vendor_lut']:.2f}", f"{row['vendor_ff']:,}", f"{row['ff']:,}", row["stages"],
                      f"{row['vendor_latency_ns']:.1f} ns", period, f"{row['slowest_stage_ns']:.2f} ns", source))
    return _markdown(("network", "device", "LUT, Vivado", "raw LUT, here", "here / Vivado", "FF, Vivado", "FF, here",
                      "clock cycles", "latency, Vivado", "period reached, Vivado", "slowest stage, here",
                      "Vivado's figures"), lines)


def _luts(table: pd.DataFrame) -> str:
    table = table.dropna(subset=["vendor_f7"])
    fast, wide = table["target_ns"] <= FAST_NS, table["vendor_f7"] > 0
    unpacked = table["vendor_lut"] + table["vendor_two_tables"] + table["vendor_f7"] - table["vendor_f8"]
    return _markdown(
        ("builds", "number", "raw LUT, here / LUT, Vivado", "the same, before packing", "FF, here / Vivado"),
        [(name, part.sum(), *(_spread((table[ours] / theirs)[part]) for ours, theirs in (
            ("lut", table["vendor_lut"]), ("lut", unpacked), ("ff", table["vendor_ff"]))))
         for name, part in (("tables of up to 6 inputs", fast & ~wide), ("tables of 7 and 8 inputs, too", fast & wide),
                            ("a clock of 8 ns asked for", ~fast))])


def _paths(table: pd.DataFrame) -> str:
    table = table.dropna(subset=["path_ns"])
    fast, chain, tables = table["target_ns"] <= FAST_NS, table["vendor_path_chains"] > 0, table["vendor_path_tables"]
    groups = (("a carry chain behind one table", fast & chain & (tables == 1)),
              ("a carry chain behind two or three tables", fast & chain & (tables > 1)),
              ("one table, no chain", fast & ~chain & (tables == 1)),
              ("two or three tables, no chain", fast & ~chain & (tables > 1)),
              ("any, where a clock of 8 ns was asked for", ~fast))
    return _markdown(
        ("on Vivado's slowest path", "number", "takes, Vivado (ns)", "takes, priced here (ns)", "here / Vivado"),
        [(name, part.sum(), _spread(table["vendor_path_ns"][part]), _spread(table["path_ns"][part]),
          _spread((table["path_ns"] / table["vendor_path_ns"])[part])) for name, part in groups] +
        [("the whole circuit: slowest stage here, period reached on Vivado", fast.sum(),
          _spread(table["vendor_period_ns"][fast]), _spread(table["slowest_stage_ns"][fast]),
          _spread((table["slowest_stage_ns"] / table["vendor_period_ns"])[fast]))])


def _exactness(table: pd.DataFrame) -> str:
    now = table.dropna(subset=["vectors_now"]).drop_duplicates("network")
    return (f"{len(table)} builds. The synthesised netlist equals the tables on {table['rows_exact'].sum():,} of "
            f"{table['rows'].sum():,} random rows, the published test vectors on {table['vectors_exact'].sum():,} of "
            f"{table['vectors'].sum():,}; the tables of the repository's last commit do on "
            f"{now['vectors_now_exact'].sum():.0f} of {now['vectors_now'].sum():.0f}, in {len(now)} networks.")


def _spread(values: pd.Series) -> str:
    """Median, smallest and largest."""
    if values.empty:
        return ""
    return f"{values.median():.2f}" + (f" ({values.min():.2f} – {values.max():.2f})" if len(values) > 1 else "")


def _markdown(head: tuple, lines: list[tuple]) -> str:
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in (head, ("---",) * len(head), *lines))


if __name__ == "__main__":
    main()
