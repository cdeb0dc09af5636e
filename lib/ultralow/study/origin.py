"""Knows how a study file says where a dataset comes from: a source of the catalogue's, or files of somebody's own."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from ultralow.data.sources import DATASETS
from ultralow.errors import StudyError, unknown
from ultralow.study.strict import Named, Positive, Strict

_TABLE = ("features", "label", "target", "weights", "test", "tree")  # of datasets of one's own


class Data(Strict):
    """Where one dataset comes from. ``rows`` takes a balanced part, for tests.

    A dataset of one's own (any name but those of the catalogue) says what its columns are: ``features``, and ``label``
    (classification: names or whole numbers) or ``target`` (regression: a column or several). ``columns`` and
    ``classes`` are also for jets read from a file (:mod:`ultralow.data.tabular`).
    """

    source: str
    # Of one's own also a folder, or a pattern with * and ?: many files of one layout.
    path: Named | None = None
    rows: Positive | None = None
    features: Annotated[list[str], Field(min_length=1)] | None = None
    label: str | None = None
    # Order of the classes, as their labels stand in the file; without it sorted.
    classes: Annotated[list[str | int], Field(min_length=2)] | None = None
    target: str | Annotated[list[str], Field(min_length=1)] | None = None
    # Columns with each row's weight, and with 1 (or true) for rows of the test part.
    weights: str | None = None
    test: str | None = None
    # Of a ROOT file with several.
    tree: str | None = None
    columns: dict[str, str] = {}

    @property
    def targets(self) -> list[str]:
        return [self.target] if isinstance(self.target, str) else self.target or []

    def check(self, name: str) -> None:
        """That this says what the dataset ``name`` needs, and nothing else.

        Raises:
            StudyError: it does not.
        """
        self._check_known(name) if name in DATASETS else self._check_own(name)

    def _check_known(self, name: str) -> None:
        if self.source not in DATASETS[name]:
            raise unknown(f"source of data.{name}", self.source, DATASETS[name])
        if self.source == "file" and not self.path:
            raise StudyError(f"data.{name}: source 'file' needs a path")
        foreign = [key for key in _TABLE if getattr(self, key) is not None]
        if (name, self.source) != ("jets", "file"):
            foreign += [key for key in ("columns", "classes") if getattr(self, key)]
        if foreign:
            raise StudyError(f"data.{name}: {', '.join(foreign)} {'is' if len(foreign) == 1 else 'are'} not for this source: "
                             "its columns are known; a dataset of your own needs a name of its own")

    def _check_own(self, name: str) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9]*", name):
            raise StudyError(f"data.{name}: {unknown('dataset', name, DATASETS)}; one of your own has a name of small letters "
                             "and digits")
        if not (self.path and self.features and (self.label or self.target)):
            raise StudyError(f"{unknown('dataset', name, DATASETS)}; one of your own (data.{name}) needs source: file, path, "
                             "features, and label (classification) or target (regression)")
        if self.source != "file":
            raise unknown(f"source of data.{name}", self.source, ("file",))
        if self.label and self.target or self.classes and not self.label:
            raise StudyError(f"data.{name}: label and classes are for classification, target for regression; give one of the two")
        if self.columns:
            raise StudyError(f"data.{name}: columns is for jets; name the file's own columns in features")
        used = [*self.features, *self.targets, *filter(None, (self.label, self.weights, self.test))]
        if twice := sorted({column for column in used if used.count(column) > 1}):
            raise StudyError(f"data.{name}: column {', '.join(twice)} is named twice")
