"""Describe what training a network gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Trained:
    """A network after its training, and the model that it was before it became exact.

    Attributes:
        network: the exact network (:mod:`ultralow.exact`).
        before: logits (rows, outputs) of the model that was trained, for encoded inputs (rows, inputs).
        history: values by epoch.
        facts: what else the run keeps, by name.
        model: the Keras model, where it is kept beside the exact network.
    """

    network: object
    before: Callable[[np.ndarray], np.ndarray]
    history: dict[str, list[float]]
    facts: dict = field(default_factory=dict)
    model: "keras.Model | None" = None
