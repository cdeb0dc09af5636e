import numpy as np
import pytest
from random_networks import random_network

from ultralow.training import weight_flips
from ultralow.errors import StudyError


def task(network, rows=600):
    """Labels that the network itself would give with some of its weights turned: there is something to find."""
    rng = np.random.default_rng(1)
    x = network.input.step * rng.integers(network.input.low_code, network.input.high_code + 1,
                                          (rows, network.layers[0].kernel.shape[0]))
    return x, rng


def loss(network, x, y):
    logits = network.logits(x)
    logits = logits - logits.max(1, keepdims=True)
    return np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(y)), y])


@pytest.mark.parametrize("kind", ["binary", "ternary"])
def test_the_loss_that_it_follows_is_the_networks_own_and_it_falls(kind, monkeypatch):
    network = random_network(3, (6, 9, 8, 4), (kind, kind), "fixed<5,3>")
    x, rng = task(network)
    y, lines = rng.integers(0, 4, len(x)), []
    refined = weight_flips.refine(network, x, y, 2, seed=1, log=lines.append)
    # What the incremental bookkeeping says is what the network as a whole gives.
    first, last = (float(word) for word in lines[0].split("loss ")[1].split(" on")[0].split(" to "))
    assert first == pytest.approx(loss(network, x, y), abs=1e-4)
    assert float(lines[1].split(" to ")[1].split(" on")[0]) == pytest.approx(loss(refined, x, y), abs=1e-4)
    assert loss(refined, x, y) < loss(network, x, y) - 0.01 and last < first
    assert weight_flips.refine(network, x, y, 2, seed=1, log=lines.append) == refined


def test_hybrids_are_refused():
    network = random_network(3, (6, 9, 4), ("binary", "ufixed<4,2>"), "fixed<5,3>")
    with pytest.raises(StudyError, match="refine works on binary and ternary activations only"):
        weight_flips.refine(network, np.zeros((4, 6)), np.zeros(4, int), 1, seed=1)
