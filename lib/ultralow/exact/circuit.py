"""Describe a network exactly by a circuit (alkaid's CombLogic): operations on integers, one after the other.

A circuit may come from a file that is damaged or hostile, and the interpreter, in C++, and Verilog take much for granted: so
every operation is checked.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ultralow.errors import StudyError
from ultralow.exact.base import ExactNetwork, as_bytes, checked_widths
from ultralow.exact.opcodes import SUMS, Opcode
from ultralow.fixed_point import Fixed

if TYPE_CHECKING:
    from alkaid.types import CombLogic


# Operands and further numbers of each operation that this study's Verilog knows.
_ARITY = {Opcode.NEGATE: (1, 0), Opcode.INPUT: (0, 1), Opcode.ADD: (2, 1), Opcode.SUBTRACT: (2, 1), Opcode.RELU: (1, 0),
          Opcode.QUANTIZE: (1, 1), Opcode.ADD_CONSTANT: (1, 2), Opcode.CONSTANT: (0, 1), Opcode.SELECT: (3, 1),
          Opcode.MULTIPLY: (2, 0), Opcode.LOOKUP: (1, 1), Opcode.BITWISE_UNARY: (1, 1), Opcode.BITWISE_BINARY: (2, 2)}
_SHIFTING = (*SUMS, Opcode.QUANTIZE, Opcode.SELECT, Opcode.BITWISE_BINARY)  # by their first further number
_KINDS = {Opcode.BITWISE_UNARY: (0, 3), Opcode.BITWISE_BINARY: (1, 3)}  # which further number chooses one of so many
# Doubles hold integers of so many bits; alkaid's interpreter takes and gives doubles.
_WIDEST = 53
_MOST_KEY_BITS = 20  # bits of a look-up's key at most: a million entries
_SHIFT = 256  # powers of two beyond are no circuit's


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
            check_circuit(self.comb, (self.input.low_code, self.input.high_code))
        except ValueError as error:
            raise StudyError(f"{self.name}: {error}") from None

    @property
    def no_hls(self) -> str:
        return f"it is a circuit of {self.made_of}, and hls4ml starts from layers whose weights this study folds"

    def readers(self) -> np.ndarray:
        """1 where the circuit reads an input (inputs,), else 0."""
        used, read = self.comb.ref_count, np.zeros(self.widths[0])
        for index, op in enumerate(self.comb.ops):
            if op.opcode == Opcode.INPUT and used[index]:
                read[op.data[0]] = 1
        return read

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Logit codes (rows, classes), int64, of input codes (rows, inputs); exact."""
        return interpret(self.comb, codes) if len(codes) else np.zeros((0, self.widths[-1]), np.int64)

    def _content(self) -> tuple[dict, dict[str, np.ndarray]]:
        header = {"widths": list(self.widths), "made_of": self.made_of, "output_fraction": self.output_fraction}
        return header, {"circuit": as_bytes(as_text(self.comb))}

    @classmethod
    def _parse(cls, header: dict, arrays: dict[str, np.ndarray]) -> dict:
        if not isinstance(header["made_of"], str):
            raise TypeError("made_of is a text")
        return {"comb": of_text(arrays["circuit"].tobytes()), "made_of": header["made_of"], **checked_widths(header)}


def interpret(comb: CombLogic, codes: np.ndarray, threads: int = 0) -> np.ndarray:
    """Logit codes (rows, classes), int64, that the circuit gives for input codes (rows, inputs)."""
    codes = np.ascontiguousarray(codes, dtype=np.float64)
    return np.rint(comb.predict(codes, n_threads=threads)).reshape(len(codes), comb.shape[1]).astype(np.int64)


def used_input_bits(comb: CombLogic) -> int:
    """Bits of all inputs that the circuit reads."""
    used = comb.ref_count
    return sum(sum(op.qint.kif) for index, op in enumerate(comb.ops) if op.opcode == Opcode.INPUT and used[index])


def as_text(comb: CombLogic) -> str:
    """The circuit as JSON; equal circuits give equal texts."""
    from alkaid.types import ALIR_SPEC_VERSION, JSONEncoder

    return json.dumps({"meta": "ALIRModel", "model": comb, "spec_version": ALIR_SPEC_VERSION}, cls=JSONEncoder,
                      sort_keys=True, separators=(",", ":"), allow_nan=False)


def of_text(content: bytes) -> CombLogic:
    """The circuit of such a text; :func:`check_circuit` it before use.

    Raises:
        ValueError, TypeError, KeyError, AssertionError, IndexError: it is none.
    """
    from alkaid.types import CombLogic

    return CombLogic.from_dict(json.loads(content))


def check_circuit(comb: CombLogic, span: tuple[int, int]) -> None:
    """That the circuit can be run and written: what the interpreter, in C++, and Verilog take for granted.

    Args:
        span: smallest and largest input code.

    Raises:
        ValueError: it cannot; it says which operation is at fault.
    """
    inputs, outputs = comb.shape
    for what, values, count in (("inp_shifts", comb.inp_shifts, inputs), ("out_idxs", comb.out_idxs, outputs),
                                ("out_shifts", comb.out_shifts, outputs), ("out_negs", comb.out_negs, outputs)):
        if len(values) != count or not all(isinstance(value, int) and abs(value) < 2**31 for value in values):
            raise ValueError(f"{what} are not {count} whole numbers")
    if any(comb.inp_shifts) or any(abs(shift) > _SHIFT for shift in comb.out_shifts):
        raise ValueError("inputs or outputs are shifted farther than circuits are")
    tables = comb.lookup_tables or ()
    for number, table in enumerate(tables):
        if len(table.table) == 0 or table.table.ndim != 1 or range_bits(table.spec.out_qint) > 32:
            raise ValueError(f"table {number} is empty or has more than 32 bits")
    for position, op in enumerate(comb.ops):
        if fault := _fault(comb, position, op, tables, span):
            raise ValueError(f"operation {position} of the circuit {fault}")
    if any(not -1 <= index < len(comb.ops) for index in comb.out_idxs):
        raise ValueError("an output is none of the circuit's operations")
    if any(qint.step < 1 and (qint.min, qint.max) != (0, 0)
           for index, qint in zip(comb.out_idxs, comb.out_qint) if index >= 0):
        raise ValueError("an output is not a whole number")


def _fault(comb: CombLogic, position: int, op, tables: tuple, span: tuple[int, int]) -> str | None:
    if op.opcode not in _ARITY or (len(op.addr), len(op.data)) != _ARITY[op.opcode]:
        return f"({op.opcode}) is none that this study knows, or has other operands"
    if any(not 0 <= address < position for address in op.addr):
        return "takes a result that is not there yet"
    try:
        width = range_bits(op.qint)
        if not all(map(math.isfinite, (op.latency, op.cost))):
            return "takes an endless time"
    except (ValueError, TypeError, OverflowError):
        return f"has the range {op.qint}, which is none of a fixed-point number"
    if width > _WIDEST:
        return f"takes {width} bits, more than the {_WIDEST} that stay exact; take narrower formats"
    if op.opcode in _KINDS and not 0 <= op.data[_KINDS[op.opcode][0]] < _KINDS[op.opcode][1]:
        return "is a kind of logic that there is not"
    if (op.opcode in _SHIFTING and abs(op.data[0]) > _SHIFT
            or op.opcode == Opcode.ADD_CONSTANT and abs(op.data[1]) > _SHIFT):
        return "shifts farther than circuits do"
    if op.opcode == Opcode.INPUT and not (0 <= op.data[0] < comb.shape[0] and op.qint.step >= 1
                                          and span[0] <= op.qint.min <= op.qint.max <= span[1]):
        return f"is not one of {comb.shape[0]} inputs from {span[0]} to {span[1]}"
    if op.opcode == Opcode.LOOKUP:
        key = comb.ops[op.addr[0]].qint
        if not 0 <= op.data[0] < len(tables) or range_bits(key) > _MOST_KEY_BITS or len(tables[op.data[0]]) != _entries(key):
            return f"looks up a table that is not there, of another size, or of more than {_MOST_KEY_BITS} bits"
    return None


def _entries(qint) -> int:
    return round((qint.max - qint.min) / qint.step) + 1


def range_bits(qint) -> int:
    """Bits of a range of fixed-point numbers.

    Raises:
        ValueError, OverflowError: it is none.
    """
    low, high, step = map(float, qint)
    mantissa, exponent = math.frexp(step)
    if not (math.isfinite(low) and math.isfinite(high)) or mantissa != 0.5 or abs(exponent) > 120 or low > high:
        raise ValueError("no range")
    if (low / step) % 1 or (high / step) % 1:
        raise ValueError("no multiples of the step")
    return max(round(abs(low) / step - (low < 0)).bit_length(), round(abs(high) / step).bit_length()) + (low < 0)
