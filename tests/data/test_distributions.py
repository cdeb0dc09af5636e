"""What a figure shows of a dataset is computed from its training part alone."""

import json

import numpy as np
import pytest

from ultralow.data.dataset import Dataset
from ultralow.data.distributions import EDGES, Distributions, distributions


def data(name, classes, features=2):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(4000, features)).astype(np.float32), np.arange(4000) % max(len(classes), 1)
    x[:100, 0] = 99.0
    return Dataset(name, "file", tuple(f"f{n}" for n in range(features)), classes, x, y, x[:9], y[:9], x[:9] + 50, y[:9],
                   np.zeros(features), np.ones(features))


def test_histograms_have_area_one_and_hold_what_lies_beyond():
    shown = distributions(data("jets", ("a", "b")))
    assert shown.groups == ("a", "b") and shown.densities.shape == (2, 2, 40) and shown.images is None
    assert (shown.densities * np.diff(EDGES)).sum(axis=2) == pytest.approx(1)
    assert shown.densities[:, 0, -1] == pytest.approx(50 / 2000 / 0.2, rel=0.1) and (shown.densities[:, 1, -1] < 0.01).all()


def test_a_regression_is_one_group_and_digits_are_images():
    assert distributions(data("own", ())).groups == ("all rows",)
    digits = data("mnist", ("0", "1"), 4)
    shown = distributions(digits)
    assert shown.densities is None and shown.images[1] == pytest.approx(digits.x_train[digits.y_train == 1].mean(axis=0))


def test_written_and_read_it_is_the_same_to_three_digits():
    for of in (data("jets", ("a", "b")), data("mnist", ("0", "1"), 4)):
        shown = distributions(of)
        again = Distributions.from_values(json.loads(json.dumps(shown.values())))
        assert again.groups == shown.groups and again.features == shown.features
        for name in ("densities", "images"):
            before, after = getattr(shown, name), getattr(again, name)
            assert after is None if before is None else after == pytest.approx(before, abs=6e-4)
