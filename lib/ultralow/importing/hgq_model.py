"""Take in a model of HGQ2: which of its layers it may have, and what network it is.

A chain of layers whose every value has a number of bits of its own, weight by weight and wire by wire: no layer of the folded
network has that. Its exact description is the circuit itself (:mod:`ultralow.training.lut.hgq_circuit`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ultralow.importing import keras_file
from ultralow.networks.catalogue import NetworkSpec
from ultralow.errors import StudyError

# What a model is built of, by HGQ2's modules: everything in its description that has a class is one of these, or Keras's.
_CLASSES = {
    "hgq.layers.core.dense": ("QDense", "QBatchNormDense"), "hgq.layers.table.dense": ("QDenseT",),
    "hgq.layers.batch_normalization": ("QBatchNormalization",), "hgq.quantizer.quantizer": ("Quantizer",),
    "hgq.quantizer.config": ("QuantizerConfig",), "hgq.quantizer.internal.base": ("DefaultBitwidthMapper",),
    "hgq.constraints": ("Constant", "Min", "Max", "MinMax"), "hgq.regularizers": ("MonoL1",),
}
_DENSE = {"QDense": "units", "QBatchNormDense": "units", "QDenseT": "n_out"}
_OTHER = ("QBatchNormalization", "Quantizer", "ReLU", "InputLayer")
_FRONT = ("BatchNormalization", "Normalization", "Rescaling")  # of Keras: factors and offsets of the features
_TAKEN = (*_DENSE, *_OTHER, *keras_file.IDLE)
# By name, and Keras's own: a table has one of each value, so any function of one number would do.
FUNCTIONS = ("linear", "relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "softplus", "softsign", "exponential")
_LOGITS = "nothing: outputs are logits, and the largest wins without it"
_FLAT = "QDense, on inputs of one dimension"
_TABLES = "QDenseT, whose tables learn any function"
_REMEDY = {
    "Dense": "QDense", "BatchNormalization": "QBatchNormalization, or QBatchNormDense in place of the dense layer",
    "QSoftmax": _LOGITS, "Softmax": _LOGITS, "QEinsumDense": "QDense", "QEinsumDenseBatchnorm": "QBatchNormDense",
    "QEinsumDenseT": "QDenseT", "QConvT1D": "QDenseT", "QConvT2D": "QDenseT", "EinsumDense": "QDense",
    **dict.fromkeys(("QConv1D", "QConv2D", "QConv3D", "Conv1D", "Conv2D", "QGRU", "QSimpleRNN", "QSimpleSNN", "QLIF",
                     "QMultiHeadAttention", "QLinformerAttention"), _FLAT),
    **dict.fromkeys(("QMultiHeadAttentionT", "QLinformerAttentionT"), "QDenseT, on inputs of one dimension"),
    **dict.fromkeys(("QSum", "QMeanPow2", "QAveragePow2", "QAveragePooling1D", "QAveragePooling2D", "QGlobalAveragePooling1D",
                     "QGlobalAveragePooling2D"), "QDense, whose weights can sum, on inputs of one dimension"),
    **dict.fromkeys(("QMaxPooling1D", "QMaxPooling2D", "QGlobalMaxPooling1D", "QGlobalMaxPooling2D", "QMaximum", "QMinimum",
                     "QMultiply", "QDot", "QEinsum"), _TABLES),
    **dict.fromkeys(("QAdd", "QSubtract", "Add", "Concatenate"), "one chain of layers"),
    "Activation": "the layer's own activation", "LeakyReLU": "ReLU", "PReLU": "ReLU", "ELU": "ReLU",
    "QUnaryFunctionLUT": "QDenseT", "QAffinedUnaryFunctionLUT": "QDenseT", "Lambda": "none: it is code", "BinaryDense": "QDense",
    "TernaryDense": "QDense", "MaskedDense": "QDense", "LayerNormalization": "QBatchNormalization",
    "Permute": "inputs of one dimension",
}
_ROUNDING, _OVERFLOW = ("TRN", "RND", "RND_CONV"), ("WRAP", "SAT", "SAT_SYM")


@dataclass(frozen=True)
class HgqNetwork(NetworkSpec):
    """A model of HGQ2 as a network of the study; its formats stand in the file, value by value."""

    count: tuple[int, int] = (0, 0)  # weights; weights and biases
    hls4ml: ClassVar[bool] = False
    is_circuit: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Nothing to check: weights, activation and input are none of a catalogue's entry."""

    @property
    def kind(self) -> str:
        return "hgq"

    @property
    def parameters(self) -> int:
        """Weights and biases; of look-up tables those of the small networks that they were trained as."""
        return self.count[1]

    @property
    def operations(self) -> int:
        return 2 * self.count[0]

    def at_smoke_size(self) -> NetworkSpec:
        """As it is: nothing is trained."""
        return self


def is_hgq(config: dict) -> bool:
    """Whether a model's description has layers of HGQ2."""
    return any(str(described.get("module")).startswith("hgq.") for described in keras_file.objects(config["config"]))


def earlier_names() -> dict[str, type]:
    """The classes that models are built of, by the names that HGQ2 before 0.2 registered them with (hgq2>QDense)."""
    import hgq.layers  # noqa: F401 — registers its own
    import keras

    return {f"hgq2>{name}": known for names in _CLASSES.values() for name in names
            if (known := keras.saving.get_registered_object(f"hgq>{name}"))}


def entry(name: str, path: str | Path, dataset: str, config: dict) -> HgqNetwork:
    """The model of this description as a network of the study.

    Raises:
        StudyError: a layer, or something in it, that the study does not know: its position, and what could stand there.
    """
    widths, weights, parameters = [], 0, 0
    for where, kind, settings, _ in _layers(path, config):
        if kind == "InputLayer":
            widths = [keras_file.inputs(where, settings, widths[0] if widths else None)]
        if kind in _DENSE:
            if not widths:
                raise StudyError(f"{path} has no input of a known shape before {where}")
            units = keras_file.count(where, settings, _DENSE[kind])
            of, biases = _parameters(where, kind, settings)
            weights += widths[-1] * units * of
            parameters += widths[-1] * units * (of + biases) + (0 if kind == "QDenseT" else units)
            widths.append(units)
    if len(widths) < 2:
        raise StudyError(f"{path} has no input of a known shape, or no dense layer")
    return HgqNetwork(name, tuple(widths), "hgq", "hgq", "the model's own", count=(weights, parameters), dataset=dataset)


def outline(path: str | Path, config: dict) -> keras_file.Outline:
    """What becomes of each layer of a model of HGQ2.

    Raises:
        StudyError: as :func:`entry`.
    """
    inputs = entry("model", path, "", config).widths[0]
    roles = [(where.removeprefix(f"{path}: "), role) for where, kind, _, role in _layers(path, config)
             if kind != "InputLayer"]
    return keras_file.Outline(inputs, [], roles)


def _layers(path: str | Path, config: dict) -> list[tuple[str, str, dict, str]]:
    """Each layer with its role (:mod:`ultralow.importing.plain_chain`)."""
    layers, width = [], None
    with keras_file.described(path):
        ends = [described["config"]["name"] for described in keras_file.objects(config["config"])
                if described["class_name"] in _DENSE]
        for where, kind, settings in keras_file.chain(path, config):
            role = "idle" if kind in keras_file.IDLE else "keep"
            for described in keras_file.objects(settings):
                _known(where, described)
            if kind == "InputLayer":
                width = keras_file.inputs(where, settings, width)
            elif kind in _FRONT and all(role in ("idle", "input") for _, of, _, role in layers if of != "InputLayer"):
                keras_file.last_axis(where, settings)
                role = "input"
            elif kind in ("Flatten", "Reshape"):
                keras_file.flat(where, settings, width)
                role = "idle"
            elif kind == "Activation" and settings.get("activation") == "linear":
                role = "idle"
            elif role == "keep" and kind not in (*_DENSE, *_OTHER):
                raise StudyError(f"{where} is none that the study takes of HGQ2: {', '.join(_TAKEN)}; " + (
                                     f"in its place: {_REMEDY[kind]}" if kind in _REMEDY else
                                     "take it out, or train the model with those"))
            else:
                _check(where, kind, settings, last=ends[-1:] == [settings.get("name")])
                width = keras_file.count(where, settings, _DENSE[kind]) if kind in _DENSE else width
            layers.append((where, kind, settings, role))
        # The layers themselves: their classes are those of their names.
        for described in keras_file.objects(config["config"]):
            _known(path, described)
    return layers


def _known(where: str | Path, described: dict) -> None:
    """That an object of the description is of a class that models are built of, and no function but by a known name."""
    module, kind, registered = (described.get(key) for key in ("module", "class_name", "registered_name"))
    if kind == "function":
        if module != "builtins" or described.get("config") not in FUNCTIONS or registered not in (None, "function"):
            raise StudyError(f"{where} names the function {str(described.get('config'))[:80]!r}; known are "
                             f"{', '.join(FUNCTIONS)}")
        return
    hgq = kind in _CLASSES.get(module, ())
    # Registered names come first where Keras looks for a class: they may say nothing else.
    if module is not None and str(module).startswith(("hgq.", "ultralow.", "builtins")) and not hgq or (
            registered not in (None, kind, *((f"hgq>{kind}", f"hgq2>{kind}") if hgq else ()))):
        inner = [name for names in _CLASSES.values() for name in names if name not in (*_DENSE, *_OTHER)]
        raise StudyError(f"{where} holds {str(kind)[:80]!r} of {str(module)[:80]} (registered as {str(registered)[:80]!r}), "
                         f"which is none that the study takes of HGQ2: layers {', '.join((*_DENSE, *_OTHER))}, and in them "
                         f"{', '.join(inner)}; leave it out")


def _check(where: str, kind: str, settings: dict, last: bool) -> None:
    """That a layer has nothing but what the circuit will have."""
    functions = ("linear", "relu")
    for key, allowed in (("activation", functions), ("subnn_activation", FUNCTIONS)):
        function = settings.get(key)
        name = function.get("config") if isinstance(function, dict) else function
        if name is not None and name not in allowed:
            raise StudyError(f"{where}: {key} {str(name)[:80]!r} is none of {', '.join(allowed)}" + (
                f"; outputs are logits: leave {name} out (layer.activation = keras.activations.linear) and save it again"
                if name in ("softmax", "sigmoid") and last else
                "; a QDenseT learns such functions" if key == "activation" else ""))
    if kind == "ReLU":
        keras_file.plain_relu(where, settings)
    # alkaid takes 1 for a normalisation's missing centre, and forgets a quantiser's scale.
    if kind == "QDenseT" and settings.get("batch_norm") and not settings.get("bn_center"):
        raise StudyError(f"{where} has bn_center: false, which does not become the same circuit; train it with bn_center=True")
    for described in keras_file.objects(settings):
        if described["class_name"] == "QuantizerConfig":
            _quantiser(where, described["config"])


def _quantiser(where: str, settings: dict) -> None:
    wrong = [f"{key}={value}" for key, allowed in (
        ("q_type", ("kbi", "kif")), ("round_mode", _ROUNDING), ("overflow_mode", _OVERFLOW), ("scaler", (None,)),
        ("affine", (None,))) if (value := settings.get(key)) not in allowed]
    if wrong:
        raise StudyError(f"{where} has a quantiser with {', '.join(wrong)}; the study takes fixed-point ones (kbi, kif), "
                         f"rounding by {', '.join(_ROUNDING)}, overflow {', '.join(_OVERFLOW)}, without scaler and affine")


def _parameters(where: str, kind: str, settings: dict) -> tuple[int, int]:
    """Weights and biases of each pair of an input and an output; a plain layer's biases are counted by output."""
    if kind != "QDenseT":
        return 1, 0
    hidden, wide = keras_file.count(where, settings, "n_hl", 0), keras_file.count(where, settings, "d_hl")
    biases = (hidden * wide + 1) * bool(settings.get("use_bias"))
    return (1 if not hidden else wide + (hidden - 1) * wide**2 + wide), biases
