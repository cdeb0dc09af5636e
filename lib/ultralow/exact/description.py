"""Knows what every exact description of a network answers, whatever it is made of: folded layers, a circuit, tables.

All kinds are values with name, input, classes, gain, move, architecture, output_fraction, encode, logits and save, and give
integer logit codes of integer input codes when called (:class:`ultralow.exact.dense.FoldedNetwork` says how). What else the study
asks is :class:`Description`. A kind answers it itself; for folded layers :class:`Layered` does. Nobody else needs to know
which kinds there are; :mod:`ultralow.exact.load` does, to read their files.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ultralow.errors import StudyError
from ultralow.exact.dense import FoldedNetwork
from ultralow.exact.simplify import simplify


class Description(Protocol):
    """What tables, figures, reports and hardware ask beside the numbers.

    A kind with a circuit of its own has ``trace(delay_constraint, chunk, multipliers, log)`` as well, which
    :func:`ultralow.circuit.dense.trace` calls. Without one it needs the layers of a folded network.
    """

    # Why hls4ml cannot emulate it, as a sentence's end ("hls4ml knows no tables"); None: it can.
    no_hls: str | None
    # Integer weights (n_in, n_out) of each layer, for statistics; none where there are no such matrices.
    kernels: tuple[np.ndarray, ...]
    # What it holds, in words: "ternary weights".
    held: str
    # What its logits are equal to, in words: "trained and folded network".
    reference: str
    # Whether a circuit with a multiplier for each weight can stand beside it.
    multipliable: bool
    # Widths of what became a circuit.
    circuit_architecture: str

    def readers(self) -> np.ndarray:
        """Share (inputs,) of what reads each input in the circuit; 0 where nothing does."""


class Layered:
    """The description of a folded network."""

    no_hls, reference = None, "trained and folded network"

    def __init__(self, network: FoldedNetwork):
        self._network = network

    @property
    def kernels(self) -> tuple[np.ndarray, ...]:
        return tuple(layer.kernel for layer in self._network.layers)

    @property
    def held(self) -> str:
        return f"{' and '.join(sorted({layer.weights for layer in self._network.layers}))} weights"

    @property
    def multipliable(self) -> bool:
        return any(layer.weights == "fixed" for layer in self._network.layers)

    @property
    def circuit_architecture(self) -> str:
        return simplify(self._network).architecture

    def readers(self) -> np.ndarray:
        """Of the first layer's neurons, those that the circuit keeps."""
        return (simplify(self._network).layers[0].kernel != 0).mean(axis=1)


def of(network) -> Description:
    """The description of a network of any kind."""
    return network if hasattr(network, "no_hls") else Layered(network)


def require_hls(network) -> None:
    """That hls4ml can emulate the network.

    Raises:
        StudyError: it cannot; it says why, and what to do.
    """
    if reason := of(network).no_hls:
        raise StudyError(f"network {network.name} has no conversion by hls4ml: {reason}; give it hls: false in the study file, "
                         "or leave hls out. 4-gates compares its circuit and Verilog, row by row, all the same")
