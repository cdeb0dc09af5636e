"""Small jets in the official layouts, made up: five classes, 16 numbers each."""

from __future__ import annotations

import io
import tarfile

import h5py
import numpy as np

from ultralow.data.jets import CLASSES, FEATURES


def some_jets(rows: int = 50, seed: int = 0) -> dict[str, np.ndarray]:
    """The study's own columns; the label runs through the classes."""
    generator = np.random.default_rng(seed)
    columns = {name: generator.normal(index, 1 + index, rows).astype(np.float32)
               for index, name in enumerate(FEATURES)}
    return {**columns, "label": (np.arange(rows) % len(CLASSES)).astype(np.int8)}


def arff(columns: dict[str, np.ndarray]) -> bytes:
    """As OpenML serves data set 42468: reals, then the class as a name in small letters."""
    head = ["% made up", "@RELATION hls4ml_lhc_jets_hlf", ""]
    head += [f"@ATTRIBUTE {name} REAL" for name in columns if name != "label"]
    head += ["@ATTRIBUTE class {g, q, t, w, z}", "", "@DATA"]
    features = [values for name, values in columns.items() if name != "label"]
    rows = [",".join([*(repr(float(value)) for value in row), CLASSES[label].lower()])
            for *row, label in zip(*features, columns["label"])]
    return "\n".join([*head, *rows, ""]).encode()


def h5(columns: dict[str, np.ndarray], order: str = "gqwzt") -> bytes:
    """As in the Zenodo tarballs: other columns around the 16, one column of 0 and 1 per class, then j_undef."""
    rows = len(columns["label"])
    table = {"j_ptfrac": np.full(rows, 0.5), "j_pt": np.full(rows, 1000.0), "j_c1_b0": np.full(rows, -7.0)}
    table |= {f"j_{name}": values for name, values in columns.items() if name != "label"}
    table |= {f"j_{name}": np.array([CLASSES[label].lower() == name for label in columns["label"]]) for name in order}
    table["j_undef"] = np.zeros(rows)
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["jets"] = np.stack([np.asarray(values, np.float64) for values in table.values()], axis=1)
        file["jetFeatureNames"] = np.array(list(table), dtype="S")
        file["jetImage"] = np.zeros((rows, 4, 4))
    return stream.getvalue()


def tarball(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()
