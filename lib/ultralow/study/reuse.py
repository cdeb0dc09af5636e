"""Decide which results a run takes as they are: `make tables` takes trained networks, `make report` circuits as well."""

from __future__ import annotations

import os
from pathlib import Path

from ultralow.errors import StudyError
from ultralow.files import read_json
from ultralow.study.study import Study

VARIABLE = "ULTRALOW_TAKE"  # the Snakefile sets it for its jobs
TRAINED, MEASURED = "trained", "measured"


def mode() -> str | None:
    """TRAINED, MEASURED (circuits, too), or None where everything that is old or missing is made."""
    return os.environ.get(VARIABLE) or None


def refuse(what: str, remedy: str = "`make study` does, or take a committed study") -> None:
    """Stop a training that a run on trained networks would come to.

    Raises:
        StudyError: this run takes training as it is.
    """
    if mode():
        raise StudyError(f"{what}; this run takes trained networks as they are and does not train: {remedy}")


def check(study: Study) -> None:
    """Check that every network of the study is trained.

    Raises:
        StudyError: files of training are missing; it names the networks.
    """
    lacking = [name for name in study.settings.networks if not _trained(study.folder(name))]
    if lacking:
        raise StudyError(f"not trained in {study.results}: {', '.join(lacking)}; train first: "
                         f"`make study STUDY={study.file}`")


def check_shared(study: Study) -> None:
    """Check that the networks whose results another study has are there, trained with the same seeds on the same rows.

    Raises:
        StudyError: they are not; it says what to do.
    """
    for name, other in study.shared.items():
        folder = study.folder(name)
        wanted = ["train.json", "folded.npz", *(["convert.json"] if study.override(name).hls else []),
                  *(["synthesis.json"] if study.override(name).gates else [])]
        if lacking := [file for file in wanted if not (folder / file).exists()]:
            raise StudyError(f"network {name} takes the results of study {other}, and {folder} lacks {', '.join(lacking)}; "
                             "run that study first, or leave out results_of")
        train = read_json(folder / "train.json")
        own = {"seeds": study.settings.seeds, "architecture": study.network(name).architecture,
               "source": study.settings.data[study.network(name).dataset].source}
        if unlike := [key for key, value in own.items() if train.get(key) != value]:
            raise StudyError(f"network {name} takes the results of study {other}, whose {', '.join(unlike)} differ from this "
                             "study's; give both the same, or leave out results_of")
        dataset = f"data/{train['dataset']}.json"
        ours, theirs = study.results / dataset, folder.parent / dataset
        if ours.exists() and theirs.exists() and read_json(ours)["sha256"] != read_json(theirs)["sha256"]:
            raise StudyError(f"network {name} takes the results of study {other}, which are of other rows: {ours} and {theirs} "
                             "differ in their checksums; give both studies the same data, or leave out results_of")


def remade(study: Study, results: str) -> list[str]:
    """Files below ``results``, the study's folder as Snakemake names it, that are there and are made all the same.

    After a checkout they are committed ones, and times of files tell nothing. What this checkout made itself has an
    executed notebook, which is never committed: so a stopped run goes on where it was.
    """
    folder, measured = study.results, mode() == MEASURED
    files = [] if measured else [
        f"{name}/{file}" for name in study.settings.networks if name not in study.shared for step, wanted, file in (
            ("conversion", study.override(name).hls, "convert.json"),
            ("synthesis", study.override(name).gates, "synthesis.json"))
        if wanted and not executed(folder, f"{name}-{step}")]
    if files or measured or not executed(folder, "comparison"):
        files.append("figures/figures.json")
    return [f"{results}/{file}" for file in files if (folder / file).exists()]


def executed(folder: Path, notebook: str) -> bool:
    """Whether a notebook of the results folder ran to its end."""
    record = execution(folder / "executed" / f"{notebook}.ipynb")
    return record.get("duration") is not None and not record.get("exception")


def execution(notebook: Path) -> dict:
    """papermill's record in an executed notebook; empty where there is none, or one that was stopped or is running: papermill
    writes it in place, so that half of it may be there."""
    try:
        return read_json(notebook)["metadata"]["papermill"]
    except (StudyError, KeyError, TypeError):
        return {}


def _trained(folder: Path) -> bool:
    train = folder / "train.json"
    return train.exists() and (folder / "folded.npz").exists() and bool(read_json(train).get("runs"))
