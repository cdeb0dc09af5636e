"""hls4ml 1.3.0: the sign of a negative scale is dropped where BatchNormalization + binary_tanh become one comparison.

Two inputs of -1 or +1, one binary neuron with weights +1: its sum a is -2, 0 or 2. Batch normalisation with gamma = -1
makes 1 - a of it, so the neuron's sign is +1 for a <= 1. hls4ml compares a >= 1, whatever the sign of gamma, and
gives the opposite for every row. (The threshold is an integer: rounding plays no part.)

Needs keras, hls4ml and g++. Ends with code 1 while the fault is there.
"""

import tempfile

import hls4ml
import keras
import numpy as np
from keras import ops


def binary_tanh(x):  # hls4ml knows it by its name
    return ops.where(x >= 0, 1.0, -1.0)


class BinaryDense(keras.layers.Dense):  # hls4ml knows it by its name; the weights are -1 and +1 already
    pass


def norm(gamma, beta):
    """gamma * x + beta exactly: variance + epsilon = 1."""
    layer = keras.layers.BatchNormalization(epsilon=2.0**-10)
    layer.build((None, 1))
    layer.set_weights([np.array([value]) for value in (gamma, beta, 0.0, 1 - 2.0**-10)])
    return layer


inputs = keras.Input((2,), name="features")
x = BinaryDense(1, use_bias=False, kernel_initializer="ones", name="dense1")(inputs)
x = norm(-1.0, 1.0)(x)
x = keras.layers.Activation(binary_tanh, name="sign")(x)
x = BinaryDense(1, use_bias=False, kernel_initializer="ones", name="dense2")(x)
model = keras.Model(inputs, norm(1.0, 0.0)(x))

config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend="Vitis")
config["LayerName"]["features"]["Precision"]["result"] = "fixed<2,2>"  # holds -1 and +1
rows = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], np.float32)
with tempfile.TemporaryDirectory() as folder:
    converted = hls4ml.converters.convert_from_keras_model(model, hls_config=config, output_dir=folder, backend="Vitis",
                                                            allow_da_fallback=False)
    converted.compile()
    got = converted.predict(rows).ravel()

print(f"hls4ml {hls4ml.__version__}, keras {keras.__version__}")
for row, expected, found in zip(rows, np.asarray(model(rows)).ravel(), got):
    print(f"inputs {row[0]:+.0f} {row[1]:+.0f}: expected {expected:+.0f}, got {found:+.0f}"
          + ("" if expected == found else "   <-- wrong"))
raise SystemExit(int((got != np.asarray(model(rows)).ravel()).any()))
