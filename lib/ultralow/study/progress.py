"""Say in a line what each finished step of a run was, what came out, how far the study is and how long it will take.

``python -m ultralow.study.progress`` is Snakemake with this in place of its own messages; errors and warnings stay
Snakemake's. Snakemake tells what happens wherever jobs run, so that a cluster's jobs get their lines as well.
"""

from __future__ import annotations

import logging
import os
import sys
import types
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ultralow import csvfile
from ultralow.errors import FAULT, REFUSED, StudyError
from ultralow.files import read_json, read_text
from ultralow.study.study import Study, load

NAME = "ultralow"  # under which Snakemake knows this logger
KEPT = ("Trying to restart job", "Nothing to be done", "Waiting at most")  # of Snakemake's own messages
# The environment variable that says: the run shows what refused its steps when all others have ended.
SHOWN = "ULTRALOW_REFUSALS"
# What says once more that a job failed, with its shell command.
REPEATED = ("RuleException:\nCalledProcessError", "Exiting because a job execution failed",
            "WorkflowError:\nAt least one job did not complete successfully")
# Seconds of a job on one core of 2024, start included, before the first of its kind is measured; see expected_s.
SECONDS = {"data": 10, "conversion": 12, "area": 300, "ablations": 600, "search": 600, "worker": 600, "comparison": 30,
           "report": 10, "page": 10}
SURE_S = 30  # what the expected seconds count for, beside those measured


def outcome(study: Study, step: str, subject: str = "") -> str:
    """What came out of a finished step, in a few words, from the files that it wrote.

    Args:
        step: the rule's name.
        subject: the network or dataset; of a search its dataset and weights, "jets-binary".
    """
    return {"data": _data, "training": _training, "conversion": _conversion, "synthesis": _synthesis, "area": _area,
            "ablations": _ablations, "search": _search, "comparison": _comparison}.get(step, lambda *_: "done")(study, subject)


def line(study: Study, step: str, parameters: dict[str, str]) -> str:
    """The line of a finished job: what it was and what came out.

    Args:
        parameters: its notebook's, or its rule's wildcards.
    """
    about = subject(study, parameters)
    try:
        result = outcome(study, step, about)
    except (StudyError, KeyError):  # a file that is missing or damaged: who reads it next tells
        result = "done"
    return f"{step} {about}: {result}" if about else f"{step}: {result}"


def subject(study: Study, parameters: dict[str, str]) -> str:
    """What a job is about, by its notebook's parameters or its rule's wildcards."""
    if "weights" in parameters:
        worker = [f"worker {parameters['worker']}"] if "worker" in parameters else []
        return " ".join([f"{study.settings.search.dataset}-{parameters['weights']}", *worker])
    return next((parameters[name] for name in ("network", "dataset", "page", "search") if name in parameters), "")


def _data(study: Study, name: str) -> str:
    content = read_json(study.results / "data" / f"{name}.json")
    rows = {part: sum(counts) if isinstance(counts, list) else counts for part, counts in content["counts"].items()}
    return f"{rows['train']:,} rows to train, {rows['valid']:,} to validate, {rows['test']:,} to test; {content['source']}"


def _training(study: Study, name: str) -> str:
    content = read_json(study.folder(name) / "train.json")
    quality = "accuracy" if "accuracy" in content["runs"][0] else "r2"
    values = [run[quality] for run in content["runs"]]
    mean = f"{quality.replace('r2', 'R²')} {sum(values) / len(values):.4f}"
    mean = mean if len(values) == 1 else f"{mean}, mean of {len(values)} seeds"
    # Of a model that was brought: its order of outputs, its formats, or its unit are not what they should be.
    notes = content["runs"][0].get("notes", [])
    return "; ".join([mean, *(f"NOTE: {note}" for note in notes)])


def _conversion(study: Study, name: str) -> str:
    content = read_json(study.folder(name) / "convert.json")
    return f"{content['tool']}, {_exact(content, 'hls')}"


def _synthesis(study: Study, name: str) -> str:
    content = read_json(study.folder(name) / "synthesis.json")
    return f"{content['lut']:,} LUT, {content['latency_ns']:g} ns, {_exact(content, 'rtl')}"


def _exact(content: dict, kind: str) -> str:
    rows, exact = content[f"{kind}_rows"], content[f"{kind}_rows_exact"]
    return f"all {rows:,} rows exact" if rows == exact else f"{rows - exact:,} of {rows:,} rows differ"


def _area(study: Study, _: str) -> str:
    return f"{len(csvfile.read(study.results / 'area.csv'))} circuits"


def _ablations(study: Study, name: str) -> str:
    return f"{len(csvfile.read(study.results / 'ablations' / f'{name}.csv'))} variants"


def _search(study: Study, subject: str) -> str:
    table = csvfile.read(study.results / "search" / f"{subject}.csv")
    return f"{len(table)} trials, best validation accuracy {table['valid_accuracy'].max():.4f}"


def _comparison(study: Study, _: str) -> str:
    return f"{len(csvfile.read(study.results / 'comparison.csv'))} networks in comparison.csv"


def expected_s(study: Study, step: str, subject: str) -> float:
    """Seconds that a job may take, before anything is measured: only how jobs compare matters.

    Training takes epochs and seeds in proportion, and synthesis grows about as the root of the number of weights.
    """
    if step == "training":
        return 10 + 0.3 * study.recipe(subject).epochs * len(study.settings.seeds) * (
            1 + study.network(subject).parameters / 20_000)
    if step == "synthesis":
        return 10 + 2 * study.network(subject).parameters ** 0.5
    return SECONDS.get(step, 10)


@dataclass
class Job:
    """A job that has begun: its rule, the rule's wildcards, and when."""

    step: str
    wildcards: dict[str, str]
    began_s: float


class Progress:
    """Counts the jobs of a run. Times are seconds of any one clock."""

    def __init__(self, study: Study, counts: dict[str, int]):
        """``counts``: how many jobs of each step the run has."""
        self.study = study
        self.counts = {step: count for step, count in counts.items() if step not in ("all", "total")}
        self.total = sum(self.counts.values())
        self.running: dict[int, Job] = {}
        self.finished: list[tuple[str, str, float]] = []  # step, subject, seconds
        self.at_once = 1

    def plan(self) -> str:
        """What will be done."""
        if not self.total:
            return f"Study {self.study.settings.name}: nothing to be done."
        steps = ", ".join(f"{count} {step}" for step, count in self.counts.items())
        return f"Study {self.study.settings.name}: {self.total} steps ({steps})."

    def started(self, number: int, job: Job) -> None:
        self.running[number] = job
        self.at_once = max(self.at_once, len(self.running))

    def ended(self, number: int, now: float) -> str | None:
        """The line of a job that has finished; None of one that is no step."""
        job = self.running.pop(number, None)
        if job is None or job.step not in self.counts:
            return None
        self.finished.append((job.step, subject(self.study, job.wildcards), now - job.began_s))
        left = self.left_s(now)
        return (f"{line(self.study, job.step, job.wildcards)}; {len(self.finished)} of {self.total}"
                + ("" if left is None else f", {duration(left)} left"))

    def left_s(self, now: float) -> float | None:
        """Seconds that the rest may take; None if nothing tells, or nothing is left."""
        rest = Counter(self.counts)
        rest.subtract(step for step, _, _ in self.finished)
        if not self.finished or not +rest:
            return None
        seconds = 0.0
        for job in self.running.values():
            rest[job.step] -= 1
            whole = self._scale(job.step) * expected_s(self.study, job.step, subject(self.study, job.wildcards))
            seconds += max(whole - (now - job.began_s), 0)
        for step, count in (+rest).items():
            seconds += count * self._scale(step) * self._mean_s(step)
        return seconds / self.at_once

    def _scale(self, step: str) -> float:
        """By how much jobs of a step, or all, take longer than expected; the first few tell little."""
        jobs = [job for job in self.finished if job[0] == step] or self.finished
        return (SURE_S + sum(took for *_, took in jobs)) / (SURE_S + sum(expected_s(self.study, *job[:2]) for job in jobs))

    def _mean_s(self, step: str) -> float:
        """What a job of the step that has not started is expected to take."""
        if step not in ("training", "conversion", "synthesis"):
            return expected_s(self.study, step, "")
        begun = {(job.step, subject(self.study, job.wildcards)) for job in self.running.values()}
        begun |= {job[:2] for job in self.finished}
        names = [entry.name for entry in self.study.networks if (step, entry.name) not in begun
                 and (step != "synthesis" or self.study.override(entry.name).gates)]
        return sum(expected_s(self.study, step, name) for name in names) / max(len(names), 1)


def duration(seconds: float) -> str:
    """A time that is estimated: "about 2 min"."""
    if seconds < 50:
        return "less than a minute"
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes < 90 else f"about {minutes // 60} h {minutes % 60} min"


class ProgressHandler(logging.Handler):
    """Turns Snakemake's events into lines of :class:`Progress` on standard error."""

    # What Snakemake asks of its loggers.
    writes_to_stream, writes_to_file, has_filter, has_formatter, needs_rulegraph = True, False, True, False, False

    def __post_init__(self) -> None:  # Snakemake's base class calls it
        self.study = load(_study_file(sys.argv))
        self.progress = Progress(self.study, {})

    def emit(self, record: logging.LogRecord) -> None:
        event = str(getattr(record, "event", "") or "")
        text = None
        if event == "run_info":
            self.progress = Progress(self.study, record.stats)
            text = self.progress.plan()
        elif event == "job_info":
            self.progress.started(record.jobid, Job(record.rule_name, dict(record.wildcards), record.created))
        elif event == "job_finished":
            text = self.progress.ended(record.job_id, record.created)
        elif event == "job_error":  # the job has shown the end of its log, but for a refusal, which comes last
            refused = (verdict(record.log) or "").startswith(REFUSED)
            text = f"{record.rule_name} {'is refused' if refused else 'failed'}; its log: {', '.join(record.log)}"
        elif str(record.msg).startswith(REPEATED):
            pass
        elif record.levelno >= logging.WARNING or not event and str(record.msg).startswith(KEPT):
            text = self.format(record)
        if text:
            print(text, file=sys.stderr, flush=True)


def verdict(logs: Iterable[str]) -> str | None:
    """The last line of a failed job's log where it tells that the job ended by itself, refused or by a fault; else None."""
    for path in logs:
        try:
            lines = read_text(path).split("\n") if str(path).endswith(".log") else []
        except (OSError, ValueError, StudyError):
            continue
        last = next((text for text in reversed(lines) if text.strip()), "")
        if last.startswith((REFUSED, FAULT)):
            return last
    return None


def _end_at_a_verdict(scheduler: type) -> list[str | None]:
    """Has Snakemake's scheduler start no job again that ended by itself: it would end so once more, minutes later.

    Returns:
        a list to which the :func:`verdict` of each job is added that failed for good.
    """
    verdicts, handle = [], scheduler._handle_error

    def handle_error(self, job, *arguments, **options):
        told = verdict(map(str, getattr(job, "log", ())))
        if told is not None:
            job.attempt = job.restart_times + 1  # its last
        if job.attempt > job.restart_times:
            verdicts.append(told)
        handle(self, job, *arguments, **options)

    scheduler._handle_error = handle_error
    return verdicts


def _study_file(arguments: list[str]) -> str:
    (file,) = [argument.removeprefix("study=") for argument in arguments if argument.startswith("study=")]
    return file


def main() -> None:
    """Snakemake with these lines; its arguments follow.

    Exit code: 0; 2 where every job that failed was refused, whose sentences then stand last; else 1.
    """
    import snakemake.scheduling.job_scheduler as scheduling
    from snakemake.cli import main as snakemake
    from snakemake_interface_logger_plugins.base import LogHandlerBase
    from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

    handler = type("LogHandler", (ProgressHandler, LogHandlerBase), {})
    LoggerPluginRegistry().register_plugin(f"snakemake_logger_plugin_{NAME}", types.SimpleNamespace(LogHandler=handler))
    sys.argv += ["--logger", NAME]
    os.environ[SHOWN] = "last"
    verdicts = _end_at_a_verdict(scheduling.JobScheduler)
    try:
        snakemake()
    except SystemExit as ended:
        if refused := list(dict.fromkeys(told for told in verdicts if told and told.startswith(REFUSED))):
            print("\n".join(refused), file=sys.stderr, flush=True)
        if ended.code and verdicts and all(told and told.startswith(REFUSED) for told in verdicts):
            sys.exit(2)
        raise


if __name__ == "__main__":
    main()
