"""Knows how Keras is set up so that the same seed gives the same bytes, and runs models. Imported before it computes."""

from __future__ import annotations

import logging
import os

# The order of sums must not depend on the number of cores: one thread a training, trainings in parallel. XLA, under JAX,
# splits its sums by the number of processors, which it takes from here if it can.
os.environ["NPROC"] = "1"
# The folded network's Keras twin counts in float64, which JAX otherwise lacks.
os.environ["JAX_ENABLE_X64"] = "1"

import keras  # noqa: E402
import numpy as np  # noqa: E402

from ultralow.errors import StudyError  # noqa: E402

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    # It warns of graphs that it builds again for every network of an experiment, as it must.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)

    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise StudyError("TensorFlow computed something before ultralow was imported, and its threads can no longer "
                         "be set; restart Python (or the kernel) and import ultralow first") from error
    tf.config.experimental.enable_op_determinism()


def outputs(model: keras.Model | keras.layers.Layer, x: np.ndarray, batch: int = 4096) -> np.ndarray:
    """What a model or a layer gives in inference, (rows, outputs), for (rows, inputs), in its own precision.

    Called directly: ``predict`` would first spend seconds on a graph that runs once.
    """
    # BatchNormalization and Dropout ask for it; other layers of the study do not take it.
    options = {"training": False} if model._call_has_training_arg else {}
    parts = [keras.ops.convert_to_numpy(model(x[i:i + batch], **options)) for i in range(0, len(x), batch)]
    return np.concatenate(parts)
