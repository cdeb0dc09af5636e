"""Reports of the vendor's tools, read without the tools."""

import os
import shutil
from pathlib import Path

import pytest

from ultralow.synthesis import vitis
from ultralow.errors import StudyError

REPORTS = Path(__file__).parents[1] / "reports"


def test_a_built_project_is_read():
    assert vitis.read_project(REPORTS / "vitis") == vitis.Report(
        lut=31877, ff=6203, dsp=52, bram18=4, latency_cycles=9, interval=1, clock_ns=5.0, latency_ns=45.0, delay_estimate_ns=3.491,
        part="xcvu9p-flga2104-2L-e", tool="Vitis HLS 2023.2 C synthesis")


def test_hls4mls_own_reader_agrees():
    from hls4ml.report import parse_vivado_report

    theirs = parse_vivado_report(str(REPORTS / "vitis"))["CSynthesisReport"]
    ours = vitis.read_project(REPORTS / "vitis")
    assert (ours.lut, ours.ff, ours.dsp, ours.bram18) == tuple(
        int(theirs[key]) for key in ("LUT", "FF", "DSP", "BRAM_18K"))
    assert ours.latency_cycles == int(theirs["WorstLatency"])


def test_logic_synthesis_replaces_the_counts_and_keeps_the_timing(tmp_path):
    shutil.copytree(REPORTS / "vitis", tmp_path / "p")
    shutil.copy(REPORTS / "vivado_synth.rpt", tmp_path / "p")
    found = vitis.read_project(tmp_path / "p")
    # Half a block RAM tile more than two: five of 18 kbit.
    assert (found.lut, found.ff, found.dsp, found.bram18) == (12345, 2345, 52, 5)
    assert found.latency_cycles == 9 and found.tool == "Vivado 2023.2 logic synthesis"


def test_vivado_hls_calls_its_dsps_otherwise():
    found = vitis.parse_csynth((REPORTS / "vivado_csynth.xml").read_text())
    assert (found.dsp, found.interval, found.latency_ns) == (1041, 2, 85.0)


def test_faults_name_the_file_and_the_remedy(tmp_path):
    report = (REPORTS / "vitis/network_prj/solution1/syn/report/network_csynth.xml").read_text()
    with pytest.raises(StudyError, match="not valid XML"):
        vitis.parse_csynth(report[:200])
    with pytest.raises(StudyError, match="AreaEstimates/Resources/LUT"):
        vitis.parse_csynth(report.replace("<LUT>31877</LUT>", ""))
    with pytest.raises(StudyError, match="no fixed latency"):
        vitis.parse_csynth(report.replace("<Worst-caseLatency>9", "<Worst-caseLatency>?"))
    with pytest.raises(StudyError, match="CLB LUTs"):
        vitis.parse_vsynth("nothing")
    with pytest.raises(StudyError, match="project.tcl is missing"):
        vitis.read_project(tmp_path)
    shutil.copy(REPORTS / "vitis/project.tcl", tmp_path)
    with pytest.raises(StudyError, match="no C synthesis report"):
        vitis.read_project(tmp_path)


def test_vitis_is_found_on_path_or_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert vitis.find() is None
    with pytest.raises(StudyError, match="settings64.sh"):
        vitis.require()
    tool = tmp_path / "vitis-run"
    tool.write_text("#!/bin/sh\n")
    os.chmod(tool, 0o755)
    assert vitis.require() == tool


def test_build_runs_the_tool_and_reads_its_reports(tmp_path, monkeypatch):
    monkeypatch.setattr(vitis, "require", lambda: Path("vitis-run"))
    shutil.copytree(REPORTS / "vitis", tmp_path / "p")

    class Model:
        class config:
            get_output_dir = staticmethod(lambda: str(tmp_path / "p"))

        def build(self, **options):
            assert options["synth"] and options["vsynth"] is False

    assert vitis.build(Model()).lut == 31877
    report = tmp_path / "p/network_prj/solution1/syn/report/network_csynth.xml"
    report.write_text(report.read_text().replace("<Version>2023.2</Version>", "<Version>2022.2</Version>"))
    with pytest.raises(StudyError, match="older than 2023.1"):
        vitis.build(Model())
