"""Knows the latent weights in a trained model's file: the real numbers that training rounded. Needs no Keras."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from ultralow.files import check_size
from ultralow.errors import StudyError, brief


def kernels(path: str | Path) -> list[np.ndarray]:
    """The kernel (inputs, outputs) of each dense layer in a .keras file, in order; pruned weights are 0.

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
