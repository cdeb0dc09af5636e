"""Read .keras files without Keras: the chain of layers and their settings, and the kernels; no code of a file is run.

What is no such file is told by its kind, with what would make a .keras file of it.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ultralow.files import check_size, read_text
from ultralow.errors import StudyError, brief

MOST_BYTES = 10_000_000  # of the description of a model; one of a thousand layers has one
MOST_NESTED = 20  # models within models
NESTED = ("Sequential", "Functional", "Model")  # the last is Keras 2's name of the second
# The study's layers stood in ultralow.layers; committed models name that, and Keras finds them by their registered names.
_MODULES = r"keras(\..+)?|ultralow\.(training\.)?layers|hgq\..+|builtins"
Layer = tuple[str, str, dict]  # where it stands, for messages; its class; its settings

# Layers that do nothing in inference.
IDLE = ("Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization", "Identity")


class Outline(NamedTuple):
    """A model's number of inputs and its dense layers; where each layer stands, and what becomes of it (a role of
    :mod:`ultralow.importing.plain_chain`), input layers left out; and the softmax or sigmoid at its end."""

    inputs: int
    groups: list
    roles: list[tuple[str, str]]
    end: str | None = None


_REBUILD = ("build the same chain of layers with keras.layers, copy the numbers with layer.set_weights([kernel, bias]) (kernel: "
            "a row for each input), and model.save('name.keras')")
_PYTORCH = f"is a model of PyTorch, which the study does not take: {_REBUILD}; PyTorch's weight is the kernel transposed"
_RESAVE = "save it again with model.save('name.keras')"
# What other packages' models are, by the module of their layers.
_PACKAGES = {
    "qkeras": f"is a model of QKeras, whose quantised layers the study does not take: {_REBUILD}, with the weights of "
              "qkeras.utils.model_save_quantized_weights, and give their formats in the study file; or train it with HGQ2",
    "HGQ": "is a model of HGQ 1, which the study does not take: train it with HGQ2 (hgq.layers)",
    "tensorflow_model_optimization": "still has the wrappers of its training: take them off with "
                                     f"tfmot.sparsity.keras.strip_pruning(model), then {_RESAVE}",
    "tf_keras": f"was saved by Keras 2 (tf_keras): {_REBUILD}; old.get_weights() has them",
    "larq": f"is a model of Larq, which the study does not take: {_REBUILD}, with the study's own BinaryDense "
            "(lib/ultralow/training/layers.py)",
    "brevitas": f"is a model of Brevitas, which the study does not take: {_REBUILD}",
}
# How files begin that are offered in place of .keras, what they are, and what to do; the first that fits.
_STARTS = (
    (b"version https://git-lfs", "is a pointer of Git LFS, a few lines of text in place of the model: fetch the file itself with "
                                 "`git lfs pull`"),
    (b"/annex/objects", "is a pointer of git-annex, not the model: fetch the file itself with `git annex get`"),
    (b"\x1f\x8b", "is packed by gzip: unpack it, and give the .keras file in it"),
    (b"BZh", "is packed by bzip2: unpack it, and give the .keras file in it"),
    (b"7z\xbc\xaf", "is packed by 7-Zip: unpack it, and give the .keras file in it"),
    (b"\x93NUMPY", f"is an array of numpy, not a model: {_REBUILD}"),
)


def _kind(path: Path) -> str | None:
    """What a file is that is no .keras file, and what to do, as the end of a sentence; None: nothing is known of it."""
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            return ("is a folder of TensorFlow's SavedModel format: open it with the TensorFlow that wrote it "
                    "(tf.keras.models.load_model), " + _REBUILD)
        return "is a folder, and a model is one file: give the path of the .keras file"
    with open(path, "rb") as stream:
        head = stream.read(1024)
    if not head:
        return "is empty: copy or save it again"
    for start, told in _STARTS:
        if head.startswith(start):
            return told
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _hdf5(path)
    if head[257:262] == b"ustar":
        return "is a tar archive: unpack it, and give the .keras file in it"
    if head[4:8] == b"TFL3":
        return f"is a model of TensorFlow Lite, whose weights are rounded in its own way: take the model before, and {_RESAVE}"
    if zipfile.is_zipfile(path):
        return _archive(path)
    # A pickle's protocol 2 and later, and the ends of older ones; none is opened, since opening runs its code.
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") or path.suffix in (".pkl", ".pickle", ".joblib"):
        return (f"is a pickle (PyTorch, scikit-learn or joblib), which the study opens none of, since that runs code: {_REBUILD}")
    if path.suffix in (".pt", ".pth", ".ckpt"):
        return _PYTORCH
    if path.suffix in (".onnx", ".qonnx") or head[:1] == b"\x08" and head[2:3] == b"\x12" and b"\x00" not in head[:2]:
        return f"is a model in ONNX (or QONNX), which the study does not take: {_REBUILD}; onnx.numpy_helper.to_array gives them"
    if path.suffix == ".pb":
        return f"is a graph of TensorFlow, which the study does not take: {_REBUILD}"
    return _text(path, head.lstrip(b"\xef\xbb\xbf \t\r\n"))


def _hdf5(path: Path) -> str:
    """What a HDF5 file holds: a whole model of Keras, or its weights alone."""
    import h5py  # comes with Keras

    try:
        with h5py.File(path) as file:
            described = str(file.attrs.get("model_config", ""))
    except Exception as error:  # h5py has its own words for a damaged file
        return f"is a damaged file of HDF5 ({brief(error)}): copy or save it again"
    if not described:
        return ("has the weights alone (HDF5): build the model, model.load_weights('" + path.name + "'), and "
                "model.save('name.keras')")
    if _of_qkeras(described):
        return _PACKAGES["qkeras"]
    return ("is a model in Keras's older format (HDF5, .h5): make a .keras file of it with "
            f"keras.models.load_model('{path.name}', compile=False).save('name.keras')")


def _of_qkeras(description: str) -> bool:
    """Whether a model's description as JSON names parts of QKeras."""
    return any(name in description for name in ("QActivation", "quantized_bits", "quantized_relu"))


def _archive(path: Path) -> str:
    """What a zip archive without a model's description holds."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith(("data.pkl", "constants.pkl")) for name in names):
        return _PYTORCH
    if names and all(name.endswith(".npy") for name in names):
        return f"holds arrays of numpy, not a model: {_REBUILD}"
    if inner := [name for name in names if name.endswith(".keras")]:
        return f"is an archive that holds {inner[0]}: unpack it, and give that file"
    return f"is a zip archive without config.json (it has {', '.join(names[:5]) or 'nothing'}): give the .keras file itself"


def _text(path: Path, head: bytes) -> str | None:
    """What a text is that is offered as a model."""
    if head[:9].lower().startswith((b"<!doctype", b"<html")):
        return "is a web page, not the model: fetch the file itself (on GitHub: Download raw file)"
    if not head.startswith((b"{", b"[")):
        return None
    try:
        content = json.loads(read_text(path, MOST_BYTES))
    except ValueError:
        return None
    if isinstance(content, dict) and {"class_name", "config"} <= content.keys():
        if _of_qkeras(json.dumps(content)):
            return _PACKAGES["qkeras"]
        return ("has the layers of a model (JSON) without its weights: model = keras.models.model_from_json(open('" + path.name
                + "').read()), model.load_weights(its weights file), and model.save('name.keras')")
    return f"is JSON that describes no model of Keras: {_REBUILD}"


def read(path: str | Path) -> dict:
    """The description of the model; nothing of the file is run and no weight is read.

    Raises:
        StudyError: no such file, not a .keras file, or one that names a module whose objects have no place in it.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            check_size(sum(file.file_size for file in archive.infolist()), path)
            if (size := archive.getinfo("config.json").file_size) > MOST_BYTES:
                raise StudyError(f"{path}: a description of {size:,} bytes is no model that this study could take")
            config = json.loads(archive.read("config.json"))
        if isinstance(config, dict) and "layers" not in config.get("config", ["layers"]):
            raise StudyError(f"{path} is a model of a class of its own ({str(config.get('class_name'))[:80]}), whose layers the "
                             f"file does not list: {_REBUILD}")
        if not all(isinstance(layer["class_name"], str) for layer in config["config"]["layers"]):
            raise TypeError("a layer's class is a name")
        # By class, module and registered name Keras finds what it builds; names of Python's other modules have no place.
        if foreign := sorted({module for module in _modules(config) if not re.fullmatch(_MODULES, module)}):
            told = next((_PACKAGES[part] for module in foreign if (part := module.partition(".")[0]) in _PACKAGES), None)
            raise StudyError(f"{path} names the module {foreign[0]!r}" + (
                f": it {told}" if told else "; a model has layers of Keras, of HGQ2 and of this study only: take the others "
                f"out, or {_REBUILD}"))
        if path.suffix != ".keras":
            raise StudyError(f"{path} is a model of Keras whose name does not end in .keras, which Keras asks for; rename it to "
                             f"{path.with_suffix('.keras').name}")
        return config
    except StudyError:
        raise
    except FileNotFoundError:
        raise StudyError(f"model {path} is missing; give the path of a .keras file") from None
    except Exception as error:  # zipfile, zlib and json each have their own words for a damaged file
        with suppress(OSError, zipfile.BadZipFile):
            if told := _kind(path):
                raise StudyError(f"{path} is not a model in Keras's format .keras: it {told}") from None
        raise StudyError(f"{path} is not a model in Keras's format .keras ({brief(error)}); {_RESAVE}") from None


@contextmanager
def described(path: str | Path) -> Iterator[None]:
    """Makes one sentence of what goes wrong where any value may stand in place of another.

    Raises:
        StudyError: the description is none of Keras's.
    """
    try:
        yield
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise StudyError(f"{path} describes its layers otherwise than Keras does ({brief(error)}); save it again with "
                         "model.save('name.keras')") from error


def chain(path: str | Path, config: dict, inside: str = "") -> Iterator[Layer]:
    """The layers in their order, those of models within the model (``inside``: where it stands) in its place.

    Raises:
        StudyError: one has several inputs, is used more than once, or does not follow the layer before it; the model has
            several outputs.
    """
    if inside.count(".") > MOST_NESTED:
        raise StudyError(f"{path}: more than {MOST_NESTED} models one within another; build it anew as one chain of layers")
    ends = config["config"].get("output_layers")
    ends = list(ends.values()) if isinstance(ends, dict) else ends
    if isinstance(ends, list) and len(ends) > 1 and not isinstance(ends[0], str):
        names = [str(end[0]) for end in ends]
        raise StudyError(f"{path} has {len(names)} outputs ({', '.join(names)}); the study takes one: save one of them with "
                         f"keras.Model(model.inputs, model.get_layer({names[0]!r}).output).save('name.keras')")
    before = None
    for position, layer in enumerate(config["config"]["layers"]):
        kind, settings, nodes = layer["class_name"], dict(layer["config"]), layer.get("inbound_nodes")
        where = f"{path}: layer {inside}{position} ({settings.get('name')}, {kind})"
        if nodes and (len(nodes) > 1 or str(nodes).count("'keras_history'") > 1):
            raise StudyError(f"{where} takes several inputs, or is used more than once; the study takes chains of layers only")
        if (source := next(_sources(nodes), before)) != before:
            raise StudyError(f"{where} takes what layer {source} gives, and stands behind {before}; the study takes chains of "
                             "layers only, without branches")
        before = settings.get("name") if nodes is not None else None
        if kind in NESTED:
            yield from chain(path, layer, f"{inside}{position}.")
        elif kind != "InputLayer" or not inside:
            yield where, kind, settings


def _sources(value: object) -> Iterator[str]:
    """Names of the layers whose outputs a call takes."""
    if isinstance(value, dict) and "keras_history" in value:
        yield value["keras_history"][0]
    for item in _items(value):
        yield from _sources(item)


def inputs(where: str, settings: dict, before: int | None) -> int:
    """The number of inputs that an InputLayer declares; ``before`` is what an earlier one did.

    Raises:
        StudyError: they are not features in one row, or there is a second input.
    """
    shape = settings.get("batch_shape") or settings.get("batch_input_shape")
    if before is not None or not shape or len(shape) != 2 or type(shape[1]) is not int or shape[1] < 1:
        raise StudyError(f"{where} has shape {shape}; one input of shape (features,) is what the study takes")
    return shape[1]


def count(where: str, settings: dict, key: str, least: int = 1) -> int:
    """A number of units or layers.

    Raises:
        StudyError: it is none.
    """
    units = settings.get(key)
    if type(units) is not int or not least <= units < 2**31:
        raise StudyError(f"{where} has {units!r} {key}; a whole number of at least {least} is what it should have")
    return units


def last_axis(where: str, settings: dict) -> None:
    """That a layer works on each value of a row by itself, or on whole rows.

    Raises:
        StudyError: its axis is another one than the last.
    """
    axis = settings.get("axis", -1)
    if axis not in (None, -1, 1, [-1], [1]):
        raise StudyError(f"{where} has axis {axis}; the study takes the last one, -1")


def flat(where: str, settings: dict, width: int | None) -> None:
    """That a Flatten or Reshape leaves rows of ``width`` values as they are.

    Raises:
        StudyError: it makes another shape of them.
    """
    shape = settings.get("target_shape")
    if shape is not None and list(shape) not in ([-1], [width]):
        raise StudyError(f"{where} makes the shape {shape} of {width} values; the study takes rows of values only: take inputs "
                         "of one dimension, and leave it out")


def plain_relu(where: str, settings: dict) -> None:
    """That a ReLU is max(0, x).

    Raises:
        StudyError: it is not.
    """
    if settings.get("max_value") is not None or settings.get("negative_slope") or settings.get("threshold"):
        raise StudyError(f"{where} has a slope, a threshold or a ceiling; the study takes plain ReLU, which the format in "
                         "`activation` cuts off")


def cause(error: Exception) -> str:
    """What Keras says that went wrong within what it says first, in one line."""
    text = " ".join(str(error).split())
    text = text.rpartition("Exception encountered: ")[2]
    return f"{type(error).__name__}: {text.removeprefix(f'{type(error).__name__}: ')}"


def objects(value: object) -> Iterator[dict]:
    """Everything that has a class, anywhere in a model's description: what Keras builds."""
    if isinstance(value, dict) and "class_name" in value:
        yield value
    for item in _items(value):
        yield from objects(item)


def _modules(value: object) -> Iterator[str]:
    """What stands under ``module`` anywhere in a model's description."""
    if isinstance(value, dict) and value.get("module") is not None:
        yield str(value["module"])
    for item in _items(value):
        yield from _modules(item)


def _items(value: object) -> Iterable:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def latent_kernels(path: str | Path) -> list[np.ndarray]:
    """The kernel (inputs, outputs) of each dense layer in a .keras file, in order: the real numbers that training rounded;
    pruned weights are 0.

    Raises:
        StudyError: the file is not such a model.
    """
    import h5py  # comes with Keras

    try:
        with zipfile.ZipFile(path) as archive:
            check_size(sum(entry.file_size for entry in archive.infolist()), path)
            layers = json.loads(archive.read("config.json"))["config"]["layers"]
            names = [layer["class_name"] for layer in layers if layer["class_name"].endswith("Dense")]
            with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
                return [_kernel(file[f"layers/{place}/vars"], path) for place in _places(names)]
    except StudyError:
        raise
    except Exception as error:  # zipfile, zlib and h5py each have their own words for a damaged file
        raise StudyError(f"{path} is not a trained model ({brief(error)}); delete it and train the network again") from None


def _places(names: list[str]) -> list[str]:
    """Where Keras puts layers of these classes: dense, dense_1, …, counted class by class."""
    seen, places = Counter(), []
    for name in names:
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        places.append(f"{snake}_{seen[name]}" if seen[name] else snake)
        seen[name] += 1
    return places


def _kernel(variables, path: str | Path) -> np.ndarray:
    check_size(sum(item.size * item.dtype.itemsize for item in variables.values()), path)
    kernel = variables["0"][()]
    return kernel * variables["mask"][()] if "mask" in variables else kernel
