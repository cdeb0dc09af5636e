"""Read the digits: MNIST in its official layouts, and scikit-learn's small digits as the offline default.

Why not Keras's load_data: it downloads at once, takes no idx files, and asks for TensorFlow; its cache is used where it is there.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ultralow import npz
from ultralow.data import download
from ultralow.errors import StudyError, unknown
from ultralow.files import sha256, unpacked
from ultralow.data.dataset import Table

SIDE = 28
FEATURES = tuple(f"pixel{row:02d}{column:02d}" for row in range(SIDE) for column in range(SIDE))
CLASSES = tuple("0123456789")
SOURCES = ("digits28", "file", "mnist")

# Keras's own copy of MNIST, pinned by Keras with the same checksum.
MNIST_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
MNIST_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"

_PARTS = ("x_train", "y_train", "x_test", "y_test")
_IDX = {"x_train": "train-images", "y_train": "train-labels", "x_test": "t10k-images", "y_test": "t10k-labels"}
_SPLIT_SEED = 28  # of digits28's own test part; fixed, so that every study has the same one


def load(source: str, path: str | Path | None = None, cache: str | Path | None = None, url: str = MNIST_URL) -> Table:
    """The digits of ``source`` as (rows, 784) uint8 with the official test part marked.

    Args:
        source: "mnist" (Keras's cache, or downloaded once into ``cache``), "file" (``path``: an npz of Keras's
            layout, a folder with the four idx files or one of them, gzipped or not), "digits28" (the 1,797
            digits of scikit-learn, 8x8 upscaled to 28x28; an easier task than MNIST).
        cache: folder for the download; default data/cache.

    Raises:
        StudyError: unknown source, missing or damaged file, wrong checksum, or a path that the source ignores.
    """
    if source not in SOURCES:
        raise unknown("source of digits", source, SOURCES)
    if source == "file":
        if path is None:
            raise StudyError("source 'file' of digits needs a path: an npz of Keras's layout, or the idx files")
        return _from_file(Path(path))
    if path is not None:
        raise StudyError(f"source {source!r} of digits takes no path; use source 'file' for {path}")
    return _mnist(Path(cache or "data/cache"), url) if source == "mnist" else _digits28()


def _mnist(cache: Path, url: str) -> Table:
    path = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets" / "mnist.npz"
    if path.is_file():
        download.verify(path, f"sha256:{MNIST_SHA256}", "Keras's cache")
    else:
        path = download.fetch(url, cache / "mnist.npz", f"sha256:{MNIST_SHA256}")
    return _table("mnist", _read_npz(path), path, {"url": url, "sha256": MNIST_SHA256})


def _from_file(path: Path) -> Table:
    if not path.exists():
        raise StudyError(f"{path} is missing; give an npz of Keras's layout, or a folder with the MNIST idx files")
    if path.suffix == ".npz":
        return _table("file", _read_npz(path), path, {"files": {path.name: sha256(path)}})
    files = _idx_files(path if path.is_dir() else path.parent)
    arrays = {part: _read_idx(file) for part, file in files.items()}
    return _table("file", arrays, path, {"files": {file.name: sha256(file) for file in files.values()}})


def _digits28() -> Table:
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    # Linear between pixel centres (grid_mode), 0 ... 16 to 0 ... 255.
    images = zoom(digits.images, (1, SIDE / 8, SIDE / 8), order=1, mode="nearest", grid_mode=True) * (255 / 16)
    test = np.zeros(len(images), bool)
    rows = np.arange(len(images))
    test[train_test_split(rows, test_size=0.2, random_state=_SPLIT_SEED, stratify=digits.target)[1]] = True
    return Table("mnist", "digits28", FEATURES, CLASSES, np.rint(images).astype(np.uint8).reshape(len(images), -1),
                 digits.target.astype(np.int64), test,
                 {"source": "digits28", "origin": "scikit-learn load_digits, 8x8 upscaled linearly to 28x28"})


def _table(source: str, arrays: Mapping[str, np.ndarray], path: Path, provenance: dict) -> Table:
    for part in ("train", "test"):
        _check(arrays[f"x_{part}"], arrays[f"y_{part}"], part, path)
    x = np.concatenate([arrays["x_train"], arrays["x_test"]]).reshape(-1, SIDE * SIDE)
    y = np.concatenate([arrays["y_train"], arrays["y_test"]]).astype(np.int64)
    test = np.arange(len(y)) >= len(arrays["y_train"])
    return Table("mnist", source, FEATURES, CLASSES, x, y, test, {"source": source, **provenance})


def _check(x: np.ndarray, y: np.ndarray, part: str, path: Path) -> None:
    if x.dtype != np.uint8 or x.shape[1:] != (SIDE, SIDE) or y.shape != (len(x),):
        raise StudyError(f"{path}: the {part} images are {x.dtype} {x.shape} with labels {y.shape}, expected uint8 "
                         f"(rows, {SIDE}, {SIDE}) and (rows,); give MNIST in its original layout")
    if y.dtype.kind not in "iu" or not np.array_equal(np.unique(y), np.arange(len(CLASSES))):
        raise StudyError(f"{path}: the {part} labels are not the integers 0 ... 9 with every digit present; "
                         "give MNIST in its original layout")


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        return npz.read(path, _PARTS)
    except (ValueError, OSError) as error:
        raise StudyError(f"{path} is not a readable npz file: {error}; Keras's layout has {', '.join(_PARTS)}; fetch it "
                         "again") from error


def _idx_files(folder: Path) -> dict[str, Path]:
    files = {}
    for part, stem in _IDX.items():
        # Both spellings are in circulation: train-images-idx3-ubyte and train-images.idx3-ubyte.
        matches = sorted(folder.glob(f"{stem}[-.]idx[13]-ubyte")) or sorted(folder.glob(f"{stem}[-.]idx[13]-ubyte.gz"))
        if not matches:
            raise StudyError(f"{folder}: no file {stem}-idx{3 if part[0] == 'x' else 1}-ubyte, gzipped or not; "
                             "all four MNIST files must stand in one folder")
        files[part] = matches[0]
    return files


def _read_idx(path: Path) -> np.ndarray:
    try:
        content = unpacked(path) if path.suffix == ".gz" else path.read_bytes()
        zero, kind, dimensions = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{dimensions}I", content, 4)
        values = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
        if zero != 0 or kind != 8 or values.size != math.prod(shape):
            raise ValueError(f"header {content[:4].hex()}, {values.size} bytes for shape {shape}")
        return values.reshape(shape)
    except (ValueError, struct.error, EOFError, OSError, zlib.error) as error:
        raise StudyError(f"{path} is not a whole idx file of bytes ({error}); fetch it again") from error
