"""Read .keras files without Keras: the chain of layers and their settings, and the kernels; no code of a file is run."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ultralow.files import check_size
from ultralow.errors import StudyError, brief

MOST_BYTES = 10_000_000  # of the description of a model; one of a thousand layers has one
# The study's layers stood in ultralow.layers; committed models name that, and Keras finds them by their registered names.
_MODULES = r"keras(\..+)?|ultralow\.(training\.)?layers|hgq\..+|builtins"
Layer = tuple[str, str, dict]  # where it stands, for messages; its class; its settings


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
        if not all(isinstance(layer["class_name"], str) for layer in config["config"]["layers"]):
            raise TypeError("a layer's class is a name")
        # By class, module and registered name Keras finds what it builds; names of Python's other modules have no place.
        if foreign := sorted({module for module in _modules(config) if not re.fullmatch(_MODULES, module)}):
            raise StudyError(f"{path} names the module {foreign[0]!r}; a model has layers of Keras, of HGQ2 and of this study "
                             "only")
        return config
    except StudyError:
        raise
    except FileNotFoundError:
        raise StudyError(f"model {path} is missing; give the path of a .keras file") from None
    except Exception as error:  # zipfile, zlib and json each have their own words for a damaged file
        raise StudyError(f"{path} is not a model in Keras's format .keras ({brief(error)}); save it again "
                         "with model.save('name.keras')") from None


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


def chain(path: str | Path, config: dict) -> Iterator[Layer]:
    """The layers in their order.

    Raises:
        StudyError: one has several inputs, or is used more than once.
    """
    for position, layer in enumerate(config["config"]["layers"]):
        kind, settings, nodes = layer["class_name"], dict(layer["config"]), layer.get("inbound_nodes")
        where = f"{path}: layer {position} ({settings.get('name')}, {kind})"
        if nodes and (len(nodes) > 1 or str(nodes).count("'keras_history'") > 1):
            raise StudyError(f"{where} takes several inputs, or is used more than once; the study takes chains of layers only")
        yield where, kind, settings


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
