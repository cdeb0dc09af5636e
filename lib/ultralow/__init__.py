"""Ultra-low-precision neural networks on FPGAs: from training to gates, exact at every step.

The public names, each with its documentation (docs/python-api.md); a module is imported when one of its names is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ultralow.circuit.design import Design
    from ultralow.data.dataset import Dataset
    from ultralow.data.sources import load_dataset
    from ultralow.errors import StudyError
    from ultralow.exact.load import load_network
    from ultralow.importing.keras_model import fold
    from ultralow.networks.recipes import Recipe
    from ultralow.networks.spec import NetworkSpec
    from ultralow.synthesis.hls4ml import Emulation, emulate_hls4ml
    from ultralow.synthesis.implement import Implementation, implement, write_verilog
    from ultralow.training.fit import train

_MODULES = {
    "Dataset": "ultralow.data.dataset",
    "Design": "ultralow.circuit.design",
    "Emulation": "ultralow.synthesis.hls4ml",
    "Implementation": "ultralow.synthesis.implement",
    "NetworkSpec": "ultralow.networks.spec",
    "Recipe": "ultralow.networks.recipes",
    "StudyError": "ultralow.errors",
    "emulate_hls4ml": "ultralow.synthesis.hls4ml",
    "fold": "ultralow.importing.keras_model",
    "implement": "ultralow.synthesis.implement",
    "load_dataset": "ultralow.data.sources",
    "load_network": "ultralow.exact.load",
    "train": "ultralow.training.fit",
    "write_verilog": "ultralow.synthesis.implement",
}
__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        import difflib

        near = difflib.get_close_matches(name, _MODULES, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(_MODULES)}"
        raise AttributeError(f"module 'ultralow' has no name {name!r}; {hint}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
