"""Run a study: check it, hold its results folder, and hand over to Snakemake.

With a profile such as slurm the jobs run elsewhere, on the same file system. This process stays, submits them, and holds the
results folder until the last one has ended. Jobs of this machine are forks of one process (:mod:`ultralow.study.forkserver`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from ultralow.errors import StudyError
from ultralow.files import contained, root, sweep
from ultralow.study import cluster, datasets, forkserver, reuse
from ultralow.study import study as studies

FREE = 32 << 20  # bytes on the disk of the results, which a study of one network fills
PATIENCE_S = 10  # for processes that were killed and have not ended
# As `make` sets them: on one thread, and without kernels that add in another order, the same seed gives the same bytes.
ENVIRONMENT = {"OMP_NUM_THREADS": str(cluster.CORES), "TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "2",
               "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
PLANS = {"-n", "--dry-run", "--dryrun", "--touch", "--unlock", "--list-rules", "--dag", "--rulegraph", "--summary"}


@dataclass(frozen=True)
class Options:
    """How a study is run: networks worked on at once (None: all cores, or what the profile says), a profile's name or folder,
    whether trainings ask for a GPU, and further arguments of Snakemake's."""

    cores: int | None = None
    profile: str | None = None
    gpu: bool = False
    further: tuple[str, ...] = ()


def run(file: str, options: Options, mode: str | None = None) -> int:
    """Runs a study and tells where its report is; finished steps are kept, so that a stopped study goes on.

    Args:
        mode: what is taken as it is: None, or a mode of :mod:`ultralow.study.reuse`.

    Returns:
        0; 2 if steps were refused and nothing else failed, whose sentences are said last; else Snakemake's exit code.

    Raises:
        StudyError: the study, its data or the profile are not what they must be, or another run is at work.
    """
    study = studies.load(file)
    further, local = list(options.further), True
    if mode:
        os.environ[reuse.VARIABLE] = mode
        reuse.check(study)
        if files := reuse.remade(study, os.path.relpath(study.results, root())):
            further += ["--forcerun", *files]
    if options.profile is not None:
        profile = cluster.find(options.profile)
        further += ["--profile", str(profile)]
        local = cluster.executor(profile) == cluster.LOCAL
    if cores := options.cores or (None if options.profile else os.cpu_count()):
        further += ["--cores", str(cores)]
    reuse.check_shared(study)
    if mode != reuse.MEASURED:
        datasets.check_sources(study)
    for sentence in study.without_effect:
        print(f"note: {sentence}", file=sys.stderr)
    with alone(study.results) as lock:
        contained(study.results)
        sweep(study.results)
        try:
            code = _snakemake(study, further, lock, options.gpu, local)
        finally:
            # What a killed job, or one of a run before that outlived it, left since.
            with suppress(OSError):
                sweep(study.results, PATIENCE_S)
    if code and (free := shutil.disk_usage(study.results).free) < FREE:
        # Whatever failed could not say why: its log is on the same disk.
        print(f"error: {free >> 10:,} KiB are free in {study.results}, which is too little; free some space", file=sys.stderr)
        code = 1
    if code == 2:
        return code
    if PLANS & set(further):
        return code
    report = study.results / "report" / "index.html"
    print(f"Report: {report}" if code == 0 else "The study is not complete; the messages above say why. Run the same "
          "command again to go on from here.", file=sys.stdout if code == 0 else sys.stderr)
    return code


def _snakemake(study: studies.Study, arguments: list[str], lock: int, gpu: bool, local: bool) -> int:
    """Snakemake's exit code. Its own lock would outlive a killed run; that of :func:`alone` does not.

    Snakemake holds ``lock`` too: if only this process is killed, the folder stays taken while the jobs go on.
    """
    take = [f"take={mode}"] if (mode := reuse.mode()) else []
    planned = bool(PLANS & set(arguments))
    module = "snakemake" if planned else "ultralow.study.progress"
    command = [sys.executable, "-m", module, *arguments, "--config", f"study={named(study.file)}", *take,
               *(["gpu=1"] if gpu else []), "--nolock", "--rerun-incomplete", "--keep-going", "--quiet", "rules"]
    # Jobs find this Python first, also where its environment is not the shell's.
    environment = {**ENVIRONMENT, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    jobs = (forkserver.started(lock, **environment, KERAS_BACKEND=study.settings.backend) if local and not planned
            else nullcontext())
    with jobs as alive:
        process = subprocess.Popen(command, cwd=root(), env={**os.environ, **environment},
                                   pass_fds=(lock, *([] if alive is None else [alive])))
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                pass  # Snakemake has got it as well and needs a while to stop its jobs, which may stand in a queue


def named(file: Path) -> str:
    """A study file as Snakemake takes it on its command line: from the project's root, so that this may lie anywhere.

    Raises:
        StudyError: Snakemake reads it as YAML, and would take this name apart.
    """
    name = os.path.relpath(file, root())
    try:
        kept = yaml.load(name, Loader=yaml.BaseLoader) == name == name.strip("'\"")
    except yaml.YAMLError:
        kept = False
    if not kept:
        raise StudyError(f"Snakemake would take the name {name!r} apart (' #', ': ', or quotes and brackets at its ends); "
                         "give the study file another name or folder")
    return name


@contextmanager
def alone(folder: Path) -> Iterator[int]:
    """Holds the results folder for this process and those that it gives the file descriptor; the system lets go of it
    however they end.

    Raises:
        StudyError: another run holds it, or the folder cannot be written.
    """
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = open(path, "w")
    except OSError as error:
        raise StudyError(f"cannot write {path}: {error.strerror}; free some space or mend the permissions") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StudyError(f"another run is at work in {folder}; wait for it, or stop it first") from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            raise StudyError(f"the file system of {folder} has no locks ({error.strerror}), so that two runs could "
                             "spoil each other's results; put the project on one that has them, or have it mounted "
                             "with them") from error
        yield stream.fileno()
