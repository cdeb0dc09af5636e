"""Knows the folded network: the one exact description that emulation, circuits and tables start from.

All numbers are integers over powers of two. Training ends here; nothing after it looks back.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ultralow.errors import StudyError
from ultralow.files import replacing
from ultralow.fixed_point import Fixed

ACTIVATIONS = ("binary", "ternary", "relu", "linear")
_ARRAYS = ("kernel", "high", "low", "scale", "offset")
_ENCODING = ("gain", "move")


@dataclass(frozen=True, eq=False)
class FoldedLayer:
    """A dense layer and what follows it, on the integer accumulator a = x @ kernel.

    x holds the input's integer codes; one unit of a is 2^−(input fraction + kernel_fraction).

    - binary:  y = +1 where a ≥ high, else −1
    - ternary: y = +1 where a ≥ high, −1 where a ≤ low, else 0 (low < high)
    - relu:    y = format.codes(max(0, a·scale·2^−scale_fraction + offset·2^−offset_fraction)), floor and saturate,
      where a counts in real units
    - linear:  the same affine map, not rounded: the logits

    Shapes: kernel (n_in, n_out); high, low, scale, offset (n_out,); all int64.
    ``weights`` names what the kernel holds: binary (±1), ternary (−1, 0, +1) or fixed.
    """

    kernel: np.ndarray
    activation: str
    weights: str
    kernel_fraction: int = 0
    high: np.ndarray | None = None
    low: np.ndarray | None = None
    scale: np.ndarray | None = None
    scale_fraction: int = 0
    offset: np.ndarray | None = None
    offset_fraction: int = 0
    format: Fixed | None = None

    def __post_init__(self) -> None:
        needs = {"binary": ("high",), "ternary": ("high", "low"), "relu": ("scale", "offset", "format"),
                 "linear": ("scale", "offset")}
        if self.activation not in needs:
            raise StudyError(f"folded layer: activation {self.activation!r} is none of {ACTIVATIONS}")
        allowed = {"binary": (-1, 1), "ternary": (-1, 0, 1)}.get(self.weights)
        if allowed and not np.isin(self.kernel, allowed).all():
            raise StudyError(f"folded layer: a {self.weights} kernel holds other values than {allowed}")
        for name in needs[self.activation]:
            value = getattr(self, name)
            if value is None or (name != "format" and value.shape != (self.kernel.shape[1],)):
                raise StudyError(f"folded layer: {self.activation} needs {name} of shape ({self.kernel.shape[1]},)")
        if self.activation == "ternary" and not (self.low < self.high).all():
            raise StudyError("folded layer: ternary thresholds need low < high")

    def held(self, constant: np.ndarray, values: np.ndarray, span: tuple[int, int]) -> FoldedLayer:
        """The layer with the neurons ``constant`` (n_out,) bool held at ``values`` (n_out,): −1, 0 or +1 as the
        activation has them, 0 for ReLU. ``span`` is the smallest and largest input code."""
        if self.activation == "relu":
            return replace(self, scale=np.where(constant, 0, self.scale), offset=np.where(constant, 0, self.offset))
        lowest, highest = self.accumulator_range(*span)
        high = np.where(constant, np.where(values > 0, lowest, highest + 1), self.high)
        if self.activation == "binary":
            return replace(self, high=high)
        low = np.where(constant, np.where(values < 0, highest, lowest - 1), self.low)
        return replace(self, high=high, low=low)

    def output_fraction(self, input_fraction: int) -> int:
        """Fraction bits of the layer's output codes."""
        if self.activation in ("binary", "ternary"):
            return 0
        if self.activation == "relu":
            return self.format.fraction
        return max(input_fraction + self.kernel_fraction + self.scale_fraction, self.offset_fraction)

    def output_range(self, input_range: tuple[int, int], input_fraction: int) -> tuple[int, int]:
        """Smallest and largest output code that can occur."""
        if self.activation in ("binary", "ternary"):
            return -1, 1
        if self.activation == "relu":
            return self.format.low_code, self.format.high_code
        low, high = self.accumulator_range(*input_range)
        ends = self._affine(np.stack([low, high]), input_fraction)[0]
        return int(ends.min()), int(ends.max())

    def accumulator_range(self, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest accumulator of each neuron for input codes from ``low`` to ``high``; (n_out,) each."""
        positive, negative = np.maximum(self.kernel, 0).sum(0), np.minimum(self.kernel, 0).sum(0)
        return positive * low + negative * high, positive * high + negative * low

    def __call__(self, codes: np.ndarray, input_fraction: int) -> np.ndarray:
        """Output codes (rows, n_out) of input codes (rows, n_in); int64, exact."""
        return self.activate(self.accumulator(codes), input_fraction)

    def accumulator(self, codes: np.ndarray) -> np.ndarray:
        """Sums (rows, n_out), int64, of input codes (rows, n_in); exact."""
        # float64 products of integers below 2^53 are exact and run on BLAS; the constructor of
        # FoldedNetwork has made sure that they stay below.
        return np.rint(codes.astype(np.float64) @ self.kernel.astype(np.float64)).astype(np.int64)

    def activate(self, accumulator: np.ndarray, input_fraction: int) -> np.ndarray:
        """Output codes (rows, n_out) of accumulators (rows, n_out)."""
        if self.activation == "binary":
            return np.where(accumulator >= self.high, 1, -1)
        if self.activation == "ternary":
            return (accumulator >= self.high).astype(np.int64) - (accumulator <= self.low)
        value, fraction = self._affine(accumulator, input_fraction)
        if self.activation == "linear":
            return value
        shift = fraction - self.format.fraction
        floored = value >> shift if shift >= 0 else value << -shift
        return np.clip(floored, 0, self.format.high_code)

    def _affine(self, accumulator: np.ndarray, input_fraction: int) -> tuple[np.ndarray, int]:
        product_fraction = input_fraction + self.kernel_fraction + self.scale_fraction
        fraction = max(product_fraction, self.offset_fraction)
        product = accumulator * self.scale * 2 ** (fraction - product_fraction)
        return product + self.offset * 2 ** (fraction - self.offset_fraction), fraction


@dataclass(frozen=True, eq=False)
class FoldedNetwork:
    """An input format and folded layers; callable on codes. Equal when every number is equal.

    ``gain`` and ``move`` (inputs,), where there are any, stand before the input format: x·gain + move, for features as
    the dataset scales them. They belong to whatever computes the features, like the dataset's own mean and deviation.
    """

    name: str
    input: Fixed
    layers: tuple[FoldedLayer, ...]
    classes: tuple[str, ...] = field(default=())
    gain: np.ndarray | None = None
    move: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not self.layers or self.layers[-1].activation != "linear":
            raise StudyError(f"{self.name}: a folded network ends in a linear layer")
        fraction, (low, high) = self.input.fraction, (self.input.low_code, self.input.high_code)
        for position, layer in enumerate(self.layers):
            if position and layer.kernel.shape[0] != self.layers[position - 1].kernel.shape[1]:
                raise StudyError(f"{self.name}: layer {position} takes {layer.kernel.shape[0]} inputs, the layer "
                                 f"before it gives {self.layers[position - 1].kernel.shape[1]}")
            reach = max(int(np.abs(end).max()) for end in layer.accumulator_range(low, high))
            if layer.activation in ("relu", "linear"):
                # Python integers: the check must not wrap itself.
                widest = int(np.abs(layer.scale).max()) * reach + int(np.abs(layer.offset).max())
                reach = widest * 2 ** abs(fraction + layer.kernel_fraction + layer.scale_fraction
                                          - layer.offset_fraction)
            if reach >= 2**53:
                raise StudyError(f"{self.name}: layer {position} needs sums beyond 2^53; take narrower formats")
            low, high = layer.output_range((low, high), fraction)
            fraction = layer.output_fraction(fraction)

    @property
    def architecture(self) -> str:
        """Widths as ``16x64x32x32x5``."""
        return "x".join(str(n) for n in (self.layers[0].kernel.shape[0], *(s.kernel.shape[1] for s in self.layers)))

    @property
    def output_fraction(self) -> int:
        """Fraction bits of the logits' codes."""
        fraction = self.input.fraction
        for layer in self.layers:
            fraction = layer.output_fraction(fraction)
        return fraction

    def formats(self) -> list[tuple[int, tuple[int, int]]]:
        """For each layer its input's fraction and (smallest, largest) input code."""
        fraction, span, found = self.input.fraction, (self.input.low_code, self.input.high_code), []
        for layer in self.layers:
            found.append((fraction, span))
            span, fraction = layer.output_range(span, fraction), layer.output_fraction(fraction)
        return found

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Inputs on the grid of the input format, float64, of features as the dataset scales them; (rows, inputs) both."""
        return encode(x, self.input, self.gain, self.move)

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Logit codes (rows, classes), int64, of input codes (rows, inputs); exact."""
        fraction = self.input.fraction
        for layer in self.layers:
            codes = layer(codes, fraction)
            fraction = layer.output_fraction(fraction)
        return codes

    def logits(self, x: np.ndarray, batch: int = 65536) -> np.ndarray:
        """Real logits (rows, classes), float64, of encoded inputs (rows, inputs), rounded to the input format at least."""
        parts = [self(self.input.codes(x[start:start + batch])) for start in range(0, len(x), batch)]
        return np.concatenate(parts) * 2.0**-self.output_fraction

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FoldedNetwork) and _tokens(self) == _tokens(other)

    def __hash__(self) -> int:
        return hash(_tokens(self))

    def save(self, path: str | Path) -> None:
        """Writes one .npz: integer arrays and a JSON header. Equal networks give equal bytes."""
        header = {"name": self.name, "input": str(self.input), "classes": list(self.classes), "layers": []}
        arrays = {name: value for name in _ENCODING if (value := getattr(self, name)) is not None}
        for position, layer in enumerate(self.layers):
            header["layers"].append({"activation": layer.activation, "weights": layer.weights,
                                     "kernel_fraction": layer.kernel_fraction, "scale_fraction": layer.scale_fraction,
                                     "offset_fraction": layer.offset_fraction,
                                     "format": str(layer.format) if layer.format else None})
            for name in _ARRAYS:
                if (value := getattr(layer, name)) is not None:
                    arrays[f"{name}{position}"] = value.astype(np.int64)
        arrays["header"] = np.frombuffer(json.dumps(header, sort_keys=True).encode(), np.uint8)
        with replacing(path) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> FoldedNetwork:
        """The network in a file that :meth:`save` wrote.

        Raises:
            StudyError: the file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                header = json.loads(file["header"].tobytes())
                encoding = {name: file[name] for name in _ENCODING if name in file}
                layers = []
                for position, entry in enumerate(header["layers"]):
                    arrays = {n: file[f"{n}{position}"] for n in _ARRAYS if f"{n}{position}" in file}
                    entry["format"] = Fixed.parse(entry["format"]) if entry["format"] else None
                    layers.append(FoldedLayer(**arrays, **entry))
        except FileNotFoundError:
            raise StudyError(f"{path} is missing; run the training stage first") from None
        except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise StudyError(f"{path} is not a folded network ({error}); delete it and run the training stage") from None
        return cls(header["name"], Fixed.parse(header["input"]), tuple(layers), tuple(header["classes"]), **encoding)


def encode(x: np.ndarray, format: Fixed, gain: np.ndarray | None = None, move: np.ndarray | None = None) -> np.ndarray:
    """x·gain + move, rounded down to the format; (rows, inputs), float64."""
    gain, move = (1.0 if gain is None else gain), (0.0 if move is None else move)
    return format.quantise(np.asarray(x, np.float64) * gain + move)


def exact_rows(found: np.ndarray, expected: np.ndarray) -> int:
    """How many rows (rows, classes) are equal in every value."""
    return int((found == expected).all(axis=1).sum())


def _tokens(network: FoldedNetwork) -> tuple:
    layers = tuple((s.activation, s.weights, s.kernel_fraction, s.scale_fraction, s.offset_fraction, s.format,
                    *(None if (v := getattr(s, n)) is None else v.tobytes() for n in _ARRAYS)) for s in network.layers)
    encoding = tuple(None if (v := getattr(network, n)) is None else v.tobytes() for n in _ENCODING)
    return network.input, network.classes, network.architecture, encoding, layers
