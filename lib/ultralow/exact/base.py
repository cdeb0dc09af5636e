"""Define what every exact description of a network offers: integers in, integers out, a file, and its facts in words."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from ultralow import metrics
from ultralow.errors import StudyError
from ultralow.files import replacing
from ultralow.fixed_point import Fixed

MOST_FRACTION = 256  # fraction bits: formats have up to 48, and a power of two of billions fills the memory
_MOST_WIDTH = 2**24
_ENCODING = ("gain", "move")


class ExactNetwork(ABC):
    """A network of integers. Subclasses are frozen dataclasses with these fields, beside their own:

    - ``name``; ``input``, the format of the input codes; ``classes``, names of the outputs.
    - ``gain`` and ``move`` (inputs,) float64, or None: they stand before the input format, x·gain + move, for features as the
      dataset scales them. They belong to whatever computes the features, like the dataset's own mean and deviation.

    Calling a network maps input codes (rows, inputs) to logit codes (rows, outputs), int64, exactly. One unit of a logit code is
    2^−output_fraction. Two networks are equal when all their numbers are; the name does not count.

    How a circuit comes of each kind is :func:`ultralow.circuit.tracing.trace`'s affair.
    """

    # The header of the file names this kind; error messages use the noun.
    kind: ClassVar[str]
    noun: ClassVar[str]
    batch_rows: ClassVar[int] = 65536  # rows computed at a time
    # Why hls4ml cannot emulate it, as the end of a sentence ("hls4ml knows no tables"); None: it can.
    no_hls: str | None = None
    # What its logits are equal to, in words.
    reference: str = "trained network"
    # Whether a circuit with a multiplier for each weight can stand beside it.
    multipliable: bool = False
    # Integer weights (n_in, n_out) of each layer, for statistics; none where there are no such matrices.
    kernels: tuple[np.ndarray, ...] = ()
    # What it is made of, in words: "ternary weights".
    made_of: str
    output_fraction: int
    widths: tuple[int, ...]

    @property
    def architecture(self) -> str:
        """Widths as ``16x64x32x32x5``."""
        return "x".join(map(str, self.widths))

    @property
    def circuit_architecture(self) -> str:
        """Widths of what becomes a circuit."""
        return self.architecture

    @abstractmethod
    def readers(self) -> np.ndarray:
        """Share (inputs,) of what reads each input in the circuit; 0 where nothing does."""

    @abstractmethod
    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Logit codes (rows, outputs), int64, of input codes (rows, inputs); exact."""

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Inputs on the grid of the input format, float64, of features as the dataset scales them; (rows, inputs) both."""
        return encode(x, self.input, self.gain, self.move)

    def codes(self, x: np.ndarray) -> np.ndarray:
        """Input codes (rows, inputs), int64, of features (rows, inputs) as the dataset scales them."""
        return self.input.codes(self.encode(x))

    def logits(self, encoded: np.ndarray) -> np.ndarray:
        """Real logits (rows, outputs), float64, of encoded inputs (rows, inputs); those between two codes are rounded down."""
        parts = [self(self.input.codes(encoded[start:start + self.batch_rows]))
                 for start in range(0, len(encoded), self.batch_rows)]
        return np.concatenate(parts) * 2.0**-self.output_fraction

    def predict(self, x: np.ndarray) -> np.ndarray:
        """What the network says of features (rows, inputs) as the dataset scales them.

        Returns:
            (rows,) int64: the index into ``classes`` of the largest logit; the first of equal ones, as in hardware. A single
            logit means the second of two classes where it is above 0. Without classes, as in a regression: the outputs
            (rows, outputs), float64.
        """
        logits = self.logits(self.encode(x))
        return np.argmax(metrics.both(logits), axis=1) if self.classes else logits

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._tokens == other._tokens

    def __hash__(self) -> int:
        return hash(self._tokens)

    @cached_property
    def _tokens(self) -> tuple:
        header, arrays = self._everything()
        text = json.dumps(header | {"name": None}, sort_keys=True)
        return text, *((name, arrays[name].shape, arrays[name].tobytes()) for name in sorted(arrays))

    def save(self, path: str | Path) -> None:
        """Write one .npz: a JSON header, and integers in the smallest type that holds them. Equal networks of one name give equal
        bytes; :func:`ultralow.exact.load.load_network` reads it."""
        with replacing(path) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **self.arrays())

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of the file, by name."""
        header, arrays = self._everything()
        return {"header": as_bytes(json.dumps(header, sort_keys=True))} | {
            name: _narrow(array) if array.dtype == np.int64 else array for name, array in arrays.items()}

    def _everything(self) -> tuple[dict, dict[str, np.ndarray]]:
        header, arrays = self._content()
        reals = {name: np.asarray(value, np.float64) for name in _ENCODING if (value := getattr(self, name)) is not None}
        common = {"kind": self.kind, "name": self.name, "input": str(self.input), "classes": list(self.classes)}
        return common | header, arrays | reals

    @abstractmethod
    def _content(self) -> tuple[dict, dict[str, np.ndarray]]:
        """The rest of the header, and the arrays of the kind: int64, or uint8 for texts. :meth:`_parse` reads both."""

    @classmethod
    def of_arrays(cls, header: dict, arrays: dict[str, np.ndarray]) -> Self:
        """The network of a file's header and arrays, which may be damaged or hostile.

        Raises:
            StudyError, ValueError, KeyError, TypeError: they are not what :meth:`save` writes.
        """
        if not all(isinstance(text, str) for text in (header["name"], *header["classes"])):
            raise TypeError("name and classes are texts")
        form = Fixed.parse(header["input"])
        if abs(form.fraction) > MOST_FRACTION:
            raise ValueError(f"the input format has more than {MOST_FRACTION} bits after the point")
        reals = {name: arrays[name] for name in _ENCODING if name in arrays}
        rest = {name: array.astype(np.int64) if array.dtype.kind == "i" else array
                for name, array in arrays.items() if name not in reals}
        for array in (*rest.values(), *reals.values()):
            array.setflags(write=False)  # networks are shared (:mod:`ultralow.exact.load`)
        network = cls(name=header["name"], input=form, classes=tuple(header["classes"]), **cls._parse(header, rest), **reals)
        for name, array in reals.items():
            if array.shape != (network.widths[0],) or array.dtype != np.float64 or not np.isfinite(array).all():
                raise ValueError(f"{name} is not one number for each of {network.widths[0]} inputs")
        return network

    @classmethod
    @abstractmethod
    def _parse(cls, header: dict, arrays: dict[str, np.ndarray]) -> dict:
        """The fields of the kind's own, by name; integer arrays come as int64.

        Raises:
            StudyError, ValueError, KeyError, TypeError: they are not what :meth:`_content` gives.
        """


def checked_widths(header: dict) -> dict:
    """``widths`` and ``output_fraction`` of a header, as fields.

    Raises:
        ValueError, KeyError, TypeError: they are none that can be.
    """
    widths, fraction = header["widths"], header["output_fraction"]
    if (not all(type(n) is int and 0 < n < _MOST_WIDTH for n in widths) or type(fraction) is not int
            or abs(fraction) > MOST_FRACTION):
        raise ValueError(f"widths {widths} and {fraction} bits after the point of the outputs are none that can be")
    return {"widths": tuple(widths), "output_fraction": fraction}


def encode(x: np.ndarray, form: Fixed, gain: np.ndarray | None = None, move: np.ndarray | None = None) -> np.ndarray:
    """x·gain + move, rounded down to the format; (rows, inputs), float64."""
    gain, move = (1.0 if gain is None else gain), (0.0 if move is None else move)
    return form.quantise(np.asarray(x, np.float64) * gain + move)


def exact_rows(outputs: np.ndarray, reference: np.ndarray) -> int:
    """How many rows (rows, outputs) are equal in every value."""
    return int((outputs == reference).all(axis=1).sum())


def require_hls(network: ExactNetwork) -> None:
    """That hls4ml can emulate the network.

    Raises:
        StudyError: it cannot; it says why, and what to do.
    """
    if reason := network.no_hls:
        raise StudyError(f"network {network.name} has no conversion by hls4ml: {reason}; give it hls: false in the study file, "
                         "or leave hls out. 4-synthesis compares its circuit and Verilog, row by row, all the same")


def as_bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


def _narrow(array: np.ndarray) -> np.ndarray:
    """The same integers in the smallest signed type that holds them."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    return array.astype(np.result_type(np.min_scalar_type(min(low, -1)), np.min_scalar_type(min(-high - 1, -1))))
