"""Knows how a Keras model that somebody else trained enters the study: which layers it may have, and what network it is.

A chain of dense layers, each with a batch normalisation and an activation if it likes. The file is data: Keras's safe mode
is on, and what a layer is called decides nothing but which of the classes here it is.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ultralow import limits
from ultralow.catalogue import QUANTISED, Network
from ultralow.errors import StudyError, brief
from ultralow.files import sha256

MOST_BYTES = 10_000_000  # of the description of a model; one of a thousand layers has one
SEED = 0  # stands where trained networks have theirs
_MODULES = r"keras(\..+)?|ultralow\.layers|builtins"
_DENSE = ("Dense", "MaskedDense", "BinaryDense", "TernaryDense")
_NORMS = ("BatchNormalization", "BatchRenormalisation")
_IGNORED = ("InputLayer", "Dropout", "Softmax")  # a softmax changes no order, and training ends before it
_ACTIVATIONS = ("Activation", "ReLU", "RoundedTanh", "QuantisedRelu")
_REMEDY = {
    "LeakyReLU": "ReLU", "PReLU": "ReLU", "ELU": "ReLU", "LayerNormalization": "BatchNormalization", "Conv2D": "Dense",
    "Flatten": "inputs of one dimension", "QDense": "Dense, whose weights `weights` rounds", "Lambda": "none: it is code",
}
_FUNCTIONS = {"binary_tanh": "binary", "ternary_tanh": "ternary", "relu": "relu", "linear": None, "softmax": None}


@dataclass(frozen=True)
class Group:
    """A dense layer as the file describes it: its width, what its weights are (None: real numbers), whether normalised,
    and its activation (binary, ternary, a format, relu, or None)."""

    units: int
    weights: str | None
    normalised: bool
    activation: str | None
    significant: int | None = None  # bits that its normalisation's factor was rounded to in training


def outline(path: str | Path) -> tuple[int, list[Group]]:
    """The model's number of inputs, and its layers; nothing of the file is run and no weight is read.

    Raises:
        StudyError: no such file, not a .keras file, or a layer that the study does not know: its position, and what could
            stand there.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            limits.check(sum(file.file_size for file in archive.infolist()), path)
            if (size := archive.getinfo("config.json").file_size) > MOST_BYTES:
                raise StudyError(f"{path}: a description of {size:,} bytes is no model that this study could take")
            config = json.loads(archive.read("config.json"))
        layers = [(layer["class_name"], dict(layer["config"]), layer.get("inbound_nodes"))
                  for layer in config["config"]["layers"]]
        if not all(isinstance(kind, str) for kind, _, _ in layers):
            raise TypeError("a layer's class is a name")
        # By class, module and registered name Keras finds what it builds; names of Python's other modules have no place.
        if foreign := sorted({module for module in _modules(config) if not re.fullmatch(_MODULES, module)}):
            raise StudyError(f"{path} names the module {foreign[0]!r}; a model has layers of Keras and of this study only")
    except StudyError:
        raise
    except FileNotFoundError:
        raise StudyError(f"model {path} is missing; give the path of a .keras file") from None
    except Exception as error:  # zipfile, zlib and json each have their own words for a damaged file
        raise StudyError(f"{path} is not a model in Keras's format .keras ({brief(error)}); save it again "
                         "with model.save('name.keras')") from None
    try:
        return _groups(path, layers)
    except (TypeError, ValueError, KeyError, AttributeError) as error:  # any value may stand where another is expected
        raise StudyError(f"{path} describes its layers otherwise than Keras does ({brief(error)}); save it again with "
                         "model.save('name.keras')") from error


def _groups(path: Path, layers: list[tuple[str, dict, object]]) -> tuple[int, list[Group]]:
    inputs, groups = None, []
    for position, (kind, settings, nodes) in enumerate(layers):
        where = f"{path}: layer {position} ({settings.get('name')}, {kind})"
        if nodes and (len(nodes) > 1 or str(nodes).count("'keras_history'") > 1):
            raise StudyError(f"{where} takes several inputs, or is used more than once; the study takes chains of layers only")
        if kind == "InputLayer":
            shape = settings.get("batch_shape") or settings.get("batch_input_shape")
            if inputs is not None or not shape or len(shape) != 2 or type(shape[1]) is not int or shape[1] < 1:
                raise StudyError(f"{where} has shape {shape}; one input of shape (features,) is what the study takes")
            inputs = shape[1]
        elif kind in _DENSE:
            weights = {"BinaryDense": "binary", "TernaryDense": "ternary"}.get(kind, settings.get("format"))
            units = settings.get("units")
            if not isinstance(units, int) or isinstance(units, bool) or not 1 <= units < 2**31:
                raise StudyError(f"{where} has {units!r} units; a whole number of at least 1 is what it should have")
            groups.append(Group(units, weights, False, _function(where, settings.get("activation"))))
        elif kind in _NORMS or kind in _ACTIVATIONS:
            if not groups or groups[-1].activation or kind in _NORMS and groups[-1].normalised:
                raise StudyError(f"{where} stands where the study knows none; the order is dense, batch normalisation, "
                                 "activation, and the last two are optional")
            of = groups[-1]
            groups[-1] = (replace(of, normalised=True, significant=settings.get("significant")) if kind in _NORMS else
                          replace(of, activation=_activation(where, kind, settings)))
        elif kind not in _IGNORED:
            raise StudyError(f"{where} is none that the study takes: {', '.join((*_DENSE, *_NORMS, *_ACTIVATIONS, *_IGNORED))}"
                             + (f"; in its place: {_REMEDY[kind]}" if kind in _REMEDY else ""))
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
    return inputs, groups


def _modules(value: object) -> Iterator[str]:
    """What stands under ``module`` anywhere in a model's description."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if key == "module" and item is not None:
            yield str(item)
        yield from _modules(item)


def entry(name: str, path: str | Path, dataset: str, input: str, weights: str | None = None, activation: str | None = None,
          scale_bits: int | None = None) -> Network:
    """The model as a network of the study.

    Args:
        weights: the format that real weights are rounded to; activation: the same of plain ReLU. Needed where the model
            has such.
        scale_bits: as the catalogue's; default what the model was trained with.
    """
    inputs, groups = outline(path)
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
    return Network(name, dataset, (inputs, *(group.units for group in groups)), tuple(kinds), tuple(steps), input, **more)


def load(path: str | Path) -> "keras.Model":
    """The model with its weights, in Keras's safe mode: no code of the file is run.

    Raises:
        StudyError: Keras cannot read it.
    """
    import keras

    from ultralow import layers  # noqa: F401 — registers the study's own

    outline(path)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        return keras.Model(model.inputs, model.outputs, name=model.name)
    except Exception as error:  # Keras has many words for a file that it cannot read
        raise StudyError(f"{path}: Keras cannot load it ({str(error).strip().splitlines()[0][:200]})") from error


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
        if settings.get("max_value") is not None or settings.get("negative_slope") or settings.get("threshold"):
            raise StudyError(f"{where} has a slope, a threshold or a ceiling; the study takes plain ReLU, which the format in "
                             "`activation` cuts off")
        return "relu"
    return _function(where, settings.get("activation"))


def _function(where: str, function: object) -> str | None:
    name = function.get("registered_name") or function.get("config") if isinstance(function, dict) else function
    name = str(name or "linear").rsplit(">", 1)[-1]
    if name not in _FUNCTIONS:
        raise StudyError(f"{where}: activation {name!r} is none of {', '.join(_FUNCTIONS)}")
    return _FUNCTIONS[name]
