"""The estimate of LUTs without tracing, against committed counts of trained networks."""

import json

import pytest
from random_networks import random_network

from ultralow.circuit.lut_estimate import luts
from ultralow.errors import StudyError
from ultralow.exact.load import load_network
from ultralow.files import root


@pytest.mark.parametrize("name", ["jets-tnn-small", "jets-tnn-optimised", "jets-bnn-found", "jets-tnn-found"])
def test_it_is_right_within_a_third(name):
    folder = root() / "results" / "paper" / name
    lut = json.loads((folder / "synthesis.json").read_text())["lut"]
    assert luts(load_network(folder / "folded.npz")) == pytest.approx(lut, rel=0.33)


def test_weights_it_was_not_fitted_to_are_refused():
    with pytest.raises(StudyError, match="binary and ternary weights only"):
        luts(random_network(3, [6, 9, 3], ("fixed", "ufixed<5,3>"), "fixed<5,3>"))
