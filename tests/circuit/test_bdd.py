"""A table reduced to choices gives the table."""

import numpy as np
import pytest

from ultralow.circuit.bdd import ONE, ZERO, decisions


@pytest.mark.parametrize("seed", range(6))
def test_a_diagram_gives_the_table(seed):
    rng = np.random.default_rng(seed)
    bits, width = int(rng.integers(1, 8)), int(rng.integers(1, 7))
    table = rng.integers(0, 2**width, 2**bits) if seed % 2 else np.sort(rng.integers(0, 2**width, 2**bits))
    choices, results = decisions(table, width)

    def value(node, code: int) -> int:
        if node in (ZERO, ONE):
            return node == ONE
        choice = choices[node]
        return value(choice.high if code >> choice.bit & 1 else choice.low, code)

    assert [sum(value(node, code) << bit for bit, node in enumerate(results)) for code in range(2**bits)] == list(table)
    assert len(choices) == len(set(choices))
