"""Knows sums of functions of few bits once their values are whole numbers: how they get better, and become an exact network.

See :mod:`ultralow.training.lut.additive` for what they are and how they are trained.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ultralow.errors import StudyError
from ultralow.networks.methods import FrontNetwork
from ultralow.exact.lut import Sums, TableNetwork, Tables, take_up
from ultralow.training.lut.coordinate_descent import Rows, Summed, repeat
from ultralow.training.lut.input_encoding import Keys

_REACH = 3  # how far a value moves at once, at most
_STEPS = np.array([step for step in range(-_REACH, _REACH + 1) if step])


class Whole:
    """Tables of whole numbers: ``direct`` and ``first``, one for each input (codes, outputs or hidden sums), ``second`` (hidden sums,
    levels, outputs), and what sums begin with, ``start`` and ``offset``. A hidden sum wraps at ``levels``."""

    def __init__(self, state: dict[str, np.ndarray], bits: np.ndarray, levels: int):
        whole = {name: np.rint(value).astype(np.int64) for name, value in state.items() if name != "unit"}
        ends = np.cumsum(2**bits)[:-1]
        self.levels, self.unit = levels, float(state["unit"])
        self.offset, self.direct = whole["offset"], np.split(whole["direct"], ends)
        hidden = len(whole.get("start", ()))
        self.start = whole["start"] if hidden else np.zeros(0, np.int64)
        self.first = np.split(whole["first"], ends) if hidden else [np.zeros((2**n, 0), np.int64) for n in bits]
        self.second = whole["second"] if hidden else np.zeros((0, levels, len(self.offset)), np.int64)

    def polish(self, x: np.ndarray, targets: np.ndarray, prices: np.ndarray, passes: int, rng: np.random.Generator,
               log: Callable[[str], None]) -> list[float]:
        """Makes each table the best that it can be with the others as they are, a bit of its values costing a price.

        Args:
            x: keys of the training rows (rows, inputs); targets: probabilities (rows, classes).
            prices: of a bit of what reads each input, (inputs,); the least of them counts for what reads a hidden sum.

        Returns:
            The loss of the training rows after each pass.
        """
        columns = [np.ascontiguousarray(column) for column in x.T]
        sums = [(start + sum(part[code, j] for part, code in zip(self.first, columns))) % self.levels
                for j, start in enumerate(self.start)]
        logits = self.offset + sum(part[code] for part, code in zip(self.direct, columns))
        logits = logits + sum(second[at] for second, at in zip(self.second, sums))
        rows = Rows(np.pad(logits, ((0, 0), (0, 1))), targets, self.unit)

        def sweep() -> int:
            changed = 0
            for j in rng.permutation(len(sums)):
                climbed = [np.roll(self.second[j], -step, axis=0) - self.second[j] for step in _STEPS]
                summed = Summed(rows, _STEPS, np.pad(np.array(climbed), ((0, 0), (0, 0), (0, 1))), sums[j])
                for i in rng.permutation(len(columns)):
                    changed += self._better(self.first[i][:, j], summed, columns[i], prices[i])
            for output in rng.permutation(len(self.offset)):
                summed = Summed.output(rows, _STEPS, output)
                for i in rng.permutation(len(columns)):
                    changed += self._better(self.direct[i][:, output], summed, columns[i], prices[i])
                for j in rng.permutation(len(sums)):
                    changed += self._better(self.second[j][:, output], summed, sums[j], prices.min())
            return changed

        return repeat(sweep, passes, rows, log)

    @staticmethod
    def _better(values: np.ndarray, summed: Summed, code: np.ndarray, price: float) -> int:
        """Makes a table the best that it can be; how many of its values changed."""
        gains, _ = summed.gains(code, len(values))
        found = cheapest(values, np.insert(gains, _REACH, 0.0, axis=1), price)
        by = found - values
        if (changed := int((by != 0).sum())):
            summed.move(code, by)
            values[:] = found
        return changed

    def network(self, entry: FrontNetwork, keys: Keys, classes: tuple[str, ...]) -> TableNetwork:
        """The exact network: constant tables left out, and all that is constant moved into tables that have room.

        A hidden sum starts where it likes: the tables that read it are turned round by as much.

        Raises:
            StudyError: no table is left.
        """
        form, bits, sum_bits = keys.form, keys.bits, entry.method.sum_bits
        offset, sums = np.append(self.offset, 0), []
        below, above, columns = _Layer(), _Layer(), [[] for _ in offset]
        for column, second in enumerate(self.second):
            tables = [part[:, column] for part in self.first]
            moving = [i for i, table in enumerate(tables) if np.ptp(table)]
            start = int(self.start[column]) + sum(int(table.min()) for table in tables)
            if not moving or not np.ptp(second, axis=0).any():
                offset[:-1] += second[start % len(second)]
                continue
            sums.append([below.add(_bits(i, form.bits - bits[i], bits[i]), tables[i] - tables[i].min()) for i in moving])
            turned = second[(np.arange(len(second)) + start) % len(second)]
            above.fan(_bits(len(sums) - 1, 0, sum_bits), turned, columns, offset)
        hidden = len(sums)
        for element, part in enumerate(self.direct):
            if not np.ptp(part, axis=0).any():
                continue
            key = _bits(element, form.bits - bits[element], bits[element])
            if hidden:
                # The layer above reads hidden sums only: the key passes as it is, in parts of what a sum keeps.
                passed = []
                for piece in np.split(key, range(sum_bits, len(key), sum_bits)):
                    sums.append([below.add(piece, np.arange(2 ** len(piece)))])
                    passed.append(_bits(len(sums) - 1, 0, len(piece)))
                key = np.concatenate(passed)
            above.fan(key, part, columns, offset)
        if not above.keys:
            raise StudyError(f"{entry.name}: at this price no table is left; take a lower one")
        rest = np.array([take_up(above.values, terms, int(constant)) for terms, constant in zip(columns, offset - offset.min())])
        layers = (below.tables(), Sums(tuple(np.array(terms) for terms in sums), np.zeros(len(sums), np.int64), sum_bits)) if hidden else ()
        layers += above.tables(), Sums(tuple(np.array(terms, np.int64) for terms in columns), rest)
        return TableNetwork(entry.name, form, layers, (len(bits), *([hidden] if hidden else []), len(offset)),
                            "functions of few bits", 0, classes, keys.gain, keys.move)


def _bits(element: int, lowest: int, count: int) -> np.ndarray:
    """A key of so many bits of an element, from ``lowest`` on."""
    return np.array([(element, lowest + place) for place in range(count)], np.int64)


class _Layer:
    """Tables as they come."""

    def __init__(self) -> None:
        self.keys, self.values = [], []

    def add(self, key: np.ndarray, values: np.ndarray) -> int:
        """One more table: its number."""
        self.keys.append(key)
        self.values.append(values)
        return len(self.keys) - 1

    def fan(self, key: np.ndarray, values: np.ndarray, columns: list[list[int]], offset: np.ndarray) -> None:
        """A table for each output (codes, outputs) that is not constant, from 0 on; what it was above that goes to ``offset``."""
        offset[:-1] += values.min(0)
        for output in np.flatnonzero(np.ptp(values, axis=0)):
            columns[output].append(self.add(key, values[:, output] - values[:, output].min()))

    def tables(self) -> Tables:
        return Tables(tuple(self.keys), tuple(self.values))


def cheapest(values: np.ndarray, loss: np.ndarray, price: float) -> np.ndarray:
    """The values (codes,) of the table whose loss and price of bits are least together.

    Args:
        loss: (codes, 2·reach + 1), what each value adds to the loss if it goes from −reach to +reach steps.
        price: of a bit; there are as many as the distance of the largest value from the smallest needs.
    """
    reach = loss.shape[1] // 2
    offered = values[:, None] + np.arange(-reach, reach + 1)
    low, high = int(values.min()), int(values.max())
    best, found = np.inf, values
    for bits in range((high - low).bit_length() + 2):
        for least in range(low - reach, high + reach + 1):
            inside = np.where((offered >= least) & (offered < least + 2**bits), loss, np.inf)
            cost = inside.min(1).sum() + price * bits
            if cost < best:
                best, found = cost, np.take_along_axis(offered, inside.argmin(1)[:, None], 1)[:, 0]
    return found
