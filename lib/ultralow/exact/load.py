"""Knows how a file that says it holds a network is taken in: looked through first, and read as the kind that it says."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ultralow import npz
from ultralow.errors import StudyError, brief
from ultralow.fixed_point import Fixed
from ultralow.exact.dense import FoldedNetwork

if TYPE_CHECKING:
    from ultralow.exact.circuit import CircuitNetwork

# By "kind" in the header, the class that reads the others (:mod:`ultralow.exact.description`): it has ``of_arrays``, which takes for
# granted nothing of a file's arrays. Folded networks have none: their files are older than the kinds.
KINDS = {"circuit": ("ultralow.exact.circuit", "CircuitNetwork"), "tables": ("ultralow.exact.lut", "TableNetwork")}
FRACTION = 256  # bits after the point, at most: formats have up to 48, and a power of two of billions fills the memory
_VECTORS, _REALS = ("high", "low", "scale", "offset"), ("gain", "move")
_FRACTIONS = ("kernel_fraction", "scale_fraction", "offset_fraction")


def load(path: str | Path) -> FoldedNetwork | CircuitNetwork:
    """The network in a file that its ``save`` wrote, of the kind that its header says.

    Raises:
        StudyError: the file is missing or damaged, or what it holds is no such network; it says what to do.
    """
    path = Path(path)
    if not path.exists():
        raise StudyError(f"{path} is missing; {_remedy(path)}")
    try:
        arrays = npz.read(path)
        kind = json.loads(arrays["header"].tobytes()).get("kind")
        if kind is not None:
            if kind not in KINDS:
                raise ValueError(f"its kind {kind!r} is none of {', '.join(KINDS)}")
            module, name = KINDS[kind]
            return getattr(importlib.import_module(module), name).of_arrays(arrays)
        _check(arrays)
        return FoldedNetwork.load(path)
    except StudyError as error:
        raise StudyError(f"{error}; {_remedy(path)}" if str(path) in str(error) else
                         f"{path} is not a folded network ({error}); {_remedy(path)}") from None
    except Exception as error:  # values of any type stand where others are expected
        raise StudyError(f"{path} is not a folded network ({brief(error)}); {_remedy(path)}") from error


def _check(arrays: dict[str, np.ndarray]) -> None:
    """What the constructors take for granted.

    Raises:
        ValueError, KeyError, TypeError: it is otherwise.
    """
    header = json.loads(arrays["header"].tobytes())
    inputs = arrays["kernel0"].shape[0]
    formats = [header["input"]]
    for position, layer in enumerate(header["layers"]):
        if any(abs(int(layer[name])) > FRACTION for name in _FRACTIONS):
            raise ValueError(f"layer {position} has more than {FRACTION} bits after the point")
        formats += [layer["format"]] if layer["format"] else []
        _expect(arrays, f"kernel{position}", 2, np.int64)
        for name in _VECTORS:
            _expect(arrays, f"{name}{position}", 1, np.int64)
    for name in _REALS:
        _expect(arrays, name, 1, np.float64)
        if name in arrays and (arrays[name].shape != (inputs,) or not np.isfinite(arrays[name]).all()):
            raise ValueError(f"{name} is not one number for each of {inputs} inputs")
    if any(abs(Fixed.parse(text).fraction) > FRACTION for text in formats):
        raise ValueError(f"a number format has more than {FRACTION} bits after the point")
    if not all(isinstance(text, str) for text in (header["name"], *header["classes"])):
        raise TypeError("name and classes are texts")


def _expect(arrays: dict[str, np.ndarray], name: str, dimensions: int, kind: type) -> None:
    if name in arrays and (arrays[name].ndim, arrays[name].dtype) != (dimensions, np.dtype(kind)):
        raise ValueError(f"{name} is {arrays[name].dtype} {arrays[name].shape}")


def _remedy(path: Path) -> str:
    # A seed's folder is whole or not there: without one of its files it would be kept as it is.
    if path.parent.name.startswith("seed-"):
        return (f"delete the folder {path.parent} and {path.parent.parent / 'folded.npz'}, and run the training stage again "
                "(`make study`)")
    return "delete it, if it is there, and run the training stage again (`make study`)"
