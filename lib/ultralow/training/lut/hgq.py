"""Train HGQ2's layers on a study's data, and make the model a circuit.

Two peers: dense layers whose every weight and every wire has a trained number of bits (HGQ, arXiv:2405.00645), and tables, one
for each pair of an input and an output, trained as small networks (HGQ-LUT). Both learn their bits by gradient: the layers
estimate what they cost in gates (EBOPs), and that, times a price that grows, is part of the loss.

Features are laid onto a format from -1 to 1 outside, each with its own gain and move, as for the study's own networks; the
layers cut bits off (TRN) where HGQ2 would round, since cutting takes no gate and what follows is learned in any case.
"""

from __future__ import annotations


import numpy as np

from ultralow.training.lut import hgq_circuit
from ultralow.training.lut import input_encoding
from ultralow.data.dataset import Dataset
from ultralow.errors import Log, StudyError
from ultralow.fixed_point import Fixed
from ultralow.networks.methods import FrontNetwork, HgqTables
from ultralow.training.backend import start_keras
from ultralow.training.trained import Trained

_FIRST_PRICE, _FULL_PRICE = 1e-2, 0.6  # the price begins at this part of itself, and is whole after this share of the epochs
_LAST_RATE = 0.02  # of the learning rate, which falls along a cosine
_WIDE = 2.0  # deviation of a table's first weights
_TRACED_ROWS = 16384  # a time
_EDGE = 1e-4  # of a table's step
_MOST_MOVES = 64


def train(entry: FrontNetwork, data: Dataset, seed: int, epochs: int, log: Log) -> Trained:
    """The trained model as a circuit.

    Raises:
        StudyError: a row of the data's on which the circuit does not give what the model gives.
    """
    start_keras("jax")
    import keras
    from hgq.utils import trace_minmax

    from ultralow.training.evaluation import outputs

    method, form = entry.method, Fixed.parse(entry.input)
    keys = input_encoding.fitted(data.x_train, data.y_train, form, form.bits)
    keras.utils.set_random_seed(seed)
    model = _tables(entry, seed) if isinstance(method, HgqTables) else _dense(entry)
    fitted = _fitted(model, form)
    x = keys.encode(data.x_train).astype(np.float32)
    steps = -(-len(x) // method.batch_size)
    fitted.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(method.learning_rate, epochs * steps,
                                                                                alpha=_LAST_RATE)),
                   keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    price = _GrowingPrice(model, method.price, epochs, log)
    fitted.fit(x, data.y_train, epochs=epochs, batch_size=method.batch_size, verbose=0, callbacks=[price.callback()])
    trace_minmax(model, x, batch_size=_TRACED_ROWS, verbose=False)
    move_values_off_edges(model)
    quantiser = hgq_circuit.first_quantiser(model, entry.name)
    circuit = hgq_circuit.convert(model, entry, quantiser, data.outputs, keys.gain, keys.move)
    log(f"{len(circuit.comb.ops)} operations, inputs {circuit.input}")
    rows, exact = hgq_circuit.compare(model, circuit, quantiser, *(
        circuit.codes(part) for part in (data.x_train, data.x_valid, data.x_test)))
    if exact != rows:
        raise StudyError(f"{entry.name}: on {rows - exact:,} of {rows:,} rows the circuit does not give what the model gives; "
                         "another seed, or a higher price and so fewer bits, may help")

    def logits(encoded: np.ndarray) -> np.ndarray:
        return outputs(model, quantiser.values(circuit.input.codes(encoded)))

    return Trained(circuit, logits, price.history, {"keras_rows": rows, "keras_rows_exact": exact})


def _tables(entry: FrontNetwork, seed: int):
    import keras
    from hgq.config import QuantizerConfig
    from hgq.constraints import MinMax
    from hgq.layers import QDenseT

    method, form = entry.method, Fixed.parse(entry.input)

    def keys(fraction: int, most: int = 23) -> QuantizerConfig:
        return QuantizerConfig("kif", "datalane", i0=0, f0=fraction, round_mode="TRN", ic=MinMax(-23, most))

    # HGQ2's default is one number of bits for the outputs of all tables, and one at least. Each its own, and none if it likes:
    # so tables can vanish. Values that would wrap there are none, since the range follows them.
    values = QuantizerConfig("kif", "table", i0=2, f0=4, overflow_mode="WRAP", homogeneous_axis=(0,), heterogeneous_axis=None)
    first, *others = entry.widths[1:]
    model = keras.Sequential([
        keras.Input((entry.widths[0],)),
        QDenseT(first, d_hl=method.neurons, iq_conf=keys(form.fraction, 0), toq_conf=values, beta0=0.0),
        *(QDenseT(width, d_hl=method.neurons, iq_conf=keys(4), toq_conf=values, beta0=0.0) for width in others)], name=entry.name)
    # Keras's own first weights make tables almost straight lines, which learn to bend slowly: wider ones reach after five
    # epochs on 100,000 jets a point more.
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        kernel, bias = layer.module.layers[0].get_weights()
        layer.module.layers[0].set_weights([rng.normal(0, _WIDE, kernel.shape), rng.normal(0, _WIDE / 2, bias.shape)])
    return model


def _dense(entry: FrontNetwork):
    import keras
    from hgq.config import QuantizerConfig
    from hgq.constraints import MinMax
    from hgq.layers import QDense

    def settings(fraction: int, most: int = 23) -> dict:
        return {"beta0": 0.0, "kq_conf": QuantizerConfig("kbi", "weight", b0=6, i0=1),
                "iq_conf": QuantizerConfig("kif", "datalane", i0=0, f0=fraction, round_mode="TRN", ic=MinMax(-23, most))}

    first, *hidden, last = entry.widths[1:]
    return keras.Sequential([
        keras.Input((entry.widths[0],)),
        QDense(first, activation="relu", **settings(Fixed.parse(entry.input).fraction, 0)),
        *(QDense(width, activation="relu", **settings(4)) for width in hidden),
        QDense(last, **settings(4))], name=entry.name)


def _fitted(model, form: Fixed):
    """The model as it is trained. A first layer of tables is evaluated once for all codes instead of for every row, which is the
    same function with the same gradient, in a fraction of the time."""
    import keras
    from hgq.layers import QDenseT
    from keras import ops

    class ByCode(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = model
            first, *self.others = model.layers
            self.first = first
            codes = np.arange(form.low_code, form.high_code + 1)
            self.grid = np.repeat((codes * form.step)[:, None], model.input_shape[1], 1).astype(np.float32)

        def call(self, x, training=None):
            layer = self.first
            seen = ops.broadcast_to(ops.convert_to_tensor(self.grid)[..., None], (*self.grid.shape, layer.n_out))
            table = layer.toq(layer.module(layer.iq(seen, training=training)[..., None]), training=training)
            ebops = layer._compute_ebops((1, layer.n_in))
            if training:
                layer._ebops.assign(ops.cast(ebops, layer._ebops.dtype))
                self.add_loss(ebops * layer.beta)
            codes = ops.cast(x / form.step - form.low_code, "int32")
            y = ops.einsum("bil,lio->bo", ops.one_hot(codes, len(self.grid)), table)
            for other in self.others:
                y = other(y, training=training)
            return y

    return ByCode() if isinstance(model.layers[0], QDenseT) else model


class _GrowingPrice:
    """The price of an EBOP, which grows epoch by epoch, and the history of the training."""

    def __init__(self, model, price: float, epochs: int, log: Log):
        self.model, self.price, self.epochs, self.log = model, price, epochs, log
        self.history: dict[str, list[float]] = {"loss": [], "accuracy": [], "ebops": []}

    def callback(self):
        import keras

        return keras.callbacks.LambdaCallback(on_epoch_begin=self._begin, on_epoch_end=self._end)

    def _begin(self, epoch: int, logs: dict) -> None:
        share = min(1.0, epoch / max(1.0, _FULL_PRICE * self.epochs))
        for layer in self.model.layers:
            layer._beta.assign(self.price * _FIRST_PRICE ** (1 - share))

    def _end(self, epoch: int, logs: dict) -> None:
        last = epoch == self.epochs - 1
        self.history["loss"].append(float(logs["loss"]))
        self.history["ebops"].append(int(sum(int(layer._ebops.value) for layer in self.model.layers)))
        self.history["accuracy"].append(float(logs["accuracy"]))
        if epoch % 5 == 4 or last:
            self.log(f"epoch {epoch + 1}/{self.epochs}: loss {logs['loss']:.4f}, training accuracy {logs['accuracy']:.4f}, "
                     f"{self.history['ebops'][-1]} EBOPs")


def move_values_off_edges(model) -> None:
    """Moves tables' values off the edge between two steps, where one library's rounding of a float decides and another's
    differs: a table with such a value is moved, as a whole, by a small part of a step."""
    for layer in model.layers:
        if type(layer).__name__ == "QDenseT":
            _move_off_edges(layer)


def _move_off_edges(layer) -> None:
    *inner, last = layer.module.layers
    kernel, bias = (np.asarray(value, np.float64) for value in last.get_weights())
    hidden = _table_keys(layer)[..., None]
    for part in inner:
        weights, shift = part.get_weights()
        hidden = np.tanh(np.einsum("niod,iodD->nioD", hidden, weights.astype(np.float64)) + shift)
    values = np.einsum("niod,iod->nio", hidden, kernel)
    fraction = _bits_of_each(layer, layer.toq.quantizer, layer.toq.quantizer.kif[2])
    moved = np.zeros_like(bias)
    for attempt in range(_MOST_MOVES):
        # A value is rounded at its half step.
        position = (values + bias + moved) * 2.0**fraction + 0.5
        on_edge = (np.abs(position - np.round(position)) < _EDGE).any(axis=0)
        if not on_edge.any():
            break
        moved[on_edge] = (attempt + 1) * 3.1 * _EDGE * 2.0 ** -fraction[on_edge]
    last.set_weights([kernel.astype(np.float32), (bias + moved).astype(np.float32)])


def _table_keys(layer) -> np.ndarray:
    """All values that each table can read, (codes, inputs, outputs): its own codes, over and over where it has fewer."""
    integer, fraction = (_bits_of_each(layer, layer.iq.quantizer, bits) for bits in layer.iq.quantizer.kif[1:])
    count = 2.0 ** np.maximum(1 + integer + fraction, 0)
    codes = np.arange(int(count.max()))[:, None, None]
    return (codes % count - count / 2) * 2.0**-fraction


def _bits_of_each(layer, quantiser, bits) -> np.ndarray:
    """Numbers of bits of a quantiser for each table, (inputs, outputs) float64."""
    from keras import ops

    shape = (1, layer.n_in, layer.n_out)
    return ops.convert_to_numpy(quantiser.bw_mapper.bw_to_x(bits, shape)).reshape(shape[1:]).astype(np.float64)
