"""Knows what a data set is before it is split: rows, columns, classes, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Table:
    """All rows of one data set, unscaled.

    Attributes:
        name: "jets", "mnist" (the task; digits28 has the task of MNIST, never its source) or one of the user's own.
        source: where the rows come from; every result of the study carries it.
        features: column names of ``x``.
        classes: class names; ``y`` is an index into them. None of a regression.
        x: (rows, features); float32 in physical units, uint8 in 0 ... 255 for digits.
        y: (rows,) int64; of a regression (rows, targets) float64.
        test: (rows,) bool, the official test part; None where the source has none.
        provenance: settings, versions and checksums of the source, plain JSON values.
        targets: names of what a regression estimates.
        weights: (rows,) float64, how much each row counts; None: all alike.
    """

    name: str
    source: str
    features: tuple[str, ...]
    classes: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    test: np.ndarray | None = None
    provenance: dict = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    weights: np.ndarray | None = None
