"""Random networks of look-up tables and sums."""

import numpy as np

from ultralow.exact.lut import Sums, TableNetwork, Tables
from ultralow.fixed_point import Fixed


def random_table_network(seed: int, form: str = "ufixed<4,4>", inputs: int = 5, hidden: int = 4, outputs: int = 3
                         ) -> TableNetwork:
    """Tables of any bits, wrapping sums, tables of those, sums with offsets; constants and unread outputs among them."""
    rng, codes = np.random.default_rng(seed), Fixed.parse(form)

    def tables(count: int, elements: int, bits: int, reach: int) -> Tables:
        keys, values = [], []
        for _ in range(count):
            places = rng.choice(elements * bits, rng.integers(0, 6), replace=False)
            keys.append(np.stack(np.divmod(places, bits), 1).astype(np.int64))
            values.append(rng.integers(0, reach, 2 ** len(places)) if rng.random() < 0.8 else np.full(2 ** len(places), 3))
        return Tables(tuple(keys), tuple(values))

    below, above = tables(4 * hidden, inputs, codes.bits, 5), tables(30, hidden, 4, rng.choice([2, 7]))
    sums = Sums(tuple(np.arange(4 * n, 4 * n + 4) for n in range(hidden)), rng.integers(0, 9, hidden), 4)
    last = Sums(tuple(np.sort(rng.choice(30, size, replace=False)) for size in (13, 7, 0)[:outputs]),
                rng.integers(-5, 9, outputs))
    return TableNetwork("random", codes, (below, sums, above, last), (inputs, hidden, outputs), "random tables")
