"""Specify a network: one entry, from which everything about it follows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ultralow.errors import StudyError, unknown
from ultralow.fixed_point import Fixed
from ultralow.networks.recipes import RECIPES


@dataclass(frozen=True)
class NetworkSpec:
    """A multi-layer perceptron.

    ``widths`` counts inputs and outputs. ``weights`` and ``activation`` are binary, ternary, or a number format
    (``fixed<8,2>``; an activation ``ufixed<8,3>`` is a ReLU quantised to it); a tuple has one for each layer (weights)
    or each hidden layer (activation). ``input`` is the format that the hardware receives. ``published`` is the row of
    published.csv that the network answers to. ``scale_bits`` are the significant bits of the factors that a layer with
    ReLU, or the last one, keeps of its normalisation. ``dataset`` names the data of a study that it is trained on.
    """

    name: str
    widths: tuple[int, ...]
    weights: str | tuple[str, ...]
    activation: str | tuple[str, ...]
    input: str
    recipe: str = "study"
    published: str | None = None
    scale_bits: int = 6
    dataset: str = ""
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
        for field, precision, needed in (("weights", self.weights, layers), ("activation", self.activation, layers - 1)):
            texts = (precision,) if isinstance(precision, str) else precision
            if not isinstance(precision, str) and len(precision) != needed:
                raise StudyError(f"network {self.name}: {field} names {len(precision)} layers, the widths "
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

    def at_smoke_size(self) -> NetworkSpec:
        """The same network with every hidden layer at most 8 wide: all code paths in seconds, for tests."""
        return replace(self, widths=(self.widths[0], *(min(n, 8) for n in self.widths[1:-1]), self.widths[-1]))


def _each(text: str | tuple[str, ...], layers: int) -> tuple[str, ...]:
    return (text,) * layers if isinstance(text, str) else tuple(text)


# Weights and activations that are no number format.
QUANTISED = ("binary", "ternary")
