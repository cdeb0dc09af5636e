"""Knows the network whose exact description is a circuit: no layers, but operations on integers, one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ultralow import circuitfile, npz
from ultralow.errors import StudyError, brief
from ultralow.files import replacing
from ultralow.fixed import Fixed
from ultralow.folded import encode
from ultralow.gates import interpret

if TYPE_CHECKING:
    from alkaid.types import CombLogic

KIND = "circuit"  # what the header of its file says


@dataclass(frozen=True, eq=False)
class CircuitNetwork:
    """An input format and a circuit (alkaid's CombLogic) from input codes to logit codes; callable on codes.

    ``widths`` counts the inputs, what each layer gave before it became operations, and the outputs; ``made_of`` says in
    words what that was. One unit of a logit's code is 2^−output_fraction. ``gain`` and ``move`` (inputs,) stand before the
    input format as in :class:`ultralow.folded.FoldedNetwork`. Equal when every number and every operation is equal.

    Raises:
        StudyError: circuit, widths and input format do not fit each other, or a value takes more than 53 bits.
    """

    name: str
    input: Fixed
    comb: CombLogic
    widths: tuple[int, ...]
    made_of: str
    output_fraction: int
    classes: tuple[str, ...] = ()
    gain: np.ndarray | None = None
    move: np.ndarray | None = None

    reference, multipliable, kernels = "trained network", False, ()

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or tuple(self.comb.shape) != (self.widths[0], self.widths[-1]):
            raise StudyError(f"{self.name}: a circuit of {self.comb.shape[0]} inputs and {self.comb.shape[1]} outputs is not "
                             f"{self.architecture}")
        try:
            circuitfile.check(self.comb, (self.input.low_code, self.input.high_code))
        except ValueError as error:
            raise StudyError(f"{self.name}: {error}") from None

    @property
    def architecture(self) -> str:
        """Widths as ``16x20x5``."""
        return "x".join(map(str, self.widths))

    circuit_architecture = architecture

    @property
    def held(self) -> str:
        return self.made_of

    @property
    def no_hls(self) -> str:
        return f"it is a circuit of {self.made_of}, and hls4ml starts from layers whose weights this study folds"

    def readers(self) -> np.ndarray:
        """1 where the circuit reads an input (inputs,), else 0."""
        used, found = self.comb.ref_count, np.zeros(self.widths[0])
        for index, op in enumerate(self.comb.ops):
            if op.opcode == -1 and used[index]:
                found[op.data[0]] = 1
        return found

    def trace(self, *, delay_constraint: int = 2, chunk: int | None = None, multipliers: bool = False,
              log: Callable[[str], None] | None = None) -> CombLogic:
        """The circuit as it is: how it shares adders was decided when it was made.

        Raises:
            StudyError: another one is asked for.
        """
        if delay_constraint != 2 or multipliers:
            raise StudyError(f"{self.name} is a circuit already: no other delay_constraint, and no multipliers, can be given to "
                             "it; leave them out, and out of `area` the network")
        return self.comb

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Inputs on the grid of the input format, float64, of features as the dataset scales them; (rows, inputs) both."""
        return encode(x, self.input, self.gain, self.move)

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Logit codes (rows, classes), int64, of input codes (rows, inputs); exact."""
        return interpret(self.comb, codes) if len(codes) else np.zeros((0, self.widths[-1]), np.int64)

    def logits(self, x: np.ndarray, batch: int = 65536) -> np.ndarray:
        """Real logits (rows, classes), float64, of encoded inputs (rows, inputs), rounded to the input format at least."""
        parts = [self(self.input.codes(x[start:start + batch])) for start in range(0, len(x), batch)]
        return np.concatenate(parts) * 2.0**-self.output_fraction

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CircuitNetwork) and self._tokens == other._tokens

    def __hash__(self) -> int:
        return hash(self._tokens)

    @cached_property
    def _tokens(self) -> tuple:
        arrays = self._arrays()
        return tuple((name, arrays[name].tobytes()) for name in sorted(arrays))

    def _arrays(self) -> dict[str, np.ndarray]:
        header = {"kind": KIND, "name": self.name, "input": str(self.input), "classes": list(self.classes),
                  "widths": list(self.widths), "made_of": self.made_of, "output_fraction": self.output_fraction}
        reals = {name: np.asarray(value, np.float64) for name in ("gain", "move") if (value := getattr(self, name)) is not None}
        return {"header": _bytes(json.dumps(header, sort_keys=True)), "circuit": _bytes(circuitfile.text(self.comb)), **reals}

    def save(self, path: str | Path) -> None:
        """Writes one .npz: a JSON header and the circuit as JSON. Equal networks give equal bytes."""
        with replacing(path) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **self._arrays())

    @classmethod
    def load(cls, path: str | Path) -> CircuitNetwork:
        """The network in a file that :meth:`save` wrote.

        Raises:
            StudyError: the file is missing or damaged, or holds no such network.
        """
        try:
            return cls.of_arrays(npz.read(path))
        except StudyError:
            raise
        except Exception as error:  # values of any type stand where others are expected
            raise StudyError(f"{path} is not a circuit network ({brief(error)}); delete it and make it again") from error

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> CircuitNetwork:
        """The network of a file's arrays, of which nothing is taken for granted.

        Raises:
            StudyError, ValueError, KeyError, TypeError: they are not what :meth:`save` writes.
        """
        header = json.loads(arrays["header"].tobytes())
        widths, fraction = header["widths"], header["output_fraction"]
        if not all(type(n) is int and 0 < n < 2**31 for n in widths) or type(fraction) is not int or abs(fraction) > 256:
            raise ValueError(f"widths {widths} and {fraction} bits after the point of the outputs are none that can be")
        if not all(isinstance(text, str) for text in (header["name"], header["made_of"], *header["classes"])):
            raise TypeError("name, made_of and classes are texts")
        reals = {name: arrays[name] for name in ("gain", "move") if name in arrays}
        for name, array in reals.items():
            if array.shape != (widths[0],) or array.dtype != np.float64 or not np.isfinite(array).all():
                raise ValueError(f"{name} is not one number for each of {widths[0]} inputs")
        return cls(header["name"], Fixed.parse(header["input"]), circuitfile.parse(arrays["circuit"].tobytes()), tuple(widths),
                   header["made_of"], fraction, tuple(header["classes"]), **reals)


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)
