"""Knows the networks of the front: the study's own smallest circuits, and published peers, trained here on the same data.

An entry is a network of the catalogue whose training ends in another exact description than folded layers. How it is trained is
its ``method``; the module that the method names does it.
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
    """A way of training, and its numbers. ``module`` has ``train(entry, data, seed, epochs, log)``, which gives a
    :class:`ultralow.training.trained.Trained`. ``kind`` is what tables and figures call it."""

    module: ClassVar[str]
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

    module, kind = "ultralow.training.lut.additive", "additive tables"

    def parameters(self, widths: tuple[int, ...]) -> int:
        inputs, *hidden, outputs = widths
        return 2**self.key_bits * inputs * (sum(hidden) + outputs) + 2**self.sum_bits * sum(hidden) * outputs


@dataclass(frozen=True)
class Votes(Method):
    """Six-input tables of an image's bits that vote for a class each (:mod:`ultralow.training.lut.voting`). The hidden width is their number.

    Each is grown on ``rows`` rows, of ``candidates`` pixels at random. During the share ``moving`` of the epochs their wires move,
    too. In each epoch images are bent by about the share ``distort`` and moved by up to ``shift`` pixels. Values are made better
    without gradients in so many ``passes`` over the tables, on as many ``looks`` at each image.
    """

    candidates: int = 150
    rows: int = 10_000
    moving: float = 0.67
    distort: float = 0.08
    shift: int = 1
    passes: int = 1
    looks: int = 16

    module, kind = "ultralow.training.lut.voting", "voting tables"

    def parameters(self, widths: tuple[int, ...]) -> int:
        """Of each table its values, and where its wires come from."""
        return widths[1] * (64 + 6) + widths[-1]


@dataclass(frozen=True)
class HgqTables(Method):
    """HGQ-LUT: tables between layers, one for each pair of an input and an output, each trained as a network of a layer of
    ``neurons``, its bits trained as well (:mod:`ultralow.training.lut.hgq`). ``price`` is of one estimated bit operation (EBOP), at
    the end."""

    price: float
    neurons: int = 8
    learning_rate: float = 1e-2
    batch_size: int = 512

    module, kind = "ultralow.training.lut.hgq", "HGQ tables"

    def parameters(self, widths: tuple[int, ...]) -> int:
        return sum(a * b for a, b in zip(widths, widths[1:])) * (3 * self.neurons + 1)


@dataclass(frozen=True)
class HgqDense(Method):
    """HGQ (arXiv:2405.00645): dense layers with trained bits of each weight and each wire (:mod:`ultralow.training.lut.hgq`);
    ``price`` as of tables."""

    price: float
    learning_rate: float = 5e-3
    batch_size: int = 1024

    module, kind = "ultralow.training.lut.hgq", "HGQ dense"

    def parameters(self, widths: tuple[int, ...]) -> int:
        return sum((a + 1) * b for a, b in zip(widths, widths[1:]))


@dataclass(frozen=True)
class BoostedTrees(Method):
    """Trees grown by gradient boosting (:mod:`ultralow.training.lut.boosted_trees`), each a table over its thresholds. The entry's middle width is their
    number, over all classes. Thresholds lie on a grid of ``key_bits``, of the features that ``wide`` names on one of a bit more;
    the widest tree's leaves have ``leaf_bits``. ``features``: share of the inputs that a split may choose from, drawn anew."""

    leaves: int = 6
    leaf_bits: int = 4
    learning_rate: float = 0.3
    key_bits: int = 5
    wide: tuple[str, ...] = ()
    features: float = 0.8
    least_rows: int = 50
    l2: float = 1.0

    module, kind = "ultralow.training.lut.boosted_trees", "boosted trees"

    def parameters(self, widths: tuple[int, ...]) -> int:
        return widths[1] * (2 * self.leaves - 1)


@dataclass(frozen=True)
class LearnedTables(Method):
    """A layer of six-input tables that choose what they read among the answers to ``thresholds`` questions about each input, and
    count for a class each (:mod:`ultralow.training.lut.dwn`). The entry's middle width is their number."""

    thresholds: int = 31
    learning_rate: float = 1e-2
    batch_size: int = 512

    module, kind = "ultralow.training.lut.dwn", "learned tables"

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


_JETS = {"dataset": "jets", "input": "ufixed<6,6>"}
_DIGITS = {"dataset": "mnist", "input": "ufixed<1,0>", "recipe": "front-digits"}

FRONT = [
    # The study's own, by the number of LUTs that they may need. The more a network can hold, the more it learns by heart: large
    # ones learn from what a float network makes of the rows.
    *(FrontNetwork(f"jets-tables-{luts}", widths=(16, *hidden, 5), method=Additive(price, wide=("mass_mmdt",)),
                   recipe=recipe, **_JETS)
      for luts, hidden, price, recipe in (
          (60, (), 2e-3, "front"), (90, (), 1e-3, "front"), (150, (4,), 1e-3, "front"), (280, (8,), 5e-4, "front"),
          (400, (12,), 3e-4, "front"), (800, (20,), 1e-4, "front-taught"), (1400, (32,), 2.5e-5, "front-taught"))),
    # By the number of their tables. Those of 300 to 1200 were built before there were passes without gradients.
    *(FrontNetwork(f"mnist-votes-{tables}", widths=(784, tables, 10), method=Votes(passes=passes), **_DIGITS)
      for tables, passes in ((30, 1), (100, 1), (300, 0), (600, 0), (900, 0), (1200, 0), (2000, 1))),
    # Peers. Prices and sizes cover the front; what else there is to choose was chosen on the validation part.
    *(FrontNetwork(f"jets-hgq-tables-{number}", input="fixed<6,1>", widths=(16, 20, 5), recipe="peers",
                   method=HgqTables(price), dataset="jets")
      for number, price in enumerate((1.5e-6, 1e-5, 4e-5, 1.2e-4, 4e-4), start=1)),
    *(FrontNetwork(f"jets-hgq-dense-{number}", input="fixed<7,1>", widths=(16, 64, 32, 32, 5),
                   method=HgqDense(price), dataset="jets")
      for number, price in enumerate((1e-6, 4e-6, 1.6e-5), start=1)),
    *(FrontNetwork(f"jets-trees-{trees}", **_JETS, widths=(16, trees, 5),
                   method=BoostedTrees(leaf_bits=bits, learning_rate=rate, wide=("mass_mmdt",)))
      for trees, bits, rate in ((25, 4, 0.6), (50, 5, 0.5), (100, 4, 0.4), (200, 4, 0.3), (400, 5, 0.25))),
    *(FrontNetwork(f"mnist-trees-{trees}", input="ufixed<1,0>", widths=(784, trees, 10),
                   method=BoostedTrees(leaves=leaves, learning_rate=0.5, least_rows=20, features=0.5), dataset="mnist")
      for trees, leaves in ((300, 6), (600, 6))),
    *(FrontNetwork(f"jets-learned-{tables}", **_JETS, widths=(16, tables, 5), recipe="peers-tables", method=LearnedTables())
      for tables in (50, 360, 1000)),
    *(FrontNetwork(f"mnist-learned-{tables}", input="ufixed<1,0>", widths=(784, tables, 10), recipe="peers-tables",
                   method=LearnedTables(thresholds=1), dataset="mnist") for tables in (1000, 2000)),
]
