"""From a dataset to an exact network: as good as an independent method finds on the same rows, and the same before and after."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ultralow.data.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.networks.recipes import RECIPES
from ultralow.networks.spec import NetworkSpec
from ultralow.training.evaluation import outputs
from ultralow.training.fit import encoding, train


@pytest.fixture(scope="module")
def data():
    """Five classes: the largest of five sums of three features each; the first feature of each sum counts three times."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 16)).astype(np.float32)
    y = (x[:, :15].reshape(-1, 5, 3) @ [3.0, 1.0, 1.0]).argmax(1)
    parts = [part for start, end in ((0, 2000), (2000, 2400), (2400, 3000)) for part in (x[start:end], y[start:end])]
    return Dataset("jets", "file", tuple(f"f{n}" for n in range(16)), tuple("qgWZt"), *parts, np.zeros(16), np.ones(16))


@pytest.fixture(scope="module")
def trained(data):
    spec = NetworkSpec("own", (16, 32, 5), "ternary", "ternary", "fixed<7,3>", dataset="jets")
    lines = []
    return train(spec, data, 1, replace(RECIPES["ternary"], epochs=20, batch_size=64), log=lines.append), lines


def test_it_comes_close_to_an_independent_method_on_the_same_rows(data, trained):
    network = trained[0].network
    reference = LogisticRegression(max_iter=200).fit(data.x_train, data.y_train).score(data.x_test, data.y_test)
    assert reference > 0.9  # the task is linear
    assert np.mean(network.predict(data.x_test) == data.y_test) > reference - 0.17  # 0.84; three levels, 32 neurons, 20 epochs


def test_gains_say_which_features_matter(data, trained):
    gain = trained[0].network.gain
    assert gain.max() == 1.5 and trained[1][0].startswith(f"gains of the features: f0 {gain[0]:g}, f1 {gain[1]:g}, ")
    strong, weak = gain[:15].reshape(5, 3)[:, 0], gain[:15].reshape(5, 3)[:, 1:]
    assert strong.min() > max(weak.max(), gain[15])


def test_the_model_before_it_became_exact_takes_encoded_inputs_and_the_one_that_is_given_takes_features(data, trained):
    network, model = trained[0].network, trained[0].model
    encoded = network.encode(data.x_test)
    before = trained[0].before(encoded)
    np.testing.assert_allclose(outputs(model, data.x_test), before, atol=1e-4)
    # But for the rounded scale of the last layer they decide alike.
    assert np.mean(before.argmax(1) == network.logits(encoded).argmax(1)) > 0.97


def test_ranges_are_laid_onto_the_format_by_the_reference_recipe(data):
    spec = NetworkSpec("own", (16, 8, 5), "binary", "binary", "fixed<8,4>", dataset="jets")
    gain, move = encoding(spec, RECIPES["reference-jets"], data, 1, print)
    ends = np.stack([data.x_train.min(0), data.x_train.max(0)]) * gain + move
    np.testing.assert_allclose(ends, [[-8.0] * 16, [8.0 - 2.0**-4] * 16], atol=1e-4)


def test_networks_that_do_not_fit_the_data_are_refused(data):
    with pytest.raises(StudyError, match="own is 16x8x4, but its dataset jets has 16 features and 5 classes"):
        train(NetworkSpec("own", (16, 8, 4), "ternary", "ternary", "fixed<7,3>"), data)
    with pytest.raises(StudyError, match="unknown recipe 'ternay'; did you mean 'ternary'"):
        train(NetworkSpec("own", (16, 8, 5), "ternary", "ternary", "fixed<7,3>"), data, recipe="ternay")
