"""Measures time and peak memory of preparing jets: OpenML's text to ROOT, reading, splitting, scaling, saving.

    python benchmarks/data.py [--rows 1000000]

The rows are made up; only their number matters. The bound of the study is 2 GiB for 1,000,000 rows.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ultralow.data import dataset, published_jets, sources
from ultralow.data.jets import CLASSES, FEATURES

LIMIT_GIB = 2.0
BATCH_ROWS = 50_000


def peak_gib() -> float:
    """Largest resident memory of this process so far; ru_maxrss counts kB on Linux, bytes on macOS."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def write_arff(path: Path, rows: int) -> None:
    """Made-up jets in OpenML's text layout."""
    import pandas

    generator = np.random.default_rng(0)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("@RELATION jets\n" + "".join(f"@ATTRIBUTE {name} REAL\n" for name in FEATURES))
        stream.write("@ATTRIBUTE class {g, q, t, w, z}\n@DATA\n")
        for start in range(0, rows, BATCH_ROWS):
            count = min(BATCH_ROWS, rows - start)
            frame = pandas.DataFrame(generator.normal(size=(count, len(FEATURES))).astype(np.float32), columns=FEATURES)
            frame["class"] = np.array([name.lower() for name in CLASSES])[np.arange(count) % len(CLASSES)]
            frame.to_csv(stream, header=False, index=False)


@contextmanager
def step(name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    print(f"{name:28s} {time.perf_counter() - start:6.1f} s   peak so far {peak_gib():.2f} GiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "jets.arff"
        with step(f"write {rows:,} rows of text"):
            write_arff(text, rows)
        with step("convert to ROOT"):
            root = published_jets.prepare("file", text, Path(folder))
        with step("read and check"):
            table = sources.load_table("jets", "file", root)
        with step("split and scale"):
            data = dataset.split_and_scale(table)
        with step("save"):
            path = data.save(Path(folder) / "dataset")
        with step("load and verify"):
            dataset.load(path)
    if peak_gib() > LIMIT_GIB:
        sys.exit(f"peak {peak_gib():.2f} GiB is over {LIMIT_GIB} GiB")


if __name__ == "__main__":
    main()
