"""Prepare the datasets of a study, and find them again: whole for training, the test part for trained networks."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from ultralow.data import dataset as files
from ultralow.data.dataset import Dataset
from ultralow.data.distributions import distributions
from ultralow.data.sources import DATASETS
from ultralow.errors import StudyError
from ultralow.files import read_json, root, write_json
from ultralow.study import identity, manifest, reuse
from ultralow.study.runs import Log
from ultralow.study.study import Study


def data(study: Study, name: str, log: Log = print) -> Dataset:
    """Reads a dataset's source, splits and scales it; writes data/<name>.npz, <name>-test.npz and .json, and what a figure
    shows of it in <name>-distributions.json."""
    settings = study.settings.data[name]
    path = study.data_path(name)
    if path is not None and not all(file.exists() for file in study.files(name)):
        _obtain(study, name, log)
    from ultralow.data import sources, tabular  # ROOT and its friends take seconds to import

    log(f"{name}: reading source {settings.source}")
    if name in DATASETS:
        further = {key: value for key in ("columns", "classes") if (value := getattr(settings, key))}
        table = sources.load_table(name, settings.source, path, root() / "data" / "cache", **further)
    else:
        table = tabular.read(name, study.files(name), tabular.Columns(
            settings.features, settings.label, settings.classes, settings.targets, settings.weights, settings.test,
            settings.tree))
    prepared = files.split_and_scale(table, rows=settings.rows)
    prepared.save(_data_path(study, name))
    write_json(study.results / "data" / f"{name}-distributions.json", distributions(prepared).values())
    manifest.record(study, name, "data", identity.versions("data"))
    return prepared


def dataset(study: Study, name: str, log: Log = print) -> Dataset:
    """The dataset as :func:`data` left it; prepared now if it is not there."""
    # Of a committed study only the JSON is there, and the test part of the jets.
    if not has_dataset(study, name):
        log(f"{name} is not prepared yet in {short(study.results)}: doing that first")
        return data(study, name, log)
    return files.load(_data_path(study, name))


def has_dataset(study: Study, name: str) -> bool:
    """Whether the whole dataset is there, as training needs it."""
    return _data_path(study, name).exists()


def test_part(study: Study, name: str, log: Log = print) -> Dataset:
    """The dataset with its test part at least, which is all that trained networks need; prepared now if it is not
    there."""
    path = test_file(study, name)
    return files.load_test(path) if path else dataset(study, name, log)


def as_network_gives_it(study: Study, name: str, data: Dataset) -> Dataset:
    """A network's dataset with its targets in the unit in which the network gives them: scaled, as :func:`data` left them, or, of
    a trained model that gives them so, in that of the files (mean 0 and scale 1 are then what makes them of the outputs)."""
    if not data.targets or not study.override(name).gives_raw_targets:
        return data
    units = {part: getattr(data, part) * data.target_scale + data.target_mean for part in ("y_train", "y_valid", "y_test")}
    return replace(data, **units, target_mean=np.zeros(len(data.targets)), target_scale=np.ones(len(data.targets)))


def test_file(study: Study, name: str) -> Path | None:
    """The dataset's file (which need not be there) beside which its test part is: this study's, or that of a study whose
    results it shares, where the rows are the same; None where neither has it."""
    own = _data_path(study, name)
    if files.test_path(own).exists():
        return own
    for other in sorted(set(study.shared.values())):
        path = study.results.parent / other / "data" / own.name
        descriptions = [file.with_suffix(".json") for file in (own, path)]
        if files.test_path(path).exists() and all(file.exists() for file in descriptions):
            ours, theirs = (read_json(file)["sha256"] for file in descriptions)
            if ours == theirs:
                return path
    return None


def checksums(study: Study, name: str) -> dict[str, str]:
    """SHA-256 of each array of the prepared dataset, from its JSON: the rows need not be there."""
    return read_json(_data_path(study, name).with_suffix(".json"))["sha256"]


def downloads(study: Study, name: str) -> bool:
    """Whether :func:`data` downloads a dataset's file if it is not there: MNIST at the place of downloads."""
    return (name == "mnist" and study.settings.data[name].source == "file"
            and study.data_path(name) == root() / "data" / "cache" / "mnist.npz")


def check_sources(study: Study) -> None:
    """That every dataset's file is there, or comes by itself, or is not needed.

    Raises:
        StudyError: one is not; it says how to get it.
    """
    for name in study.datasets:
        path = study.data_path(name)
        done = test_file(study, name) is not None if reuse.mode() else has_dataset(study, name)
        if path is None or done or downloads(study, name):
            continue
        if not all(file.exists() for file in study.files(name)):
            raise _absent(study, name)


def _obtain(study: Study, name: str, log: Log) -> None:
    """Brings the file of a dataset that is not there.

    Raises:
        StudyError: there is no way to it, or the download failed; it says what to do.
    """
    from ultralow.data import download, mnist as digits

    if not downloads(study, name):
        raise _absent(study, name)
    path = study.data_path(name)
    log(f"{short(path)} is not there: downloading MNIST as Keras has it")
    try:
        download.fetch(digits.MNIST_URL, path, f"sha256:{digits.MNIST_SHA256}")
    except StudyError as error:
        raise StudyError(f"MNIST is needed and is not part of this repository, and the download failed ({error}); put an "
                         f"npz of Keras's layout at {path}") from error


def _absent(study: Study, name: str) -> StudyError:
    path = study.data_path(name)
    way = ("give the path of the file" if study.settings.data[name].source != "generated" else
           f"`make jets N={_rows_in_name(path)} JOBS=2` makes it, or take data/jets.root, the embedded sample")
    return StudyError(f"data.{name}.path {path} does not exist; {way}")


def _data_path(study: Study, name: str) -> Path:
    return study.results / "data" / f"{name}.npz"


def _rows_in_name(path: Path) -> str:
    digits = "".join(filter(str.isdigit, path.stem))
    return digits or "60000"


def short(path: Path) -> str:
    """A path as messages name it: from the project's root."""
    return os.path.relpath(path, root())
