"""Study files, models and reports of any content: a result, or a clear error; never a traceback, never another result.

A few hundred cases each run; `ULTRALOW_FUZZ=10000 pytest tests/test_fuzz.py` runs so many of each."""

import copy
import io
import json
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_networks import random_network

from ultralow import csvfile, files
from ultralow.circuit.tracing import trace
from ultralow.data import dataset, jets, readers
from ultralow.data.tabular import jets_by_name
from ultralow.exact import circuit as circuits
from ultralow.exact.load import load_network
from ultralow.importing import keras_file, keras_model
from ultralow.report import comparison
from ultralow.study import ablations, manifest, reuse, steps
from ultralow.synthesis import vitis
from ultralow.study import study as studies
from ultralow.errors import StudyError

CASES = int(os.environ.get("ULTRALOW_FUZZ", 100))
fuzz = settings(max_examples=CASES, deadline=None, derandomize=CASES <= 100, database=None, suppress_health_check=list(
    HealthCheck))
REPORTS = Path(__file__).parent / "reports"
# As Keras describes a model.
LAYERS = [
    {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
     "config": {"name": "in", "batch_shape": [None, 2], "dtype": "float32"}, "inbound_nodes": []},
    {"module": "keras.layers", "class_name": "Dense", "registered_name": None,
     "config": {"name": "d", "units": 4, "activation": "linear", "format": "fixed<8,2>"},
     "inbound_nodes": [{"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["in", 0, 0]}}]}]},
    {"module": "keras.layers", "class_name": "BatchNormalization", "config": {"name": "n", "significant": 3}},
    {"module": "keras.layers", "class_name": "ReLU", "config": {"name": "r", "max_value": None, "negative_slope": 0.0}},
    {"module": "keras.layers", "class_name": "Dense", "config": {"name": "e", "units": 2, "activation": "linear"}},
]
_CONFIG = {"module": "hgq.quantizer.config", "class_name": "QuantizerConfig", "registered_name": "hgq>QuantizerConfig", "config": {
    "q_type": "kif", "place": "datalane", "round_mode": "RND", "overflow_mode": "WRAP", "scaler": None, "affine": None}}
HGQ_LAYERS = [
    LAYERS[0],
    {"module": "hgq.layers.core.dense", "class_name": "QDense", "registered_name": "hgq>QDense",
     "config": {"name": "d", "units": 4, "activation": "relu", "iq_conf": _CONFIG}},
    {"module": "hgq.layers.table.dense", "class_name": "QDenseT", "registered_name": "hgq>QDenseT",
     "config": {"name": "t", "n_out": 2, "n_hl": 1, "d_hl": 8, "use_bias": True, "batch_norm": True, "bn_center": True,
                "subnn_activation": {"module": "builtins", "class_name": "function", "config": "tanh",
                                     "registered_name": "function"}, "toq_conf": _CONFIG}},
]
MODEL = Path(tempfile.gettempdir()) / f"ultralow-fuzz-{os.getpid()}.keras"
FULL = {
    "name": "own", "smoke": True, "seeds": [1, 2], "epochs": 2, "batch_size": 64, "rows": {"hls": 200, "rtl": 200},
    "data": {"jets": {"source": "generated", "path": "data/jets.root", "rows": 4000}, "mnist": {"source": "digits28"},
             "own": {"source": "file", "path": "pyproject.toml", "features": ["a", "b"], "label": "c", "classes": ["d", 1],
                     "weights": "e", "test": "f", "tree": "g"}},
    "networks": {"jets-float": {"epochs": 3, "recipe": "float"}, "jets-bnn-small": None,
                 "own-net": {"dataset": "own", "widths": [2, 4, 2], "weights": ["binary", "fixed<8,2>"], "raw": False,
                             "activation": "ufixed<5,2>", "input": "fixed<8,3>", "scale_bits": 3, "recipe": "study"},
                 "own-model": {"dataset": "own", "model": str(MODEL), "input": "fixed<8,3>", "weights": "fixed<8,2>",
                               "activation": "ufixed<6,3>", "raw": True},
                 "mnist-tnn": {"gates": False, "delay_constraint": 1, "hls": True, "batch_size": 7}},
    "ablations": {"networks": ["jets-bnn-small"], "changes": {"small steps": {"learning_rate": 0.001}}, "epochs": 1,
                  "rows": 100, "recipes": {"jets-bnn-small": "study"}},
    "search": {"dataset": "jets", "weights": ["binary"], "trials": 4, "epochs": 1, "rows": 1000},
    "area": {"networks": ["jets-bnn-small"], "delay_constraints": [0, -1], "clocks_ns": [5.0]},
    "clock_ns": 5.0, "part": "xcvu9p-flga2104-2L-e", "tool": "open", "backend": "jax", "vhdl": True, "multipliers": True,
}

# Odd, but of a kind that YAML and JSON may hold.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from([
    "", "../x", "/etc/passwd", "~nobody-of-this-name/x", "a\0b", "x" * 5000, "jets-bnn-smal", "{x}", "'; touch /tmp/x; '",
    "null", "1e999", "０", "\u202e", "con:x", "!!python/object:os.system"])
numbers = (st.integers() | st.floats() | st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**400, -10**400, 1e308, 5e-324]))
scalars = st.none() | st.booleans() | numbers | texts | st.dates() | st.binary(max_size=8)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
                      max_leaves=8)


def places(value):
    """Each place of nested values: what holds it, and its key there."""
    for key in (value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()):
        yield value, key
        yield from places(value[key])


@st.composite
def altered(draw, whole, odd=values):
    """``whole`` with one to three places replaced, taken away, added to or nested."""
    whole = {"": copy.deepcopy(whole)}
    for _ in range(draw(st.integers(1, 3))):
        at, key = draw(st.sampled_from(list(places(whole))))
        match draw(st.sampled_from(["replace", "replace", "drop", "add", "rename", "nest", "swap"])):
            case "drop" if at is not whole:
                del at[key]
            case "add" if isinstance(at[key], dict):
                at[key][draw(texts)] = copy.deepcopy(draw(odd))
            case "add" if isinstance(at[key], list):
                at[key].append(copy.deepcopy(draw(odd)))
            case "rename" if isinstance(at, dict) and at is not whole:
                at[draw(texts)] = at.pop(key)
            case "nest":
                at[key] = draw(st.sampled_from([[at[key]], {"x": at[key]}, [[[[at[key]]]]]]))
            case "swap" if at is not whole:
                at[key] = copy.deepcopy(whole[""])
            case _:
                at[key] = copy.deepcopy(draw(odd))
    return whole[""]


@st.composite
def damaged(draw, whole):
    """``whole``, bytes, with a few changed, cut out, put in or doubled."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        # Headers stand at the ends.
        place = draw(st.integers(0, len(content)) | st.integers(0, min(200, len(content)))
                     | st.integers(max(0, len(content) - 200), len(content)))
        match draw(st.sampled_from(["flip", "flip", "cut", "end", "put", "double"])):
            case "flip" if place < len(content):
                content[place] ^= draw(st.integers(1, 255))
            case "cut":
                del content[place:place + draw(st.integers(1, 20))]
            case "end":
                del content[place:]
            case "double":
                content[place:place] = content[place:place + 40]
            case _:
                content[place:place] = draw(st.binary(min_size=1, max_size=8) | st.sampled_from(
                    [b"\xff\xfe", b"{", b"[" * 2000, b"9" * 5000, b"NaN", b"&a [*a]", b"? ", b"!!int", b"<!ENTITY a 'b'>",
                     "é²５".encode(), b"\x7f" * 8, b"2001-99-99"]))
    return bytes(content)


def outcome(function, *arguments):
    """The result, or None where there was a clear error."""
    try:
        return function(*arguments)
    except StudyError as error:
        assert 10 < len(str(error)) < 20_000
        return None


def planned(path):
    """All that the Snakefile asks a study before the first job."""
    this = studies.load(path)
    assert this.results.parent == studies.root() / "results"
    for entry in this.networks:
        assert this.folder(entry.name).parent == this.results
        this.override(entry.name), this.recipe(entry.name), steps.training_versions(this, entry.name)
    for name in this.settings.ablations.networks if this.settings.ablations else ():
        for change in ablations.variants(this, name):
            assert (ablations.folder(this, name) / ablations._safe(change)).parent.parent == this.results / "ablations"
    for name in this.datasets:
        this.data_path(name)
    steps.check_sources(this)
    reuse.check(this)
    return files.canonical_json(manifest.describe(this))




@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    described(MODEL, LAYERS)
    yield tmp_path_factory.mktemp("fuzz")
    MODEL.unlink()


def described(path, layers):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Functional", "config": {"layers": layers}}))


def test_what_is_altered_is_valid(folder):
    (folder / "own.yaml").write_text(yaml.safe_dump(FULL))
    with pytest.raises(StudyError, match="not trained in"):  # the last thing that is asked
        planned(folder / "own.yaml")
    described(folder / "own.keras", LAYERS)
    assert keras_model.entry("own", folder / "own.keras", "jets", "fixed<8,3>", "fixed<8,2>", "ufixed<6,3>").widths == (2, 4, 2)


@fuzz
@given(content=altered(FULL))
def test_study_files_with_odd_values(folder, content):
    path = folder / "own.yaml"
    try:
        path.write_text(yaml.safe_dump(content, allow_unicode=True))
    except (UnicodeEncodeError, ValueError):
        return  # Python's own limit on digits: such a text cannot be written
    outcome(planned, path)


@fuzz
@given(text=damaged(yaml.safe_dump(FULL).encode()) | st.binary(max_size=300))
def test_study_files_with_odd_text(folder, text):
    (folder / "text.yaml").write_bytes(text)
    outcome(planned, folder / "text.yaml")


def csynth():
    return (REPORTS / "vitis/network_prj/solution1/syn/report/network_csynth.xml").read_bytes()


@pytest.mark.parametrize("parse, report", [(vitis.parse_csynth, csynth()),
                                           (vitis.parse_csynth, (REPORTS / "vivado_csynth.xml").read_bytes()),
                                           (vitis.parse_vsynth, (REPORTS / "vivado_synth.rpt").read_bytes())])
def test_reports(parse, report):
    @fuzz
    @given(text=damaged(report), number=scalars.map(str), data=st.data())
    def case(text, number, data):
        assert finite(outcome(parse, text.decode(errors="replace")))
        # A number in its place.
        old = data.draw(st.sampled_from(sorted({word for word in report.decode().replace("<", " ").replace(">", " ").split()
                                                if word.replace(".", "").isdigit()})))
        assert finite(outcome(parse, report.decode().replace(old, number)))
    case()


def finite(report: vitis.Report | dict | None) -> bool:
    """Whether all numbers of a report are; None: it was refused."""
    values = {} if report is None else report if isinstance(report, dict) else vars(report)
    return all(np.isfinite(value) for value in values.values() if not isinstance(value, str))


@fuzz
@given(text=damaged(csynth()), script=damaged(b'set project_name "network"\n'))
def test_projects(folder, text, script):
    report = folder / "project/network_prj/solution1/syn/report/network_csynth.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_bytes(text)
    (folder / "project/project.tcl").write_bytes(script)
    outcome(vitis.read_project, folder / "project")


@fuzz
@given(text=damaged(b'{"a": [1, 2.5, {"b": null}], "c": "d\xc3\xa9"}') | altered({"a": [1, {"b": 2}]}, st.none() | texts).map(
    lambda value: json.dumps(value).encode()))
def test_json(folder, text):
    (folder / "any.json").write_bytes(text)
    found = outcome(files.read_json, folder / "any.json")
    assert found is None or isinstance(found, dict)


def small_dataset():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(60, 3)).astype(np.float32), np.arange(60) % 2
    return dataset.Dataset("jets", "file", ("a", "b", "c"), ("g", "q"), x, y, x[:20], y[:20], x[:10], y[:10], np.zeros(3),
                           np.ones(3))


def network():
    return random_network(3, (6, 5, 4), ("ternary", "ternary"), "fixed<5,2>")


def circuit():
    of = network()
    return circuits.CircuitNetwork("n", of.input, trace(of), (6, 5, 4), "layers", of.output_fraction, ("a", "b"), np.ones(6))


def model(path):
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["layers/dense/vars/0"] = np.ones((4, 3), np.float32)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": [{"class_name": "Dense"}]}}))
        archive.writestr("model.weights.h5", stream.getvalue())


# What is written: how, how it is read, and the same as something that can be compared.
RESULTS = {
    "folded.npz": (lambda path: network().save(path), load_network, lambda found: found),
    "circuit.npz": (lambda path: circuit().save(path), load_network, lambda found: found),
    "data.npz": (lambda path: small_dataset().save(path), dataset.load, lambda found: [
        getattr(found, name).tobytes() for name in ("x_train", "y_train", "x_test", "y_test", "mean")]),
    "data-test.npz": (lambda path: small_dataset().save(path.with_name("data.npz")),
                      lambda path: dataset.load_test(path.with_name("data.npz")), lambda found: found.x_test.tobytes()),
    "data.json": (lambda path: small_dataset().save(path.with_suffix(".npz")),
                  lambda path: dataset.load(path.with_suffix(".npz")), lambda found: found.provenance),
    "train.json": (lambda path: files.write_json(path, {"runs": [{"seed": 1, "accuracy": 0.7123}], "dataset": "jets"}),
                   files.read_json, lambda found: found),
    "model.keras": (model, keras_file.latent_kernels, lambda found: [kernel.tobytes() for kernel in found]),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_damaged_result_is_named_or_the_same(folder, name):
    """One changed byte, anywhere: the same values, or an error that names the file and what to do."""
    write, read, plain = RESULTS[name]
    path = folder / name
    write(path)
    whole, wanted = path.read_bytes(), plain(read(path))
    found = []

    @fuzz
    @given(place=st.integers(0, len(whole) - 1), change=st.integers(1, 255))
    def one_byte(place, change):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1:])
        try:
            assert plain(read(path)) == wanted
        except StudyError as error:
            found.append(str(error))
            assert path.stem in found[-1] and ("delete" in found[-1] or "again" in found[-1])

    @fuzz
    @given(content=damaged(whole))
    def anything(content):
        path.write_bytes(content)
        outcome(read, path)

    one_byte()
    assert found
    anything()


arrays = st.sampled_from([np.int64, np.float64, np.uint8, bool, "U3", "c16", "M8[s]"]).flatmap(
    lambda kind: st.sampled_from([(), (0,), (1,), (4,), (5,), (6, 5), (5, 4), (2, 2, 2)]).map(
        lambda shape: np.zeros(shape, kind))) | st.sampled_from([
            np.full((6, 5), 2**62), np.full(5, -2**63), np.full((6, 5), 1), np.full(6, np.nan), np.full(6, np.inf)])


@fuzz
@given(data=st.data())
def test_folded_networks_of_any_content(folder, data):
    path = folder / "any.npz"
    network().save(path)
    with np.load(path, allow_pickle=False) as file:
        content = dict(file)
    header = json.loads(content["header"].tobytes())
    if data.draw(st.booleans()):
        odd = st.none() | st.booleans() | texts | st.integers(-10**12, 10**12) | st.sampled_from(
            ["fixed<8,99999999999>", "fixed<48,-400>", "binary", "relu", 10**400, float("nan"), [], {}])
        header = data.draw(altered(header, odd))
        content["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.sampled_from([*content, "gain", "move", "scale0", "kernel9"]))] = data.draw(arrays)
    np.savez_compressed(path, **content)
    outcome(lambda: load_network(path).logits(np.zeros((2, 6))))


@fuzz
@given(data=st.data())
def test_circuits_of_any_content(folder, data):
    """What passes runs: the interpreter is no Python, and would read outside of its memory."""
    path, odd = folder / "any.npz", st.none() | st.booleans() | texts | st.integers(-40, 40) | st.sampled_from(
        [10**9, -10**9, 2**70, 0.3, 1e300, float("inf"), [], {}, [1, 2]])
    circuit().save(path)
    with np.load(path, allow_pickle=False) as file:
        content = dict(file)
    name = data.draw(st.sampled_from(["header", "circuit", "circuit", "circuit"]))
    changed = json.dumps(data.draw(altered(json.loads(content[name].tobytes()), odd)))
    np.savez_compressed(path, **content | {name: np.frombuffer(changed.encode(), np.uint8)})
    outcome(lambda: load_network(path).logits(np.ones((2, 6))))


@fuzz
@given(layers=altered(HGQ_LAYERS, st.none() | st.booleans() | st.integers() | texts | st.sampled_from([
    [], {}, 10**400, "Lambda", "QDenseT", "hgq>QSoftmax", "hgq.utils", "os", "function", "float", -1])))
def test_models_of_hgq2_of_any_description(folder, layers):
    path = folder / "any.keras"
    described(path, layers)
    outcome(keras_model.entry, "own", path, "jets", None)
    outcome(keras_model.load, path)


@fuzz
@given(layers=altered(LAYERS, st.none() | st.booleans() | st.integers() | texts | st.sampled_from([
    [], {}, 10**400, "Lambda", "BinaryDense", "ReLU", "os", "relu"])), content=st.none() | st.data())
def test_models_of_any_description(folder, layers, content):
    path = folder / "any.keras"
    described(path, layers)
    if content is not None:
        path.write_bytes(content.draw(damaged(path.read_bytes())))
    outcome(keras_model.outline, path)
    outcome(keras_model.entry, "own", path, "jets", "fixed<8,3>", "fixed<8,2>", "ufixed<6,3>")


def tabular(folder):
    import h5py
    import pandas as pd

    rng = np.random.default_rng(2)
    frame = pd.DataFrame({name: rng.normal(size=40) for name in jets.FEATURES} | {"label": list("qgwzt") * 8})
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_csv(folder / "t.csv.gz", index=False)
    frame.to_parquet(folder / "t.parquet")
    names = {name: frame[name].to_numpy() for name in jets.FEATURES}
    np.savez(folder / "t.npz", label=np.array(frame["label"], "U1"), **names)
    with h5py.File(folder / "t.h5", "w") as file:
        for name, values in names.items():
            file[name] = values
        file["label"] = np.array(frame["label"], "S1")
    (folder / "t.arff").write_text("".join(f"@attribute {name} real\n" for name in frame) + "@data\n" + frame.to_csv(
        index=False, header=False))
    jets.write(folder / "t.root", {name: np.float32(values) for name, values in names.items()}
               | {"label": np.tile(np.arange(5, dtype=np.int8), 8)}, {"source": "file"})


def table(path):
    """As the study reads somebody's file."""
    if path.suffix == ".root":
        jets.read(path)
    return list(jets_by_name(readers.batches(path), path, classes=jets.CLASSES))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "t.npz", "t.arff", "t.root", "t.h5"])
def test_tables_of_others(folder, name):
    tabular(folder)
    path = folder / name
    whole = path.read_bytes()
    assert len(table(path))

    @fuzz
    @given(content=damaged(whole))
    def case(content):
        path.write_bytes(content)
        outcome(table, path)
    case()


@fuzz
@given(text=damaged(b"network,accuracy_mean,lut\njets-bnn-small,0.71,3871\nmnist-tnn,0.98,\n"))
def test_comparison_tables(folder, text):
    (folder / "comparison.csv").write_bytes(text)
    outcome(csvfile.read, folder / "comparison.csv")
