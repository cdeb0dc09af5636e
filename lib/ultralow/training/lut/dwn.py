"""Train a layer of six-input tables that choose what they read, and make it tables and sums.

Differentiable weightless networks (DWN, arXiv:2410.11112): an input is a row of bits, each the answer to "is the feature above
this threshold" (a thermometer code) or a pixel; a table reads six of them and gives one bit; a class's score is how many of
its tables give 1. Three things have no gradient of their own:

- which bits a table reads: the largest of learned scores; the gradient is that of their softmax in its place;
- the bits themselves: a finite difference of the table's entries in place of a derivative, taken over all addresses, which
  count less the more bits they differ in;
- whether an entry is 0 or 1: the sign of a real number, whose gradient goes straight through.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ultralow.errors import Log
from ultralow.training.lut import input_encoding
from ultralow.data.dataset import Dataset
from ultralow.training.lut.jax_training import Descent, accuracy, adam, in_batches
from ultralow.fixed_point import Fixed
from ultralow.networks.methods import FrontNetwork
from ultralow.training.trained import Trained
from ultralow.exact.lut import Sums, TableNetwork, Tables
from ultralow.training.lut.input_encoding import Keys

INPUTS = 6  # of a table
_ASKED_ROWS = 100_000  # that thresholds are chosen on
_LAST_RATE = 0.02  # of the learning rate, which falls along a cosine
_CHOOSING = 0.7  # share of the training after which tables keep what they read


def train(entry: FrontNetwork, data: Dataset, seed: int, epochs: int, log: Log) -> Trained:
    """The trained network of tables. Inputs are unsigned."""
    method, form = entry.method, Fixed.parse(entry.input)
    keys = input_encoding.fitted(data.x_train, data.y_train, form, form.bits)
    x = keys(data.x_train)
    questions = thermometer(x[:_ASKED_ROWS], method.thresholds)
    bits, bits_valid = (answers(part, questions) for part in (x, keys(data.x_valid)))
    rng = np.random.default_rng(seed)
    model = _Model(entry.widths[1], len(data.classes))
    state = model.start(len(questions), rng)
    moments = ({name: np.zeros_like(value) for name, value in state.items()},) * 2
    descent = Descent(len(x), min(method.batch_size, len(x)), epochs, rng, log)
    moving = model.step

    def begin(epoch: int) -> None:
        nonlocal moving
        moving = model.step if epoch < _CHOOSING * epochs else model.step_of_entries

    def step(rows: np.ndarray, number: int):
        nonlocal state, moments
        fall = 0.5 + 0.5 * np.cos(np.pi * number / (epochs * descent.steps))
        rate = method.learning_rate * (_LAST_RATE + (1 - _LAST_RATE) * fall)
        state, moments, loss = moving(state, moments, bits[rows], data.y_train[rows], np.float32(number), np.float32(rate))
        return loss

    def judge() -> tuple[float, str]:
        return accuracy(model.logits(state, bits_valid), data.y_valid), ""

    history = descent.run(step, judge, begin)
    network = export(entry, {name: np.asarray(value) for name, value in state.items()}, questions, keys, data.outputs)
    return Trained(network, lambda encoded: model.logits(state, answers(keys.of(encoded), questions)), history)


def thermometer(codes: np.ndarray, thresholds: int) -> np.ndarray:
    """Questions (questions, 2): a feature, and the code that must be exceeded; so many to a feature, or fewer where codes are
    few, at equal shares of the rows. ``codes``: (rows, features)."""
    questions = []
    for feature, column in enumerate(codes.T):
        below = column[column < column.max()]
        if not below.size:  # the same in every row: nothing to ask
            continue
        at = np.quantile(column, np.arange(1, thresholds + 1) / (thresholds + 1), method="lower")
        # What no row exceeds asks nothing: there the last question before it.
        questions += [(feature, int(code)) for code in np.unique(np.minimum(at, below.max()))]
    return np.array(questions, np.int64).reshape(-1, 2)


def answers(codes: np.ndarray, questions: np.ndarray) -> np.ndarray:
    """Bits (rows, questions), uint8."""
    out = np.empty((len(codes), len(questions)), np.uint8)
    for position, (feature, code) in enumerate(questions):
        out[:, position] = codes[:, feature] > code
    return out


def differences() -> np.ndarray:
    """Weights (inputs, addresses, entries) with which a table's entries make the finite difference in each of its inputs."""
    address = np.arange(2**INPUTS)
    apart = address[:, None] ^ address[None]
    bit = 1 << np.arange(INPUTS)
    distance = np.array([[int(n).bit_count() for n in row] for row in apart])[None] - ((apart[None] & bit[:, None, None]) > 0)
    sign = np.where(address[None] & bit[:, None] > 0, 1.0, -1.0)[:, None]
    return (sign / (distance + 1)).astype(np.float32)


class _Model:
    """Loss, gradient and steps of Adam, compiled. A state is a dictionary: ``scores`` (tables, inputs, questions), ``entries``
    (tables, 2^inputs), ``scale`` of a logit, as its logarithm. Table n belongs to class n modulo the classes."""

    def __init__(self, tables: int, classes: int):
        import jax
        import jax.numpy as jnp

        self._jax, self._jnp, self._tables, self._classes = jax, jnp, tables, classes
        self._owner = np.eye(classes, dtype=np.float32)[np.arange(tables) % classes]
        self._looked = jax.custom_vjp(lambda scores, entries, bits, choosing: self._look(scores, entries, bits)[0],
                                      nondiff_argnums=(3,))
        self._looked.defvjp(self._ahead, self._back)
        self.step, self.step_of_entries = (jax.jit(partial(self._step, choosing)) for choosing in (True, False))
        self._forward = jax.jit(lambda state, bits: self._logits(state, bits, False))

    def start(self, questions: int, rng: np.random.Generator) -> dict:
        """First values, at random. A logit's scale is such that scores of random tables lie some units apart."""
        per_class = self._tables / self._classes
        return {"scores": rng.normal(0, 0.1, (self._tables, INPUTS, questions)).astype(np.float32),
                "entries": rng.uniform(-1, 1, (self._tables, 2**INPUTS)).astype(np.float32),
                "scale": np.float32(np.log(2 / np.sqrt(per_class)))}

    def logits(self, state: dict, bits: np.ndarray) -> np.ndarray:
        """Logits (rows, classes) of bits (rows, questions)."""
        return in_batches(lambda part: self._forward(state, part), bits)

    def _look(self, scores, entries, bits):
        """Outputs (tables, rows) and addresses of the same shape, of bits (questions, rows)."""
        jnp = self._jnp
        chosen = bits[scores.argmax(-1)].astype(jnp.int32)
        address = (chosen << jnp.arange(INPUTS, dtype=jnp.int32)[:, None]).sum(1)
        return jnp.take_along_axis((entries > 0).astype(jnp.float32), address, 1), address

    def _ahead(self, scores, entries, bits, choosing):
        out, address = self._look(scores, entries, bits)
        return out, (scores, entries, bits, address)

    def _back(self, choosing, kept, slope):
        jax, jnp = self._jax, self._jnp
        scores, entries, bits, address = kept
        of_entries = jax.vmap(lambda at, by: jnp.zeros(2**INPUTS, jnp.float32).at[at].add(by))(address, slope)
        if not choosing:
            return jnp.zeros_like(scores), of_entries, None
        by_address = jnp.einsum("ne,iae->nia", entries, differences())
        of_bits = jnp.take_along_axis(by_address, address[:, None], 2) * slope[:, None]
        share = jax.nn.softmax(scores)
        of_share = (of_bits.reshape(-1, bits.shape[1]) @ bits.T.astype(jnp.float32)).reshape(scores.shape)
        return share * (of_share - (share * of_share).sum(-1, keepdims=True)), of_entries, None

    def _logits(self, state: dict, bits, choosing: bool):
        return (self._looked(state["scores"], state["entries"], bits.T, choosing).T @ self._owner) * self._jnp.exp(state["scale"])

    def _step(self, choosing: bool, state: dict, moments: tuple, bits, y, number, rate):
        jax, jnp = self._jax, self._jnp

        def loss(state):
            return -jnp.take_along_axis(jax.nn.log_softmax(self._logits(state, bits, choosing)), y[:, None], 1).mean()

        entropy, slopes = jax.value_and_grad(loss)(state)
        moved, moments = adam(state, moments, slopes, number, rate)
        # An entry far from zero would never change its sign again.
        return {**moved, "entries": jnp.clip(moved["entries"], -1, 1)}, moments, entropy


def export(entry: FrontNetwork, state: dict[str, np.ndarray], questions: np.ndarray, keys: Keys, classes: tuple[str, ...]
           ) -> TableNetwork:
    """The exact network: of the questions those that a table reads. A logit's unit is the power of two next to the trained
    one."""
    form = keys.form
    used, where = np.unique(state["scores"].argmax(-1), return_inverse=True)
    where = where.reshape(-1, INPUTS)
    asked = Tables(tuple(np.array([(feature, place) for place in range(form.bits)], np.int64) for feature, _ in questions[used]),
                   tuple((np.arange(2**form.bits) > code).astype(np.int64) for _, code in questions[used]))
    read = tuple(np.array([(element if form.bits > 1 else questions[used[element]][0], 0) for element in row], np.int64)
                 for row in where)
    tables = Tables(read, tuple((row > 0).astype(np.int64) for row in state["entries"]))
    sums = Sums(tuple(np.arange(column, len(read), len(classes)) for column in range(len(classes))),
                np.zeros(len(classes), np.int64))
    layers = (asked, tables, sums) if form.bits > 1 else (tables, sums)
    return TableNetwork(entry.name, form, layers, (entry.widths[0], len(read), len(classes)), "six-input tables",
                        int(np.rint(-state["scale"] / np.log(2))), classes, keys.gain, keys.move)
