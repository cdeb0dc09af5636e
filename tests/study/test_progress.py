"""The lines that a run prints: what came out of each step, and the time that the rest may take."""

import logging

import pytest
import yaml

from ultralow import csvfile
from ultralow.files import write_json
from ultralow.study import progress, study as studies
from ultralow.study.progress import Job, Progress


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "root", lambda: tmp_path)
    (tmp_path / "two.yaml").write_text(yaml.safe_dump({
        "name": "two", "data": {"jets": {"source": "generated", "path": "jets.root"}},
        "networks": {"jets-bnn-optimised": None, "jets-tnn-relu": {"hls": False}},
        "search": {"dataset": "jets", "weights": ["binary"], "trials": 4}}))
    this = studies.load(tmp_path / "two.yaml")
    folder = this.folder("jets-tnn-relu")
    write_json(this.results / "data/jets.json", {"source": "generated", "counts": {
        "train": [10, 10], "valid": [600, 400], "test": [2, 3]}})
    write_json(folder / "train.json", {"runs": [{"accuracy": 0.5, "r2": 9}, {"accuracy": 0.75}]})
    write_json(folder / "convert.json", {"tool": "hls4ml 1.3.0", "hls_rows": 1000, "hls_rows_exact": 999})
    write_json(folder / "synthesis.json", {"lut": 8939, "latency_ns": 45.0, "rtl_rows": 10000, "rtl_rows_exact": 10000})
    return this


@pytest.mark.parametrize("step, wildcards, line", [
    ("data", {"dataset": "jets"}, "data jets: 20 rows to train, 1,000 to validate, 5 to test; generated"),
    ("training", {"network": "jets-tnn-relu"}, "training jets-tnn-relu: accuracy 0.6250, mean of 2 seeds"),
    ("conversion", {"network": "jets-tnn-relu"}, "conversion jets-tnn-relu: hls4ml 1.3.0, 1 of 1,000 rows differ"),
    ("synthesis", {"network": "jets-tnn-relu"}, "synthesis jets-tnn-relu: 8,939 LUT, 45 ns, all 10,000 rows exact"),
    # Its file is not there yet.
    ("synthesis", {"network": "jets-bnn-optimised"}, "synthesis jets-bnn-optimised: done"),
    ("worker", {"dataset": "jets", "weights": "binary", "worker": "2"}, "worker jets-binary worker 2: done"),
    ("page", {"page": "search-jets-binary"}, "page search-jets-binary: done"),
    ("report", {}, "report: done")])
def test_the_line_of_a_step(step, wildcards, line, study):
    assert progress.line(study, step, wildcards) == line


def test_what_is_wrong_with_a_model_stands_in_its_line(study):
    notes = ["another order of the outputs fits far better", "dense layer 1: 2 of 8 weights saturate"]
    write_json(study.folder("jets-tnn-relu") / "train.json", {"runs": [{"accuracy": 0.5, "notes": notes}]})
    assert progress.line(study, "training", {"network": "jets-tnn-relu"}) == (
        "training jets-tnn-relu: accuracy 0.5000; NOTE: another order of the outputs fits far better; NOTE: dense layer 1: 2 of 8 "
        "weights saturate")


def test_tables_are_counted(study):
    csvfile.write(csvfile.pd.DataFrame({"valid_accuracy": [0.5, 0.7123]}), study.results / "search/jets-binary.csv")
    assert (progress.line(study, "search", {"dataset": "jets", "weights": "binary"})
            == "search jets-binary: 2 trials, best validation accuracy 0.7123")
    csvfile.write(csvfile.pd.DataFrame({"lut": [1, 2, 3]}), study.results / "area.csv")
    assert progress.line(study, "area", {}) == "area: 3 circuits"


def test_the_time_left_is_what_steps_of_the_kind_took(study):
    run = Progress(study, {"training": 2, "synthesis": 2, "all": 1, "total": 5})
    assert run.plan() == "Study two: 4 steps (2 training, 2 synthesis)."
    wide, narrow = ({"network": name} for name in ("jets-bnn-optimised", "jets-tnn-relu"))
    assert run.left_s(0) is None
    expected = {(step, n["network"]): progress.expected_s(study, step, n["network"])
                for step in ("training", "synthesis") for n in (wide, narrow)}
    assert expected["synthesis", "jets-bnn-optimised"] > expected["synthesis", "jets-tnn-relu"]
    run.started(1, Job("training", wide, 0.0))
    # Exactly as expected: the rest is what is expected of it.
    line = run.ended(1, expected["training", "jets-bnn-optimised"])
    rest = sum(expected.values()) - expected["training", "jets-bnn-optimised"]
    assert line.startswith("training jets-bnn-optimised: done; 1 of 4, ") and line.endswith(f"{progress.duration(rest)} left")
    # Of two at once, the one half done counts half.
    run.started(2, Job("training", narrow, 100.0))
    run.started(3, Job("synthesis", wide, 100.0))
    half = expected["training", "jets-tnn-relu"] / 2
    assert run.left_s(100 + half) == pytest.approx(
        (half + max(expected["synthesis", "jets-bnn-optimised"] - half, 0) + expected["synthesis", "jets-tnn-relu"]) / 2)
    # Twice as slow: more is left.
    before = run.left_s(100.0)
    run.ended(2, 100 + 4 * half)
    run.ended(3, 100 + 2 * expected["synthesis", "jets-bnn-optimised"])
    assert run.left_s(0.0) > expected["synthesis", "jets-tnn-relu"] / 2 and before is not None
    run.started(4, Job("synthesis", narrow, 0.0))
    assert run.ended(4, 9.0) == "synthesis jets-tnn-relu: 8,939 LUT, 45 ns, all 10,000 rows exact; 4 of 4"
    assert Progress(study, {"all": 1}).plan() == "Study two: nothing to be done."


@pytest.mark.parametrize("seconds, text", [(3, "less than a minute"), (61, "about 1 min"), (3000, "about 50 min"),
                                           (7300, "about 2 h 2 min")])
def test_a_duration_is_rough(seconds, text):
    assert progress.duration(seconds) == text


def test_events_become_lines_and_faults_stay(study, capsys, monkeypatch):
    monkeypatch.setattr(progress.sys, "argv", ["snakemake", "--config", f"study={study.file}", "take=trained"])
    handler = progress.ProgressHandler()
    handler.__post_init__()

    def tell(level=logging.INFO, text="", **more):
        handler.emit(logging.makeLogRecord({"levelno": level, "msg": text, **more}))

    tell(event="run_info", stats={"synthesis": 2, "total": 2})
    tell(event="job_info", jobid=3, rule_name="synthesis", wildcards={"network": "jets-tnn-relu"}, created=1.0)
    tell(text="Select jobs to execute...")
    tell(event="job_error", level=logging.ERROR, rule_name="synthesis", log=["a.ipynb", "a.log"])
    tell(text="Trying to restart job 3.")
    tell(event="job_finished", job_id=3, created=61.0)
    tell(event="job_finished", job_id=99, created=61.0)
    tell(level=logging.ERROR, text="something is wrong")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Study two: 2 steps (2 synthesis)."
    assert lines[1:3] == ["synthesis failed; its log: a.ipynb, a.log", "Trying to restart job 3."]
    assert lines[3].startswith("synthesis jets-tnn-relu: 8,939 LUT, 45 ns, all 10,000 rows exact; 1 of 2, ")
    assert lines[4:] == ["something is wrong"]


def test_a_failed_job_is_told_once(study, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(progress.sys, "argv", ["snakemake", "--config", f"study={study.file}"])
    handler = progress.ProgressHandler()
    handler.__post_init__()
    log = tmp_path / "data.log"
    for text, said in (("reading\nerror: column x is empty\n", "is refused"), ("fault: KeyError in the step\n\n", "failed"),
                       ("reading\n", "failed"), ("", "failed")):
        log.write_text(text)
        for message in ("RuleException:\nCalledProcessError in file", "WorkflowError:\nAt least one job did not complete successfully."):
            handler.emit(logging.makeLogRecord({"levelno": logging.ERROR, "msg": message}))
        handler.emit(logging.makeLogRecord({"levelno": logging.ERROR, "msg": "", "event": "job_error", "rule_name": "data",
                                            "log": ["a.ipynb", str(log)]}))
        assert capsys.readouterr().err == f"data {said}; its log: a.ipynb, {log}\n"


class SnakemakesJob:
    """What Snakemake's scheduler knows of a job."""

    def __init__(self, log, restart_times=1):
        self.log, self.restart_times, self.attempt = [str(log)], restart_times, 1


def test_only_a_job_that_was_killed_is_started_again(tmp_path):
    class Scheduler:
        def _handle_error(self, job):
            again.append(job.restart_times > job.attempt - 1)
            job.attempt += 1

    again, log = [], tmp_path / "training.log"
    verdicts = progress._end_at_a_verdict(Scheduler)
    for text in ("error: d.csv has no column x\n", "Traceback\nfault: KeyError in the step training\n"):
        log.write_text(text)
        Scheduler()._handle_error(SnakemakesJob(log))
    # Out of memory: no verdict, and once more.
    log.write_text("epoch 3\nthe process of this job was killed (out of memory?)\n")
    killed = SnakemakesJob(log)
    for _ in range(2):
        Scheduler()._handle_error(killed)
    Scheduler()._handle_error(SnakemakesJob(tmp_path / "none.log", restart_times=0))
    assert again == [False, False, True, False, False]
    assert verdicts == ["error: d.csv has no column x", "fault: KeyError in the step training", None, None]


def test_snakemakes_scheduler_is_the_one_that_is_told():
    """A new version of Snakemake that restarts jobs elsewhere fails here."""
    import inspect

    from snakemake.jobs import Job as Snakemakes
    from snakemake.scheduling.job_scheduler import JobScheduler

    assert "job.restart_times > job.attempt - 1" in inspect.getsource(JobScheduler._handle_error)
    assert isinstance(Snakemakes.attempt, property) and Snakemakes.attempt.fset
