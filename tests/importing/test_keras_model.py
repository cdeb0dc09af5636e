"""Models that were trained elsewhere: what their layers become, exactly; and which are refused, by position."""

import json
import shutil
import zipfile
from dataclasses import replace

import keras
import numpy as np
import pytest

from ultralow.importing import keras_file, keras_model
from ultralow.study import imported
from ultralow.training import evaluation
from ultralow.training import keras_setup  # noqa: F401 — backend: one thread, determinism
from ultralow.data.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.exact.load import load_network
from ultralow.fixed_point import Fixed
from ultralow.training.folding import fold
from ultralow.training.layers import BinaryDense, RoundedTanh
from ultralow.training.model import build
from ultralow.networks.catalogue import NetworkSpec
from ultralow.networks.recipes import RECIPES


def plain(*between, last=()):
    inputs = x = keras.Input((6,))
    for layer in (keras.layers.Dense(8), keras.layers.BatchNormalization(), *between, keras.layers.Dense(4, use_bias=False),
                  keras.layers.Activation("relu"), keras.layers.Dense(3, activation="softmax"), *last):
        x = layer(x)
    return keras.Model(inputs, x)


def unsettled(model, seed=1):
    """Every weight drawn anew, so that nothing hides behind ones and zeros."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        layer.set_weights([rng.uniform(0.5, 1.5, w.shape) if "variance" in str(v.path) else rng.normal(0, 0.7, w.shape)
                           for v, w in zip(layer.weights, layer.get_weights())])
    return model


def saved(model, folder):
    path = folder / "model.keras"
    model.save(path)
    return path


def rows(inputs=6, count=400):
    return Fixed.parse("fixed<8,3>").quantise(np.random.default_rng(2).normal(0, 1.2, (count, inputs)))


def test_dense_normalisation_and_relu_become_fixed_point_of_the_formats_that_are_given(tmp_path):
    model = unsettled(plain(keras.layers.ReLU(), keras.layers.Dropout(0.5)))
    path = saved(model, tmp_path)
    network = keras_model.entry("own", path, "jets", "fixed<8,3>", weights="fixed<18,4>", activation="ufixed<18,6>")
    assert network.widths == (6, 8, 4, 3) and network.kind == "float"
    folded = fold(keras_model.load(path), network)
    # With many bits hardly anything is rounded: the same numbers, up to the softmax.
    x = rows()
    np.testing.assert_allclose(keras.ops.softmax(folded.logits(x)), model.predict(x, verbose=0), atol=2e-3)
    few = fold(model, replace(network, weights="fixed<4,2>", activation="ufixed<3,2>"))
    assert set(np.unique(few.layers[0].kernel)) <= set(range(-8, 8)) and few.layers[0].format.bits == 3


@pytest.mark.parametrize("weights, activation", [("binary", "binary"), ("ternary", "ternary"), ("binary", "ufixed<4,2>")])
def test_the_studys_own_layers_keep_their_precision(tmp_path, weights, activation):
    network = NetworkSpec("n", (6, 8, 5, 3), weights, activation, "fixed<8,3>", scale_bits=3, dataset="jets")
    model = unsettled(build(network, replace(RECIPES["study"], keep=0.9)))
    path = saved(model, tmp_path)
    assert keras_model.outline(path)[1][0].units == 8
    again = keras_model.entry("n", path, "jets", "fixed<8,3>")
    assert (again.widths, again.layer_weights, again.layer_activations, again.scale_bits) == (
        network.widths, network.layer_weights, network.layer_activations, 3 if "fixed" in activation else again.scale_bits)
    assert fold(keras_model.load(path), replace(again, scale_bits=3)) == fold(model, network)


def test_a_model_may_take_features_as_they_stand_in_the_file(tmp_path):
    path = saved(keras.Sequential([keras.Input((6,)), *unsettled(plain(keras.layers.ReLU())).layers[1:]]), tmp_path)
    network = keras_model.entry("own", path, "jets", "fixed<8,3>", weights="fixed<8,2>", activation="ufixed<8,4>")
    x, y = rows().astype(np.float32), np.arange(400) % 3
    scaled = (x - 0.5) / 2
    data = Dataset("jets", "file", tuple("abcdef"), ("u", "v", "w"), *[scaled, y] * 3, np.full(6, 0.5), np.full(6, 2.0))
    result = imported.run(imported.Job(network, path, data, True, tmp_path / "seed-0", keras.backend.backend()), lambda line: None).result
    folded = fold(keras_model.load(path), network)
    assert result["accuracy"] == pytest.approx(np.mean(folded(folded.input.codes(x)).argmax(1) == y))
    assert (tmp_path / "seed-0/folded.npz").exists() and result["history"] == {}


@pytest.mark.parametrize("model, message", [
    (lambda: plain(keras.layers.LayerNormalization()), "layer 3 .*LayerNormalization. is none .* in its place: BatchNorm"),
    (lambda: plain(keras.layers.ReLU(max_value=6.0)), "layer 3 .* a slope, a threshold or a ceiling"),
    (lambda: plain(keras.layers.Activation("gelu")), "layer 3 .* activation 'gelu' is none of"),
    (lambda: plain(keras.layers.ReLU(), keras.layers.BatchNormalization()), "layer 4 .* stands where"),
    (lambda: plain(), "dense layer 1 .* has no activation"),
    (lambda: plain(keras.layers.ReLU(), last=[keras.layers.ReLU()]), "relu activation behind the last"),
    (lambda: plain(keras.layers.Lambda(lambda x: x)), "layer 3 .*Lambda. is none .* it is code"),
    (lambda: keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 2)]), "shape .* one input of shape"),
    (lambda: keras.Sequential([keras.Input((6,)), BinaryDense(4), RoundedTanh("binary"), keras.layers.Dense(3)]),
     "no batch normalisation behind dense layer 1"),
    (lambda: keras.Model(i := keras.Input((6,)), keras.layers.Dense(3)(keras.layers.Add()([i, keras.layers.Dense(6)(i)]))),
     "takes several inputs|is none that"),
])
def test_other_layers_are_named_with_their_position(tmp_path, model, message):
    path = saved(model(), tmp_path)
    with pytest.raises(StudyError, match=message):
        keras_model.entry("own", path, "jets", "fixed<8,3>", weights="fixed<8,2>", activation="ufixed<8,4>")


@pytest.mark.parametrize("missing, message", [("weights", "weights of dense layer 1 are real numbers; say by weights"),
                                              ("activation", "activation 1 is a plain ReLU; say by activation")])
def test_formats_that_the_model_does_not_say_are_asked_for(tmp_path, missing, message):
    path = saved(plain(keras.layers.ReLU()), tmp_path)
    given = {"weights": "fixed<8,2>", "activation": "ufixed<8,4>"} | {missing: None}
    with pytest.raises(StudyError, match=message):
        keras_model.entry("own", path, "jets", "fixed<8,3>", **given)


def test_a_file_is_data_and_no_code(tmp_path):
    with pytest.raises(StudyError, match="missing.keras is missing"):
        keras_model.outline(tmp_path / "missing.keras")
    (tmp_path / "not.keras").write_bytes(b"PK not a zip")
    with pytest.raises(StudyError, match="not a model in Keras's format"):
        keras_model.outline(tmp_path / "not.keras")
    good = saved(keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)]), tmp_path)
    for name, change in (("huge", lambda config: config | {"note": "x" * (keras_file.MOST_BYTES + 1)}),
                         ("list", lambda config: [config])):
        path = tmp_path / f"{name}.keras"
        with zipfile.ZipFile(good) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for item in old.namelist():
                content = old.read(item)
                new.writestr(item, json.dumps(change(json.loads(content))) if item == "config.json" else content)
        with pytest.raises(StudyError, match="no model that this study could take|not a model in Keras's format"):
            keras_model.outline(path)
    shutil.copy(good, tmp_path / "cut.keras")
    (tmp_path / "cut.keras").write_bytes(good.read_bytes()[:-200])
    with pytest.raises(StudyError, match="not a model"):
        keras_model.load(tmp_path / "cut.keras")


@pytest.mark.parametrize("module", ["ultralow.layers", "ultralow.training.layers"])
def test_models_that_name_the_layers_by_their_old_place_are_the_same_models(tmp_path, module):
    """Committed models were saved when the layers stood in ultralow.layers."""
    network = NetworkSpec("n", (6, 8, 5, 3), "ternary", "ternary", "fixed<8,3>", dataset="jets")
    model = unsettled(build(network, RECIPES["study"]))
    path, other = saved(model, tmp_path), tmp_path / "other.keras"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for item in old.namelist():
            content = old.read(item)
            if item == "config.json":
                assert b'"ultralow.training.layers"' in content
                content = content.replace(b'"ultralow.training.layers"', f'"{module}"'.encode())
            new.writestr(item, content)
    assert fold(keras_model.load(other), network) == fold(model, network)
    assert keras_model.outline(other) == keras_model.outline(path)


def test_other_modules_of_the_study_have_no_place_in_a_model(tmp_path):
    path = saved(keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)]), tmp_path)
    for module in ("ultralow.study.runs", "ultralow.training", "ultralowlayers", "ultralow.training.layers.os"):
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "bad.keras", "w") as new:
            for item in old.namelist():
                content = old.read(item)
                new.writestr(item, content.replace(b'"module": "keras.layers"', f'"module": "{module}"'.encode(), 1)
                             if item == "config.json" else content)
        with pytest.raises(StudyError, match=f"names the module '{module}'"):
            keras_model.outline(tmp_path / "bad.keras")


def told(lines):
    return "\n".join(lines)


def in_order(order, classes=("u", "v", "w")):
    """Rows of three classes, and a model that knows them, its outputs in another order."""
    x = rows()
    kernel = np.random.default_rng(4).normal(size=(6, len(classes)))
    y = np.argmax(x @ kernel, axis=1)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(len(classes), activation="softmax")])
    model.layers[-1].set_weights([kernel[:, [classes.index(name) for name in order]], np.zeros(len(classes))])
    parts = [part for start in (0, 200, 300) for part in (x[start:start + 200].astype(np.float32), y[start:start + 200])]
    return model, Dataset("own", "file", tuple("abcdef"), classes, *parts, np.zeros(6), np.ones(6))


def brought(path, data, folder, log=lambda line: None, network=None, **more):
    network = network or keras_model.entry("own", path, "own", "fixed<12,4>", weights="fixed<14,4>", activation="ufixed<12,4>")
    return imported.run(imported.Job(network, path, data, False, folder, keras.backend.backend(), **more), log).result


def test_outputs_in_another_order_are_brought_to_the_studys(tmp_path):
    model, data = in_order("wuv")
    path, lines = saved(model, tmp_path), []
    result = brought(path, data, tmp_path / "seed-0", lines.append, outputs=("w", "u", "v"))
    assert result["accuracy"] > 0.95 and result["accuracy_float"] > 0.95
    assert "outputs w, u, v are brought to the order of own: u, v, w" in told(lines)
    network = keras_model.entry("own", path, "own", "fixed<12,4>", weights="fixed<14,4>")
    plainly = fold(keras_model.load(path), network)
    folded = load_network(tmp_path / "seed-0/folded.npz")
    assert folded.classes == ("u", "v", "w")
    # Column by column the same numbers, bit by bit: nothing but the order has changed.
    np.testing.assert_array_equal(folded.logits(rows()), plainly.logits(rows())[:, [1, 2, 0]])
    # The model that is kept has the study's order, too: the next study that takes it needs no key.
    again = brought(tmp_path / "seed-0/model.keras", data, tmp_path / "again")
    assert again["accuracy"] == result["accuracy"] and again["auc"] == result["auc"]


@pytest.mark.parametrize("weights", ["fixed<14,4>", "binary"])
def test_a_single_output_may_mean_the_first_of_two_classes(tmp_path, weights):
    x = rows()
    if weights == "binary":
        network = NetworkSpec("own", (6, 1), weights, (), "fixed<8,3>", dataset="own")
        model = unsettled(build(network, replace(RECIPES["study"], keep=0.9)))
    else:
        model = unsettled(keras.Sequential([keras.Input((6,)), keras.layers.Dense(1), keras.layers.BatchNormalization()]))
    path = saved(model, tmp_path)
    network = keras_model.entry("own", path, "own", "fixed<8,3>", weights=None if weights == "binary" else weights)
    folded = fold(keras_model.load(path), network, ("u", "v"))
    y = (folded.logits(x)[:, 0] <= 0).astype(int)  # positive for the first class
    parts = [part for start in (0, 200, 300) for part in (x[start:start + 200].astype(np.float32), y[start:start + 200])]
    data = Dataset("own", "file", tuple("abcdef"), ("u", "v"), *parts, np.zeros(6), np.ones(6))
    result = brought(path, data, tmp_path / "seed-0", network=network, outputs=("v", "u"))
    assert result["accuracy"] == 1.0 and result["accuracy_float"] > 0.98
    np.testing.assert_array_equal(load_network(tmp_path / "seed-0/folded.npz").logits(x), -folded.logits(x))


def test_outputs_that_are_not_the_datas_are_refused_with_both_lists(tmp_path):
    model, data = in_order("wuv")
    path = saved(model, tmp_path)
    for outputs in (("w", "u"), ("w", "u", "u"), ("w", "u", "x"), ("w", "u", "v", "v")):
        with pytest.raises(StudyError, match=rf"networks.own.outputs names {', '.join(outputs)}, .* data.own are u, v, w; name"):
            brought(path, data, tmp_path / "seed-0", outputs=outputs)


def test_the_order_of_the_outputs_belongs_to_the_identity_where_it_is_said(tmp_path):
    model, data = in_order("wuv")
    path = saved(model, tmp_path)
    network = keras_model.entry("own", path, "own", "fixed<12,4>", weights="fixed<14,4>")
    job = imported.Job(network, path, data, False, tmp_path, "tensorflow")
    assert "outputs" not in job.identity  # what was made before the key existed stays what it is
    assert replace(job, outputs=("w", "u", "v")).identity == job.identity | {"outputs": ["w", "u", "v"]}


def grown(model, offset=0.0, spread=1.0):
    return (offset + spread * np.random.default_rng(9).normal(size=(300, model.inputs[0].shape[-1]))).astype(np.float32)


@pytest.mark.parametrize("offset, spread", [(0, 1), (1e6, 3.0), (-5.0, 1e-6), (0, 1e9)])
@pytest.mark.parametrize("kind", ["plain", "fused", "binary", "ternary", "relu format", "wide"])
def test_what_is_read_is_what_the_model_gives_whatever_its_sums_are(kind, offset, spread):
    """The bound follows the sums: of features of a million it is a million times as large, and nothing is left out."""
    if kind in ("plain", "fused", "wide"):
        units = 900 if kind == "wide" else 8
        layers = ([keras.layers.Dense(units, activation="relu")] if kind == "fused" else
                  [keras.layers.Dense(units), keras.layers.BatchNormalization(), keras.layers.ReLU()])
        model = unsettled(keras.Sequential([keras.Input((6,)), *layers, keras.layers.Dense(3, activation="softmax")]))
        activations = ["relu"]
    else:
        activation = "ufixed<6,2>" if kind == "relu format" else kind
        network = NetworkSpec("n", (6, 8, 5, 3), "ternary", activation, "fixed<8,3>", scale_bits=3, dataset="own")
        model, activations = unsettled(build(network, replace(RECIPES["study"], keep=0.9))), [activation] * 2
    model = keras.Model(model.inputs[0], model.outputs[0])
    parting = evaluation.compare(model, activations, grown(model, offset, spread))
    assert (parting.rows, parting.apart, parting.layer) == (300, 0, 0)


@pytest.mark.parametrize("mistake, layer", [("softmax", 1), ("weight", 2), ("epsilon", 1), ("activation", 1), ("nan", 2)])
def test_another_reading_parts_from_the_model_at_its_layer(mistake, layer, monkeypatch):
    between = [keras.layers.Softmax()] if mistake == "softmax" else []
    model = unsettled(keras.Sequential([keras.Input((6,)), keras.layers.Dense(8), keras.layers.BatchNormalization(),
                                        keras.layers.ReLU(), *between, keras.layers.Dense(4), keras.layers.ReLU(),
                                        keras.layers.Dense(3)]))
    model = keras.Model(model.inputs[0], model.outputs[0])
    second = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][1]
    kernel, normalisation = evaluation._kernel, evaluation.normalisation
    if mistake == "weight":  # one of 32, by a thousandth
        monkeypatch.setattr(evaluation, "_kernel", lambda of: kernel(of) * (1 + 1e-3 * (np.arange(kernel(of).size) == 0).reshape(
            kernel(of).shape) * (of is second)))
    if mistake == "nan":
        monkeypatch.setattr(evaluation, "_kernel", lambda of: np.full_like(kernel(of), np.nan) if of is second else kernel(of))
    if mistake == "epsilon":  # 0.001 of Keras, 0.00001 of others
        monkeypatch.setattr(evaluation, "normalisation", lambda norm: (
            normalisation(norm)[0] * np.sqrt(norm.moving_variance + 1e-3) / np.sqrt(norm.moving_variance + 1e-5),
            *normalisation(norm)[1:]))
    activations = [None, "relu"] if mistake == "activation" else ["relu", "relu"]
    parting = evaluation.compare(model, activations, grown(model))
    assert parting.layer == layer and parting.apart > 100


def test_a_model_that_is_not_what_was_read_of_it_is_not_taken(tmp_path, monkeypatch):
    model, data = in_order("uvw")
    path = saved(model, tmp_path)
    parting = evaluation.Parting(400, 173, 1, 2.5)
    monkeypatch.setattr(evaluation, "compare", lambda *arguments: parting)
    with pytest.raises(StudyError, match=r"read from .*model.keras is not the model: on 173 of 400 rows .* from dense layer 1 on"):
        brought(path, data, tmp_path / "seed-0")


def large(factor):
    """A model with large weights in front, and small ones behind them: the same function."""
    model, data = in_order("uvw")
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(12, activation="relu"), keras.layers.Dense(3)])
    kernel = np.hstack([np.eye(6), -np.eye(6)])
    last = model.layers[-1].get_weights()[0]
    factors = np.geomspace(factor, 1.0, 12)
    inner.set_weights([kernel * factors, np.zeros(12), np.vstack([last, -last]) / factors[:, None], np.zeros(3)])
    return inner, data


def test_weights_beyond_their_format_are_counted_and_the_loss_is_told_with_its_step(tmp_path):
    """As users of hls4ml find it, fastmachinelearning/hls4ml#197 and #565: the accuracy is gone, and no word says why."""
    model, data = large(500.0)
    path, lines = saved(model, tmp_path), []
    network = keras_model.entry("own", path, "own", "fixed<12,4>", weights="fixed<16,4>", activation="ufixed<24,12>")
    result = brought(path, data, tmp_path / "seed-0", lines.append, network)
    (one,) = result["saturated"]
    assert one == {"layer": 1, "weights": 8, "of": 72, "format": "fixed<16,4>", "largest": 500.0, "holds": "fixed<22,10>"}
    assert ("own: NOTE: dense layer 1: 8 of 72 weights lie beyond fixed<16,4> (largest 500) and saturate; fixed<22,10> holds them"
            in lines)
    steps = result["by_step"]
    assert list(steps) == ["model", "weights", "activations", "input"] and steps["model"] - steps["weights"] > 0.05
    assert any("points of accuracy are lost" in line and line.endswith("Give the weights more bits") for line in lines)
    assert all(f"own: NOTE: {note}" in lines for note in result["notes"])
    # The format that is named holds them; with more bits behind the point, for the small weights of the last layer, nothing is lost.
    for weights in (one["holds"], "fixed<28,10>"):
        network = keras_model.entry("own", path, "own", "fixed<12,4>", weights=weights, activation="ufixed<24,12>")
        fits = brought(path, data, tmp_path / weights, network=network)
        assert fits["saturated"] == [] and not any("saturate" in note for note in fits.get("notes", ()))
    assert "notes" not in fits and fits["by_step"]["input"] == pytest.approx(fits["by_step"]["model"], abs=0.02)


@pytest.mark.parametrize("weights, activation, input, worst", [("fixed<12,4>", "ufixed<2,1>", "fixed<12,4>", "activations"),
                                                               ("fixed<12,4>", "ufixed<12,4>", "fixed<3,0>", "input")])
def test_a_loss_names_the_step_that_costs_most(tmp_path, weights, activation, input, worst):
    model, data = large(1.0)
    path, lines = saved(model, tmp_path), []
    network = keras_model.entry("own", path, "own", input, weights=weights, activation=activation)
    brought(path, data, tmp_path / "seed-0", lines.append, network)
    assert any("points of accuracy are lost" in line and line.endswith(f"Give the {worst} more bits") for line in lines)


@pytest.mark.parametrize("given, fitting", [(None, "w, u, v"), (("v", "u", "w"), "w, u, v"), (("w", "u", "v"), None)])
def test_another_order_that_fits_far_better_is_told(tmp_path, given, fitting):
    model, data = in_order("wuv")
    path, lines = saved(model, tmp_path), []
    result = brought(path, data, tmp_path / "seed-0", lines.append, outputs=given)
    hints = [note for note in result.get("notes", ()) if "another order of the outputs fits far better" in note]
    assert len(hints) == (fitting is not None)
    assert fitting is None or hints[0].endswith(f"say so: `outputs: [{fitting}]`") and f"own: NOTE: {hints[0]}" in lines
