"""Knows the networks of the study: one entry each. Adding a network is adding one entry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ultralow.errors import StudyError, unknown
from ultralow.fixed import Fixed
from ultralow.recipes import RECIPES


@dataclass(frozen=True)
class Network:
    """A multi-layer perceptron of the study.

    ``widths`` counts inputs and outputs. ``weights`` and ``activation`` are binary, ternary, or a number format
    (``fixed<8,2>``; an activation ``ufixed<8,3>`` is a ReLU quantised to it); a tuple has one for each layer (weights)
    or each hidden layer (activation). ``input`` is the format that the hardware receives. ``published`` is the row of
    published.csv that the network answers to. ``scale_bits`` are the significant bits of the factors that a layer with
    ReLU, or the last one, keeps of its normalisation.
    """

    name: str
    dataset: str
    widths: tuple[int, ...]
    weights: str | tuple[str, ...]
    activation: str | tuple[str, ...]
    input: str
    recipe: str = "study"
    published: str | None = None
    scale_bits: int = 6
    # Whether hls4ml's emulation exists for what the network becomes; a study leaves it out where not.
    hls4ml: ClassVar[bool] = True
    # Whether it becomes a circuit as it enters the study, and can be built in no other way.
    is_circuit: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise unknown(f"recipe of network {self.name}", self.recipe, RECIPES)
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise StudyError(f"network {self.name}: widths {self.widths} need an input and an output of at least 1")
        Fixed.parse(self.input)
        layers = len(self.widths) - 1
        for field, given, needed in (("weights", self.weights, layers), ("activation", self.activation, layers - 1)):
            texts = (given,) if isinstance(given, str) else given
            if not isinstance(given, str) and len(given) != needed:
                raise StudyError(f"network {self.name}: {field} names {len(given)} layers, the widths "
                                 f"{self.architecture} have {needed}")
            for text in texts:
                if text not in QUANTISED:
                    Fixed.parse(text)
        for of, follows in zip(self.layer_weights, self.layer_activations):
            if of not in QUANTISED and follows in QUANTISED:
                raise StudyError(f"network {self.name}: weights {of} with a {follows} activation are not known to "
                                 "hls4ml's emulation; take a ReLU (ufixed<5,2>, say) or binary or ternary weights")

    @property
    def layer_weights(self) -> tuple[str, ...]:
        """What each layer's weights are."""
        return _each(self.weights, len(self.widths) - 1)

    @property
    def layer_activations(self) -> tuple[str, ...]:
        """What each hidden layer's activation is."""
        return _each(self.activation, len(self.widths) - 2)

    @property
    def architecture(self) -> str:
        return "x".join(map(str, self.widths))

    @property
    def kind(self) -> str:
        """float, pruned, binary, ternary, or the hybrids binary+relu and ternary+relu; mixed, where layers differ in
        more than a number format."""
        weights = {text if text in QUANTISED else "float" for text in self.layer_weights}
        activations = {text if text in QUANTISED else "relu" for text in self.layer_activations}
        if len(weights) > 1 or len(activations) > 1:
            return "mixed"
        (of,) = weights
        if of == "float":
            return "pruned" if RECIPES[self.recipe].sparsity else "float"
        return f"{of}+relu" if activations == {"relu"} else of

    @property
    def parameters(self) -> int:
        """Weights and biases, as FINN counts them."""
        return sum(n * m + m for n, m in zip(self.widths, self.widths[1:]))

    @property
    def operations(self) -> int:
        """Multiplications and additions for one input, as FINN counts them (two for each weight)."""
        return 2 * sum(n * m for n, m in zip(self.widths, self.widths[1:]))

    def at_smoke_size(self) -> Network:
        """The same network with every hidden layer at most 8 wide: all code paths in seconds, for tests."""
        return replace(self, widths=(self.widths[0], *(min(n, 8) for n in self.widths[1:-1]), self.widths[-1]))


def _each(text: str | tuple[str, ...], layers: int) -> tuple[str, ...]:
    return (text,) * layers if isinstance(text, str) else tuple(text)


# Weights and activations that are no number format.
QUANTISED = ("binary", "ternary")

# The study's own datasets and where they may come from; a study file may name others (ultralow.tabular).
DATASETS = {
    "jets": ("generated", "openml", "zenodo", "file"),
    "mnist": ("mnist", "file", "digits28"),
}

_JET, _DIGIT = (16, 64, 32, 32, 5), (784, 128, 128, 128, 10)
# Standardised features, times their gains: up to ±4; tails saturate. The smallest networks are content with steps of
# 1/16; to wider ones steps of 1/64 are worth some tenths of a point.
_JET_IN, _JET_IN_FINE, _DIGIT_IN = "fixed<7,3>", "fixed<9,3>", "ufixed<1,0>"

_ENTRIES = [
    # jets: the slides' table, row by row
    Network("jets-float", "jets", _JET, "fixed<7,2>", "ufixed<8,4>", "fixed<8,3>", "float", "seed-jets-float"),
    Network("jets-float-compressed", "jets", _JET, "fixed<7,2>", "ufixed<8,4>", "fixed<8,3>", "pruned",
            "seed-jets-float-compressed"),
    Network("jets-bnn-small", "jets", _JET, "binary", "binary", _JET_IN, "binary", "seed-jets-bnn-small",
            scale_bits=1),
    Network("jets-bnn-optimised", "jets", (16, 448, 224, 224, 5), "binary", "binary", _JET_IN_FINE, "binary-wide",
            "seed-jets-bnn-optimised"),
    Network("jets-bnn-relu", "jets", (16, 128, 64, 64, 5), "binary", "ufixed<4,3>", _JET_IN_FINE, "binary-relu",
            "seed-jets-bnn-relu", scale_bits=4),
    Network("jets-tnn-optimised", "jets", (16, 128, 64, 64, 64, 5), "ternary", "ternary", _JET_IN_FINE, "ternary",
            "seed-jets-tnn-optimised"),
    Network("jets-tnn-relu", "jets", _JET, "ternary", "ufixed<5,2>", _JET_IN_FINE, "ternary-relu",
            "seed-jets-tnn-relu", scale_bits=4),
    # not in the slides: what the third weight value buys at the smallest size
    Network("jets-tnn-small", "jets", _JET, "ternary", "ternary", _JET_IN, "ternary"),
    # Shapes that the study's own searches found: of each front the one with the highest validation accuracy. Their
    # learning rates belong to ten epochs on 100,000 rows: over 60 epochs on all rows the binary one's (0.0995) left 61%
    # validation accuracy in two of three seeds.
    Network("jets-bnn-found", "jets", (16, 240, 5), "binary", "binary", _JET_IN),
    Network("jets-tnn-found", "jets", (16, 238, 114, 5), "ternary", "ternary", _JET_IN, "ternary"),
    # rows of the slides by the original recipe: what is training, and what is bits
    Network("jets-bnn-reference", "jets", _JET, "binary", "binary", "fixed<16,6>", "reference-jets",
            "seed-jets-bnn-small"),
    Network("jets-tnn-reference", "jets", (16, 128, 64, 64, 64, 5), "ternary", "ternary", "fixed<16,6>",
            "reference-jets", "seed-jets-tnn-optimised"),
    Network("mnist-bnn-reference", "mnist", _DIGIT, "binary", "binary", "ufixed<8,0>", "reference-mnist",
            "seed-mnist-bnn"),
    Network("mnist-tnn-reference", "mnist", _DIGIT, "ternary", "ternary", "ufixed<8,0>", "reference-mnist",
            "seed-mnist-tnn"),
    # digits: the slides' second table. Eight-bit pixels for float; two bits of grey are worth half a point to ternary
    # weights, and more bits hardly anything. Binary weights reach with one bit and longer training what they reach with
    # two, for a quarter fewer adders.
    Network("mnist-float", "mnist", _DIGIT, "fixed<10,2>", "ufixed<10,4>", "ufixed<8,0>", "digits-float",
            "seed-mnist-float"),
    Network("mnist-bnn", "mnist", _DIGIT, "binary", "binary", _DIGIT_IN, "digits", "seed-mnist-bnn", scale_bits=2),
    Network("mnist-tnn", "mnist", _DIGIT, "ternary", "ternary", "ufixed<2,0>", "digits-ternary", "seed-mnist-tnn"),
    # FINN's scaling table
    *(Network(f"finn-{n}-binary", "mnist", (784, n, n, n, 10), "binary", "binary", _DIGIT_IN, "digits",
              f"finn-t1-{n}-binary") for n in (128, 256, 512, 1024, 2048, 4096)),
    *(Network(f"finn-{n}-float", "mnist", (784, n, n, n, 10), "fixed<10,2>", "ufixed<10,4>", "ufixed<8,0>",
              "digits-float", f"finn-t1-{n}-float") for n in (128, 256, 512, 1024, 2048, 4096)),
]

# How the names of FINN's scaling table begin: it is a table of its own (finn.csv).
FINN = "finn-"

CATALOGUE = {entry.name: entry for entry in _ENTRIES}


def network(name: str) -> Network:
    """The catalogue's entry.

    Raises:
        StudyError: no such entry; the message names the nearest ones.
    """
    if name not in CATALOGUE:
        raise unknown("network", name, CATALOGUE)
    return CATALOGUE[name]
