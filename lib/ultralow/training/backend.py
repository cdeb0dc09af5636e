"""Choose the backend that Keras runs on, without importing Keras before it is chosen."""

from __future__ import annotations

import os
import sys

from ultralow.errors import StudyError


def start_keras(backend: str) -> None:
    """Makes sure that Keras runs on ``backend``; once it has started it cannot change.

    Raises:
        StudyError: this process runs Keras on another backend, or TensorFlow with threads that cannot be set any more; or the
            backend is not installed.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = backend
    try:
        from ultralow.training import keras_setup  # one thread, determinism
    except ImportError as error:
        raise StudyError(f"the study asks for backend: {backend}, which does not start ({error}); install the locked "
                         "environment again, or choose backend: tensorflow") from error
    import keras

    if keras.backend.backend() != backend:
        raise StudyError(f"the study asks for backend: {backend}, but Keras already runs on {keras.backend.backend()} "
                         "in this process; restart Python (or the kernel)")
    if not keras_setup.REPRODUCIBLE:
        raise StudyError("TensorFlow computed something before ultralow trains, and its threads can no longer be set, so that "
                         "the same seed would not give the same network; restart Python (or the kernel) and train first")
