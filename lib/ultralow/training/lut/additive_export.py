"""Improve sums of functions of few bits in whole numbers, and make them an exact network.

See :mod:`ultralow.training.lut.additive` for what they are and how they are trained.
"""

from __future__ import annotations


import numpy as np

from ultralow.errors import Log, StudyError
from ultralow.networks.methods import FrontNetwork
from ultralow.exact.lut import Sums, TableNetwork, Tables, take_up
from ultralow.training.lut.coordinate_descent import Rows, Summed, repeat
from ultralow.training.lut.input_encoding import Keys

_REACH = 3  # how far a value moves at once, at most
_STEPS = np.array([step for step in range(-_REACH, _REACH + 1) if step])


class WholeTables:
    """Tables of whole numbers: ``direct`` and ``first``, one for each input (codes, outputs or hidden sums), ``second`` (hidden
    sums, levels, outputs), and what sums begin with, ``start`` and ``offset``. A hidden sum wraps at ``levels``."""

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
               log: Log) -> list[float]:
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
                rise = [np.roll(self.second[j], -step, axis=0) - self.second[j] for step in _STEPS]
                summed = Summed(rows, _STEPS, np.pad(np.array(rise), ((0, 0), (0, 0), (0, 1))), sums[j])
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
        best = cheapest(values, np.insert(gains, _REACH, 0.0, axis=1), price)
        by = best - values
        if (changed := int((by != 0).sum())):
            summed.move(code, by)
            values[:] = best
        return changed

    def network(self, entry: FrontNetwork, keys: Keys, classes: tuple[str, ...]) -> TableNetwork:
        """The exact network: constant tables left out, and all that is constant moved into tables that have room.

        Raises:
            StudyError: no table is left.
        """
        sum_bits = entry.method.sum_bits
        below, above = _Below(), _Above(self.offset)
        for column in range(len(self.second)):
            self._hidden_sum(column, keys, sum_bits, below, above)
        hidden = len(below.sums)
        for element, tables in enumerate(self.direct):
            if np.ptp(tables, axis=0).any():
                key = _input_key(keys, element)
                # The layer above reads hidden sums only, where there are any.
                above.fan(below.pass_key(key, sum_bits) if hidden else key, tables)
        if not above.keys:
            raise StudyError(f"{entry.name}: at this price no table is left; take a lower one")
        layers = (*(below.layers(sum_bits) if hidden else ()), *above.layers())
        return TableNetwork(entry.name, keys.form, layers, (len(keys.bits), *([hidden] if hidden else []), len(classes)),
                            "functions of few bits", 0, classes, keys.gain, keys.move)

    def _hidden_sum(self, column: int, keys: Keys, sum_bits: int, below: _Below, above: _Above) -> None:
        """Adds a hidden sum, the tables that it adds up and those that read it; of a constant one its share of the outputs.

        A hidden sum starts where it likes: the tables that read it are turned round by as much.
        """
        second, first = self.second[column], [tables[:, column] for tables in self.first]
        moving = [element for element, table in enumerate(first) if np.ptp(table)]
        start = int(self.start[column]) + sum(int(table.min()) for table in first)
        if not moving or not np.ptp(second, axis=0).any():
            above.offset[:-1] += second[start % len(second)]
            return
        below.sums.append([below.add(_input_key(keys, element), first[element] - first[element].min()) for element in moving])
        turned = second[(np.arange(len(second)) + start) % len(second)]
        above.fan(_bits(len(below.sums) - 1, 0, sum_bits), turned)


def _bits(element: int, lowest: int, count: int) -> np.ndarray:
    """A key of so many bits of an element, from ``lowest`` on."""
    return np.array([(element, lowest + place) for place in range(count)], np.int64)


def _input_key(keys: Keys, element: int) -> np.ndarray:
    """The bits of an input that tables read."""
    return _bits(element, keys.form.bits - keys.bits[element], keys.bits[element])


class _Layer:
    """Tables as they come."""

    def __init__(self) -> None:
        self.keys, self.values = [], []

    def add(self, key: np.ndarray, values: np.ndarray) -> int:
        """One more table: its number."""
        self.keys.append(key)
        self.values.append(values)
        return len(self.keys) - 1

    def tables(self) -> Tables:
        return Tables(tuple(self.keys), tuple(self.values))


class _Below(_Layer):
    """Tables of the inputs, and the hidden sums that add them up: their tables' numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.sums: list[list[int]] = []

    def pass_key(self, key: np.ndarray, sum_bits: int) -> np.ndarray:
        """Passes a key through as it is, in parts of what a sum keeps: the key that reads these sums."""
        passed = []
        for piece in np.split(key, range(sum_bits, len(key), sum_bits)):
            self.sums.append([self.add(piece, np.arange(2 ** len(piece)))])
            passed.append(_bits(len(self.sums) - 1, 0, len(piece)))
        return np.concatenate(passed)

    def layers(self, sum_bits: int) -> tuple[Tables, Sums]:
        return self.tables(), Sums(tuple(np.array(terms) for terms in self.sums), np.zeros(len(self.sums), np.int64), sum_bits)


class _Above(_Layer):
    """Tables that outputs add up: of each output the tables' numbers, and its constant; the last output is the reference."""

    def __init__(self, offset: np.ndarray) -> None:
        super().__init__()
        self.offset = np.append(offset, 0)
        self.columns: list[list[int]] = [[] for _ in self.offset]

    def fan(self, key: np.ndarray, values: np.ndarray) -> None:
        """A table for each output (codes, outputs) that is not constant, from 0 on; what it was above that is the output's."""
        self.offset[:-1] += values.min(0)
        for output in np.flatnonzero(np.ptp(values, axis=0)):
            self.columns[output].append(self.add(key, values[:, output] - values[:, output].min()))

    def layers(self) -> tuple[Tables, Sums]:
        """With constants in tables that have room, as far as they go."""
        constants = self.offset - self.offset.min()
        rest = np.array([take_up(self.values, terms, int(constant)) for terms, constant in zip(self.columns, constants)])
        return self.tables(), Sums(tuple(np.array(terms, np.int64) for terms in self.columns), rest)


def cheapest(values: np.ndarray, loss: np.ndarray, price: float) -> np.ndarray:
    """The values (codes,) of the table whose loss and price of bits are least together.

    Args:
        loss: (codes, 2·reach + 1), what each value adds to the loss if it goes from −reach to +reach steps.
        price: of a bit; there are as many as the distance of the largest value from the smallest needs.
    """
    reach = loss.shape[1] // 2
    offered = values[:, None] + np.arange(-reach, reach + 1)
    low, high = int(values.min()), int(values.max())
    least_cost, best = np.inf, values
    for bits in range((high - low).bit_length() + 2):
        for least in range(low - reach, high + reach + 1):
            inside = np.where((offered >= least) & (offered < least + 2**bits), loss, np.inf)
            cost = inside.min(1).sum() + price * bits
            if cost < least_cost:
                least_cost, best = cost, np.take_along_axis(offered, inside.argmin(1)[:, None], 1)[:, 0]
    return best
