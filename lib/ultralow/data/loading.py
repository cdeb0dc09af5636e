"""Knows which source gives which table."""

from __future__ import annotations

from pathlib import Path

from ultralow.data import jets, jetsums, mnist
from ultralow.networks.catalogue import DATASETS
from ultralow.errors import StudyError, unknown
from ultralow.files import root
from ultralow.data.table import Table

GENERATED = "data/jets.root"


def load_table(name: str, source: str, path: str | Path | None = None, cache: str | Path | None = None,
               **options) -> Table:
    """The whole table of a source.

    Args:
        name: "jets" or "mnist".
        source: jets: "generated" (``path``, default data/jets.root), "openml", "zenodo", "file"; digits: see
            :func:`ultralow.data.mnist.load`.
        cache: folder for downloads and conversions; default data/cache.
        options: of :func:`ultralow.data.published_jets.prepare`: ``columns`` (file), ``particles`` (zenodo).

    Raises:
        StudyError: unknown name or source, and every fault of the source.
    """
    if name == "mnist":
        return mnist.load(source, path, cache, **options)
    if name != "jets":
        raise unknown("dataset", name, DATASETS)
    if source not in DATASETS["jets"]:
        raise unknown("source of jets", source, DATASETS["jets"])
    if source != "generated":
        from ultralow.data import published_jets  # brings the download and every file format; the embedded data need neither

        return jets.read(published_jets.prepare(source, path, cache, **options), source)
    table = jets.read(path or GENERATED)
    # The sample in the repository has the published values; others may come from other libraries, and be as good.
    if Path(path or GENERATED).resolve() == (root() / GENERATED).resolve():
        try:
            jetsums.verify(path or GENERATED)
        except StudyError as error:
            raise StudyError(f"{error}, or take the sample of the repository again: git checkout {GENERATED}") from None
    if table.source != "generated":
        raise StudyError(f"{path or GENERATED} holds jets of source {table.source!r}, not 'generated'; "
                         "name that source, or use source 'file'")
    return table
