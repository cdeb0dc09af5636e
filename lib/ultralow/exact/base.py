"""Knows what exact descriptions other than folded layers have in common: how features enter, how logits leave, and their file."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from ultralow import npz
from ultralow.errors import StudyError, brief
from ultralow.files import replacing
from ultralow.fixed_point import Fixed
from ultralow.exact.dense import encode

_MOST_WIDTH, _MOST_FRACTION = 2**24, 256


class Exact(ABC):
    """A network with name, input (a format), widths, output_fraction, classes, gain and move, as dataclass fields of its own.

    It is called on input codes (rows, inputs) and gives logit codes (rows, classes), int64. Equal when every number is equal. See
    :class:`ultralow.exact.description.Description` for what the rest of the study asks.
    """

    # What the file's header says it is, and messages call it; the field that tells in words what it is made of.
    kind: ClassVar[str]
    called: ClassVar[str]
    words: ClassVar[str]
    batch: ClassVar[int] = 65536  # rows at a time

    reference, multipliable, kernels = "trained network", False, ()

    @property
    def architecture(self) -> str:
        """Widths as ``16x20x5``."""
        return "x".join(map(str, self.widths))

    circuit_architecture = architecture

    @abstractmethod
    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Logit codes (rows, classes), int64, of input codes (rows, inputs); exact."""

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Inputs on the grid of the input format, float64, of features as the dataset scales them; (rows, inputs) both."""
        return encode(x, self.input, self.gain, self.move)

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Real logits (rows, classes), float64, of encoded inputs (rows, inputs), rounded to the input format at least."""
        parts = [self(self.input.codes(x[start:start + self.batch])) for start in range(0, len(x), self.batch)]
        return np.concatenate(parts) * 2.0**-self.output_fraction

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._tokens == other._tokens

    def __hash__(self) -> int:
        return hash(self._tokens)

    @cached_property
    def _tokens(self) -> tuple:
        arrays = self._arrays()
        return tuple((name, arrays[name].tobytes()) for name in sorted(arrays))

    def _arrays(self) -> dict[str, np.ndarray]:
        """The file's arrays, by name."""
        header, arrays = self._content()
        header |= {"kind": self.kind, "name": self.name, "input": str(self.input), "classes": list(self.classes),
                   "widths": list(self.widths), self.words: getattr(self, self.words), "output_fraction": self.output_fraction}
        reals = {name: np.asarray(value, np.float64) for name in ("gain", "move") if (value := getattr(self, name)) is not None}
        return {"header": as_bytes(json.dumps(header, sort_keys=True)), **arrays, **reals}

    @abstractmethod
    def _content(self) -> tuple[dict, dict[str, np.ndarray]]:
        """Of the kind's own: what the header says, and the arrays. :meth:`_parse` reads them."""

    @classmethod
    @abstractmethod
    def _parse(cls, header: dict, arrays: dict[str, np.ndarray]) -> dict:
        """The kind's own fields.

        Raises:
            ValueError, KeyError, TypeError: they are not what :meth:`_content` gives.
        """

    def save(self, path: str | Path) -> None:
        """Writes one .npz: arrays and a JSON header. Equal networks give equal bytes."""
        with replacing(path) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **self._arrays())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The network in a file that :meth:`save` wrote.

        Raises:
            StudyError: the file is missing or damaged, or holds no such network.
        """
        try:
            return cls.of_arrays(npz.read(path))
        except StudyError:
            raise
        except Exception as error:  # values of any type stand where others are expected
            raise StudyError(f"{path} is not a {cls.called} ({brief(error)}); delete it and make it again") from error

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """The network of a file's arrays, of which nothing is taken for granted.

        Raises:
            StudyError, ValueError, KeyError, TypeError: they are not what :meth:`save` writes.
        """
        header = json.loads(arrays["header"].tobytes())
        widths, fraction = header["widths"], header["output_fraction"]
        if (not all(type(n) is int and 0 < n < _MOST_WIDTH for n in widths) or type(fraction) is not int
                or abs(fraction) > _MOST_FRACTION):
            raise ValueError(f"widths {widths} and {fraction} bits after the point of the outputs are none that can be")
        if not all(isinstance(text, str) for text in (header["name"], header[cls.words], *header["classes"])):
            raise TypeError(f"name, {cls.words} and classes are texts")
        reals = {name: arrays[name] for name in ("gain", "move") if name in arrays}
        for name, array in reals.items():
            if array.shape != (widths[0],) or array.dtype != np.float64 or not np.isfinite(array).all():
                raise ValueError(f"{name} is not one number for each of {widths[0]} inputs")
        return cls(name=header["name"], input=Fixed.parse(header["input"]), widths=tuple(widths), output_fraction=fraction,
                   classes=tuple(header["classes"]), **{cls.words: header[cls.words]}, **cls._parse(header, arrays), **reals)


def as_bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)
