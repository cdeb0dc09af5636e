"""Knows what a data set is before it is split: rows, columns, classes, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Table:
    """All rows of one data set, unscaled.

    Attributes:
        name: "jets" or "mnist" (the task; digits28 has the task of MNIST, never its source).
        source: where the rows come from; every result of the study carries it.
        features: column names of ``x``.
        classes: class names; ``y`` is an index into them.
        x: (rows, features); float32 in physical units for jets, uint8 in 0 ... 255 for digits.
        y: (rows,) int64.
        test: (rows,) bool, the official test part; None where the source has none.
        provenance: settings, versions and checksums of the source, plain JSON values.
    """

    name: str
    source: str
    features: tuple[str, ...]
    classes: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    test: np.ndarray | None = None
    provenance: dict = field(default_factory=dict)
