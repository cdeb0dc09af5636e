"""Set Keras up so that the same seed gives the same bytes. Imported before Keras computes, if anything is to be trained."""

from __future__ import annotations

import logging
import os
import sys

# The order of sums must not depend on the number of cores: one thread a training, trainings in parallel. XLA, under JAX,
# splits its sums by the number of processors, which it takes from here if it can.
os.environ["NPROC"] = "1"
# The folded network's Keras twin counts in float64, which JAX otherwise lacks.
os.environ["JAX_ENABLE_X64"] = "1"
if "jax" in sys.modules:  # too late for the environment
    sys.modules["jax"].config.update("jax_enable_x64", True)

import keras  # noqa: E402

# False where TensorFlow computed something before, and its threads can no longer be set: a model that was trained then can be
# folded, but :func:`ultralow.training.backend.start_keras` trains none.
REPRODUCIBLE = True

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    # It warns of graphs that it builds again for every network of an experiment, as it must.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)

    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()
    except RuntimeError:
        REPRODUCIBLE = False
else:
    # Of every value that it writes into a file Keras asks whether it is TensorFlow's, and imports TensorFlow to know: seconds,
    # and hundreds of megabytes, for an answer that is no on every other backend.
    from keras.src.utils import module_utils

    module_utils.tensorflow._available = False
