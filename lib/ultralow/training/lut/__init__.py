"""Train networks of tables and circuits, each by the module that its method names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from ultralow.errors import Log
    from ultralow.data.dataset import Dataset
    from ultralow.networks.methods import FrontNetwork
    from ultralow.training.trained import Trained


def train(entry: FrontNetwork, data: Dataset, seed: int, epochs: int, log: Log,
          targets: np.ndarray | None = None) -> Trained:
    """What training an entry by its method gives. ``targets``: probabilities (training rows, classes) in place of the labels,
    for methods that learn from a teacher."""
    method = import_module(f"{__name__}.{entry.method.trainer}")
    return method.train(entry, data, seed, epochs, log, **({} if targets is None else {"targets": targets}))
