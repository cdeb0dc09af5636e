"""Knows the networks of tables: the study's own smallest circuits, and their published peers, trained here on the same data.

An entry is a network of the catalogue whose training ends in an exact description other than folded layers. How it is trained
is its ``method``; the module that the method names does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ultralow.fixed import Fixed
from ultralow.network import Network


@dataclass(frozen=True)
class Method:
    """What a way of training needs to know. ``module`` has ``train(entry, data, seed, epochs, log)``, which returns a
    :class:`ultralow.frontruns.Trained`."""

    module: ClassVar[str]
    kind: ClassVar[str]

    def parameters(self, widths: tuple[int, ...]) -> int:
        """Numbers that training may change."""
        raise NotImplementedError


@dataclass(frozen=True)
class Additive(Method):
    """Two layers of sums; what is summed are functions of few bits, a table each (:mod:`ultralow.additive`).

    ``price``: what a table's output bit adds to the loss. ``key_bits``: of each input that the tables read, where not
    ``key_bits_of`` says otherwise, by feature.
    """

    price: float
    key_bits: int = 5
    key_bits_of: tuple[tuple[str, int], ...] = ()
    sum_bits: int = 5
    learning_rate: float = 0.1
    batch_size: int = 4096

    module, kind = "ultralow.additive", "tables"

    def parameters(self, widths: tuple[int, ...]) -> int:
        inputs, hidden, outputs = widths
        return 2**self.key_bits * inputs * hidden + 2**self.sum_bits * hidden * outputs


@dataclass(frozen=True)
class FrontNetwork(Network):
    """A network of tables. ``widths`` are inputs, sums between the tables, outputs."""

    weights: str = ""
    activation: str = ""
    method: Method = None
    epochs: int = 60

    hls4ml: ClassVar[bool] = False

    def __post_init__(self) -> None:
        Fixed.parse(self.input)
