"""Train sums of functions of few bits: every connection a table, and a price for each of its bits.

Each output adds a function of each input and, where there are hidden sums, of each of them; each hidden sum adds a function of
each input. A function of five bits is a table that a carry chain takes in (:mod:`ultralow.circuit.lut`), so it costs the bits of
its values and nothing else. That is the price: log2(1 + range) of every table is part of the loss. Tables that are not worth it
become constant, and are gone.

Values are rounded in training; what rounding does to the gradient is ignored (straight-through), and the slope of a table is that
of its neighbours. Hidden sums are kept within their bits by a penalty, so that the circuit lets them wrap.
The last output is the reference: always 0, since only differences of logits count.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ultralow.errors import Log
from ultralow.training.lut import input_encoding
from ultralow.training.lut.additive_export import WholeTables
from ultralow.device import CHAIN_LUT_INPUTS
from ultralow.data.dataset import Dataset
from ultralow.training.lut.jax_training import Descent, accuracy, adam, in_batches
from ultralow.fixed_point import Fixed
from ultralow.networks.methods import Additive, FrontNetwork
from ultralow.training.trained import Trained

_OUTSIDE = 0.1  # price of a hidden sum's distance from its range, per row
_ROUND_FROM = 0.05  # share of the training after which values are rounded
_FULL_PRICE, _FIRST_PRICE = 0.6, 10**-1.5  # share of it until the price is whole; at the beginning it is this part of it
_DECAY_FROM, _LAST_RATE = 0.5, 0.02  # share of it after which the learning rate falls, to this part


def train(entry: FrontNetwork, data: Dataset, seed: int, epochs: int, log: Log,
          targets: np.ndarray | None = None) -> Trained:
    """The trained network of tables. ``targets``: probabilities (training rows, classes) in place of the labels."""
    import jax
    import jax.numpy as jnp

    method, form = entry.method, Fixed.parse(entry.input)
    bits = np.array([method.key_bits + (name in method.wide) for name in data.features])
    keys = input_encoding.fitted(data.x_train, data.y_train, form, bits)
    x, x_valid = keys(data.x_train).astype(np.int32), keys(data.x_valid).astype(np.int32)
    rng = np.random.default_rng(seed)
    model = _Model(x, bits, method.sum_bits)
    wanted = (np.eye(len(data.classes))[data.y_train] if targets is None else targets).astype(np.float32)
    state = model.start(entry.widths[1:-1], len(data.classes) - 1, rng)
    moments = (jax.tree.map(jnp.zeros_like, state),) * 2
    descent, bits_of_tables = Descent(len(x), method.batch_size, epochs, rng, log), []

    def step(rows: np.ndarray, number: int):
        nonlocal state, moments
        state, moments, loss = model.step(state, moments, x[rows], wanted[rows], pace(method, number, epochs * descent.steps))
        return loss

    def judge() -> tuple[float, str]:
        bits_of_tables.append(int(model.bits(state)))
        return accuracy(model.logits(state, x_valid), data.y_valid), f", {bits_of_tables[-1]} bits of tables"

    history = descent.run(step, judge) | {"bits": bits_of_tables}
    tables = WholeTables({name: np.asarray(value) for name, value in state.items()}, bits, 2**method.sum_bits)
    history["polished"] = tables.polish(x, wanted, method.price * dear(bits), method.passes, rng, log) if method.passes else []
    network = tables.network(entry, keys, data.outputs)
    return Trained(network, lambda encoded: model.logits(state, keys.of(encoded).astype(np.int32)), history)


class Pace(NamedTuple):
    """A step's number, learning rate, price of a bit, and the share to which values are rounded; float32 each."""

    number: np.float32
    rate: np.float32
    price: np.float32
    rounded: np.float32


def pace(method: Additive, number: int, steps: int) -> Pace:
    """Of step ``number``, from 1, of so many in all."""
    share = (number - 1) / steps
    fall = max(0.0, (share - _DECAY_FROM) / (1 - _DECAY_FROM))
    rate = method.learning_rate * min(1.0, number / 50) * _LAST_RATE**fall
    price = method.price * _FIRST_PRICE ** (1 - min(1.0, share / _FULL_PRICE))
    return Pace(*map(np.float32, (number, rate, price, share > _ROUND_FROM)))


def dear(bits: np.ndarray) -> np.ndarray:
    """How many times as much a table with keys of so many bits costs: one of a bit more than a chain takes in, twice."""
    return 2.0 ** np.maximum(0, bits - CHAIN_LUT_INPUTS)


class _Model:
    """Loss, gradient and step of Adam, compiled. A state is a dictionary: ``direct`` (codes of all inputs, outputs),
    ``first`` (the same, hidden) and ``second`` (hidden, codes, outputs), the tables; ``start`` (hidden,) and ``offset``
    (outputs,); ``unit``, of a logit. Without hidden sums there is neither first nor second."""

    def __init__(self, x: np.ndarray, bits: np.ndarray, sum_bits: int):
        import jax
        import jax.numpy as jnp

        self._jnp, self._jax, self.levels, self.sizes = jnp, jax, 2**sum_bits, [int(n) for n in 2**bits]
        self.ends = np.cumsum([0, *self.sizes])
        self.of = np.repeat(np.arange(len(bits)), self.sizes)
        # How often a code occurs; rare ones count, too, or their values would drift.
        seen = np.concatenate([np.bincount(x[:, i], minlength=n) / len(x) for i, n in enumerate(self.sizes)])
        self.weights = (0.5 * seen + 0.5 / np.repeat(self.sizes, self.sizes)).astype(np.float32)
        self.dear = dear(bits).astype(np.float32)
        self.step = jax.jit(self._step)
        self._forward = jax.jit(lambda state, x: self._logits(state, x, np.float32(1))[0])

    def start(self, hidden: tuple[int, ...], outputs: int, rng: np.random.Generator) -> dict:
        """First values: smooth functions at random to and from hidden sums, none beside them."""
        state = {"direct": np.zeros((len(self.of), outputs)), "offset": np.zeros(outputs), "unit": np.array(0.25)}
        for width in hidden:
            first = []
            for size in self.sizes:
                at = np.linspace(-1, 1, size)
                first.append(np.stack([rng.normal() * at + 0.5 * rng.normal() * np.cos(
                    np.pi * at * rng.uniform(0.5, 2) + rng.uniform(0, 6)) for _ in range(width)], 1))
            first = np.concatenate(first) * self.levels / 12
            second = rng.normal(size=(width, 1, outputs)) * np.linspace(-1, 1, self.levels)[None, :, None] * 2
            state |= {"first": first, "start": self.levels / 2 - self.weights @ first, "second": second}
        return {name: self._jnp.asarray(value, np.float32) for name, value in state.items()}

    def logits(self, state: dict, x: np.ndarray) -> np.ndarray:
        """Logits (rows, classes) of keys (rows, inputs), everything rounded, hidden sums cut off at their ends."""
        return in_batches(lambda part: self._forward(state, part), x)

    def bits(self, state: dict) -> int:
        """Bits of all tables' values, once rounded."""
        whole = {name: np.rint(np.asarray(value)) for name, value in state.items()}
        ranges = [np.ptp(whole[name][a:b], axis=0) for name in ("direct", "first") if name in whole
                  for a, b in zip(self.ends, self.ends[1:])]
        if "second" in whole:
            ranges.append(np.ptp(whole["second"], axis=1))
        return int(sum(np.ceil(np.log2(r + 1)).sum() for r in ranges))

    def _hot(self, x):
        return self._jnp.concatenate([self._jax.nn.one_hot(x[:, i], n, dtype=np.float32)
                                      for i, n in enumerate(self.sizes)], 1)

    def _rounded(self, value, share):
        return value + share * self._jax.lax.stop_gradient(self._jnp.round(value) - value)

    def _logits(self, state: dict, x, rounded):
        """Logits, and how far hidden sums lie outside their range: per row, added up."""
        jnp, held = self._jnp, self._jax.lax.stop_gradient
        tables = {name: self._rounded(value, rounded) for name, value in state.items() if name != "unit"}
        hot, none = self._hot(x), jnp.zeros((len(x), 1), np.float32)  # none: of the reference
        logits = hot @ tables["direct"] + tables["offset"]
        if "second" not in tables:
            return jnp.concatenate([logits * state["unit"], none], 1), np.float32(0)
        second = tables["second"]
        sums = hot @ tables["first"] + tables["start"]
        kept = jnp.clip(sums, 0, self.levels - 1)
        # Between two codes a table is a straight line.
        near = jnp.maximum(0, 1 - jnp.abs(held(kept)[:, :, None] - jnp.arange(self.levels, dtype=np.float32)))
        logits += near.reshape(len(x), -1) @ second.reshape(-1, second.shape[2])
        rise = second[:, 1:] - second[:, :-1]
        slope = 0.5 * (jnp.concatenate([rise, rise[:, -1:]], 1) + jnp.concatenate([rise[:, :1], rise], 1))
        # Zero in value; its gradient is the table's slope.
        logits += jnp.einsum("njk,jkc,nj->nc", near, held(slope), kept - held(kept))
        outside = (jnp.maximum(0, -sums) + jnp.maximum(0, sums - self.levels + 1)).mean(0).sum()
        return jnp.concatenate([logits * state["unit"], none], 1), outside

    def _bits(self, state: dict):
        """What the tables cost, smoothly: half by their range, which a value alone may decide, half by their deviation."""
        jnp, ops, inputs = self._jnp, self._jax.ops, len(self.sizes)
        tables = jnp.concatenate([state[name] for name in ("direct", "first") if name in state], 1)
        mean = ops.segment_sum(self.weights[:, None] * tables, self.of, inputs)
        squares = ops.segment_sum(self.weights[:, None] * (tables - mean[self.of]) ** 2, self.of, inputs)
        spread = ops.segment_max(tables, self.of, inputs) + ops.segment_max(-tables, self.of, inputs)
        cost = (self.dear[:, None] * self._half(squares, spread)).sum()
        if "second" in state:
            second = state["second"]
            cost += self._half(second.var(1), second.max(1) - second.min(1)).sum()
        return cost

    def _half(self, variance, spread):
        # 3.5 deviations are the range of evenly spread values.
        return 0.5 * self._jnp.log2(1 + 3.5 * self._jnp.sqrt(variance + 1e-6)) + 0.5 * self._jnp.log2(1 + spread)

    def _loss(self, state: dict, x, y, price, rounded):
        logits, outside = self._logits(state, x, rounded)
        entropy = -(y * self._jax.nn.log_softmax(logits)).sum(1).mean()
        return entropy + price * self._bits(state) + _OUTSIDE * outside, entropy

    def _step(self, state: dict, moments: tuple, x, y, pace: Pace):
        slopes, loss = self._jax.grad(self._loss, has_aux=True)(state, x, y, pace.price, pace.rounded)
        rates = {name: pace.rate * (0.1 if name == "unit" else 1) for name in state}
        # Slopes change as the price grows: their square's mean forgets sooner than it usually does.
        return *adam(state, moments, slopes, pace.number, rates, second=0.99), loss
