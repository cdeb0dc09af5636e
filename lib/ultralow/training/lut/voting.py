"""Train tables that vote: each reads six bits of an image and votes for its class, or does not; most votes win.

Tables are grown first (:mod:`ultralow.training.lut.boosting`). Then both what they hold and what they read is trained by
gradients: a table's values straight through their rounding, and every wire by what another pixel in its place would have changed,
as far as the table's neighbouring values tell (finite differences, as in arXiv:2410.11112). Then the wires stay and only the
values go on. At last single values are turned round where that helps (:mod:`ultralow.training.lut.coordinate_descent`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from ultralow.errors import Log
from ultralow.data.dataset import Dataset
from ultralow.exact.base import encode
from ultralow.exact.lut import Sums, TableNetwork, Tables
from ultralow.fixed_point import Fixed
from ultralow.networks.methods import FrontNetwork
from ultralow.training.augmentation import distorted, shifted
from ultralow.training.lut.boosting import Growth, grow
from ultralow.training.lut.coordinate_descent import Rows, Summed, repeat
from ultralow.training.lut.jax_training import Descent, accuracy, adam, in_batches
from ultralow.training.trained import Trained

INPUTS = 6  # of a table, as the device has them
_BATCH = 256
_VOTE = 12.0  # what a vote is worth in the logit at first, times the root of the number of tables: more know more together
_RATE, _LAST_RATE = 0.02, 0.03  # of the tables' values; what is left of it at the end
_WIRE_RATE, _LAST_WIRE_RATE = 0.006, 0.03  # the same of the wires' scores
_LEAST = 1e-12  # in Adam: gradients of single wires are small
_SURE = 1.5  # standard errors that turning a vote round must gain
_ADVANTAGE, _HOLD = 0.05, 0.05  # of the grown wire at first; that another one needs to take its place


@dataclass(frozen=True)
class VotingTables:
    """Tables that vote, in whole numbers.

    Attributes:
        classes: the class that each votes for (tables,).
        wires: the pixels that each reads (tables, inputs), lowest of the key first.
        votes: what each holds (tables, 2^inputs), 0 or 1.
        offset: votes that each class has to begin with (classes,).
        unit: what a vote is worth in a logit.
    """

    classes: np.ndarray
    wires: np.ndarray
    votes: np.ndarray
    offset: np.ndarray
    unit: float


class Pace(NamedTuple):
    """A step's number and the learning rates of values and of wires; float32 each."""

    number: np.float32
    rate: np.float32
    wire_rate: np.float32


def train(entry: FrontNetwork, data: Dataset, seed: int, epochs: int, log: Log) -> Trained:
    """The trained network of tables that vote."""
    import jax
    import jax.numpy as jnp

    method, form, rng = entry.method, Fixed.parse(entry.input), np.random.default_rng(seed)

    def bits(x: np.ndarray) -> np.ndarray:
        return form.codes(encode(x, form)).astype(np.uint8)

    def images() -> np.ndarray:
        return bits(shifted(distorted(data.x_train, method.distort, rng), method.shift, rng))

    x = images()
    # Pixels that hardly ever differ tell nothing.
    live = np.flatnonzero((share := x.mean(0)) * (1 - share) > 0.004)
    x_valid = bits(data.x_valid)[:, live].astype(np.float32)
    vote = _VOTE / entry.widths[1] ** 0.5
    growth = Growth(entry.widths[1], INPUTS, method.candidates, method.rows, vote)
    of, wires, values = grow(x[:, live], data.y_train, len(data.classes), growth, rng, log)
    model = _Model(of, len(data.classes), len(live))
    state, places, wires = model.start(values, wires, vote)
    # Separate arrays: a step takes their memory.
    moments = tuple(tuple(jax.tree.map(jnp.zeros_like, part) for _ in range(2)) for part in (state, places))
    descent = Descent(len(x), _BATCH, epochs, rng, log, every=1)
    moving, take, wires_before = int(round(epochs * method.moving)), model.step, wires

    def begin(epoch: int) -> None:
        nonlocal x, take, wires_before
        x = (images() if epoch else x)[:, live].astype(np.float32)
        take, wires_before = model.step if epoch < moving else model.settle, np.asarray(wires)

    def step(rows: np.ndarray, number: int):
        nonlocal state, places, moments, wires
        rate = _RATE * min(1.0, number / 100) * _LAST_RATE ** ((number - 1) / (epochs * descent.steps))
        wire_rate = _WIRE_RATE * min(1.0, number / 300) * _LAST_WIRE_RATE ** (number / max(1, moving * descent.steps))
        pace = Pace(*map(np.float32, (number, rate, wire_rate)))
        state, places, moments, wires, loss = take(state, places, moments, wires, (x[rows], data.y_train[rows]), pace)
        return loss

    def judge() -> tuple[float, str]:
        moved = (np.asarray(wires) != wires_before).sum()
        return accuracy(model.logits(state, wires, x_valid), data.y_valid), f", {moved} wires moved"

    history = descent.run(step, judge, begin)
    tables = VotingTables(of, np.asarray(wires), np.rint(np.clip(np.asarray(state["values"]), 0, 1)).astype(np.int64),
                          np.rint(np.asarray(state["offset"])).astype(np.int64), float(state["unit"]))
    history["polished"] = []
    if method.passes:
        # Many looks at each image: of one look tables would learn the accidents.
        pixels = np.concatenate([np.ascontiguousarray(images()[:, live].T) for _ in range(method.looks)], axis=1)
        history["polished"] = polish(tables, pixels, np.tile(data.y_train, method.looks), method.passes, rng, log)
    network = export(entry, replace(tables, wires=live[tables.wires]), data.outputs)

    def logits(encoded: np.ndarray) -> np.ndarray:
        return model.logits(state, wires, form.codes(encoded)[:, live].astype(np.float32))

    return Trained(network, logits, history)


def polish(tables: VotingTables, pixels: np.ndarray, y: np.ndarray, passes: int, rng: np.random.Generator,
           log: Log) -> list[float]:
    """Turns votes round, 0 to 1 or 1 to 0, where that lowers the loss on the rows for sure; in place.

    Args:
        pixels, y: of training rows their pixels (pixels, rows), 0 or 1, uint8, and their classes (rows,).

    Returns:
        The loss after each pass.
    """
    classes = len(tables.offset)
    logits = np.tile(tables.offset.astype(np.int32), (len(y), 1))
    for of, wires, votes in zip(tables.classes, tables.wires, tables.votes):
        logits[:, of] += votes[_code(pixels, wires)]
    rows = Rows(logits, np.eye(classes, dtype=np.float32)[y], tables.unit)

    def sweep() -> int:
        turned = 0
        for output in rng.permutation(classes):
            summed = Summed.output(rows, np.array([-1, 1]), output)
            for table in rng.permutation(np.flatnonzero(tables.classes == output)):
                code, votes = _code(pixels, tables.wires[table]), tables.votes[table]
                gain, error = (np.where(votes, part[:, 0], part[:, 1]) for part in summed.gains(code, len(votes)))
                by = np.where(gain < -_SURE * error, 1 - 2 * votes, 0)
                if by.any():
                    summed.move(code, by)
                    votes += by
                    turned += int(np.abs(by).sum())
        return turned

    return repeat(sweep, passes, rows, log)


def _code(pixels: np.ndarray, wires: np.ndarray) -> np.ndarray:
    """Which value each row (pixels: (pixels, rows)) reads of a table with these wires."""
    code = pixels[wires[0]].copy()
    for place, pixel in enumerate(wires[1:], start=1):
        code |= pixels[pixel] << place
    return code


def export(entry: FrontNetwork, tables: VotingTables, classes: tuple[str, ...]) -> TableNetwork:
    """The exact network of tables whose wires come from all pixels of the image."""
    keys = tuple(np.stack([row, np.zeros_like(row)], 1).astype(np.int64) for row in tables.wires)
    terms = tuple(np.flatnonzero(tables.classes == c) for c in range(len(classes)))
    layers = Tables(keys, tuple(tables.votes)), Sums(terms, tables.offset - tables.offset.min())
    return TableNetwork(entry.name, Fixed.parse(entry.input), layers, (entry.widths[0], len(keys), len(classes)),
                        "tables of six pixels that vote", 0, classes)


class _Model:
    """Loss, gradients and step of Adam, compiled. A state has ``values`` (tables, 2^inputs), ``offset`` (classes,) and ``unit``,
    what a vote is worth; ``places`` (tables, inputs, pixels) scores which pixel each wire could come from, ``wires`` (tables,
    inputs) says which one it does."""

    def __init__(self, of: np.ndarray, classes: int, pixels: int):
        import jax
        import jax.numpy as jnp

        self._jax, self._jnp, self.pixels = jax, jnp, pixels
        self._of = np.eye(classes, dtype=np.float32)[of]
        self._base = np.arange(len(of), dtype=np.int32) * 2**INPUTS
        self._place = (1 << np.arange(INPUTS)).astype(np.int32)
        self._wired, self._looked_up = self._wiring(), self._look_up()
        self.step = jax.jit(partial(self._step, True), donate_argnums=(0, 1, 2))
        self.settle = jax.jit(partial(self._step, False), donate_argnums=(0, 1, 2))
        self._forward = jax.jit(self._logits)

    def start(self, values: np.ndarray, wires: np.ndarray, vote: float) -> tuple:
        """State, scores and wires of grown tables."""
        jnp = self._jnp
        places = np.zeros((*wires.shape, self.pixels), np.float32)
        np.put_along_axis(places, wires[:, :, None], _ADVANTAGE, 2)
        state = {"values": jnp.asarray(values, np.float32), "offset": jnp.zeros(self._of.shape[1], np.float32),
                 "unit": jnp.asarray(vote, np.float32)}
        return state, jnp.asarray(places), jnp.asarray(wires, np.int32)

    def logits(self, state: dict, wires, x: np.ndarray) -> np.ndarray:
        """Logits (rows, classes) of bits (rows, pixels), float32."""
        return in_batches(lambda part: self._forward(state, None, wires, part), x, 2000)

    def _wiring(self):
        """The bits that tables read (rows, tables, inputs). To the scores goes what each pixel in their place would change."""
        @self._jax.custom_vjp
        def wired(places, x, wires):
            return x[:, wires]

        def back(x, slope):
            return self._jnp.einsum("nti,np->tip", slope, 2 * x - 1), None, None

        wired.defvjp(lambda places, x, wires: (x[:, wires], x), back)
        return wired

    def _look_up(self):
        """Votes (rows, tables), 0 or 1, of bits. To a bit goes the difference of the values with it and without it."""
        jnp, base, place = self._jnp, self._base, self._place

        def forward(values, bits):
            code = (bits.astype(np.int32) * place).sum(2)
            return jnp.round(jnp.clip(values, 0, 1)).reshape(-1)[code + base], (values, code)

        def back(kept, slope):
            values, code = kept
            near = jnp.clip(values, -0.2, 1.2).reshape(-1)
            to_values = jnp.zeros(values.size, np.float32).at[code + base].add(slope).reshape(values.shape)
            differences = [near[(code | bit) + base] - near[(code & ~bit) + base] for bit in place]
            return to_values, jnp.stack(differences, 2) * slope[:, :, None]

        looked_up = self._jax.custom_vjp(lambda values, bits: forward(values, bits)[0])
        looked_up.defvjp(forward, back)
        return looked_up

    def _logits(self, state: dict, places, wires, x):
        bits = x[:, wires] if places is None else self._wired(places, x, wires)
        offset = state["offset"] + self._jax.lax.stop_gradient(self._jnp.round(state["offset"]) - state["offset"])
        return (self._looked_up(state["values"], bits) @ self._of + offset) * state["unit"]

    def _loss(self, state: dict, places, wires, x, y):
        scores = self._jax.nn.log_softmax(self._logits(state, places, wires, x))
        return -self._jnp.take_along_axis(scores, y[:, None], 1).mean()

    def _step(self, moving: bool, state: dict, places, moments: tuple, wires, batch: tuple, pace: Pace):
        jax, jnp, (x, y) = self._jax, self._jnp, batch
        if moving:
            loss, slopes = jax.value_and_grad(self._loss, argnums=(0, 1))(state, places, wires, x, y)
        else:
            loss, slope = jax.value_and_grad(self._loss)(state, None, wires, x, y)
            slopes = slope, None
        of_state, of_places = moments
        rates = {name: pace.rate * (0.1 if name == "unit" else 1) for name in state}
        state, of_state = adam(state, of_state, slopes[0], pace.number, rates, least=_LEAST)
        state["values"] = jnp.clip(state["values"], -0.6, 1.6)
        if moving:
            places, of_places = adam(places, of_places, slopes[1], pace.number, pace.wire_rate, least=_LEAST)
            own = jnp.take_along_axis(places, wires[:, :, None], 2)[:, :, 0]
            wires = jnp.where(places.max(2) > own + _HOLD, places.argmax(2).astype(np.int32), wires)
        return state, places, (of_state, of_places), wires, loss
