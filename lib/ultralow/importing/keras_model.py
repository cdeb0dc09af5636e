"""Take in a Keras model that somebody else trained: which layers it may have, and what network it is.

A chain of dense layers, each with a batch normalisation and an activation if it likes; factors and offsets of values in other
places become part of the features' scaling or of the next weights (:mod:`ultralow.importing.plain_chain`). The file is data:
Keras's safe mode is on, and what a layer is called decides nothing but which of the classes here it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ultralow.importing import hgq_model, keras_file
from ultralow.networks.catalogue import QUANTISED, NetworkSpec
from ultralow.errors import StudyError
from ultralow.files import sha256

if TYPE_CHECKING:
    import keras

    from ultralow.exact.dense import FoldedNetwork
    from ultralow.importing.plain_chain import PlainChain

SEED = 0  # stands where trained networks have theirs
_DENSE = ("Dense", "MaskedDense", "BinaryDense", "TernaryDense")
_NORMS = ("BatchNormalization", "BatchRenormalisation")
_AFFINE = (*_NORMS, "Normalization", "Rescaling")  # a factor and an offset for each value
_IDLE = keras_file.IDLE
_ACTIVATIONS = ("Activation", "ReLU", "RoundedTanh", "QuantisedRelu")
_TAKEN = (*_DENSE, *_AFFINE, *_ACTIVATIONS, "Softmax", *_IDLE, "Flatten", "Reshape")
_RELU = "ReLU, and train it again"
_REMEDY = {
    **dict.fromkeys(("LeakyReLU", "PReLU", "ELU", "ThresholdedReLU"), _RELU),
    "LayerNormalization": "BatchNormalization, whose factors are constants after training",
    "GroupNormalization": "BatchNormalization, whose factors are constants after training",
    "UnitNormalization": "BatchNormalization, whose factors are constants after training",
    **dict.fromkeys(("Conv1D", "Conv2D", "SeparableConv1D", "SeparableConv2D", "DepthwiseConv2D", "EinsumDense", "LSTM", "GRU",
                     "SimpleRNN"), "Dense"),
    "TimeDistributed": "the layer in it", "Bidirectional": "Dense", "SpectralNormalization": "the layer in it",
    "Permute": "inputs of one dimension", "Lambda": "none: it is code", "Embedding": "features that are numbers",
    "Discretization": "features as numbers", "CategoryEncoding": "features that are encoded in the data's files",
    "Concatenate": "one chain of layers", "Add": "one chain of layers", "TFSMLayer": "the layers that it stands for",
    **dict.fromkeys(("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"), "Dense"),
}
_FUNCTIONS = {"binary_tanh": "binary", "ternary_tanh": "ternary", "relu": "relu", "linear": None, "softmax": "softmax",
              "sigmoid": "sigmoid"}
_ENDS = ("softmax", "sigmoid")  # neither changes which output is the largest; 0.5 behind a sigmoid is 0 before it


@dataclass(frozen=True)
class Group:
    """A dense layer as the file describes it: its width, what its weights are (None: real numbers), whether normalised,
    and its activation (binary, ternary, a format, relu, or None)."""

    units: int
    weights: str | None
    normalised: bool
    activation: str | None
    significant: int | None = None  # bits that its normalisation's factor was rounded to in training


def outline(path: str | Path) -> keras_file.Outline:
    """What a model's file describes; nothing of it is run and no weight is read.

    Raises:
        StudyError: no such file, not a .keras file, or a layer that the study does not know: its position, and what could
            stand there.
    """
    with keras_file.described(path):
        return _outline(Path(path), keras_file.chain(path, keras_file.read(path)))


def fold(model: keras.Model, spec: NetworkSpec, classes: tuple[str, ...] = ()) -> FoldedNetwork:
    """The exact network of a Keras model in memory, trained by :func:`ultralow.train` or anywhere else.

    Args:
        model: a chain of dense layers, each with a batch normalisation and an activation if it likes.
        spec: widths, weights, activations and input format of the exact network. Real weights and plain ReLU are rounded to
            its formats; layers that bring a precision must have the spec's.
        classes: names of the outputs.

    Raises:
        StudyError: the model has a layer that has no exact form, or is another network than ``spec`` says.
    """
    import keras

    from ultralow.importing import plain_chain
    from ultralow.training import folding

    chain, name = keras.Model(model.inputs[0], model.outputs[0], name=model.name), f"model {model.name}"
    with keras_file.described(name):
        config = json.loads(chain.to_json())
        if hgq_model.is_hgq(config):
            raise StudyError(f"{name} is of HGQ2, which becomes a circuit and is not folded: save it, and give the file to a "
                             "study (docs/own-data.md)")
        outlined = _outline(name, keras_file.chain(name, config), encoding=True)
    groups = outlined.groups
    widths = outlined.inputs, *(group.units for group in groups)
    if widths != tuple(spec.widths):
        raise StudyError(f"{name} has the widths {widths}, {spec.name} {tuple(spec.widths)}")
    for position, (group, weights) in enumerate(zip(groups, spec.layer_weights), start=1):
        where = f"{name}: dense layer {position}"
        if weights in QUANTISED and not group.normalised:
            raise StudyError(f"{where} has {weights} weights and no batch normalisation behind it")
        _agree(f"{where} has weights", group.weights, weights, "real")
    for position, (group, activation) in enumerate(zip(groups, spec.layer_activations), start=1):
        _agree(f"{name}: dense layer {position} has an activation", group.activation, activation, "relu")
    chained = plain_chain.of(chain, outlined, name)
    return chained.scaled(folding.fold(chained.model, spec, classes))


def _agree(what: str, found: str | None, wanted: str, free: str) -> None:
    """That a precision of the model is the spec's; ``free`` ones are rounded to the spec's format."""
    found = free if found is None and free == "real" else found
    if found != wanted and (found != free or wanted in QUANTISED):
        raise StudyError(f"{what} {found or 'none'}, and the spec says {wanted}; change one of the two")


def _outline(path: Path | str, layers: Iterable[keras_file.Layer], encoding: bool = False) -> keras_file.Outline:
    """``encoding``: whether an input encoding may stand in front, as in models that :func:`ultralow.train` gives."""
    inputs, groups, roles = None, [], []
    end = pending = None  # where the softmax or sigmoid stands, and a factor for the next dense layer's weights
    for where, kind, settings in layers:
        if kind == "InputLayer":
            inputs = keras_file.inputs(where, settings, inputs)
            continue
        function, role = None, "idle"
        if kind == "InputEncoding" and not groups:
            if not encoding:
                raise StudyError(f"{where} encodes the inputs, which a study does itself; in Python, fold(model, spec) takes it")
            role = "encoding"
        elif kind in _DENSE:
            weights = {"BinaryDense": "binary", "TernaryDense": "ternary"}.get(kind, settings.get("format"))
            if pending and weights:
                raise StudyError(f"{pending} stands before {weights} weights, into which its factors cannot be merged; put the "
                                 "normalisation between a dense layer and its activation, and train it again")
            units = keras_file.count(where, settings, "units")
            function, role, pending = _function(where, settings.get("activation")), "dense", None
            groups.append(Group(units, weights, False, None if function in _ENDS else function))
        elif kind in _AFFINE:
            keras_file.last_axis(where, settings)
            role = _place(where, kind, groups, encoded="encoding" in (role for _, role in roles))
            pending = where if role == "ahead" else pending
            if role == "norm":
                groups[-1] = replace(groups[-1], normalised=True, significant=settings.get("significant"))
        elif kind in _ACTIVATIONS or kind == "Softmax":
            function = _activation(where, kind, settings)
            role = "activation" if function else "idle"
            if function and function not in _ENDS:
                if not groups or groups[-1].activation or pending:
                    raise StudyError(f"{where} stands where the study knows none; the order is dense, batch normalisation, "
                                     "activation, and the last two are optional")
                groups[-1] = replace(groups[-1], activation=function)
        elif kind in ("Flatten", "Reshape"):
            keras_file.flat(where, settings, groups[-1].units if groups else inputs)
        elif kind not in _IDLE:
            raise StudyError(f"{where} is none that the study takes: {', '.join(_TAKEN)}"
                             + (f"; in its place: {_REMEDY[kind]}" if kind in _REMEDY else ""))
        if end and role != "idle" and (role != "activation" or function in _ENDS):
            if function == end[1] == "softmax" and kind not in _DENSE:
                role = "end"  # twice the same, as in a model that had one and was given another
            else:
                raise StudyError(f"{end[0]}: a {end[1]} that is not the last of the model has no exact form, and only a last one "
                                 f"can be left out; behind it stands {where.removeprefix(f'{path}: ')}; train it with ReLU in "
                                 "its place")
        elif function in _ENDS:
            end = _end(where, function, groups, pending)
            role = "end" if role == "activation" else role
        roles.append((where.removeprefix(f"{path}: "), role))
    if inputs is None or not groups:
        raise StudyError(f"{path} has no input of a known shape, or no dense layer")
    for position, group in enumerate(groups, start=1):
        kinds = (type(group.weights), type(group.activation), type(group.significant))
        if not all(kind in (str, type(None)) for kind in kinds[:2]) or kinds[2] not in (int, type(None)):
            raise StudyError(f"{path}: dense layer {position} or what follows it says {group}; formats are texts, and the bits "
                             "of a factor a number")
    if groups[-1].activation:
        raise StudyError(f"{path}: a {groups[-1].activation} activation behind the last dense layer; outputs are logits or "
                         "estimates: leave it out")
    return keras_file.Outline(inputs, groups, roles, end and end[1])


def _place(where: str, kind: str, groups: list[Group], encoded: bool) -> str:
    """The role of a factor and offset that stands here: of the features, of the weights before or behind, or, as between a dense
    layer and its activation, of its own."""
    if not groups:
        return "ahead" if encoded else "input"
    if groups[-1].activation:
        return "ahead"
    if kind in _NORMS and not groups[-1].normalised:
        return "norm"
    if groups[-1].weights:
        raise StudyError(f"{where} is another factor behind {groups[-1].weights} weights; the study takes one batch "
                         "normalisation there: train it with one")
    return "behind"


def _end(where: str, function: str, groups: list[Group], pending: str | None) -> tuple[str, str]:
    """A softmax or sigmoid, which can be left out if it is the model's last."""
    if not groups or groups[-1].activation or pending:
        raise StudyError(f"{where}: a {function} behind {'an activation' if groups else 'the inputs'} has no exact form; only "
                         "the one behind the last dense layer can be left out; train it with ReLU in its place")
    if function == "softmax" and groups[-1].units == 1:
        raise StudyError(f"{where}: a softmax of one output is always 1, so that nothing was learned; train it with two outputs, "
                         "or with one and a sigmoid")
    return where, function


def entry(name: str, path: str | Path, dataset: str, input: str | None, weights: str | None = None, activation: str | None = None,
          scale_bits: int | None = None) -> NetworkSpec:
    """The model as a network of the study. A model of HGQ2 needs no formats and takes none.

    Args:
        weights: the format that real weights are rounded to; activation: the same of plain ReLU. Needed where the model
            has such.
        scale_bits: as the catalogue's; default what the model was trained with.
    """
    if hgq_model.is_hgq(config := keras_file.read(path)):
        if wrong := [key for key, value in (("input", input), ("weights", weights), ("activation", activation),
                                            ("scale_bits", scale_bits)) if value is not None]:
            raise StudyError(f"network {name}: {path} is a model of HGQ2 and brings its own formats; leave out "
                             f"{', '.join(wrong)}")
        return hgq_model.entry(name, path, dataset, config)
    inputs, groups = outline(path)[:2]
    _given(input, name, "a trained model does not say what the hardware receives", "input")
    kinds, steps = [], []
    for position, group in enumerate(groups, start=1):
        last = position == len(groups)
        kinds.append(_given(group.weights or weights, name, f"weights of dense layer {position} are real numbers", "weights"))
        if not last and group.activation is None:
            raise StudyError(f"network {name}: dense layer {position} of {path} has no activation; two layers without one "
                             "between them are one")
        if not last:
            step = activation if group.activation == "relu" else group.activation
            steps.append(_given(step, name, f"activation {position} is a plain ReLU", "activation"))
        if kinds[-1] in QUANTISED and not group.normalised:
            raise StudyError(f"network {name}: no batch normalisation behind dense layer {position} of {path}, whose weights "
                             f"are {kinds[-1]}")
    scale_bits = scale_bits or max((group.significant or 0 for group in groups))
    more = {"scale_bits": scale_bits} if scale_bits else {}
    widths = inputs, *(group.units for group in groups)
    return NetworkSpec(name, widths, tuple(kinds), tuple(steps), input, **more, dataset=dataset)


def load(path: str | Path) -> "keras.Model":
    """The model with its weights, as its file has it, in Keras's safe mode: no code of the file is run.

    Raises:
        StudyError: Keras cannot read it.
    """
    import keras

    from ultralow.training import layers  # noqa: F401 — registers the study's own

    with keras_file.described(path):
        hgq = hgq_model.is_hgq(config := keras_file.read(path))
    if hgq:
        hgq_model.entry("model", path, "", config)
    else:
        outline(path)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True,
                                        custom_objects=hgq_model.earlier_names() if hgq else None)
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    except Exception as error:  # Keras has many words for a file that it cannot read
        raise StudyError(f"{path}: Keras cannot load it ({keras_file.cause(error)}); save it again with the Keras that is "
                         "installed here") from error


def load_chain(path: str | Path) -> PlainChain:
    """The model of a file as the chain of layers that becomes exact (:func:`ultralow.importing.plain_chain.of`), no weight
    rounded.

    Raises:
        StudyError: as :func:`load`; a weight is NaN or infinite.
    """
    from ultralow.importing import plain_chain

    model = load(path)
    with keras_file.described(path):
        config = keras_file.read(path)
        outlined = hgq_model.outline(path, config) if hgq_model.is_hgq(config) else outline(path)
    return plain_chain.of(model, outlined, str(path))


def reorder(model: "keras.Model", order: Sequence[int]) -> None:
    """Changes the last weights of a model so that its output i is what was output ``order[i]``. A single output, which stands for
    two classes, changes its sign."""
    import keras

    from ultralow.training import folding

    dense, norm, _ = folding.groups(model)[-1]
    if dense.units >= len(order):
        for layer in filter(None, (dense, norm)):
            layer.set_weights([np.take(value, order, axis=-1) for value in layer.get_weights()])
        return
    # With a normalisation's factor the sign turns behind the sums, where no weight is rounded.
    turned = [] if norm is None else [norm.beta] if norm.center else []
    if norm is not None and norm.scale:
        turned.append(norm.gamma)
    else:
        dense.kernel.assign(folding.rounded_kernel(dense))
        turned += [dense.kernel, *([dense.bias] if dense.use_bias else []), *([] if norm is None else [norm.moving_mean])]
    for variable in turned:
        variable.assign(-keras.ops.convert_to_numpy(variable))


def identity(path: str | Path) -> dict:
    """What stands for the recipe in train.json."""
    return {"name": "imported", "model": Path(path).name, "sha256": sha256(path)}


def _given(text: str | None, name: str, what: str, key: str) -> str:
    if text is None:
        raise StudyError(f"network {name}: {what}; say by {key} in the study file which format they get, fixed<8,2> or "
                         "ufixed<6,3>, say")
    return text


def _activation(where: str, kind: str, settings: dict) -> str | None:
    if kind == "RoundedTanh":
        return settings["levels"]
    if kind == "QuantisedRelu":
        return settings["format"]
    if kind == "ReLU":
        keras_file.plain_relu(where, settings)
        return "relu"
    if kind == "Softmax":
        keras_file.last_axis(where, settings)
        return "softmax"
    return _function(where, settings.get("activation"))


def _function(where: str, function: object) -> str | None:
    name = function.get("registered_name") or function.get("config") if isinstance(function, dict) else function
    if name == "function":  # what Keras registers its own as
        name = function.get("config")
    name = str(name or "linear").rsplit(">", 1)[-1]
    if name not in _FUNCTIONS:
        raise StudyError(f"{where}: activation {name[:80]!r} is none of {', '.join(_FUNCTIONS)}; between dense layers train it "
                         "with relu; behind the last one leave it out (layer.activation = keras.activations.linear), and save it "
                         "again")
    return _FUNCTIONS[name]
