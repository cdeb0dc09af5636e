"""Read what the steps leave in a results folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ultralow.data.distributions import Distributions
from ultralow.errors import StudyError
from ultralow.exact.load import load_network
from ultralow.files import read_json
from ultralow.metrics import Band, EstimateHistogram


@dataclass(frozen=True)
class Results:
    """A results folder. The training step must have run; a step that was not run has None."""

    folder: Path

    @property
    def study(self) -> dict:
        """study.json."""
        return read_json(self.folder / "study.json")

    @property
    def networks(self) -> list[str]:
        """Names in the study's order."""
        return list(need(self.study, "networks", self.folder / "study.json"))

    def path(self, network: str) -> Path:
        """The network's folder: of this study, or of the study whose results it shares."""
        shared = self._shared(network)
        return self.folder.parent / shared["study"] / network if shared else self.folder / network

    def train(self, network: str) -> dict:
        """train.json of a network."""
        return read_json(self.path(network) / "train.json")

    def convert(self, network: str) -> dict | None:
        """convert.json of a network, where this study asks for it."""
        return _optional(self.path(network) / "convert.json") if self._shared(network).get("conversion", True) else None

    def synthesis(self, network: str) -> dict | None:
        """synthesis.json of a network, where this study asks for it."""
        return _optional(self.path(network) / "synthesis.json") if self._shared(network).get("synthesis", True) else None

    def exact(self, network: str):
        """The exact network that goes to hardware."""
        return load_network(self.path(network) / "folded.npz")

    def roc_bands(self, network: str) -> dict[str, Band]:
        """ROC bands over the network's seeds, by class; none of a regression.

        Raises:
            StudyError: train.json is older than these values.
        """
        train = self.train(network)
        if train.get("targets"):
            return {}
        curves = need(train, "roc", self.path(network) / "train.json")
        return {name: Band.from_values(curves[name], [run["auc"][name] for run in train["runs"]])
                for name in train["classes"] if name in curves}

    def distributions(self, dataset: str) -> Distributions | None:
        """What a figure shows of a dataset, from this study's data or from that of a study with the same rows whose results it
        shares; None of results that are older than this file."""
        for folder in (self.folder, *sorted(self.folder.parent / one["study"] for one in self.study.get("shared", {}).values())):
            values = _optional(folder / "data" / f"{dataset}-distributions.json")
            if values and self._checksums(folder, dataset) == self._checksums(self.folder, dataset):
                return Distributions.from_values(values)
        return None

    def estimates(self, network: str) -> dict[str, EstimateHistogram]:
        """Estimates against the truth, by target of a regression."""
        values = need(self.train(network), "estimates", self.path(network) / "train.json")
        return {name: EstimateHistogram.from_values(one) for name, one in values.items()}

    def importance(self, networks: list[str] | None = None) -> pd.DataFrame:
        """What each feature is worth to each network, as far as it was measured; see
        :func:`ultralow.study.predictions.permutation_importance`.

        Returns:
            network, feature, accuracy_drop, accuracy_drop_std (shares).
        """
        rows = [(network, one["feature"], one["drop"], one["deviation"])
                for network in (self.networks if networks is None else networks)
                for one in self.train(network).get("importance", [])]
        return pd.DataFrame(rows, columns=["network", "feature", "accuracy_drop", "accuracy_drop_std"])

    @staticmethod
    def _checksums(folder: Path, dataset: str) -> dict | None:
        return (_optional(folder / "data" / f"{dataset}.json") or {}).get("sha256")

    def _shared(self, network: str) -> dict:
        return self.study.get("shared", {}).get(network, {})


def hardware_run(train: dict) -> dict:
    """Of train.json the run whose network goes to hardware. With one seed there is no other."""
    runs = train["runs"]
    return next((run for run in runs if run["seed"] == train.get("hardware_seed")), runs[0])


def notes(train: dict) -> list[str]:
    """Sentences about a model that was trained elsewhere: saturated weights, a loss by rounding, outputs that fit better in
    another order or unit; none of other networks."""
    return hardware_run(train).get("notes", [])


def judged_by(train: dict) -> str:
    """What train.json's runs are judged by: accuracy, or r2 of a regression."""
    return "r2" if train.get("targets") else "accuracy"


def need(content: dict, key: str, path: Path) -> object:
    """``content[key]``.

    Raises:
        StudyError: the file at ``path`` lacks the key.
    """
    if key not in content:
        raise StudyError(f"{path} lacks {key!r}; delete it and run the step that writes it again")
    return content[key]


def _optional(path: Path) -> dict | None:
    return read_json(path) if path.exists() else None
