"""Fetch the published jets from OpenML, Zenodo or a file, and convert each source once to the study's ROOT layout.

Why not scikit-learn's fetch_openml: it holds the whole table in memory, keeps no cut download, and reads the class as a column
without checking names against the study's.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ultralow.data import download, jets, readers
from ultralow.data.download import Connection
from ultralow.data.tabular import jets_by_name
from ultralow.errors import StudyError, unknown
from ultralow.files import canonical_json, sha256

# Each answers with a JSON that names the files and their MD5 sums. The addresses are those of the services'
# public APIs; the development machine could not reach them, so they are tested against a local server only.
OPENML = "https://www.openml.org/api/v1/json/data/42468"
ZENODO = {
    "100p": "https://zenodo.org/api/records/3602254",
    "150p": "https://zenodo.org/api/records/3602260",
}
SOURCES = ("file", "openml", "zenodo")
CACHE = "data/cache"


def prepare(source: str, path: str | Path | None = None, cache: str | Path | None = None, *,
            columns: Mapping[str, str] | None = None, classes: Sequence[str] | None = None,
            particles: str = "100p", connection: Connection = Connection()) -> Path:
    """The ROOT file with the jets of ``source``; made on the first call, in ``cache``.

    Args:
        source: "openml" (about 830,000 jets), "zenodo" (the same jets with their particles: gigabytes) or
            "file" (``path``, any type of :mod:`ultralow.data.readers`).
        columns, classes: of :func:`ultralow.data.jets_by_name`, for "file" only.
        particles: "100p" or "150p", for "zenodo" only: the record with up to 100 or 150 particles per jet.
        connection: how the server is asked, and at which address, for "openml" and "zenodo".

    Raises:
        StudyError: any fault of the network, the file or the arguments; nothing half-written stays but
            ``*.download``, from which the next call goes on.
    """
    cache = Path(cache or CACHE)
    if source not in SOURCES:
        raise unknown("source of jets", source, SOURCES)
    if source == "file":
        return _file(path, cache, columns, classes)
    if path is not None or columns or classes:
        raise StudyError(f"source {source!r} of jets takes no path, columns or classes; use source 'file' for {path}")
    if source == "openml":
        return _openml(cache, connection)
    if particles not in ZENODO:
        raise unknown("particles of zenodo", particles, ZENODO)
    return _zenodo(cache, particles, connection)


def _file(path: str | Path | None, cache: Path, columns: Mapping[str, str] | None,
          classes: Sequence[str] | None) -> Path:
    if path is None:
        raise StudyError("source 'file' of jets needs a path")
    path = Path(path)
    if not path.is_file():
        raise StudyError(f"{path} is missing; give the path of a file with jets")
    if readers.suffix(path) == ".root" and not columns and not classes:
        return path  # the study's own layout; jets.read says what is missing otherwise
    origin = {"source": "file", "file": path.name, "sha256": sha256(path), "columns": dict(columns or {}),
              "class_order": list(classes or [])}
    # Content and map make the name, so that neither a changed file nor a changed map meets an old conversion.
    target = cache / f"jets-file-{hashlib.sha256(canonical_json(origin).encode()).hexdigest()[:16]}.root"
    if not target.exists():
        jets.write_batches(target, jets_by_name(readers.batches(path), path, columns, classes), origin)
    return target


def _openml(cache: Path, connection: Connection) -> Path:
    url = connection.address or OPENML
    target = cache / "jets-openml.root"
    if not target.exists():
        with _described(url):
            description = download.json(url, connection)["data_set_description"]
            address, md5 = description["url"], description["md5_checksum"]
        path = download.fetch(address, cache / "openml-42468.arff", f"md5:{md5}", connection)
        jets.write_batches(target, jets_by_name(readers.batches(path), path),
                           {"source": "openml", "url": address, "md5": {path.name: md5}})
    return target


def _zenodo(cache: Path, particles: str, connection: Connection) -> Path:
    url = connection.address or ZENODO[particles]
    target = cache / f"jets-zenodo-{particles}.root"
    if not target.exists():
        with _described(url):
            files = {file["key"]: (file["links"]["self"], file["checksum"])
                     for file in download.json(url, connection)["files"]}
        names = [_one(files, f"*{particles}_{part}.tar.gz", url) for part in ("train", "val")]
        paths = [download.fetch(files[name][0], cache / name, files[name][1], connection) for name in names]
        jets.write_batches(target, _parts(paths), {
            "source": "zenodo", "url": url, "md5": {name: files[name][1].removeprefix("md5:") for name in names},
            "published_part": "0 train, 1 val; the study draws its own test part from both"})
    return target


def _parts(paths: Sequence[Path]) -> Iterator[readers.Batch]:
    """Both tarballs as one table; the branch published_part keeps which jet came in which."""
    for part, path in enumerate(paths):
        for batch in jets_by_name(readers.batches(path), path):
            yield {**batch, "published_part": np.full(len(batch["label"]), part, np.int8)}


def _one(files: Mapping[str, object], pattern: str, url: str) -> str:
    matches = fnmatch.filter(files, pattern)
    if len(matches) != 1:
        raise StudyError(f"{url} should list one file {pattern}, it lists {', '.join(files) or 'none'}; fetch the "
                         "tarballs by hand and give each as source 'file'")
    return matches[0]


@contextmanager
def _described(url: str) -> Iterator[None]:
    """Turns a key that an API's answer lacks into a fault that says so."""
    try:
        yield
    except (KeyError, TypeError) as error:
        raise StudyError(f"{url} answered without {error}; its layout may have changed: fetch the data by "
                         "hand and give them as source 'file'") from error
