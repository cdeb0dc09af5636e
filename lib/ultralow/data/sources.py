"""Load a dataset by its name and source: which sources there are, what each is in words, and their tables."""

from __future__ import annotations

from pathlib import Path

from ultralow.data.dataset import Dataset, Table, split_and_scale
from ultralow.errors import StudyError, unknown
from ultralow.files import shipped

# The study's own datasets and where they may come from; a study file may name others (:mod:`ultralow.data.tabular`).
DATASETS = {
    "jets": ("generated", "openml", "zenodo", "file"),
    "mnist": ("mnist", "file", "digits28"),
}
# What each source is, in words that a reader understands without the code.
IN_WORDS = {
    "generated": "generated with Pythia 8 and FastJet, not the published data set",
    "openml": "the published jets, from OpenML",
    "zenodo": "the published jets, from Zenodo",
    "file": "read from a file",
    "mnist": "MNIST",
    "digits28": "scikit-learn's 8×8 digits, enlarged: an easier task than MNIST",
}
GENERATED = "data/jets.root"


def load_dataset(name: str = "jets", source: str | None = None, path: str | Path | None = None, rows: int | None = None,
                 **options) -> Dataset:
    """A dataset of the study, split by its seed and scaled (:func:`ultralow.data.dataset.split_and_scale`).

    Args:
        name, source, path, options: of :func:`load_table`; the source defaults to what the repository brings: "generated" jets, a
            sample of 60,000, and "digits28" for "mnist".
        rows: at most so many rows in all.

    Raises:
        StudyError: every fault of the source; too few rows.
    """
    if name not in DATASETS:
        raise unknown("dataset", name, DATASETS)
    table = load_table(name, source or {"jets": "generated", "mnist": "digits28"}[name], path, **options)
    return split_and_scale(table, rows=rows)


def load_table(name: str, source: str, path: str | Path | None = None, cache: str | Path | None = None,
               **options) -> Table:
    """The whole table of a source.

    Args:
        name: "jets" or "mnist".
        source: jets: "generated" (``path``, default the sample in
            data/jets.root), "openml", "zenodo", "file"; digits: see
            :func:`ultralow.data.mnist.load`.
        cache: folder for downloads and conversions; default data/cache.
        options: of :func:`ultralow.data.published_jets.prepare`: ``columns`` and ``classes`` (file),
            ``particles`` (zenodo), ``connection`` (openml, zenodo).

    Raises:
        StudyError: unknown name or source, and every fault of the source.
    """
    # ROOT and the file formats take seconds to import, and who asks for names needs none of them.
    if name == "mnist":
        from ultralow.data import mnist

        return mnist.load(source, path, cache, **options)
    if name != "jets":
        raise unknown("dataset", name, DATASETS)
    if source not in DATASETS["jets"]:
        raise unknown("source of jets", source, DATASETS["jets"])
    from ultralow.data import jets

    if source != "generated":
        from ultralow.data import published_jets  # brings the download and every file format; the embedded data need neither

        return jets.read(published_jets.prepare(source, path, cache, **options), source)
    path = Path(path) if path else shipped("jets.root")
    table = jets.read(path)
    # The sample in the repository has the published values; others may come from other libraries, and be as good.
    if path.resolve() == shipped("jets.root").resolve():
        try:
            jets.verify(path)
        except StudyError as error:
            raise StudyError(f"{error}, or take the sample of the repository again: git checkout {GENERATED}") from None
    if table.source != "generated":
        raise StudyError(f"{path} holds jets of source {table.source!r}, not 'generated'; name that source, or use source 'file'")
    return table
