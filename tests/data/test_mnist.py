import gzip
import hashlib
import struct

import numpy as np
import pytest
from server import serving

from ultralow.data import mnist
from ultralow.errors import StudyError


def some_digits(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (rows, 28, 28), np.uint8), (np.arange(rows) % 10).astype(np.uint8)


def arrays() -> dict[str, np.ndarray]:
    return dict(zip(("x_train", "y_train", "x_test", "y_test"), (*some_digits(40, 0), *some_digits(20, 1))))


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


IDX = {"x_train": "train-images-idx3-ubyte", "y_train": "train-labels-idx1-ubyte",
       "x_test": "t10k-images-idx3-ubyte", "y_test": "t10k-labels-idx1-ubyte"}


def test_digits28_is_always_the_same():
    table = mnist.load("digits28")
    assert (table.name, table.source, table.x.shape, table.x.dtype) == ("mnist", "digits28", (1797, 784), np.uint8)
    # Pinned: other libraries' upscaling must not slip in unseen.
    assert hashlib.sha256(table.x.tobytes()).hexdigest() == \
        "facd805c9f5fea0fb9af69c2e48a80f8f446d8a01a3a2c9ca94a8103e9d77c65"
    assert (table.x.min(), table.x.max()) == (0, 255)
    assert np.bincount(table.y[table.test]).tolist() == [36, 36, 35, 37, 36, 37, 36, 36, 35, 36]
    assert np.array_equal(table.test, mnist.load("digits28").test)


def test_digits28_looks_like_the_small_digits():
    from sklearn.datasets import load_digits

    small = load_digits().images
    blocks = mnist.load("digits28").x.reshape(-1, 4, 7, 4, 7).mean((2, 4))
    # 7x7 pixels cover 2x2 of the small ones.
    means = small.reshape(-1, 4, 2, 4, 2).mean((2, 4)) * 255 / 16
    assert np.corrcoef(blocks.ravel(), means.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("given", ["folder", "one of them"])
@pytest.mark.parametrize("packed", [False, True])
def test_npz_and_idx_are_the_same(tmp_path, given, packed):
    np.savez_compressed(tmp_path / "digits.npz", **arrays())
    (tmp_path / "idx").mkdir()
    for part, name in IDX.items():
        content = idx(arrays()[part])
        path = tmp_path / "idx" / (name + ".gz" if packed else name.replace("-idx", ".idx"))
        path.write_bytes(gzip.compress(content) if packed else content)
    npz = mnist.load("file", tmp_path / "digits.npz")
    other = mnist.load("file", tmp_path / "idx" if given == "folder" else path)
    assert np.array_equal(npz.x, other.x) and np.array_equal(npz.y, other.y) and np.array_equal(npz.test, other.test)
    assert npz.x.shape == (60, 784) and npz.test.sum() == 20 and npz.y.dtype == np.int64 and npz.source == "file"
    assert len(other.provenance["files"]) == 4
    assert npz.provenance["files"]["digits.npz"] == hashlib.sha256((tmp_path / "digits.npz").read_bytes()).hexdigest()


def faulty(**changes):
    return {name: value for name, value in {**arrays(), **changes}.items() if value is not None}


NPZ_FAULTS = {
    "missing array": (faulty(y_test=None), "array 'y_test' is missing; Keras's layout has x_train"),
    "scaled": (faulty(x_train=arrays()["x_train"] / 255), r"train images are float64 \(40, 28, 28\).*expected uint8"),
    "length": (faulty(y_test=arrays()["y_test"][:-1]), r"labels \(19,\)"),
    "absent digit": (faulty(y_train=np.zeros(40, np.uint8)), "train labels are not the integers 0 ... 9"),
    "pickled": (faulty(y_train=np.array([{}] * 40)), "not a readable npz"),
}


@pytest.mark.parametrize("fault", NPZ_FAULTS)
def test_a_faulty_npz(tmp_path, fault):
    content, message = NPZ_FAULTS[fault]
    np.savez(tmp_path / "digits.npz", **content)
    with pytest.raises(StudyError, match=f"digits.npz.*{message}"):
        mnist.load("file", tmp_path / "digits.npz")


def test_faulty_idx_files(tmp_path):
    for part, name in IDX.items():
        (tmp_path / name).write_bytes(idx(arrays()[part]))
    (tmp_path / IDX["x_test"]).write_bytes(idx(arrays()["x_test"])[:-5])
    with pytest.raises(StudyError, match="t10k-images-idx3-ubyte is not a whole idx file"):
        mnist.load("file", tmp_path)
    (tmp_path / IDX["x_test"]).unlink()
    with pytest.raises(StudyError, match="no file t10k-images-idx3-ubyte.*all four"):
        mnist.load("file", tmp_path)


def test_sources_are_never_mixed_up(tmp_path):
    for arguments, message in (
            (("minst",), "unknown source of digits 'minst'; did you mean 'mnist'"),
            (("file",), "needs a path"),
            (("file", tmp_path / "none.npz"), "none.npz is missing"),
            (("digits28", tmp_path / "some.npz"), "takes no path; use source 'file'"),
            (("mnist", tmp_path / "some.npz"), "takes no path; use source 'file'")):
        with pytest.raises(StudyError, match=message):
            mnist.load(*arguments)


def test_mnist_is_downloaded_once_with_its_checksum(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    np.savez(tmp_path / "digits.npz", **arrays())
    content = (tmp_path / "digits.npz").read_bytes()
    with serving() as server:
        url = server.add("mnist.npz", content)
        with pytest.raises(StudyError, match=f"expected {mnist.MNIST_SHA256}"):
            mnist.load("mnist", cache=tmp_path / "cache", url=url)
        assert list((tmp_path / "cache").iterdir()) == []
        monkeypatch.setattr(mnist, "MNIST_SHA256", hashlib.sha256(content).hexdigest())
        table = mnist.load("mnist", cache=tmp_path / "cache", url=url)
        mnist.load("mnist", cache=tmp_path / "cache", url=url)
        assert len(server.asked("mnist.npz")) == 2
    assert table.source == "mnist" and table.x.shape == (60, 784)


def test_a_false_mnist_in_keras_cache_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    np.savez(tmp_path / "datasets" / "mnist.npz", **arrays())
    with pytest.raises(StudyError, match="mnist.npz from Keras's cache has sha256"):
        mnist.load("mnist", cache=tmp_path / "cache")
