"""Force on every machine what some processors do: a batch normalisation that is off by one step of its float."""

import keras.src.ops as ops
import numpy as np
import pytest


def off_by_a_step(patch: pytest.MonkeyPatch, towards: float = 0.0) -> None:
    """Keras's batch normalisation multiplies by the neighbour of its scale, as with a reciprocal root of 1 of 0.99999994.

    ``towards`` 0: the neighbour below; infinity: the one above.
    """
    plain = ops.batch_normalization

    def inexact(x, mean, variance, axis, offset=None, scale=None, epsilon=1e-3):
        one = np.ones(variance.shape, ops.convert_to_numpy(variance).dtype)
        step = np.nextafter(one, np.asarray(towards, one.dtype))
        scale = ops.convert_to_tensor(step) if scale is None else ops.convert_to_tensor(scale) * ops.convert_to_tensor(step)
        return plain(x, mean, variance, axis, offset=offset, scale=scale, epsilon=epsilon)

    patch.setattr(ops, "batch_normalization", inexact)
