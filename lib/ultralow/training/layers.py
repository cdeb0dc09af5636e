"""Quantised Keras layers: binary, ternary, masked, and their straight-through gradients.

Written with keras.ops only, so that every Keras backend trains them. Each quantiser rounds in the forward
pass and passes the gradient through unchanged in the backward pass (the straight-through estimator of
Bengio et al., arXiv:1308.3432, as used by arXiv:1602.02830 and arXiv:1605.04711). The ties are those of
hls4ml: x ≥ 0 is +1 for binary; x > 0.5 is +1 and x ≤ −0.5 is −1 for ternary.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from ultralow.training import keras_setup  # noqa: F401 — sets Keras up before a layer computes
from ultralow.fixed_point import Fixed

_register = keras.saving.register_keras_serializable(package="ultralow")


def straight_through(value, rounded):
    """``rounded`` forward, the gradient of ``value`` backward; equal shapes."""
    return value + ops.stop_gradient(rounded - value)


def binarise(x):
    """−1 or +1, same shape."""
    return ops.where(x >= 0, ops.ones_like(x), -ops.ones_like(x))


def ternarise(x, threshold=0.5):
    """−1, 0 or +1, same shape."""
    return ops.cast(x > threshold, x.dtype) - ops.cast(x <= -threshold, x.dtype)


# The forward pass of an activation is its rounding; its gradient is that of one of these, where x is normalised.
ESTIMATORS = {
    "hard": lambda x: ops.clip(x, -1.0, 1.0),  # arXiv:1602.02830, eq. 4
    "wide": lambda x: ops.clip(x, -2.0, 2.0),
    "polynomial": lambda x: (c := ops.clip(x, -1.0, 1.0)) * (2.0 - ops.abs(c)),  # Bi-Real Net, arXiv:1808.00278
    "tanh": ops.tanh,
}
ROUNDINGS = {"binary": binarise, "ternary": ternarise}


# hls4ml knows activations by the names of their functions.
@_register
def binary_tanh(x):
    """Sign; its gradient is that of the hard tanh: 1 inside [−1, 1], 0 outside (arXiv:1602.02830, eq. 4)."""
    return straight_through(ESTIMATORS["hard"](x), binarise(x))


@_register
def ternary_tanh(x):
    """Three levels with thresholds ±0.5; its gradient is that of the hard tanh."""
    return straight_through(ESTIMATORS["hard"](x), ternarise(x))


class RoundedActivation(keras.layers.Layer):
    """An activation whose neurons can be held at one value each, from outside (``holding``)."""

    def __init__(self, holding=False, **kwargs):
        super().__init__(**kwargs)
        self.holding = holding

    def build(self, input_shape):
        if self.holding:
            shape = (input_shape[-1],)
            self.held = self.add_weight(name="held", shape=shape, initializer="zeros", trainable=False)
            self.live = self.add_weight(name="live", shape=shape, initializer="ones", trainable=False)

    def rounded(self, inputs):
        raise NotImplementedError

    def call(self, inputs):
        outputs = self.rounded(inputs)
        return outputs * self.live + self.held * (1 - self.live) if self.holding else outputs

    def get_config(self):
        return {**super().get_config(), "holding": self.holding}


@_register
class RoundedTanh(RoundedActivation):
    """:func:`binary_tanh` (``levels`` "binary") or :func:`ternary_tanh` ("ternary") with a gradient of ESTIMATORS."""

    def __init__(self, levels, estimator="hard", **kwargs):
        super().__init__(**kwargs)
        self.levels, self.estimator = levels, estimator

    def rounded(self, inputs):
        return straight_through(ESTIMATORS[self.estimator](inputs), ROUNDINGS[self.levels](inputs))

    def get_config(self):
        return {**super().get_config(), "levels": self.levels, "estimator": self.estimator}


@_register
class Clip(keras.constraints.Constraint):
    """Keeps latent weights in [−1, 1]: beyond, the gradient could move them but never change their sign."""

    def __call__(self, w):
        return ops.clip(w, -1.0, 1.0)


class _QuantisedDense(keras.layers.Dense):
    """Dense without bias whose latent kernel is rounded in each forward pass.

    With ``settling`` the layer keeps a moving average of its rounded kernel, which tells the weights that swing to
    and fro from those that stand, and lets :meth:`settle` fix them.
    """

    MOMENTUM = 0.99  # of that average, per step

    def __init__(self, units, kernel_initializer=None, kernel_constraint="default", use_bias=False, settling=False,
                 **kwargs):
        constraint = Clip() if kernel_constraint == "default" else kernel_constraint
        # Uniform over the whole range: Glorot's lies inside (−0.5, 0.5) for all but the narrowest layers, and every
        # ternary weight would start at zero. Made anew for each layer: an initializer draws its seed when it is
        # made, and at import none is set yet.
        super().__init__(units, use_bias=use_bias, kernel_constraint=constraint,
                         kernel_initializer=kernel_initializer or keras.initializers.RandomUniform(-1.0, 1.0), **kwargs)
        self.settling = settling

    def build(self, input_shape):
        super().build(input_shape)
        if self.settling:
            shape = self.kernel.shape
            self.recent = self.add_weight(name="recent", shape=shape, initializer="zeros", trainable=False)
            self.free = self.add_weight(name="free", shape=shape, initializer="ones", trainable=False)

    def quantise(self, kernel):
        raise NotImplementedError

    def call(self, inputs, training=None):
        kernel = ops.convert_to_tensor(self.kernel)  # JAX's own functions do not take Keras's variables
        rounded = ops.stop_gradient(self.quantise(kernel))
        if not self.settling:
            return ops.matmul(inputs, straight_through(kernel, rounded))
        if training:
            self.recent.assign(self.MOMENTUM * self.recent + (1 - self.MOMENTUM) * rounded)
        return ops.matmul(inputs, straight_through(kernel * self.free, rounded))

    def settle(self, share, steps):
        """Fixes ``share`` of the weights that are still free, those that swing most first, at their usual value of the
        ``steps`` trained so far.

        A weight whose best value lies between two levels crosses the threshold for ever, however small the step
        (Nagel et al., arXiv:2203.11086); while it does, no other weight can adapt to it.
        """
        recent, free, kernel = (ops.convert_to_numpy(v) for v in (self.recent, self.free, self.kernel))
        # The average began at zero: after few steps it is still near it, whatever the weights are.
        recent = recent / np.float32(1 - self.MOMENTUM**steps)
        usual = ops.convert_to_numpy(self.quantise(ops.convert_to_tensor(recent)))
        swing = np.where(free > 0, np.abs(recent - usual), -1.0)
        chosen = np.zeros(swing.size, bool)
        chosen[np.argsort(-swing, axis=None, kind="stable")[:round(share * (free > 0).sum())]] = True
        chosen = chosen.reshape(swing.shape)
        self.kernel.assign(np.where(chosen, usual, kernel))
        self.free.assign(np.where(chosen, 0.0, free).astype("float32"))

    def get_config(self):
        return {**super().get_config(), "settling": self.settling}

    # Dense saves the variables that it knows of, by number.
    def save_own_variables(self, store):
        super().save_own_variables(store)
        if self.settling:
            store["recent"], store["free"] = self.recent, self.free

    def load_own_variables(self, store):
        super().load_own_variables(store)
        if self.settling:
            self.recent.assign(store["recent"])
            self.free.assign(store["free"])


# hls4ml knows these two by their class names: they must not change.
@_register
class BinaryDense(_QuantisedDense):
    """Dense with weights −1 and +1; no bias: a batch normalisation follows."""

    def quantise(self, kernel):
        return binarise(kernel)


@_register
class TernaryDense(_QuantisedDense):
    """Dense with weights −1, 0 and +1; no bias: a batch normalisation follows.

    ``l1`` times the sum of the latent weights' magnitudes, as far as they are free, is added to the loss: weights that
    matter little become 0.
    """

    def __init__(self, units, threshold=0.5, l1=0.0, **kwargs):
        super().__init__(units, **kwargs)
        self.threshold, self.l1 = threshold, l1

    def call(self, inputs, training=None):
        if training and self.l1:
            kernel = ops.convert_to_tensor(self.kernel)
            self.add_loss(self.l1 * ops.sum(ops.abs(kernel * self.free if self.settling else kernel)))
        return super().call(inputs, training=training)

    def quantise(self, kernel):
        return ternarise(kernel, self.threshold)

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold, "l1": self.l1}


@_register
class BatchRenormalisation(keras.layers.BatchNormalization):
    """Batch normalisation whose forward pass uses the moving averages, as the hardware will; the gradient is that of
    the batch's own statistics (Ioffe, arXiv:1702.03275). A threshold then does not tremble with the batch.

    The corrections are clipped while the averages follow the first, large changes of the weights. With
    ``significant`` the factor that stays in hardware, γ over the known deviation, is rounded to so many bits as in
    :func:`ultralow.fixed_point.dyadic`, so that the network learns to live with it.
    """

    def __init__(self, significant=None, **kwargs):
        super().__init__(**kwargs)
        self.significant = significant

    def call(self, inputs, training=None, mask=None):
        if not training:
            deviation = ops.sqrt(self.moving_variance + self.epsilon)
            return self._factor(deviation) * self.gamma * (inputs - self.moving_mean) / deviation + self.beta
        mean, variance = ops.mean(inputs, axis=0), ops.var(inputs, axis=0)
        deviation = ops.sqrt(variance + self.epsilon)
        known_mean, known_variance = (ops.convert_to_tensor(v) for v in (self.moving_mean, self.moving_variance))
        known = ops.sqrt(known_variance + self.epsilon)
        gain = ops.stop_gradient(ops.clip(deviation / known, 1 / 3, 3.0))
        move = ops.stop_gradient(ops.clip((mean - known_mean) / known, -1.0, 1.0))
        self.moving_mean.assign(known_mean * self.momentum + ops.stop_gradient(mean) * (1 - self.momentum))
        self.moving_variance.assign(known_variance * self.momentum + ops.stop_gradient(variance) * (1 - self.momentum))
        return self._factor(known) * self.gamma * ((inputs - mean) / deviation * gain + move) + self.beta

    def _factor(self, deviation):
        """What rounding multiplies the factor with, (features,); no gradient."""
        if self.significant is None:
            return 1.0
        scale = ops.abs(self.gamma / deviation) + 1e-30
        step = 2.0 ** (ops.floor(ops.log2(scale)) + 1 - self.significant)
        return ops.stop_gradient(ops.round(scale / step) * step / scale)

    def get_config(self):
        return {**super().get_config(), "significant": self.significant}


@_register
class FeatureGain(keras.layers.Layer):
    """Multiplies every feature by a positive number of its own, which is learned."""

    def build(self, input_shape):
        self.gain = self.add_weight(name="gain", shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs):
        return inputs * ops.abs(self.gain)


@_register
class InputEncoding(keras.layers.Layer):
    """What stands between features and the hardware's input: x·gain + move, each feature's own, rounded down to the input
    format (``format``) and saturated. Gain and move are not trained."""

    def __init__(self, format, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.format = Fixed.parse(format)

    def build(self, input_shape):
        options = {"shape": (input_shape[-1],), "trainable": False, "dtype": "float64"}
        self.gain = self.add_weight(name="gain", initializer="ones", **options)
        self.move = self.add_weight(name="move", initializer="zeros", **options)

    def call(self, inputs):
        # In float64, as the exact network encodes its features.
        steps = ops.floor((ops.cast(inputs, "float64") * self.gain + self.move) / self.format.step)
        return ops.cast(ops.clip(steps, self.format.low_code, self.format.high_code) * self.format.step, self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "format": str(self.format)}


@_register
class MaskedDense(keras.layers.Dense):
    """Dense whose kernel is multiplied by a 0/1 mask of the same shape, set from outside (pruning), and rounded to the
    nearest value of a number format, if there is one."""

    def __init__(self, units, format=None, **kwargs):
        super().__init__(units, **kwargs)
        self.format = None if format is None else Fixed.parse(format)

    def build(self, input_shape):
        super().build(input_shape)
        self.mask = self.add_weight(name="mask", shape=self.kernel.shape, initializer="ones", trainable=False)

    def call(self, inputs, training=None):
        kernel = self.kernel * self.mask
        if self.format is not None:
            clipped = ops.clip(kernel, self.format.low, self.format.high)
            kernel = straight_through(clipped, ops.round(clipped / self.format.step) * self.format.step)
        return self.activation(ops.matmul(inputs, kernel) + self.bias)

    def get_config(self):
        return {**super().get_config(), "format": None if self.format is None else str(self.format)}

    # Dense saves the variables that it knows of, by number.
    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["mask"] = self.mask

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.mask.assign(store["mask"])


@_register
class QuantisedRelu(RoundedActivation):
    """ReLU rounded down to an unsigned fixed-point format and saturated, as the hardware does it."""

    def __init__(self, format, **kwargs):
        super().__init__(**kwargs)
        self.format = Fixed.parse(format)

    def rounded(self, inputs):
        clipped = ops.clip(inputs, 0.0, self.format.high)
        return straight_through(clipped, ops.floor(clipped / self.format.step) * self.format.step)

    def get_config(self):
        return {**super().get_config(), "format": str(self.format)}
