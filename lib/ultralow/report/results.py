"""Knows which files the stages leave in a results folder, and reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ultralow.exact import load
from ultralow.study import predictions as scores
from ultralow.errors import StudyError
from ultralow.files import read_json
from ultralow.exact.dense import FoldedNetwork

# What each source of contracts is, in words that a reader understands without the code.
SOURCES = {
    "generated": "jets generated with Pythia 8 and FastJet, not the published data set",
    "openml": "the published jets, from OpenML",
    "zenodo": "the published jets, from Zenodo",
    "file": "rows read from a file",
    "mnist": "MNIST",
    "digits28": "scikit-learn's 8×8 digits, enlarged: an easier task than MNIST",
}


@dataclass(frozen=True)
class Outcomes:
    """A results folder. A stage that was not run has None; the training stage must have run."""

    folder: Path

    @property
    def study(self) -> dict:
        return read_json(self.folder / "study.json")

    @property
    def networks(self) -> list[str]:
        """Names in the study's order."""
        return list(need(self.study, "networks", self.folder / "study.json"))

    def train(self, network: str) -> dict:
        return read_json(self.folder / network / "train.json")

    def convert(self, network: str) -> dict | None:
        return _optional(self.folder / network / "convert.json")

    def synthesis(self, network: str) -> dict | None:
        return _optional(self.folder / network / "synthesis.json")

    def folded(self, network: str) -> FoldedNetwork:
        return load.load(self.folder / network / "folded.npz")

    def scores(self, network: str) -> scores.Scores:
        """Outputs of every seed.

        Raises:
            StudyError: the file is missing or damaged.
        """
        return scores.read(self.folder / network / "scores.npz")


def hardware_run(train: dict) -> dict:
    """Of train.json the run whose network goes to hardware. With one seed there is no other."""
    runs = train["runs"]
    return next((run for run in runs if run["seed"] == train.get("hardware_seed")), runs[0])


def judged_by(train: dict) -> str:
    """What train.json's runs are judged by: accuracy, or r2 of a regression."""
    return "r2" if train.get("targets") else "accuracy"


def need(content: dict, key: str, path: Path) -> object:
    """``content[key]``.

    Raises:
        StudyError: the file at ``path`` lacks the key.
    """
    if key not in content:
        raise StudyError(f"{path} lacks {key!r}; delete it and run the stage that writes it again")
    return content[key]


def _optional(path: Path) -> dict | None:
    return read_json(path) if path.exists() else None
