"""Describe a network of dense layers exactly: what training ends in, and emulation, circuits and tables start from.

All numbers are integers over powers of two. Batch normalisation is folded into thresholds, or into scale and offset.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ultralow.errors import StudyError
from ultralow.exact.base import MOST_FRACTION, ExactNetwork
from ultralow.exact.dense_layer import ARRAYS, FoldedLayer
from ultralow.exact.simplify import simplified_layers
from ultralow.fixed_point import Fixed

_FRACTIONS = ("kernel_fraction", "scale_fraction", "offset_fraction")


@dataclass(frozen=True, eq=False)
class FoldedNetwork(ExactNetwork):
    """An input format and folded layers, the last of them linear.

    Raises:
        StudyError: layers do not fit each other, or need sums beyond 2^53.
    """

    name: str
    input: Fixed
    layers: tuple[FoldedLayer, ...]
    classes: tuple[str, ...] = field(default=())
    gain: np.ndarray | None = None
    move: np.ndarray | None = None

    kind, noun, no_hls, reference = "dense", "folded network", None, "trained and folded network"

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
    def widths(self) -> tuple[int, ...]:
        return self.layers[0].kernel.shape[0], *(layer.kernel.shape[1] for layer in self.layers)

    @property
    def kernels(self) -> tuple[np.ndarray, ...]:
        return tuple(layer.kernel for layer in self.layers)

    @property
    def made_of(self) -> str:
        return f"{' and '.join(sorted({layer.weights for layer in self.layers}))} weights"

    @property
    def multipliable(self) -> bool:
        return any(layer.weights == "fixed" for layer in self.layers)

    @cached_property
    def simplified(self) -> FoldedNetwork:
        """The smallest network found that gives the same logit codes for every input code (:mod:`ultralow.exact.simplify`)."""
        return replace(self, layers=simplified_layers(self.layers, self.input))

    @property
    def circuit_architecture(self) -> str:
        return self.simplified.architecture

    def readers(self) -> np.ndarray:
        """Of the first layer's neurons that the circuit keeps, the share (inputs,) that reads each input."""
        return (self.simplified.layers[0].kernel != 0).mean(axis=1)

    @property
    def output_fraction(self) -> int:
        """Fraction bits of the logits' codes."""
        fraction = self.input.fraction
        for layer in self.layers:
            fraction = layer.output_fraction(fraction)
        return fraction

    def formats(self) -> list[tuple[int, tuple[int, int]]]:
        """For each layer its input's fraction and (smallest, largest) input code."""
        fraction, span, spans = self.input.fraction, (self.input.low_code, self.input.high_code), []
        for layer in self.layers:
            spans.append((fraction, span))
            span, fraction = layer.output_range(span, fraction), layer.output_fraction(fraction)
        return spans

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Logit codes (rows, classes), int64, of input codes (rows, inputs); exact."""
        fraction = self.input.fraction
        for layer in self.layers:
            codes = layer(codes, fraction)
            fraction = layer.output_fraction(fraction)
        return codes

    def _content(self) -> tuple[dict, dict[str, np.ndarray]]:
        header, arrays = {"layers": []}, {}
        for position, layer in enumerate(self.layers):
            header["layers"].append({"activation": layer.activation, "weights": layer.weights,
                                     "format": str(layer.format) if layer.format else None,
                                     **{name: getattr(layer, name) for name in _FRACTIONS}})
            arrays |= {f"{name}{position}": value.astype(np.int64)
                       for name in ARRAYS if (value := getattr(layer, name)) is not None}
        return header, arrays

    @classmethod
    def _parse(cls, header: dict, arrays: dict[str, np.ndarray]) -> dict:
        layers = []
        for position, entry in enumerate(header["layers"]):
            form = Fixed.parse(entry["format"]) if entry["format"] else None
            fractions = [int(entry[name]) for name in _FRACTIONS] + ([form.fraction] if form else [])
            if any(abs(fraction) > MOST_FRACTION for fraction in fractions):
                raise ValueError(f"layer {position} has more than {MOST_FRACTION} bits after the point")
            values = {name: arrays[f"{name}{position}"] for name in ARRAYS if f"{name}{position}" in arrays}
            for name, array in values.items():
                if array.dtype != np.int64 or array.ndim != (2 if name == "kernel" else 1):
                    raise ValueError(f"{name}{position} is {array.dtype} {array.shape}")
            layers.append(FoldedLayer(**values, **entry | {"format": form}))
        return {"layers": tuple(layers)}
