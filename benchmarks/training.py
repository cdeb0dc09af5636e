"""What quantised layers cost in training: one step of a network of each kind against plain Dense of the same size.

    python benchmarks/training.py jets-bnn-small mnist-tnn        (KERAS_BACKEND=jax for the other backend)

All networks are trained in turns in one process, so that a noisy machine disturbs all alike; the shortest of the
turns counts. One thread.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from ultralow.training import keras_setup  # noqa: F401 — first: it sets Keras up
import keras

from ultralow.networks.catalogue import CATALOGUE
from ultralow.training.model import build
from ultralow.networks.recipes import RECIPES, Recipe

STEPS = 100


def plain(model: keras.Model) -> keras.Model:
    """The same widths and batch normalisations with plain Dense layers and ReLU."""
    inputs = x = keras.Input(model.input.shape[1:])
    for layer in model.layers[1:]:
        if isinstance(layer, keras.layers.Dense):
            x = keras.layers.Dense(layer.units, use_bias=layer.use_bias)(x)
        elif isinstance(layer, keras.layers.BatchNormalization):
            x = keras.layers.BatchNormalization()(x)
        else:
            x = keras.layers.ReLU()(x)
    return keras.Model(inputs, x)


def timed(models: dict[str, keras.Model], x: np.ndarray, y: np.ndarray, batch: int, turns: int) -> dict[str, float]:
    """Microseconds a step."""
    best = dict.fromkeys(models, np.inf)
    for model in models.values():
        model.compile(keras.optimizers.Adam(1e-3), keras.losses.CategoricalCrossentropy(from_logits=True),
                      steps_per_execution=50)
    for turn in range(turns + 1):  # the first compiles
        for name, model in models.items():
            start = time.perf_counter()
            model.fit(x, y, batch_size=batch, shuffle=False, verbose=0)
            if turn:
                best[name] = min(best[name], (time.perf_counter() - start) / STEPS * 1e6)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["jets-bnn-small", "jets-tnn-small", "mnist-bnn", "mnist-tnn"])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    print(f"Keras {keras.__version__} on {keras.backend.backend()}, batch {arguments.batch}, one thread, µs a step")
    for name in arguments.networks:
        entry, rng = CATALOGUE[name], np.random.default_rng(0)
        x = rng.normal(size=(STEPS * arguments.batch, entry.widths[0])).astype(np.float32)
        y = np.eye(entry.widths[-1], dtype=np.float32)[rng.integers(0, entry.widths[-1], len(x))]
        layers_only = build(entry, Recipe())
        found = timed({"plain Dense": plain(layers_only), "quantised layers": layers_only,
                       f"recipe {entry.recipe}": build(entry, RECIPES[entry.recipe])}, x, y, arguments.batch,
                      arguments.turns)
        base = found["plain Dense"]
        print(f"{name} ({entry.architecture}): " + ", ".join(f"{k} {v:,.0f} ({v / base:.2f})" for k, v in found.items()))


if __name__ == "__main__":
    main()
