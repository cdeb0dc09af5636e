"""Knows how a study is run: `python -m ultralow.study.workflow config/quick.yaml`. Checks first, then hands over to Snakemake.

With `--profile slurm` the jobs run elsewhere, on the same file system. This process stays, submits them, and holds the
results folder until the last one has ended.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from ultralow.study import cluster, reuse, steps
from ultralow.study import study as studies
from ultralow.errors import StudyError
from ultralow.files import contained, sweep

FREE = 32 << 20  # bytes on the disk of the results, which a study of one network fills


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs a study; finished steps are kept, so a stopped study goes on.")
    parser.add_argument("study", help="study file, e.g. config/quick.yaml")
    parser.add_argument("--cores", type=int, help="networks worked on at once; all cores, or what the profile says")
    parser.add_argument("--profile", help=f"where jobs run: {', '.join(cluster.names())}; or a folder's path")
    parser.add_argument("--gpu", action="store_true", help="ask for a GPU for each training; see docs/clusters.md")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--trained", dest="take", action="store_const", const=reuse.TRAINED,
                       help="take the trained networks as they are: conversion, gates, comparison and report only")
    start.add_argument("--measured", dest="take", action="store_const", const=reuse.MEASURED,
                       help="take what was measured, too: comparison and report only")
    arguments, further = parser.parse_known_args()  # what Snakemake knows (--dry-run, --until …) goes to it
    try:
        study = studies.load(arguments.study)
        if arguments.take:
            os.environ[reuse.VARIABLE] = arguments.take
            reuse.check(study)
            if (files := reuse.remade(study, os.path.relpath(study.results, studies.root()))):
                further = [*further, "--forcerun", *files]
        if arguments.profile is not None:
            further = [*further, "--profile", str(cluster.find(arguments.profile))]
        cores = arguments.cores or (None if arguments.profile else os.cpu_count())
        reuse.check_shared(study)
        steps.check_sources(study)
        with alone(study.results) as lock:
            contained(study.results)
            sweep(study.results)
            code = snakemake(study, cores, further, lock, arguments.gpu)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if code and (free := shutil.disk_usage(study.results).free) < FREE:
        # Whatever failed could not say why: its log is on the same disk.
        print(f"error: {free >> 10:,} KiB are free in {study.results}, which is too little; free some space",
              file=sys.stderr)
    report = study.results / "report" / "index.html"
    print(f"Report: {report}" if code == 0 else "The study is not complete; the messages above say why. Run the same "
          "command again to go on from here.", file=sys.stdout if code == 0 else sys.stderr)
    return code


def snakemake(study: studies.Study, cores: int | None, further: list[str], lock: int, gpu: bool = False) -> int:
    """Snakemake's exit code. Its own lock would outlive a killed run; that of :func:`alone` does not.

    Snakemake holds ``lock`` too: if only this process is killed, the folder stays taken while the jobs go on.
    """
    take = [f"take={mode}"] if (mode := reuse.mode()) else []
    limit = ["--cores", str(cores)] if cores else []
    command = ["snakemake", *further, *limit, "--config", f"study={named(study.file)}", *take, *(["gpu=1"] if gpu else []),
               "--nolock", "--rerun-incomplete", "--keep-going", "--quiet", "rules"]
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=studies.root(), pass_fds=(lock,))
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
    name = os.path.relpath(file, studies.root())
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


if __name__ == "__main__":
    sys.exit(main())
