"""Run Vitis HLS through hls4ml and read its reports.

hls4ml reads reports, too, but neither the part nor the version of the tool, and takes whatever XML it finds; tests hold both
readers against each other. Parsers take text. BRAM is counted in halves of 36 kbit (bram18) everywhere.
"""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, replace
from pathlib import Path

from ultralow.files import read_text
from ultralow.errors import StudyError

# hls4ml calls `vitis-run`, which came with Vitis 2023.1.
COMMAND, OLDEST = "vitis-run", (2023, 1)


@dataclass(frozen=True)
class Report:
    """Counts and timing: ``latency_cycles`` in the worst case, ``clock_ns`` the target, ``delay_estimate_ns`` Vitis's estimate of
    the clock period."""

    lut: int
    ff: int
    dsp: int
    bram18: int
    latency_cycles: int
    interval: int
    clock_ns: float
    latency_ns: float
    delay_estimate_ns: float
    part: str
    tool: str


def find() -> Path | None:
    """The path of ``vitis-run``, or None where Vitis is not on PATH."""
    path = shutil.which(COMMAND)
    return Path(path) if path else None


def require() -> Path:
    """The path of ``vitis-run``.

    Raises:
        StudyError: it is not on PATH.
    """
    path = find()
    if path is None:
        raise StudyError(f"the study asks for Vitis (tool: vitis), but {COMMAND} is not on PATH; source Vitis's "
                         f"settings64.sh ({OLDEST[0]}.{OLDEST[1]} or newer), or set tool: open in the study")
    return path


def parse_csynth(text: str) -> Report:
    """The content of a C synthesis report, ``<top>_csynth.xml``.

    Raises:
        StudyError: not such a report, or the report knows no latency.
    """
    if "<!" in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL):  # entities may unfold to gigabytes; no report has any
        raise StudyError("the C synthesis report declares a document type of its own; run C synthesis again")
    try:
        root = ElementTree.fromstring(re.sub(r' xmlns="[^"]+"', "", text, count=1))
    except (ElementTree.ParseError, ValueError) as error:
        raise StudyError(f"the C synthesis report is not valid XML ({error}); run C synthesis again") from None
    version = _text(root, "ReportVersion/Version")
    overall = "PerformanceEstimates/SummaryOfOverallLatency/"
    cycles = _count(root, overall + "Worst-caseLatency")
    clock = _number(_text(root, "UserAssignments/TargetClockPeriod"), "the C synthesis report", "TargetClockPeriod")
    resources = "AreaEstimates/Resources/"
    return Report(
        lut=_count(root, resources + "LUT"), ff=_count(root, resources + "FF"),
        # DSP48E in Vivado HLS, DSP in Vitis HLS.
        dsp=_count(root, resources + "DSP", resources + "DSP48E"),
        bram18=_count(root, resources + "BRAM_18K"),
        latency_cycles=cycles, interval=_count(root, overall + "Interval-max"), clock_ns=clock, latency_ns=cycles * clock,
        delay_estimate_ns=_number(_text(root, "PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod"),
                                  "the C synthesis report", "EstimatedClockPeriod"),
        part=_text(root, "UserAssignments/Part"), tool=f"Vitis HLS {version} C synthesis")


def parse_vsynth(text: str) -> dict:
    """Counts of a logic synthesis report, ``vivado_synth.rpt`` (report_utilization).

    Returns:
        lut, ff, dsp, bram18, tool. A block RAM tile of the report is two of bram18.

    Raises:
        StudyError: a table is missing.
    """
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        # The first mention counts: later tables list the same sites by primitive or by clock region.
        if len(cells) > 3 and cells[1] and cells[1].rstrip("*") not in rows:
            rows[cells[1].rstrip("*")] = cells[2]
    version = re.search(r"Tool Version\s*:\s*Vivado v\.?(\S+)", text)

    def read(*names: str) -> float:
        for name in names:
            if name in rows:
                return _number(rows[name], "the logic synthesis report", name)
        raise StudyError(f"the logic synthesis report has no line {names[0]!r}; run logic synthesis again")

    return {"lut": int(read("CLB LUTs", "Slice LUTs")), "ff": int(read("CLB Registers", "Slice Registers")),
            "dsp": int(read("DSPs")), "bram18": round(2 * read("Block RAM Tile")),
            "tool": f"Vivado {version[1] if version else 'of unknown version'} logic synthesis"}


def read_project(folder: str | Path) -> Report:
    """The report of a built hls4ml project: logic synthesis's where it was run, else C synthesis's.

    Latency, interval and clock are always C synthesis's.

    Raises:
        StudyError: no project, or C synthesis has not been run in it.
    """
    folder = Path(folder)
    script = folder / "project.tcl"
    if not script.exists():
        raise StudyError(f"{script} is missing: {folder} is no hls4ml project; convert the network first")
    name = re.search(r'set project_name "(\w{1,100})"', _read(script))
    if not name:
        raise StudyError(f"{script} names no project; convert the network again")
    project = folder / f"{name[1]}_prj"
    reports = sorted(project.glob(f"*/syn/report/{name[1]}_csynth.xml"))
    if not reports:
        raise StudyError(f"{project} holds no C synthesis report; run the study with tool: vitis on a machine "
                         f"with Vitis HLS {OLDEST[0]}.{OLDEST[1]} or newer")
    report, logic = parse_csynth(_read(reports[0])), folder / "vivado_synth.rpt"
    return replace(report, **parse_vsynth(_read(logic))) if logic.exists() else report


def build(model, logic: bool = False) -> Report:
    """Runs C synthesis (and logic synthesis) of an hls4ml model; gives :func:`read_project` of it.

    Raises:
        StudyError: Vitis is missing, too old, or fails; its logs stay in the project's folder.
    """
    require()
    folder = Path(model.config.get_output_dir())
    try:
        model.build(csim=False, synth=True, cosim=False, export=False, vsynth=logic, log_to_stdout=False)
    except Exception as error:
        raise StudyError(f"Vitis did not build {folder}: {error}; see {folder / 'build_stdout.log'}") from error
    report = read_project(folder)
    version = re.search(r"(\d{4})\.(\d)", report.tool)
    if version and (int(version[1]), int(version[2])) < OLDEST:
        raise StudyError(f"{report.tool} is older than {OLDEST[0]}.{OLDEST[1]}; install a newer Vitis")
    return report


def _read(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} cannot be read as a report ({error}); run the synthesis again") from None


def _number(text: str, report: str, name: str) -> float:
    """A number that is none of NaN and infinity, and not negative."""
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]*)?", text):
        raise StudyError(f"{report} says {text!r} for {name}, which is no number; run the synthesis again")
    return float(text)


def _text(root: ElementTree.Element, *paths: str) -> str:
    for path in paths:
        if (node := root.find(path)) is not None and node.text:
            return node.text.strip()
    raise StudyError(f"the C synthesis report has no {paths[0]}; is it a csynth.xml of Vitis or Vivado HLS?")


def _count(root: ElementTree.Element, *paths: str) -> int:
    text = _text(root, *paths)
    if not re.fullmatch("[0-9]{1,15}", text):
        raise StudyError(f"the C synthesis report says {text!r} for {paths[0]}; the design has no fixed latency")
    return int(text)
