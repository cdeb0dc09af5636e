"""How Keras is started: on one backend, with nothing that another one needs."""

import os
import subprocess
import sys

import keras
import pytest

from ultralow.errors import StudyError
from ultralow.training import keras_setup  # noqa: F401 — sets Keras up before it computes
from ultralow.training.backend import start_keras

TRAINS_ON_JAX = """
import sys
from dataclasses import replace
import numpy as np
from ultralow.training.backend import start_keras
start_keras("jax")
from ultralow.importing import keras_model
from ultralow.networks.catalogue import CATALOGUE
from ultralow.networks.recipes import RECIPES
from ultralow.training.folding import fold
from ultralow.training.train import Rows, train
network = CATALOGUE["jets-tnn-small"].at_smoke_size()
x = np.random.default_rng(0).normal(size=(64, 16)).astype(np.float32)
rows = Rows(x, np.arange(64) % 5)
model, _ = train(network, replace(RECIPES["ternary"], epochs=1, batch_size=64), rows, rows, 1, lambda line: None)
model.save(sys.argv[1])
assert fold(keras_model.load(sys.argv[1]), network) == fold(model, network)
assert "jax" in sys.modules and "tensorflow" not in sys.modules, "TensorFlow was imported"
"""


def test_a_training_on_jax_never_imports_tensorflow(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    done = subprocess.run([sys.executable, "-c", TRAINS_ON_JAX, str(tmp_path / "model.keras")], capture_output=True, text=True,
                          env=environment)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_process_keeps_the_backend_that_it_started():
    running = keras.backend.backend()
    start_keras(running)
    other = {"tensorflow": "jax"}.get(running, "tensorflow")
    with pytest.raises(StudyError, match=f"backend: {other}, but Keras already runs on {running}"):
        start_keras(other)
