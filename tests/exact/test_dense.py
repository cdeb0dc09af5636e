"""Exact networks of dense layers: their file, and what the base class of all kinds gives."""

import json
import os
import time
from dataclasses import replace

import numpy as np
import pytest
from random_networks import corner_network, input_rows, random_network

from ultralow.errors import StudyError
from ultralow.exact.dense import FoldedNetwork
from ultralow.exact.load import load_network

NETWORK = replace(random_network(7, [6, 9, 7, 3], ("ternary", "ternary"), "fixed<5,3>"), classes=("a", "b", "c"),
                  gain=np.linspace(0.5, 2, 6), move=np.full(6, 0.25))


@pytest.mark.parametrize("kernel, stored", [(127, np.int8), (-129, np.int16), (2**20, np.int32)])
def test_a_file_keeps_integers_in_the_smallest_type_and_gives_back_64_bits(kernel, stored, tmp_path):
    layer = replace(NETWORK.layers[0], weights="fixed", kernel=np.where(NETWORK.layers[0].kernel, kernel, 1))
    network = replace(NETWORK, layers=(layer, *NETWORK.layers[1:]))
    network.save(tmp_path / "folded.npz")
    with np.load(tmp_path / "folded.npz") as file:
        assert file["kernel0"].dtype == stored
    again = load_network(tmp_path / "folded.npz")
    assert all(layer.kernel.dtype == np.int64 for layer in again.layers) and again.layers[0].high.dtype == np.int64
    assert again == network and hash(again) == hash(network) and again.name == network.name
    codes = input_rows(network, 200)
    assert np.array_equal(again(codes), network(codes))


def test_files_of_earlier_versions_are_read_and_equal(tmp_path):
    """They told no kind and kept every integer in 64 bits."""
    arrays = {name: array.astype(np.int64) if array.dtype.kind == "i" else array for name, array in NETWORK.arrays().items()}
    header = json.loads(arrays["header"].tobytes())
    assert header.pop("kind") == "dense"
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez_compressed(tmp_path / "folded.npz", **arrays)
    assert load_network(tmp_path / "folded.npz") == NETWORK


def test_networks_are_equal_when_their_numbers_are():
    assert replace(NETWORK, name="another") == NETWORK
    for change in ({"move": np.full(6, 0.5)}, {"classes": ("a", "b", "d")}, {"gain": None}, {"layers": NETWORK.layers[1:]}):
        assert replace(NETWORK, **change) != NETWORK
    thresholds = NETWORK.layers[0].high.copy()
    thresholds[2] += 1
    assert replace(NETWORK, layers=(replace(NETWORK.layers[0], high=thresholds), *NETWORK.layers[1:])) != NETWORK


def test_codes_and_predictions_of_features_are_by_hand_the_same():
    x = np.random.default_rng(1).normal(0, 2, (300, 6)).astype(np.float32)
    by_hand = np.clip(np.floor((x.astype(np.float64) * NETWORK.gain + NETWORK.move) * 4), -16, 15)
    assert np.array_equal(NETWORK.codes(x), by_hand)
    logits = NETWORK(NETWORK.codes(x))
    assert np.array_equal(NETWORK.predict(x), [list(row).index(max(row)) for row in logits.tolist()])
    assert len(set(NETWORK.predict(x).tolist())) == 3
    regression = replace(NETWORK, classes=())
    np.testing.assert_array_equal(regression.predict(x), logits * 2.0**-NETWORK.output_fraction)


def test_a_single_logit_above_zero_says_the_second_class():
    network = replace(random_network(4, [6, 5, 1], ("binary", "binary"), "fixed<5,3>"), classes=("no", "yes"))
    x = np.random.default_rng(1).normal(0, 2, (300, 6))
    assert np.array_equal(network.predict(x), (network(network.codes(x))[:, 0] > 0).astype(int))


def test_a_file_is_read_once_until_it_changes(tmp_path):
    path = tmp_path / "folded.npz"
    NETWORK.save(path)
    assert load_network(path) is not load_network(path)  # so new that a change could go unseen
    os.utime(path, (1e9, 1e9))
    # The time of the last change of a file's state cannot be set back: wait until it has settled.
    time.sleep(2.1)
    kept = load_network(path)
    assert load_network(str(path)) is kept
    with pytest.raises(ValueError, match="read-only"):
        kept.layers[0].kernel[0, 0] = 1
    corner_network("ternary").save(path)
    assert load_network(path).name == "corners"


def test_a_dense_network_has_what_tables_figures_and_reports_ask():
    assert isinstance(NETWORK, FoldedNetwork) and NETWORK.widths == (6, 9, 7, 3) and NETWORK.architecture == "6x9x7x3"
    assert NETWORK.made_of == "ternary weights" and NETWORK.no_hls is None and not NETWORK.multipliable
    assert [kernel.shape for kernel in NETWORK.kernels] == [(6, 9), (9, 7), (7, 3)]
    corners = corner_network("ternary")
    assert corners.circuit_architecture == corners.simplified.architecture != corners.architecture
    assert corners.readers().shape == (8,) and corners.readers()[7] == 0 < corners.readers()[0] <= 1


def test_a_network_of_fixed_weights_can_have_multipliers_and_damage_is_named(tmp_path):
    assert random_network(5, [5, 6, 3], ("fixed", "ufixed<5,3>"), "fixed<5,2>").multipliable
    with pytest.raises(StudyError, match="missing.npz is missing; .*training step"):
        load_network(tmp_path / "missing.npz")
    arrays = NETWORK.arrays()
    for name, value, message in (("high0", np.zeros(9), "high0 is float64"),
                                 ("kernel1", np.zeros(9, np.int8), r"kernel1 is int64 \(9,\)"),
                                 ("gain", np.ones(5), "gain is not one number for each of 6 inputs")):
        np.savez_compressed(tmp_path / "folded.npz", **arrays | {name: value})
        with pytest.raises(StudyError, match=message):
            load_network(tmp_path / "folded.npz")
