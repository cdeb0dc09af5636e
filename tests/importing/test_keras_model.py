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
from ultralow.errors import StudyError, brief
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
    (lambda: plain(keras.layers.ReLU(), keras.layers.ReLU()), "layer 4 .* stands where"),
    (lambda: plain(keras.layers.ReLU(), keras.layers.BatchNormalization(), keras.layers.ReLU()), "layer 5 .* stands where"),
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


L = keras.layers


def nested(*layers):
    return keras.Sequential([keras.Input((6,)), L.Dense(8), keras.Sequential([L.BatchNormalization(), L.ReLU(), L.GaussianNoise(0.1)]),
                             keras.Sequential([keras.Sequential([L.Dense(4, activation="relu")]), *layers])])


def adapted(invert=False):
    layer = L.Normalization(invert=invert)
    layer.adapt(np.random.default_rng(4).normal(3, 2.5, (50, 6)))
    return layer


# Public reports: hls4ml#71, #72 and #720 (normalisation behind ReLU), #564 (Normalization skipped by hand), keras#1802 (in front),
# hls4ml#228 and #1083 (sigmoid); of other tools: frugally-deep#169 and nnom#106 (GaussianNoise), deeplearning4j#5593
# (ActivityRegularization), nnvm#404 and hls4ml#794 (a model within a model).
CHAINS = {
    "normalised first": lambda: keras.Sequential([keras.Input((6,)), L.BatchNormalization(), L.Dense(8, activation="relu"), L.Dense(3)]),
    "normalised twice": lambda: keras.Sequential([keras.Input((6,)), L.Rescaling(0.25, offset=-1), L.Dropout(0.2), adapted(), L.Dense(3)]),
    "inverted": lambda: keras.Sequential([keras.Input((6,)), adapted(invert=True), L.Dense(3, use_bias=False)]),
    "behind the activation": lambda: plain(L.ReLU(), L.BatchNormalization(), L.Rescaling(0.5, offset=0.1), L.GaussianDropout(0.2)),
    "behind the dense layer": lambda: keras.Sequential([keras.Input((6,)), L.Dense(8), L.BatchNormalization(), L.BatchNormalization(),
                                                        L.ReLU(), L.BatchNormalization(), L.Dense(3), L.Rescaling(2.0, offset=1.0)]),
    "idle": lambda: keras.Sequential([keras.Input((6,)), L.Flatten(), L.GaussianNoise(0.1), L.Dense(8), L.Activation("linear"), L.ReLU(),
                                      L.Activation("linear"), L.AlphaDropout(0.2), L.ActivityRegularization(0.1), L.Reshape((8,)),
                                      L.Reshape((-1,)), L.Identity(), L.Dense(3, activation="softmax"), L.Dropout(0.1)]),
    "nested": lambda: nested(L.Dense(3), L.Softmax()),
    "sigmoid": lambda: nested(L.Dense(1, activation="sigmoid")),
    "a layer of its own": lambda: nested(L.Dense(1), L.Activation("sigmoid")),
    "three sigmoids": lambda: nested(L.Dense(3, activation="sigmoid")),
}


@pytest.mark.parametrize("kind", CHAINS)
def test_factors_in_other_places_and_what_does_nothing_give_the_same_numbers(tmp_path, kind):
    model = CHAINS[kind]()
    rng = np.random.default_rng(1)
    for layer in leaves(model):
        if not isinstance(layer, L.Normalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) if "variance" in str(v.path) else rng.normal(0, 0.7, w.shape)
                               for v, w in zip(layer.weights, layer.get_weights()) if "seed" not in v.path] or layer.get_weights())
    path, x = saved(model, tmp_path), rows()
    network = keras_model.entry("own", path, "jets", "fixed<20,6>", weights="fixed<24,8>", activation="ufixed<24,8>")
    chain = keras_model.load_chain(path)
    end = {"softmax": keras.ops.softmax, "sigmoid": keras.ops.sigmoid, None: lambda x: x}[chain.end]
    gain, move = chain.scaling(None, None)
    inputs = x if gain is None else x * gain + move
    # In float64 but for Keras's own rounding, which stands on the other side.
    own = evaluation.outputs(chain.own, x.astype(np.float32))
    np.testing.assert_allclose(end(evaluation.float64_outputs(chain.model, inputs)), own, rtol=2e-4, atol=2e-5)
    folded = keras_model.fold(keras_model.load(path), network)
    np.testing.assert_allclose(end(folded.logits(folded.encode(x))), own, atol=6e-3)
    assert folded == replace(fold(chain.model, network), gain=gain, move=move)
    # What a run keeps is the chain, whose factors in front stand in folded.npz.
    chain.model.save(tmp_path / "chain.keras")
    again = keras_model.load_chain(tmp_path / "chain.keras")
    assert again.model is again.own and again.gain is None
    assert fold(again.model, network) == fold(chain.model, network)


def leaves(model):
    for layer in model.layers:
        yield from leaves(layer) if isinstance(layer, keras.Model) else [layer]


def test_features_of_a_file_are_scaled_by_the_study_the_file_and_the_model(tmp_path):
    """A BatchNormalization in place of a scaler, on features of a large offset: keras#1802."""
    model = CHAINS["normalised first"]()
    x = np.random.default_rng(3).normal(500, 40, (400, 6))
    y = (x @ np.linspace(-1, 1, 6) > 0).astype(int) + (x[:, 0] > 520)
    model.layers[0].set_weights([np.full(6, 1.5), np.full(6, 0.25), np.full(6, 500.0), np.full(6, 1600.0)])
    path, lines = saved(model, tmp_path), []
    network = keras_model.entry("own", path, "jets", "fixed<12,4>", weights="fixed<14,4>", activation="ufixed<14,4>")
    data = Dataset("jets", "file", tuple("abcdef"), ("u", "v", "w"), *[((x - 480) / 50).astype(np.float32), y] * 3, np.full(6, 480.0),
                   np.full(6, 50.0))
    job = imported.Job(network, path, data, True, tmp_path / "seed-0", keras.backend.backend())
    result = imported.run(job, lines.append).result
    known = load_network(tmp_path / "seed-0/folded.npz")
    deviation = np.sqrt(1600 + model.layers[0].epsilon)
    np.testing.assert_allclose(known.gain, 50 * 1.5 / deviation)
    np.testing.assert_allclose(known.move, (480 - 500) * 1.5 / deviation + 0.25)
    np.testing.assert_allclose(known.logits(known.encode(data.x_test)), model.predict(x, verbose=0), atol=0.05)
    again = replace(job, path=tmp_path / "seed-0/model.keras", raw=False, folder=tmp_path / "again")
    assert imported.run(again, lines.append).result["accuracy"] == result["accuracy"]
    assert load_network(tmp_path / "again/folded.npz") == known


@pytest.mark.parametrize("model, message", [
    (lambda: keras.Sequential([keras.Input((6,)), L.Dense(8, activation="relu"), L.Softmax(), L.Dense(3, activation="softmax")]),
     r"layer 2 \(softmax.*, Softmax\): a softmax behind an activation has no exact form"),
    (lambda: keras.Sequential([keras.Input((6,)), L.Dense(8), L.Softmax(), L.Dense(3)]), r"layer 2 .*a softmax that is not the last of "
     r"the model has no exact form.*behind it stands layer 3 \(dense"),
    (lambda: keras.Sequential([keras.Input((6,)), L.Dense(8, activation="sigmoid"), L.Dense(3)]),
     r"layer 1 .*a sigmoid that is not the last.*train it with ReLU"),
    (lambda: nested(L.Dense(3), L.Softmax(), L.BatchNormalization()), r"layer 3.3 \(softmax.*behind it stands layer 3.4"),
    # keras#500 and #18909
    (lambda: keras.Sequential([keras.Input((6,)), L.Dense(1, activation="softmax")]), "softmax of one output is always 1"),
    (lambda: keras.Sequential([keras.Input((6,)), L.Dense(3), L.Softmax(axis=0)]), "layer 2 .* has axis 0"),
    (lambda: plain(L.ReLU(), L.Reshape((2, 4)), L.Flatten()), r"layer 4 .*makes the shape \[2, 4\] of 8 values"),
    (lambda: plain(L.ReLU(), last=[L.BatchNormalization(), L.Dense(2)]), r"layer 6 .*a softmax that is not the last.*stands layer 7"),
    (lambda: keras.Sequential([keras.Input((6,)), L.Dense(4, activation="relu"), L.BatchNormalization(), BinaryDense(3),
                               L.BatchNormalization()]), "layer 2 .* stands before binary weights, into which"),
    (lambda: keras.Sequential([keras.Input((6,)), BinaryDense(3), L.BatchNormalization(), L.Rescaling(2.0)]),
     "layer 3 .*another factor behind binary weights"),
    (lambda: keras.Model(i := keras.Input((6,)), [L.Dense(3, name="one")(i), L.Dense(2, name="two")(i)]), "has 2 outputs .one, two.; "),
    (lambda: keras.Sequential([keras.Input((6,)), L.Dense(4), L.PReLU(), L.Dense(3)]), "in its place: ReLU, and train it again"),
])
def test_what_has_no_exact_form_is_refused_with_what_to_do(tmp_path, model, message):
    path = saved(model(), tmp_path)
    with pytest.raises(StudyError, match=message):
        keras_model.entry("own", path, "jets", "fixed<8,3>", weights="fixed<8,2>", activation="ufixed<8,4>")


@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
def test_a_regressions_estimates_are_its_outputs(tmp_path, end):
    path = saved(keras.Sequential([keras.Input((6,)), L.Dense(2, activation=end)]), tmp_path)
    network = keras_model.entry("own", path, "jets", "fixed<8,3>", weights="fixed<8,2>")
    x = rows().astype(np.float32)
    data = Dataset("jets", "file", tuple("abcdef"), (), *[x, x[:, :2]] * 3, np.zeros(6), np.ones(6), targets=("u", "v"),
                   target_mean=np.zeros(2), target_scale=np.ones(2))
    with pytest.raises(StudyError, match=f"ends in a {end}, .* is a regression"):
        imported.run(imported.Job(network, path, data, False, tmp_path / "seed-0", keras.backend.backend()), lambda line: None)


@pytest.mark.parametrize("layer, variable, value, message", [
    (1, "kernel", np.nan, r"layer 1 \(.*, Dense\) has 1 weights that are NaN or infinite, of 48 in kernel, the first at \[0, 0\]"),
    (1, "bias", -np.inf, "layer 1 .* of 8 in bias"),
    (2, "gamma", np.inf, "layer 2 .* of 8 in gamma"),
    (2, "beta", np.nan, "layer 2 .* of 8 in beta"),
    (2, "moving_mean", np.nan, "layer 2 .* of 8 in moving_mean"),
    (2, "moving_variance", np.inf, "layer 2 .* of 8 in moving_variance"),
    (2, "moving_variance", -0.5, "layer 2 .*moving_variance has negative values"),
])
def test_a_weight_that_is_no_number_is_refused_as_it_is_read(tmp_path, layer, variable, value, message):
    """tfjs#5374, hls4ml#565."""
    model = plain(L.ReLU())
    spoiled = next(v for v in model.layers[layer].variables if v.name == variable)
    numbers = np.array(spoiled)
    numbers.flat[0] = value
    spoiled.assign(numbers)
    path = saved(model, tmp_path)
    with pytest.raises(StudyError, match=message):
        keras_model.load_chain(path)
    network = keras_model.entry("own", path, "jets", "fixed<8,3>", weights="fixed<8,2>", activation="ufixed<8,4>")
    with pytest.raises(StudyError, match=message):
        keras_model.fold(model, network)


def written(name, content):
    def write(folder):
        (folder / name).write_bytes(content)
        return folder / name
    return write


def as_hdf5(folder):
    keras.Sequential([keras.Input((6,)), L.Dense(3)]).save(folder / "own.h5")
    return folder / "own.h5"


def weights_alone(folder):
    keras.Sequential([keras.Input((6,)), L.Dense(3)]).save_weights(folder / "own.weights.h5")
    return folder / "own.weights.h5"


def as_json(folder):
    (folder / "own.json").write_text(keras.Sequential([keras.Input((6,)), L.Dense(3)]).to_json())
    return folder / "own.json"


def saved_model(folder):
    (folder / "own").mkdir()
    (folder / "own/saved_model.pb").write_bytes(b"")
    return folder / "own"


def zipped(name, *inner):
    def write(folder):
        with zipfile.ZipFile(folder / name, "w") as archive:
            for entry in inner:
                archive.writestr(entry, b"")
        return folder / name
    return write


def with_module(module):
    def write(folder):
        path = saved(keras.Sequential([keras.Input((6,)), L.Dense(3)]), folder)
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(folder / "other.keras", "w") as new:
            for item in old.namelist():
                content = old.read(item)
                new.writestr(item, content.replace(b'"module": "keras.layers"', f'"module": "{module}"'.encode())
                             if item == "config.json" else content)
        return folder / "other.keras"
    return write


def renamed(folder):
    return saved(keras.Sequential([keras.Input((6,)), L.Dense(3)]), folder).rename(folder / "own.zip")


# hls4ml#387, #831, hls4ml-tutorial#20, brevitas#1282, keras#20081; kipoi#64 (a pointer of Git LFS in place of the model), nnom#158
# (wrappers of pruning).
@pytest.mark.parametrize("write, message", [
    (as_hdf5, r"older format \(HDF5, .h5\).*load_model\('own.h5', compile=False\).save"),
    (weights_alone, "has the weights alone .*load_weights"),
    (as_json, "layers of a model .JSON. without its weights.*model_from_json"),
    (written("own.onnx", b"\x08\x08\x12\x07pytorch"), "is a model in ONNX .*build the same chain"),
    (written("own.bin", b"\x08\x07\x12\x05keras2"), "is a model in ONNX"),
    (zipped("own.pt", "own/data.pkl", "own/data/0"), "is a model of PyTorch.*kernel transposed"),
    (written("own.pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."), "is a pickle .*runs code"),
    (written("own.keras", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 23920\n"), "git lfs pull"),
    (written("own.keras", b""), "is empty"),
    (written("own.keras", b"\n\n<!DOCTYPE html>\n<html lang='en'>"), "is a web page, .*Download raw file"),
    (written("own.tflite", b"\x1c\x00\x00\x00TFL3" + bytes(40)), "TensorFlow Lite"),
    (written("own.gz", b"\x1f\x8b\x08\x00" + bytes(40)), "packed by gzip: unpack"),
    (written("own.json", b'{"learner": {}}'), "JSON that describes no model"),
    (saved_model, "SavedModel format"),
    (lambda folder: folder, "is a folder, and a model is one file"),
    (zipped("own.npz", "a.npy"), "holds arrays of numpy"),
    (zipped("own.keras", "models/own.keras"), "archive that holds models/own.keras: unpack"),
    (with_module("qkeras.qlayers"), "names the module 'qkeras.qlayers': it is a model of QKeras.*model_save_quantized_weights"),
    (with_module("tensorflow_model_optimization.python.core.sparsity"), "strip_pruning"),
    (with_module("HGQ.layers"), "model of HGQ 1"),
    (renamed, "does not end in .keras.*rename it to own.keras"),
])
def test_other_files_are_told_by_their_kind(tmp_path, write, message):
    path = write(tmp_path)
    with pytest.raises(StudyError, match=message) as refused:
        keras_model.entry("own", path, "jets", "fixed<8,3>", weights="fixed<8,2>")
    assert "…" not in str(refused.value) and str(path) in str(refused.value)


def test_what_keras_says_is_told_whole(tmp_path, monkeypatch):
    path = saved(keras.Sequential([keras.Input((6,)), L.Dense(3)]), tmp_path)
    long = "could not be deserialized properly. " + "x" * 300 + "\n\nException encountered: Could not locate class 'QDense'. " + "y" * 300
    def fail(*args, **more):
        raise TypeError(long)
    monkeypatch.setattr(keras.saving, "load_model", fail)
    with pytest.raises(StudyError, match="TypeError: Could not locate class 'QDense'. y{300}"):
        keras_model.load(path)
    assert brief(ValueError("x" * 500 + " the cause")) == "ValueError: " + "x" * 500 + " the cause"
    assert len(brief(ValueError("x" * 10**6 + " the cause"))) < 2100


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


def test_a_layer_that_was_merged_is_compared_in_its_own_precision(tmp_path):
    """Its float64 outputs, of all sizes, are compared as they are: rounded to float32 each would be another one."""
    model = keras.Sequential([keras.Input((6,)), L.Dense(8, activation="relu"), L.BatchNormalization(), L.Dense(3, "softmax")])
    chain = keras_model.load_chain(saved(unsettled(model), tmp_path))
    assert chain.model.layers[-1].compute_dtype == "float64"
    x = np.random.default_rng(1).normal(0, 20, (300, 6)).astype(np.float32)
    assert evaluation.compare(chain.model, ["relu"], x) == evaluation.Parting(300, 0, 0, 0.0)


def elaborate():
    """What becomes another chain: normalisations in front, behind an activation and behind another, a model within, a sigmoid."""
    inner = keras.Sequential([keras.Input((8,)), keras.layers.Dense(5), keras.layers.BatchNormalization(), keras.layers.ReLU()])
    model = keras.Sequential([keras.Input((6,)), keras.layers.Normalization(), keras.layers.BatchNormalization(),
                              keras.layers.Dense(8, activation="relu"), keras.layers.BatchNormalization(), inner,
                              keras.layers.BatchNormalization(), keras.layers.Dense(1, activation="sigmoid")])
    model.layers[0].adapt(grown(model, 1e4, 30.0))
    rng = np.random.default_rng(3)
    for layer in (*model.layers[1:4], *inner.layers, *model.layers[5:]):
        layer.set_weights([rng.uniform(0.5, 1.5, w.shape) if "variance" in str(v.path) else rng.normal(0, 0.7, w.shape)
                           for v, w in zip(layer.weights, layer.get_weights())])
    return model


@pytest.mark.parametrize("mistake", [None, "gain", "weight"])
def test_a_model_that_is_written_anew_is_compared_with_the_one_of_the_file(tmp_path, mistake):
    path = saved(elaborate(), tmp_path)
    chain = keras_model.load_chain(path)
    assert chain.own is not chain.model
    x = grown(chain.own, 1e4, 30.0)
    encoded = x.astype(np.float64) * chain.gain + chain.move
    if mistake == "gain":
        encoded[:, 0] *= 1.001
    if mistake == "weight":
        first = chain.model.layers[1]
        kernel, *rest = first.get_weights()
        kernel[2, 3] += 1e-4
        first.set_weights([kernel, *rest])
    parting = evaluation.compare_whole(chain.own, chain.model, ["relu", "relu"], x, encoded)
    assert parting.rows == 300 and (parting.apart > 0) == (mistake is not None)  # behind a sigmoid, few rows tell
