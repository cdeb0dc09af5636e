"""Describe a network exactly by a circuit: no layers, but operations on integers, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ultralow.exact import circuitfile
from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed
from ultralow.exact.base import ExactNetwork, as_bytes, checked_widths
from ultralow.exact.opcodes import Opcode

if TYPE_CHECKING:
    from alkaid.types import CombLogic


@dataclass(frozen=True, eq=False)
class CircuitNetwork(ExactNetwork):
    """An input format and a circuit (alkaid's CombLogic) from input codes to logit codes; callable on codes.

    ``widths`` counts the inputs, what each layer gave before it became operations, and the outputs; ``made_of`` says in
    words what that was.

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

    kind, noun = "circuit", "circuit network"

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or tuple(self.comb.shape) != (self.widths[0], self.widths[-1]):
            raise StudyError(f"{self.name}: a circuit of {self.comb.shape[0]} inputs and {self.comb.shape[1]} outputs is not "
                             f"{self.architecture}")
        try:
            circuitfile.check(self.comb, (self.input.low_code, self.input.high_code))
        except ValueError as error:
            raise StudyError(f"{self.name}: {error}") from None

    @property
    def no_hls(self) -> str:
        return f"it is a circuit of {self.made_of}, and hls4ml starts from layers whose weights this study folds"

    def readers(self) -> np.ndarray:
        """1 where the circuit reads an input (inputs,), else 0."""
        used, found = self.comb.ref_count, np.zeros(self.widths[0])
        for index, op in enumerate(self.comb.ops):
            if op.opcode == Opcode.INPUT and used[index]:
                found[op.data[0]] = 1
        return found

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Logit codes (rows, classes), int64, of input codes (rows, inputs); exact."""
        return interpret(self.comb, codes) if len(codes) else np.zeros((0, self.widths[-1]), np.int64)

    def _content(self) -> tuple[dict, dict[str, np.ndarray]]:
        header = {"widths": list(self.widths), "made_of": self.made_of, "output_fraction": self.output_fraction}
        return header, {"circuit": as_bytes(circuitfile.text(self.comb))}

    @classmethod
    def _parse(cls, header: dict, arrays: dict[str, np.ndarray]) -> dict:
        if not isinstance(header["made_of"], str):
            raise TypeError("made_of is a text")
        return {"comb": circuitfile.parse(arrays["circuit"].tobytes()), "made_of": header["made_of"], **checked_widths(header)}


def interpret(comb: CombLogic, codes: np.ndarray, threads: int = 0) -> np.ndarray:
    """Logit codes (rows, classes), int64, that the circuit gives for input codes (rows, inputs)."""
    codes = np.ascontiguousarray(codes, dtype=np.float64)
    return np.rint(comb.predict(codes, n_threads=threads)).reshape(len(codes), comb.shape[1]).astype(np.int64)


def used_input_bits(comb: CombLogic) -> int:
    """Bits of all inputs that the circuit reads."""
    used = comb.ref_count
    return sum(sum(op.qint.kif) for index, op in enumerate(comb.ops) if op.opcode == Opcode.INPUT and used[index])
