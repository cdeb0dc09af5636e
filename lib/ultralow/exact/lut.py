"""Describe a network of look-up tables and sums exactly.

All numbers are integers. A table reads some bits of the layer before it; a sum adds outputs of tables. Decision trees, networks
of six-input tables, and layers whose every connection is a function of few bits are all of this form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed
from ultralow.exact.base import ExactNetwork, checked_widths

MOST_KEY_BITS = 12  # of one table
_REACH = 2**31  # of any code


@dataclass(frozen=True, eq=False)
class Tables:
    """Each output is looked up by bits of the inputs.

    ``keys`` has for each output an array (bits, 2) of int64: the input element and its bit (0: the lowest), the key's lowest
    bit first. ``values`` has for each output 2^bits integers.
    """

    keys: tuple[np.ndarray, ...]
    values: tuple[np.ndarray, ...]

    def __post_init__(self) -> None:
        if len(self.keys) != len(self.values) or not self.keys:
            raise StudyError(f"tables: {len(self.keys)} keys and {len(self.values)} tables of values")
        for key, values in zip(self.keys, self.values):
            if key.ndim != 2 or key.shape[1] != 2 or not 0 <= len(key) <= MOST_KEY_BITS or values.shape != (2 ** len(key),):
                raise StudyError(f"tables: a key {key.shape} with {values.shape} values; wanted are up to {MOST_KEY_BITS} pairs "
                                 "of element and bit, and two to their number of values")

    @property
    def outputs(self) -> int:
        return len(self.keys)

    def check(self, spans: list[tuple[int, int]]) -> None:
        """That the inputs, with these smallest and largest codes, have what the keys read.

        Raises:
            StudyError: they have not.
        """
        for key in self.keys:
            for element, bit in key:
                if not 0 <= element < len(spans):
                    raise StudyError(f"tables: element {element} is read, of {len(spans)}")
                if not 0 <= bit < width(*spans[element]):
                    raise StudyError(f"tables: bit {bit} of element {element} is read, which has {width(*spans[element])}")

    def spans(self, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Smallest and largest code of each output."""
        return [(int(values.min()), int(values.max())) for values in self.values]

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Codes (rows, outputs), int64, of input codes (rows, inputs)."""
        out = np.empty((len(codes), self.outputs), np.int64)
        columns = np.ascontiguousarray(codes.T)
        for position, (key, values) in enumerate(zip(self.keys, self.values)):
            at = np.zeros(len(codes), np.int64)
            for place, (element, bit) in enumerate(key):
                at |= (columns[element] >> bit & 1) << place
            out[:, position] = values[at]
        return out


@dataclass(frozen=True, eq=False)
class Sums:
    """Each output is ``offset`` plus the sum of the inputs ``terms`` (of each output an array of int64).

    ``bits``: only so many low bits of a sum are kept, as an unsigned code; None: the whole sum.
    """

    terms: tuple[np.ndarray, ...]
    offset: np.ndarray
    bits: int | None = None

    def __post_init__(self) -> None:
        if self.offset.shape != (len(self.terms),) or not len(self.terms):
            raise StudyError(f"sums: {len(self.terms)} sums and offsets {self.offset.shape}")
        if self.bits is not None and not 1 <= self.bits <= MOST_KEY_BITS:
            raise StudyError(f"sums: {self.bits} bits are kept; 1 to {MOST_KEY_BITS} are possible")

    @property
    def outputs(self) -> int:
        return len(self.terms)

    def check(self, spans: list[tuple[int, int]]) -> None:
        """That there are the inputs that are added, and no sum leaves what integers hold exactly.

        Raises:
            StudyError: it is otherwise.
        """
        for terms in self.terms:
            if terms.ndim != 1 or (terms.size and not 0 <= terms.min() <= terms.max() < len(spans)):
                raise StudyError(f"sums: of {len(spans)} inputs, numbers {terms.min()} to {terms.max()} are added")
        for low, high in self._whole(spans):
            if max(-low, high) >= _REACH:
                raise StudyError(f"sums: one reaches from {low} to {high}; 32 bits are the most")

    def spans(self, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Smallest and largest code of each output."""
        return self._whole(spans) if self.bits is None else [(0, 2**self.bits - 1)] * self.outputs

    def _whole(self, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return [tuple(int(offset) + sum(spans[i][end] for i in terms) for end in (0, 1))
                for terms, offset in zip(self.terms, self.offset)]

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Codes (rows, outputs), int64, of input codes (rows, inputs)."""
        out = np.stack([codes[:, terms].sum(axis=1) for terms in self.terms], axis=1) + self.offset
        return out if self.bits is None else out & (2**self.bits - 1)


@dataclass(frozen=True, eq=False)
class TableNetwork(ExactNetwork):
    """An input format and layers of tables and sums; callable on codes. Equal when every number is equal.

    ``widths`` counts what a reader calls its layers: inputs, sums between them, outputs. One unit of a logit is
    2^−output_fraction. ``made_of`` says in words what the network was before it became tables.
    """

    name: str
    input: Fixed
    layers: tuple[Tables | Sums, ...]
    widths: tuple[int, ...]
    made_of: str
    output_fraction: int = 0
    classes: tuple[str, ...] = ()
    gain: np.ndarray | None = None
    move: np.ndarray | None = None

    kind, noun, batch_rows = "tables", "network of tables", 20_000
    no_hls = "hls4ml knows no layers of tables"

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or not self.layers or self.layers[-1].outputs != self.widths[-1]:
            raise StudyError(f"{self.name}: widths {self.widths} are not those of its layers")
        for layer, spans in zip(self.layers, self.spans()):
            layer.check(spans)

    def spans(self) -> list[list[tuple[int, int]]]:
        """For each layer the smallest and the largest code of each of its inputs."""
        spans_of_layers = [[(self.input.low_code, self.input.high_code)] * self.widths[0]]
        for layer in self.layers[:-1]:
            layer.check(spans_of_layers[-1])
            spans_of_layers.append(layer.spans(spans_of_layers[-1]))
        return spans_of_layers

    def readers(self) -> np.ndarray:
        """Share (inputs,) of the first layer's tables that read each input."""
        first = self.layers[0]
        read = np.zeros((first.outputs, self.widths[0]), bool)
        for position, key in enumerate(first.keys if isinstance(first, Tables) else first.terms):
            read[position, key[:, 0] if key.ndim == 2 else key] = True
        return read.mean(axis=0)

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Logit codes (rows, classes), int64, of input codes (rows, inputs); exact."""
        for layer in self.layers:
            codes = layer(codes)
        return codes

    def _content(self) -> tuple[dict, dict[str, np.ndarray]]:
        arrays = {}
        for position, layer in enumerate(self.layers):
            parts = layer.terms if isinstance(layer, Sums) else layer.keys
            arrays[f"lengths{position}"] = np.array([len(part) for part in parts], np.int64)
            arrays[f"parts{position}"] = np.concatenate(parts).astype(np.int64)
            arrays[f"values{position}"] = (layer.offset if isinstance(layer, Sums)
                                           else np.concatenate(layer.values)).astype(np.int64)
        layers = [{"bits": layer.bits} if isinstance(layer, Sums) else "tables" for layer in self.layers]
        header = {"widths": list(self.widths), "held": self.made_of, "output_fraction": self.output_fraction, "layers": layers}
        return header, arrays

    @classmethod
    def _parse(cls, header: dict, arrays: dict[str, np.ndarray]) -> dict:
        layers = []
        for position, kind in enumerate(header["layers"]):
            lengths, parts, values = (arrays[f"{name}{position}"] for name in ("lengths", "parts", "values"))
            for array, dimensions in ((lengths, 1), (parts, 1 if kind != "tables" else 2), (values, 1)):
                if array.dtype != np.int64 or array.ndim != dimensions or np.abs(array).max(initial=0) >= _REACH:
                    raise ValueError(f"layer {position} holds {array.dtype} {array.shape}")
            if not lengths.size or lengths.min() < 0 or lengths.sum() != len(parts) or (
                    kind == "tables" and lengths.max() > MOST_KEY_BITS):
                raise ValueError(f"layer {position} does not say how long its parts are")
            pieces = tuple(np.split(parts, np.cumsum(lengths)[:-1]))
            if kind == "tables":
                if (2**lengths).sum() != len(values):
                    raise ValueError(f"layer {position} has {len(values)} values, its keys want {(2**lengths).sum()}")
                layers.append(Tables(pieces, tuple(np.split(values, np.cumsum(2**lengths)[:-1]))))
            else:
                if kind["bits"] is not None and type(kind["bits"]) is not int:
                    raise TypeError("bits is a number")
                layers.append(Sums(pieces, values, kind["bits"]))
        if not isinstance(header["held"], str):
            raise TypeError("what it is made of is a text")
        return {"layers": tuple(layers), "made_of": header["held"], **checked_widths(header)}


def take_up(values: list[np.ndarray], terms: list[int], constant: int) -> int:
    """Adds a constant to the tables ``terms`` of ``values`` as far as their bits hold it; returns what is left."""
    for term in terms:
        top = int(values[term].max())
        room = min(constant, 2 ** top.bit_length() - 1 - top)
        values[term], constant = values[term] + room, constant - room
    return constant


def width(low: int, high: int) -> int:
    """Bits of a code between ``low`` and ``high``, with the sign's where there are negative ones."""
    return max(max(high, 0).bit_length(), max(-low - 1, 0).bit_length()) + (low < 0)
