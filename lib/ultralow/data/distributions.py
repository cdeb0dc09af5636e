"""Summarise a dataset's training part for a figure: histograms of its features by class, or the mean image of each class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ultralow.data.dataset import Dataset

# Of the histograms, in standard deviations of the scaled features.
EDGES = np.linspace(-4, 4, 41)


@dataclass(frozen=True)
class Distributions:
    """What a figure shows of a dataset's training part.

    Attributes:
        features: names.
        groups: the classes; of a regression all rows are one.
        densities: (groups, features, bins) share of the group's rows for each unit of a scaled feature, in bins between EDGES;
            the outermost hold everything beyond. None of images.
        images: (groups, pixels) mean image of each class; None of other data.
    """

    features: tuple[str, ...]
    groups: tuple[str, ...]
    densities: np.ndarray | None = None
    images: np.ndarray | None = None

    @classmethod
    def from_values(cls, values: Mapping[str, object]) -> Distributions:
        """Those of :meth:`values`."""
        arrays = {name: np.asarray(values[name]) for name in ("densities", "images") if values.get(name) is not None}
        return cls(tuple(values["features"]), tuple(values["groups"]), **arrays)

    def values(self) -> dict[str, object]:
        """The attributes as a JSON file takes them, numbers to three digits after the point."""
        return {"features": self.features, "groups": self.groups,
                **{name: np.round(array, 3).tolist() for name in ("densities", "images")
                   if (array := getattr(self, name)) is not None}}


def distributions(data: Dataset) -> Distributions:
    """Of the training part; of the digits the images."""
    rows = {name: data.y_train == label for label, name in enumerate(data.classes)} or {"all rows": slice(None)}
    if data.name == "mnist":
        images = np.stack([data.x_train[chosen].mean(axis=0) for chosen in rows.values()])
        return Distributions(data.features, tuple(rows), images=images)
    clipped = np.clip(data.x_train, EDGES[0], EDGES[-1])
    densities = np.array([[np.histogram(clipped[chosen, index], EDGES, density=True)[0] for index in range(len(data.features))]
                          for chosen in rows.values()])
    return Distributions(data.features, tuple(rows), densities)
