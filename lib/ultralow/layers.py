"""Knows the quantised layers of training: binary, ternary, masked, and their straight-through gradients.

Written with keras.ops only, so that every Keras backend trains them. Each quantiser rounds in the forward
pass and passes the gradient through unchanged in the backward pass (the straight-through estimator of
Bengio et al., arXiv:1308.3432, as used by arXiv:1602.02830 and arXiv:1605.04711). The ties are those of
hls4ml: x ≥ 0 is +1 for binary; x > 0.5 is +1 and x ≤ −0.5 is −1 for ternary.
"""

from __future__ import annotations

import keras
from keras import ops

from ultralow import backend  # noqa: F401 — sets Keras up before a layer computes
from ultralow.fixed import Fixed

_register = keras.saving.register_keras_serializable(package="ultralow")


def straight_through(value, rounded):
    """``rounded`` forward, the gradient of ``value`` backward; equal shapes."""
    return value + ops.stop_gradient(rounded - value)


def binarise(x):
    """−1 or +1, same shape."""
    return ops.where(x >= 0, ops.ones_like(x), -ops.ones_like(x))


def ternarise(x):
    """−1, 0 or +1, same shape."""
    return ops.cast(x > 0.5, x.dtype) - ops.cast(x <= -0.5, x.dtype)


@_register
def binary_tanh(x):
    """Sign; its gradient is that of the hard tanh: 1 inside [−1, 1], 0 outside (arXiv:1602.02830, eq. 4)."""
    clipped = ops.clip(x, -1.0, 1.0)
    return straight_through(clipped, binarise(x))


@_register
def ternary_tanh(x):
    """Three levels with thresholds ±0.5; its gradient is that of the hard tanh."""
    clipped = ops.clip(x, -1.0, 1.0)
    return straight_through(clipped, ternarise(x))


@_register
class Clip(keras.constraints.Constraint):
    """Keeps latent weights in [−1, 1]: beyond, the gradient could move them but never change their sign."""

    def __call__(self, w):
        return ops.clip(w, -1.0, 1.0)


class _QuantisedDense(keras.layers.Dense):
    """Dense without bias whose latent kernel is rounded in each forward pass."""

    @staticmethod
    def initializer():
        return "glorot_uniform"

    def __init__(self, units, kernel_initializer=None, kernel_constraint="default", use_bias=False, **kwargs):
        constraint = Clip() if kernel_constraint == "default" else kernel_constraint
        super().__init__(units, use_bias=use_bias, kernel_constraint=constraint,
                         kernel_initializer=kernel_initializer or self.initializer(), **kwargs)

    def quantise(self, kernel):
        raise NotImplementedError

    def call(self, inputs, training=None):
        return ops.matmul(inputs, straight_through(self.kernel, self.quantise(self.kernel)))


# hls4ml knows these two by their class names: they must not change.
@_register
class BinaryDense(_QuantisedDense):
    """Dense with weights −1 and +1; no bias: a batch normalisation follows."""

    def quantise(self, kernel):
        return binarise(kernel)


@_register
class TernaryDense(_QuantisedDense):
    """Dense with weights −1, 0 and +1; no bias: a batch normalisation follows."""

    # Glorot's range lies inside (−0.5, 0.5) for all but the narrowest layers: every weight would start at zero.
    # Made anew for each layer: an initializer draws its seed when it is made, and at import none is set yet.
    @staticmethod
    def initializer():
        return keras.initializers.RandomUniform(-1.0, 1.0)

    def quantise(self, kernel):
        return ternarise(kernel)


@_register
class MaskedDense(keras.layers.Dense):
    """Dense whose kernel is multiplied by a 0/1 mask of the same shape, set from outside (pruning)."""

    def build(self, input_shape):
        super().build(input_shape)
        self.mask = self.add_weight(name="mask", shape=self.kernel.shape, initializer="ones", trainable=False)

    def call(self, inputs, training=None):
        return self.activation(ops.matmul(inputs, self.kernel * self.mask) + self.bias)

    # Dense saves the variables that it knows of, by number.
    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["mask"] = self.mask

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.mask.assign(store["mask"])


@_register
class QuantisedRelu(keras.layers.Layer):
    """ReLU rounded down to an unsigned fixed-point format and saturated, as the hardware does it."""

    def __init__(self, format, **kwargs):
        super().__init__(**kwargs)
        self.format = Fixed.parse(format)

    def call(self, inputs):
        clipped = ops.clip(inputs, 0.0, self.format.high)
        return straight_through(clipped, ops.floor(clipped / self.format.step) * self.format.step)

    def get_config(self):
        return {**super().get_config(), "format": str(self.format)}
