"""Methods of training networks that become tables or circuits: what each may choose, and what an entry trained so is.

Such an entry is a network of the catalogue whose training ends in another exact description than folded layers. How it is
trained is its ``method``; the module of :mod:`ultralow.training.lut` that the method names does it. A new method is a class here
and a module there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from ultralow.networks.spec import NetworkSpec
from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed


@dataclass(frozen=True)
class Method(ABC):
    """A way of training, and its numbers. ``trainer`` is the module of :mod:`ultralow.training.lut` whose
    ``train(entry, data, seed, epochs, log)`` gives a :class:`ultralow.training.trained.Trained`. ``kind`` is what tables and
    figures call it."""

    trainer: ClassVar[str]
    kind: ClassVar[str]

    @abstractmethod
    def parameters(self, widths: tuple[int, ...]) -> int:
        """Numbers that training may change."""


@dataclass(frozen=True)
class Additive(Method):
    """Layers of sums whose summands are functions of few bits, a table each (:mod:`ultralow.training.lut.additive`).

    ``price`` is what a bit of a table's output adds to the loss. Tables read ``key_bits`` of an input, and of those that
    ``wide`` names one more. Tables are made better without gradients in so many ``passes`` over them.
    """

    price: float
    key_bits: int = 5
    wide: tuple[str, ...] = ()
    sum_bits: int = 5
    learning_rate: float = 0.1
    batch_size: int = 4096
    passes: int = 4

    trainer, kind = "additive", "additive tables"

    def parameters(self, widths: tuple[int, ...]) -> int:
        inputs, *hidden, outputs = widths
        return 2**self.key_bits * inputs * (sum(hidden) + outputs) + 2**self.sum_bits * sum(hidden) * outputs


@dataclass(frozen=True)
class Votes(Method):
    """Six-input tables of an image's bits that vote for a class each (:mod:`ultralow.training.lut.voting`). The hidden width is
    their number.

    Each is grown on ``rows`` rows, of ``candidates`` pixels at random. During the share ``moving`` of the epochs their wires
    move, too. In each epoch images are bent by about the share ``distort`` and moved by up to ``shift`` pixels. Values are made
    better without gradients in so many ``passes`` over the tables, on as many ``looks`` at each image.
    """

    candidates: int = 150
    rows: int = 10_000
    moving: float = 0.67
    distort: float = 0.08
    shift: int = 1
    passes: int = 1
    looks: int = 16

    trainer, kind = "voting", "voting tables"

    def parameters(self, widths: tuple[int, ...]) -> int:
        """Of each table its values, and where its wires come from."""
        return widths[1] * (64 + 6) + widths[-1]


@dataclass(frozen=True)
class HgqTables(Method):
    """HGQ-LUT: tables between layers, one for each pair of an input and an output, each trained as a network of a layer of
    ``neurons``, its bits trained as well (:mod:`ultralow.training.lut.hgq`). ``price`` is of one estimated bit operation (EBOP),
    at the end."""

    price: float
    neurons: int = 8
    learning_rate: float = 1e-2
    batch_size: int = 512

    trainer, kind = "hgq", "HGQ tables"

    def parameters(self, widths: tuple[int, ...]) -> int:
        return sum(a * b for a, b in zip(widths, widths[1:])) * (3 * self.neurons + 1)


@dataclass(frozen=True)
class HgqDense(Method):
    """HGQ (arXiv:2405.00645): dense layers with trained bits of each weight and each wire (:mod:`ultralow.training.lut.hgq`);
    ``price`` as of tables."""

    price: float
    learning_rate: float = 5e-3
    batch_size: int = 1024

    trainer, kind = "hgq", "HGQ dense"

    def parameters(self, widths: tuple[int, ...]) -> int:
        return sum((a + 1) * b for a, b in zip(widths, widths[1:]))


@dataclass(frozen=True)
class BoostedTrees(Method):
    """Trees grown by gradient boosting (:mod:`ultralow.training.lut.boosted_trees`), each a table over its thresholds. The
    entry's middle width is their number, over all classes. Thresholds lie on a grid of ``key_bits``, of the features that
    ``wide`` names on one of a bit more; the widest tree's leaves have ``leaf_bits``. ``features``: share of the inputs that a
    split may choose from, drawn anew."""

    leaves: int = 6
    leaf_bits: int = 4
    learning_rate: float = 0.3
    key_bits: int = 5
    wide: tuple[str, ...] = ()
    features: float = 0.8
    least_rows: int = 50
    l2: float = 1.0

    trainer, kind = "boosted_trees", "boosted trees"

    def parameters(self, widths: tuple[int, ...]) -> int:
        return widths[1] * (2 * self.leaves - 1)


@dataclass(frozen=True)
class LearnedTables(Method):
    """A layer of six-input tables that choose what they read among the answers to ``thresholds`` questions about each input, and
    count for a class each (:mod:`ultralow.training.lut.dwn`). The entry's middle width is their number."""

    thresholds: int = 31
    learning_rate: float = 1e-2
    batch_size: int = 512

    trainer, kind = "dwn", "learned tables"

    def parameters(self, widths: tuple[int, ...]) -> int:
        inputs, tables, _ = widths
        return tables * (64 + 6 * self.thresholds * inputs)


@dataclass(frozen=True)
class FrontNetwork(NetworkSpec):
    """A network of the front. ``widths`` are inputs, what stands between the tables, outputs; ``input`` is the format that the
    hardware receives, each feature with a gain and a move of its own before it."""

    weights: str = "tables"
    activation: str = "tables"
    input: str = "ufixed<6,6>"
    recipe: str = "front"
    method: Method | None = None

    hls4ml: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.method is None:
            raise StudyError(f"network {self.name}: one of the front needs its method")
        Fixed.parse(self.input)

    @property
    def kind(self) -> str:
        return self.method.kind

    @property
    def parameters(self) -> int:
        return self.method.parameters(self.widths)

    @property
    def operations(self) -> int:
        """Look-ups and additions are none as FINN counts them."""
        return 0
