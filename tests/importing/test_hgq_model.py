"""Models of HGQ2: the circuit is the model, row by row, up to the gates; and what does not become one is refused by name."""

import functools
import json
import zipfile
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hgq.config import QuantizerConfig
from hgq.layers import QBatchNormalization, QBatchNormDense, QDense, QDenseT, QEinsumDense, QSoftmax, QSum, Quantizer
from hgq.utils import trace_minmax

from ultralow.circuit.tracing import trace
from ultralow.exact import circuit as circuits
from ultralow.exact.load import load_network
from ultralow.importing import keras_model, plain_chain
from ultralow.training.lut import hgq_circuit
from ultralow.study import imported, study
from ultralow.synthesis import deliverable, hls4ml, implement
from ultralow.training import evaluation
from ultralow.data.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.exact.base import exact_rows

ROWS = np.random.default_rng(5).normal(0, 1.3, (900, 6)).astype(np.float32)
LABELS = (ROWS @ np.random.default_rng(6).normal(size=(6, 3))).argmax(1)


def data():
    parts = [part for start in (0, 300, 600) for part in (ROWS[start:start + 300], LABELS[start:start + 300])]
    return Dataset("jets", "file", tuple("abcdef"), ("u", "v", "w"), *parts, np.full(6, 0.5), np.full(6, 2.0))


def trained(*layers):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), *layers])
    model.compile(keras.optimizers.Adam(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(ROWS, LABELS, epochs=2, batch_size=64, verbose=0)
    trace_minmax(model, ROWS, verbose=False)
    return model


def coarse(**more):
    return QuantizerConfig("kif", "datalane", f0=3, **more)


MODELS = {
    "dense": lambda: trained(QDense(8, activation="relu"), QDense(3)),
    "tables": lambda: trained(QDenseT(5, batch_norm=True, iq_conf=coarse()), QDenseT(3)),
    "normalised": lambda: trained(Quantizer(coarse(overflow_mode="SAT")), QBatchNormDense(8, enable_iq=False), keras.layers.ReLU(),
                                  keras.layers.Dropout(0.1), QBatchNormalization(), QDense(3)),
    "mixed": lambda: trained(QDense(7, activation="relu", iq_conf=coarse(round_mode="TRN")), QDenseT(3)),
}


@functools.cache
def kept(kind):
    """Trained once; a test that changes it trains its own."""
    return MODELS[kind]()


@pytest.fixture(scope="module", params=MODELS)
def model(request, tmp_path_factory):
    found, path = kept(request.param), tmp_path_factory.mktemp("models") / f"{request.param}.keras"
    found.save(path)
    return SimpleNamespace(kind=request.param, model=found, path=path, network=keras_model.entry("own", path, "jets", None))


def taken(model, folder, raw=False, lines=None):
    job = imported.Job(model.network, model.path, data(), raw, folder / "seed-0", "tensorflow")
    result = imported.run(job, (lines if lines is not None else []).append).result
    return result, load_network(folder / "seed-0/folded.npz")


def test_the_circuit_gives_what_the_model_gives_on_every_row(model, tmp_path):
    result, circuit = taken(model, tmp_path)
    assert result["keras_rows"] == result["keras_rows_exact"] == 900
    # Features that are inside the format and not rounded by anybody else: Keras's own rounding is the codes'.
    x = np.clip(ROWS, circuit.input.low / 2, circuit.input.high / 2)
    np.testing.assert_array_equal(circuit.logits(circuit.encode(x)), evaluation.outputs(model.model, x))
    assert len(np.unique(circuit(circuit.codes(ROWS)))) > 50


@pytest.mark.parametrize("kind", ["dense", "tables"])
def test_the_verilog_and_what_is_taken_home_are_those_of_any_network(kind, tmp_path):
    kept(kind).save(tmp_path / "own.keras")
    network = keras_model.entry("own", tmp_path / "own.keras", "jets", None)
    before = hgq_circuit.first_quantiser(kept(kind), "own")
    circuit = hgq_circuit.convert(kept(kind), network, before, ("u", "v", "w"))
    codes = circuit.codes(ROWS[:200])
    measured = implement.measure(circuit, codes, tmp_path / "rtl", log=lambda line: None)
    assert (measured.interpreter_rows_exact, measured.rows_exact, measured.netlist_rows_exact) == (200, 200, 200)
    assert measured.circuit_architecture == network.architecture and measured.lut > 50
    deliverable.write(circuit, data(), measured)
    assert "HGQ2 layers (" in (tmp_path / "rtl/README.md").read_text()


def test_features_as_they_stand_in_the_file_give_the_same_network(model, tmp_path):
    result, circuit = taken(model, tmp_path, raw=True)
    x = np.clip(ROWS * 2 + 0.5, circuit.input.low / 2, circuit.input.high / 2)
    scaled = (x - 0.5) / 2
    same = exact_rows(circuit.logits(circuit.encode(scaled)), evaluation.outputs(model.model, x.astype(np.float32)))
    assert same >= 898  # (x − 0.5)/2·2 + 0.5 is x but for its last bit
    again, lines = SimpleNamespace(**vars(model)), []
    again.path = tmp_path / "seed-0/model.keras"
    assert taken(again, tmp_path / "again", lines=lines)[0]["accuracy"] == result["accuracy"]
    assert "gains of the features from folded.npz beside it" in lines


def test_a_circuit_is_a_value_that_is_kept_and_compared(model, tmp_path):
    _, circuit = taken(model, tmp_path)
    circuit.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "seed-0/folded.npz").read_bytes()
    assert circuit == load_network(tmp_path / "again.npz") == load_network(tmp_path / "again.npz")
    other = circuits.CircuitNetwork("other", circuit.input, circuit.comb, circuit.widths, circuit.made_of, circuit.output_fraction)
    assert circuit != other and len({circuit, circuit, other}) == 2
    assert circuit.kernels == () and circuit.readers().shape == (6,)
    assert trace(circuit) is circuit.comb
    with pytest.raises(StudyError, match="no other delay_constraint"):
        trace(circuit, delay_constraint=0)
    with pytest.raises(StudyError, match="own has no conversion by hls4ml: .* give it hls: false"):
        hls4ml.configuration(circuit)


def test_inputs_whose_readers_keep_different_bits_are_rounded_in_the_circuit(tmp_path):
    model = MODELS["tables"]()
    fractions = model.layers[0].iq.quantizer._f
    fractions.assign(np.random.default_rng(3).integers(0, 5, fractions.shape))
    before = hgq_circuit.first_quantiser(model, "own")
    assert before.format.fraction == 5 and not before.half.any()
    model.save(tmp_path / "own.keras")
    network = keras_model.entry("own", tmp_path / "own.keras", "jets", None)
    circuit = hgq_circuit.convert(model, network, before, ("u", "v", "w"))
    x = np.clip(ROWS, -1.9, 1.9)
    np.testing.assert_array_equal(circuit.logits(circuit.encode(x)), evaluation.outputs(model, x))


def test_a_row_that_differs_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "own.keras"
    kept("dense").save(path)
    network = keras_model.entry("own", path, "jets", None)
    monkeypatch.setattr(hgq_circuit, "compare", lambda model, circuit, before, *parts: (sum(map(len, parts)), sum(map(len, parts)) - 3))
    with pytest.raises(StudyError, match="3 of 900 rows of the circuit differ"):
        imported.run(imported.Job(network, path, data(), False, tmp_path / "seed-0"), lambda line: None)
    assert not (tmp_path / "seed-0").exists()


def test_sums_beyond_keras_floats_are_told(tmp_path):
    wide = QuantizerConfig("kbi", "weight", b0=20, i0=2)
    path = tmp_path / "own.keras"
    trained(QDense(8, kq_conf=wide, activation="relu"), QDense(3, kq_conf=QuantizerConfig("kbi", "weight", b0=20, i0=2),
            iq_conf=QuantizerConfig("kif", "datalane", f0=16))).save(path)
    with pytest.raises(StudyError, match=r"sums take up to \d+ bits, and Keras counts in floats of 24"):
        imported.run(imported.Job(keras_model.entry("own", path, "jets", None), path, data(), False, tmp_path / "seed-0"),
                     lambda line: None)


@pytest.mark.parametrize("layers, message", [
    (lambda: [QDense(4, activation="relu"), keras.layers.Dense(3)], r"layer 2 \(.*Dense\) is none .*in its place: QDense"),
    (lambda: [QDense(4), keras.layers.BatchNormalization(), QDense(3)], "layer 2 .*in its place: QBatchNormalization"),
    (lambda: [QDense(4), QSoftmax()], "QSoftmax"),
    (lambda: [QDense(4), QSoftmax()], r"layer 2 \(.*, QSoftmax\) is none that the study takes of HGQ2: QDense, .*; in its place: nothing: "
     "outputs are logits"),
    (lambda: [QEinsumDense("bi,ij->bj", 3)], "layer 1 .*QEinsumDense. is none .*in its place: QDense"),  # hls4ml#1523
    (lambda: [QDense(4), QSum(axes=1, keepdims=True), QDense(3)], "layer 2 .*QSum. is none .*QDense, whose weights can sum"),
    (lambda: [QDense(1, activation="sigmoid")], "'sigmoid' is none of linear, relu; outputs are logits: leave sigmoid out .*save it again"),
    (lambda: [QDense(4, activation="sigmoid"), QDense(3)], "'sigmoid' is none of linear, relu; a QDenseT learns"),
    (lambda: [QDense(3, activation="softmax")], "layer 1 .*'softmax' is none of linear, relu; outputs are logits"),
    (lambda: [QDense(4, activation="tanh"), QDense(3)], "'tanh' is none of linear, relu; a QDenseT learns"),
    (lambda: [QDenseT(3, batch_norm=True, bn_center=False)], "bn_center: false"),
    (lambda: [QDense(3, iq_conf=QuantizerConfig("kif", "datalane", scaler=3.0))], "scaler=3.0"),
    (lambda: [QDense(3, iq_conf=QuantizerConfig("dummy", "datalane"))], "q_type=dummy"),
    (lambda: [QDense(3, iq_conf=QuantizerConfig("kif", "datalane", round_mode="S_RND"))], "round_mode=S_RND"),
    (lambda: [QDense(4), keras.layers.Lambda(lambda x: x), QDense(3)], "Lambda.*is none|names the"),
])
def test_what_is_no_exact_circuit_is_named_with_its_position(tmp_path, layers, message):
    keras.Sequential([keras.Input((6,)), *layers()]).save(tmp_path / "own.keras")
    with pytest.raises(StudyError, match=message):
        keras_model.entry("own", tmp_path / "own.keras", "jets", None)


@pytest.mark.parametrize("layers, message", [
    (lambda: [QDense(3, enable_iq=False)], "no quantiser before its first layer"),
    (lambda: [QDense(3, iq_conf=QuantizerConfig("kif", "datalane", round_mode="RND_CONV"))], "rounds halves to even"),
    (lambda: [QDense(3, iq_conf=QuantizerConfig("kif", "datalane", i0=10, f0=18))], "inputs need 29 bits"),
    # Files of calad0i/HGQ-LUT-AE, which were saved before HGQ2's last step.
    (lambda: [QDense(3, iq_conf=QuantizerConfig("kif", "datalane", i0=24, f0=8))],
     r"inputs need 33 bits .*not traced: call trace_minmax\(model, x_train\) of hgq.utils, HGQ2's last step.*save the model again"),
    (lambda: [QDense(3, iq_conf=QuantizerConfig("kif", "datalane", i0=60, f0=2))], r"need from 2\^60.*; call trace_minmax"),
    (lambda: [QDense(3, iq_conf=QuantizerConfig("kif", "datalane", i0=24, f0=8, overflow_mode="SAT"))], "is not exact; train it with fewer$"),
    (lambda: [QDense(3, iq_conf=QuantizerConfig("kif", "datalane", k0=False, i0=-3, f0=3))], "keeps no bit of any input"),
])
def test_inputs_that_no_format_holds_are_refused(layers, message):
    with pytest.raises(StudyError, match=message):
        hgq_circuit.first_quantiser(keras.Sequential([keras.Input((6,)), *layers()]), "own")


def rewritten(path, change):
    """The file with a description that is changed."""
    out = path.with_name("changed.keras")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for item in old.namelist():
            content = old.read(item)
            new.writestr(item, change(content.decode()) if item == "config.json" else content)
    return out


@pytest.mark.parametrize("old, new, message", [
    ('"config": "tanh"', '"config": "system"', "names the function 'system'"),
    ('"module": "builtins", "class_name": "function", "config": "tanh"', '"module": "os", "class_name": "function", "config": "system"',
     "names the module 'os'"),
    ('"registered_name": "hgq>QDenseT"', '"registered_name": "hgq>QSoftmax"', "none that the study takes of HGQ2"),
    ('"module": "hgq.constraints", "class_name": "MinMax"', '"module": "hgq.utils.misc", "class_name": "warn"', "'warn' of hgq.utils"),
    ('"n_out": 3', '"n_out": -3', "has -3 n_out"),
])
def test_a_file_names_no_code(tmp_path, old, new, message):
    keras.Sequential([keras.Input((6,)), QDenseT(3)]).save(tmp_path / "own.keras")
    path = rewritten(tmp_path / "own.keras", lambda text: text.replace(old, new))
    for read in (lambda: keras_model.entry("own", path, "jets", None), lambda: keras_model.load(path)):
        with pytest.raises(StudyError, match=message):
            read()


def test_files_of_hgq2_before_0_2_are_the_same_models(tmp_path):
    """The published ones: their layers are registered as hgq2>…."""
    kept("mixed").save(tmp_path / "own.keras")
    network = keras_model.entry("own", tmp_path / "own.keras", "jets", None)

    def older(text):
        assert '"registered_name": "hgq>QDense"' in text
        return text.replace('"registered_name": "hgq>', '"registered_name": "hgq2>')

    path = rewritten(tmp_path / "own.keras", older)
    assert keras_model.entry("own", path, "jets", None) == network
    np.testing.assert_array_equal(evaluation.outputs(keras_model.load(path), ROWS), evaluation.outputs(kept("mixed"), ROWS))


def test_factors_of_the_features_and_models_within_the_model_are_taken_out(tmp_path):
    inner, first = kept("dense"), keras.layers.Normalization(mean=np.full(6, 0.5), variance=np.full(6, 4.0))
    inputs = keras.Input((6,))
    outer = keras.Model(inputs, inner(keras.layers.GaussianNoise(0.1)(first(inputs))))
    inner.save(tmp_path / "inner.keras"), outer.save(tmp_path / "outer.keras")
    runs = {}
    for name, raw in (("inner", True), ("outer", True)):
        network = keras_model.entry("own", tmp_path / f"{name}.keras", "jets", None)
        assert network.architecture == "6x8x3"
        # The scaling of the study is that of the model within: raw features of the outer one are the inner one's scaled ones.
        job = imported.Job(network, tmp_path / f"{name}.keras", data(), raw and name == "outer", tmp_path / name)
        runs[name] = imported.run(job, lambda line: None).result, load_network(tmp_path / name / "folded.npz")
    (result, circuit), (other, same) = runs["outer"], runs["inner"]
    assert result["keras_rows_exact"] == 900 and result["accuracy"] == other["accuracy"]
    np.testing.assert_allclose(circuit.encode(ROWS), same.encode(ROWS))
    chain = keras_model.load_chain(tmp_path / "outer.keras")
    assert plain_chain.apart(chain, ROWS) == 0 and len(chain.front) == 1
    chain.model.layers[1].kernel.assign(-chain.model.layers[1].kernel)
    assert plain_chain.apart(chain, ROWS) > 600
    chain = keras_model.load_chain(tmp_path / "outer/model.keras")  # without the Normalization, which stands in folded.npz
    np.testing.assert_array_equal(evaluation.outputs(chain.model, ROWS), evaluation.outputs(inner, ROWS))


@pytest.mark.parametrize("variable", ["kernel", "f", "i"])
def test_a_weight_or_a_number_of_bits_that_is_none_is_refused(tmp_path, variable):
    model = MODELS["dense"]()
    spoiled = next(v for v in model.layers[0].variables if v.name == variable)
    spoiled.assign(np.full(spoiled.shape, np.nan))
    model.save(tmp_path / "own.keras")
    with pytest.raises(StudyError, match=rf"layer 1 \(.*, QDense\) has [\d,]+ weights that are NaN or infinite, of [\d,]+ in .*{variable}"):
        keras_model.load_chain(tmp_path / "own.keras")


def test_a_study_names_the_file_and_nothing_else(tmp_path):
    keras.Sequential([keras.Input((16,)), QDense(4, activation="relu"), QDense(5)]).save(tmp_path / "own.keras")
    content = {"name": "own", "data": {"jets": {"source": "generated"}},
               "networks": {"own": {"dataset": "jets", "model": str(tmp_path / "own.keras")}}}
    this = study.Study(study.Settings.model_validate(content), tmp_path / "own.yaml")
    assert (this.network("own").architecture, this.network("own").kind, this.override("own").hls) == ("16x4x5", "hgq", False)
    assert this.network("own").parameters == 16 * 4 + 4 + 4 * 5 + 5
    for more, message in (({"hls": True}, "hls4ml has no exact emulation"), ({"input": "fixed<8,3>"}, "leave out input"),
                          ({"weights": "fixed<8,3>"}, "leave out weights"), ({"chunk": 8}, "chunk cuts matrices of weights")):
        with pytest.raises(StudyError, match=message):
            study.Settings.model_validate(content | {"networks": {"own": content["networks"]["own"] | more}})
    for more, message in (({"tool": "vitis"}, "tool: vitis synthesises what hls4ml writes"),
                          ({"area": {"networks": ["own"]}}, "enters the study as a circuit")):
        with pytest.raises(StudyError, match=message):
            study.Settings.model_validate(content | more)


@pytest.mark.parametrize("change, message", [
    (lambda model: model[5][20].__setitem__(0, [500, 0]), "operation 20 of the circuit takes a result that is not there"),
    (lambda model: model[5][20].__setitem__(1, 77), "none that this study knows"),
    (lambda model: model[5][20].__setitem__(3, [0, 1, 0.3]), "none of a fixed-point number"),
    (lambda model: model[5][20].__setitem__(3, [0, 2.0**60, 1.0]), "takes 61 bits"),
    (lambda model: model[5][0].__setitem__(2, [9]), "is not one of 6 inputs"),
    (lambda model: model[2].__setitem__(0, 10**6), "an output is none"),
    (lambda model: model[3].__setitem__(0, -3), "an output is not a whole number"),
    (lambda model: model[0].__setitem__(1, 4), "out_idxs are not 4|4 outputs"),
    (lambda model: model.__setitem__(2, "no"), "out_idxs|circuit"),
])
def test_a_damaged_circuit_is_refused_before_it_runs(tmp_path, change, message):
    model = kept("dense")
    model.save(tmp_path / "own.keras")
    circuit = hgq_circuit.convert(model, keras_model.entry("own", tmp_path / "own.keras", "jets", None), hgq_circuit.first_quantiser(model, "own"), ())
    arrays = circuit.arrays()
    content = json.loads(arrays["circuit"].tobytes())
    change(content["model"])
    np.savez(tmp_path / "bad.npz", **arrays | {"circuit": np.frombuffer(json.dumps(content).encode(), np.uint8)})
    with pytest.raises(StudyError, match=message):
        load_network(tmp_path / "bad.npz")




@pytest.mark.parametrize("kind", ["dense", "mixed"])
def test_outputs_in_another_order_are_brought_to_the_studys(tmp_path, kind):
    path = tmp_path / "model.keras"
    kept(kind).save(path)
    network = keras_model.entry("own", path, "jets", None)
    plain, turned = (imported.Job(network, path, data(), False, tmp_path / name, keras.backend.backend(), outputs)
                     for name, outputs in (("plain", None), ("turned", ("w", "u", "v"))))
    imported.run(plain, log=lambda line: None), imported.run(turned, log=lambda line: None)
    before, after = (load_network(tmp_path / name / "folded.npz") for name in ("plain", "turned"))
    codes = before.codes(ROWS)
    np.testing.assert_array_equal(after(codes), before(codes)[:, [1, 2, 0]])
    assert after.classes == before.classes == ("u", "v", "w")


def test_a_circuits_single_output_changes_its_sign():
    """Two classes of which the model's output means the first."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), QDense(3, activation="relu"), QDense(1)])
    trace_minmax(model, ROWS, verbose=False)
    front = hgq_circuit.first_quantiser(model, "own")
    network = SimpleNamespace(name="own", widths=(6, 3, 1))
    circuit = hgq_circuit.convert(model, network, front, ("u", "v"))
    codes = circuit.codes(ROWS)
    np.testing.assert_array_equal(imported.reordered(circuit, [1, 0])(codes), -circuit(codes))
