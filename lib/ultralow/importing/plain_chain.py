"""Bring a Keras model to a plain chain of layers: dense, batch normalisation, activation, and nothing else.

What only factors and offsets of values do is moved where hardware has such already, before any weight is rounded and in float64:

- in front of the first dense layer (role ``input``) into gain and move of the features;
- behind an activation (``ahead``) into the next dense layer, (s·x + t) @ K + b = x @ (s·K) + (t @ K + b);
- behind a dense layer, beside its batch normalisation or without (``behind``), into that layer's kernel and bias.

Layers that do nothing in inference (``idle``) and a last softmax or sigmoid (``end``) are left out, and models within the model
are opened. Layers of roles ``dense``, ``norm``, ``activation``, ``encoding`` and ``keep`` stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ultralow.errors import StudyError

if TYPE_CHECKING:
    import keras

    from ultralow.exact.dense import FoldedNetwork
    from ultralow.importing.keras_file import Outline

_UNCHANGED = ("dense", "norm", "activation", "encoding", "keep")
_UNBOUNDED = "i_decay_speed"  # HGQ2's: infinite, since a batch's range is to be forgotten at once
Affine = tuple[np.ndarray, np.ndarray]  # factor and offset of each value, float64


@dataclass(frozen=True)
class PlainChain:
    """A model as a plain chain.

    Attributes:
        model: the chain; its outputs are logits or estimates.
        own: the model as it was read. own(x) is model(x·gain + move) with ``end`` behind it.
        gain, move: (inputs,) float64, of the features before the chain; None: they go in as they are.
        end: "softmax" or "sigmoid", which the chain leaves out (a softmax may still stand in it); None: there is none.
        front: of a model of HGQ2 the layers that gain and move stand for.
    """

    model: keras.Model
    own: keras.Model
    gain: np.ndarray | None = None
    move: np.ndarray | None = None
    end: str | None = None
    front: tuple[keras.layers.Layer, ...] = ()

    def scaling(self, gain: np.ndarray | None, move: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Gain and move (inputs,) that make the chain's inputs of features, of those that make the model's own inputs of them."""
        if self.gain is None:
            return gain, move
        return (self.gain if gain is None else self.gain * gain), (self.move if move is None else self.gain * move + self.move)

    def scaled(self, network: FoldedNetwork) -> FoldedNetwork:
        """The exact network of the chain with the model's own factors and offsets of its features, in front of its encoding."""
        if self.gain is None:
            return network
        # The encoding, if there is one, takes what the factors give.
        gain = self.gain if network.gain is None else network.gain * self.gain
        move = self.move if network.gain is None else network.gain * self.move
        return replace(network, gain=gain, move=move if network.move is None else move + network.move)


def of(model: keras.Model, outline: Outline, name: str | None = None) -> PlainChain:
    """The plain chain of a model of this outline; ``name`` stands in messages.

    Raises:
        StudyError: a weight is NaN or infinite, or a variance not positive.
    """
    import keras

    from ultralow.training import layers  # noqa: F401 — float64, also of JAX

    leaves, name = list(_leaves(model)), name or f"model {model.name}"
    if len(leaves) != len(outline.roles):
        raise StudyError(f"{name}: Keras made {len(leaves)} layers of {len(outline.roles)} that are described; save it again")
    for layer, (where, _) in zip(leaves, outline.roles):
        _finite(layer, f"{name}: {where}")
    # Folding passes over a Dropout and a last softmax: such a model stays as it is.
    if outline.end != "sigmoid" and not any(isinstance(layer, keras.Model) for layer in model.layers) and all(
            role in (*_UNCHANGED, "end") or role == "idle" and isinstance(layer, keras.layers.Dropout)
            for layer, (_, role) in zip(leaves, outline.roles)):
        return PlainChain(model, model, end=outline.end)
    inputs, pending, parts = None, None, []  # a part: a layer, and its weights
    for layer, (_, role) in zip(leaves, outline.roles):
        if role in ("input", "ahead", "behind"):
            factor = _affine(layer)
            inputs = _after(inputs, factor) if role == "input" else inputs
            pending = _after(pending, factor) if role == "ahead" else pending
            if role == "behind":
                parts = _merged_behind(parts, factor)
        elif role == "dense" and pending is not None:
            parts.append(_merged_ahead(layer, pending))
            pending = None
        elif role in _UNCHANGED:
            parts.append((layer, layer.get_weights()))
    gain, move = (None, None) if inputs is None else (np.broadcast_to(value, outline.inputs).astype(float) for value in inputs)
    front = tuple(layer for layer, (_, role) in zip(leaves, outline.roles) if role == "input")
    return PlainChain(_chained(model, parts, outline.end), model, gain, move, outline.end, front)


def apart(chain: PlainChain, x: np.ndarray) -> int:
    """On how many rows of features (rows, inputs), as the model takes them, the chain of a model of HGQ2 does not give what the
    model gives, bit by bit, behind the model's own factors of its features."""
    from ultralow.training.evaluation import outputs

    if chain.model is chain.own:
        return 0
    wanted, values = outputs(chain.own, x.astype(np.float32)), x.astype(np.float32)
    for layer in chain.front:
        values = outputs(layer, values)
    return int((outputs(chain.model, values) != wanted).any(axis=1).sum())


def _leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers in their order, but for input layers; those of models within the model in its place."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer


def _finite(layer: keras.layers.Layer, where: str) -> None:
    """That every weight of a layer is a number, and that a normalisation divides by one."""
    from ultralow.training.folding import float64

    for variable in layer.variables:
        values, name = float64(variable), variable.path.removeprefix(f"{layer.name}/")
        wrong = ~np.isfinite(values)
        if wrong.any() and variable.name != _UNBOUNDED:
            place = ", ".join(map(str, np.argwhere(wrong)[0]))
            raise StudyError(f"{where} has {wrong.sum():,} weights that are NaN or infinite, of {wrong.size:,} in {name}, the "
                             f"first at [{place}]: the training diverged; train it again with a smaller learning rate")
        if "variance" in variable.name and not (values + getattr(layer, "epsilon", 0.0) >= 0).all():
            raise StudyError(f"{where}: {name} has negative values, and a variance has none; the file is damaged: save it "
                             "again")


def _affine(layer: keras.layers.Layer) -> Affine:
    """Factor and offset of a layer that does x·factor + offset in inference; as its weights say, in float64."""
    import keras

    from ultralow.fixed_point import dyadic
    from ultralow.training import folding

    if isinstance(layer, keras.layers.BatchNormalization):
        factor, mean, offset = folding.normalisation(layer)
        if getattr(layer, "significant", None) is not None:
            codes, fraction = dyadic(factor, layer.significant)
            factor = codes * 2.0**-fraction
        return factor, offset - factor * mean
    if isinstance(layer, keras.layers.Rescaling):
        return np.asarray(layer.scale, np.float64), np.asarray(layer.offset, np.float64)
    mean, variance = (folding.float64(value).reshape(-1) for value in (layer.mean, layer.variance))
    deviation = np.maximum(np.sqrt(variance), keras.backend.epsilon())
    return (deviation, mean) if layer.invert else (1 / deviation, -mean / deviation)


def _after(before: Affine | None, then: Affine) -> Affine:
    """Both one after the other as one factor and offset."""
    return then if before is None else (before[0] * then[0], before[1] * then[0] + then[1])


def _dense(like: keras.layers.Dense, kernel: np.ndarray, bias: np.ndarray) -> tuple[keras.layers.Dense, list[np.ndarray]]:
    """A dense layer of these numbers in float64, with name and activation of another one."""
    import keras

    return keras.layers.Dense(like.units, activation=like.activation, dtype="float64", name=like.name), [kernel, bias]


def _merged_ahead(dense: keras.layers.Dense, before: Affine) -> tuple[keras.layers.Dense, list[np.ndarray]]:
    """A dense layer with a factor and offset of what it takes."""
    from ultralow.training import folding

    kernel = folding.rounded_kernel(dense)
    factor, offset = (np.broadcast_to(value, len(kernel)) for value in before)
    bias = folding.float64(dense.bias) if dense.use_bias else np.zeros(dense.units)
    return _dense(dense, factor[:, None] * kernel, offset @ kernel + bias)


def _merged_behind(parts: list, then: Affine) -> list:
    """The last dense layer of ``parts`` with its normalisation and a factor and offset of what they give in one."""
    import keras

    from ultralow.training import folding

    norm = parts[-1][0] if isinstance(parts[-1][0], keras.layers.BatchNormalization) else None
    rest, (dense, weights) = (parts[:-2], parts[-2]) if norm is not None else (parts[:-1], parts[-1])
    if len(weights) and weights[0].dtype == np.float64:  # merged before
        kernel, bias = weights
    else:
        kernel = folding.rounded_kernel(dense)
        bias = folding.float64(dense.bias) if dense.use_bias else np.zeros(dense.units)
    factor, offset = then if norm is None else _after(_affine(norm), then)
    return [*rest, _dense(dense, kernel * factor, bias * factor + offset)]


def _chained(model: keras.Model, parts: list, end: str | None) -> keras.Model:
    """A model of layers with these weights, one behind the other; none of them is shared with ``model``."""
    import keras

    last = max((number for number, (layer, _) in enumerate(parts) if hasattr(layer, "activation")), default=None)
    names = [layer.name for layer, _ in parts]
    values = inputs = keras.Input(model.inputs[0].shape[1:], name="features")
    for number, (layer, weights) in enumerate(parts):
        # Models within the model may have layers of one name.
        settings = layer.get_config() | {"name": f"{layer.name}_{number}" if names.count(layer.name) > 1 else layer.name}
        if number == last and end and getattr(layer.activation, "__name__", "") == end:
            settings["activation"] = "linear"
        copy = type(layer).from_config(settings)
        values = copy(values)
        copy.set_weights(weights)
    return keras.Model(inputs, values, name=model.name)
