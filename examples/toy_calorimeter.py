"""Knows a toy calorimeter, whose files are the example of data of one's own: electrons and pions, layer by layer.

Not a simulation of a detector: shapes and fluctuations have the right order of magnitude and nothing more. Command line:
``python examples/toy_calorimeter.py data/cache/showers`` writes a folder of ROOT files.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import uproot

from ultralow.errors import StudyError
from ultralow.files import replacing

LAYERS = 8
FEATURES = (*(f"layer{n}" for n in range(1, LAYERS + 1)), "width")
CLASSES = ("pion", "electron")  # by the number in ``particle``
TREE = "showers"
_DEPTH = 25.0  # radiation lengths of all layers together
_CRITICAL = 0.01  # GeV


def shoot(rows: int, seed: int) -> dict[str, np.ndarray]:
    """Columns (rows,) of so many particles of 10 to 100 GeV: what the layers and the lateral width say (``FEATURES``), the
    true ``energy`` in GeV, ``particle`` (index into CLASSES), and ``weight``, which makes the spectrum fall."""
    rng = np.random.default_rng(seed)
    energy, electron = rng.uniform(10, 100, rows), rng.integers(0, 2, rows).astype(bool)
    edges = np.linspace(0, _DEPTH, LAYERS + 1)
    # Longo's profile: dE/dt ~ t^(a−1)·exp(−t/2); a pion's begins where it first interacts and reaches deeper.
    start = np.where(electron, 0.0, rng.exponential(6.0, rows))
    shape = 1 + 0.5 * (np.log(energy / _CRITICAL) - 0.5) * rng.normal(1, np.where(electron, 0.05, 0.25), rows).clip(0.3)
    length = np.where(electron, 2.0, 3.2)
    depth = np.maximum(edges[None, :] - start[:, None], 0) / length[:, None]
    from scipy.stats import gamma

    share = np.diff(gamma.cdf(depth, shape[:, None]), axis=1)
    visible = energy * np.where(electron, 1.0, rng.normal(0.75, 0.12, rows).clip(0.2, 1))
    layers = visible[:, None] * share
    layers = np.maximum(layers + rng.normal(size=layers.shape) * (0.12 * np.sqrt(layers) + 0.05), 0)
    width = np.where(electron, rng.gamma(20, 0.05, rows), rng.gamma(8, 0.22, rows))
    found = {f"layer{n + 1}": layers[:, n].astype(np.float32) for n in range(LAYERS)}
    return found | {"width": width.astype(np.float32), "energy": energy.astype(np.float32),
                    "particle": electron.astype(np.int8), "weight": (10 / energy).astype(np.float32)}


def write(folder: str | Path, files: int = 4, rows: int = 5000, seed: int = 1) -> list[Path]:
    """Writes run1.root, run2.root … of ``rows`` particles each; returns their paths."""
    paths = [Path(folder) / f"run{number}.root" for number in range(1, files + 1)]
    for number, path in enumerate(paths):
        columns = shoot(rows, seed * 1000 + number)
        with replacing(path) as temporary, uproot.recreate(temporary, compression=uproot.ZSTD(5)) as file:
            file.mktree(TREE, {name: values.dtype for name, values in columns.items()}).extend(columns)
    return paths


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes a folder of ROOT files: electrons and pions in a toy calorimeter.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--rows", type=int, default=5000, help="particles in each file")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    try:
        paths = write(arguments.folder, arguments.files, arguments.rows, arguments.seed)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(paths)} files of {arguments.rows} particles in {arguments.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
