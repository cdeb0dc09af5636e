"""Knows how Keras is set up so that the same seed gives the same bytes, and runs models. Imported before it computes."""

from __future__ import annotations

import keras
import numpy as np

from ultralow.errors import StudyError

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    # The order of sums must not depend on the number of cores: one thread a training, trainings in parallel.
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise StudyError("TensorFlow computed something before ultralow was imported, and its threads can no longer "
                         "be set; restart Python (or the kernel) and import ultralow first") from error
    tf.config.experimental.enable_op_determinism()


def logits(model: keras.Model, x: np.ndarray, batch: int = 4096) -> np.ndarray:
    """The model's outputs (rows, classes) for inputs (rows, inputs), in the model's own precision.

    Called directly: ``predict`` would first spend seconds on a graph that runs once.
    """
    parts = [keras.ops.convert_to_numpy(model(x[i:i + batch], training=False)) for i in range(0, len(x), batch)]
    return np.concatenate(parts)
