"""Files of others are data: nothing in them is run, nothing leads out of the results, nothing fills the memory."""

import ast
import gzip
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ultralow import files, npz
from ultralow.data import jets, mnist, readers
from ultralow.exact.load import load_network
from ultralow.importing import keras_file, keras_model
from ultralow.study import study, study_file, workflow
from ultralow.errors import StudyError

SOURCES = sorted(path for folder in ("lib/ultralow", "docs", "examples", "benchmarks")
                 for path in (study.root() / folder).rglob("*.py"))
OWN = {"dataset": "jets", "widths": [16, 8, 5], "weights": "binary", "activation": "binary", "input": "fixed<7,3>"}


def calls(path):
    """Name of what is called, and its keyword arguments that are constants, of each call in a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {key.arg: getattr(key.value, "value", None) for key in node.keywords}


def test_every_room_is_looked_through():
    rooms = {path.relative_to(study.root() / "lib/ultralow").parts[0] for path in SOURCES if "lib" in path.parts}
    assert {"data", "exact", "training", "circuit", "importing", "synthesis", "study", "report"} <= rooms and len(SOURCES) > 90


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_module_runs_what_it_reads(path):
    text = ast.unparse(ast.parse(path.read_text()))
    for forbidden in ("import pickle", "import marshal", "import shelve", "import dill", "import joblib",
                      "enable_unsafe_deserialization", "import cloudpickle"):
        assert forbidden not in text
    for name, options in calls(path):
        assert name not in ("eval", "exec", "compile", "__import__", "yaml.unsafe_load", "yaml.full_load", "os.system"), name
        assert not options.get("shell") and options.get("safe_mode") is not False, name
        if name == "np.load":
            assert options.get("allow_pickle") is False, f"{path.name}: np.load without allow_pickle=False"
        if name.endswith("load_model"):
            assert options.get("safe_mode") is True, f"{path.name}: load_model without safe_mode=True"
        if name == "yaml.load":
            assert path.stem in ("study_file", "workflow"), "study files are read by ultralow.study.study_file"
        if name.endswith("extractall"):
            assert options.get("filter") == "data"


def entry(name, header, content=b""):
    """One npy file as somebody may write it."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, header)
    return name, stream.getvalue() + content


def zipped(path, entries, declared=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    if declared:
        # The central directory tells another size than there is.
        content = bytearray(path.read_bytes())
        place = content.rindex(b"PK\x01\x02") + 24
        content[place:place + 4] = declared.to_bytes(4, "little")
        path.write_bytes(content)
    return path


def float64(*shape):
    return {"descr": "<f8", "fortran_order": False, "shape": shape}


@pytest.mark.parametrize("name, entries, declared, message", [
    ("absurd shape", [entry("header.npy", float64(10**9, 10**9))], None, "holds 0"),
    ("negative", [entry("header.npy", float64(-8, -1), bytes(64))], None, "header"),
    ("overflow", [entry("header.npy", float64(2**62, 4), bytes(0))], None, "holds 0"),
    ("less than there is", [entry("header.npy", float64(2), bytes(64))], None, "holds 64"),
    ("size in the directory", [entry("header.npy", float64(4), bytes(32))], 2**32 - 2, "says that it holds 4 GiB"),
    ("bomb", [entry("header.npy", float64(10**7), bytes(8 * 10**7))], None, "more than 250 times"),
    ("objects", [entry("header.npy", {"descr": "|O", "fortran_order": False, "shape": (1,)}, b"cos\nsystem\n.")], None,
     "Python objects"),
    ("code", [("header.npy", b"\x93NUMPY\x01\x00\x76\x00" + b"__import__('os').system('touch /tmp/x')".ljust(118))], None,
     "malformed"),
])
def test_an_npz_that_is_no_honest_file_is_refused_before_memory_is_taken(tmp_path, name, entries, declared, message):
    path = zipped(tmp_path / "folded.npz", entries, declared)
    with pytest.raises((ValueError, StudyError), match=message):
        npz.read(path)
    for read in (load_network, mnist._read_npz, lambda path: list(readers.batches(path))):
        with pytest.raises(StudyError, match="folded.npz"):
            read(path)


def tables(folder):
    """Small files that say they are large, by name; of 70 MiB and of 80 GB."""
    import h5py
    import pyarrow
    import pyarrow.parquet

    with h5py.File(folder / "sparse.h5", "w") as file:
        file.create_dataset("jets", shape=(10**9, 17), dtype="f8", chunks=(1000, 17))  # nothing is written
        file.create_dataset("jetFeatureNames", data=np.array([f"j{n}" for n in range(17)], "S3"))
    with h5py.File(folder / "names.h5", "w") as file:
        file.create_dataset("jets", shape=(1, 10**10), dtype="f8", chunks=(1, 1000))
        file.create_dataset("jetFeatureNames", shape=(10**10,), dtype="S8", chunks=(1000,))
    with h5py.File(folder / "elsewhere.h5", "w") as file:
        file.create_dataset("label", shape=(100,), dtype="i8", external=[("/etc/hostname", 0, 800)])
    one = pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(14_000_000, np.int8)), pyarrow.array(["q"]))
    pyarrow.parquet.write_table(pyarrow.table({f"x{n}": one for n in range(5)}), folder / "same.parquet",
                                compression="zstd")
    with gzip.open(folder / "zeros.csv.gz", "wb", compresslevel=9) as stream:
        for _ in range(70):
            stream.write(bytes(1 << 20))
    with tarfile.open(folder / "inside.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("a.h5")
        member.size = 70 << 20
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    return ["sparse.h5", "names.h5", "elsewhere.h5", "same.parquet", "zeros.csv.gz", "inside.tar.gz"]


def test_tables_that_say_they_are_large_are_refused_before_memory_is_taken(tmp_path):
    names = tables(tmp_path)
    code = """
import resource, sys
from pathlib import Path
from ultralow.data import readers
from ultralow.errors import StudyError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in map(Path, sys.argv[1:]):
    try:
        print(path.name, "was read:", sum(1 for batch in readers.batches(path)))
    except StudyError as error:
        print(error)
print("MiB", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code, *(str(tmp_path / name) for name in names)], capture_output=True,
                          text=True)
    said = done.stdout.splitlines()
    assert done.returncode == 0 and len(said) == len(names) + 1, done.stderr
    for name, line in zip(names, said):
        assert name in line and ("says that it holds" in line or "in other files" in line), line
    assert int(said[-1].split()[1]) < 500, said  # libraries take some of it


def test_a_tree_with_more_rows_than_its_file_can_hold_is_refused(tmp_path, monkeypatch):
    import uproot

    with uproot.recreate(tmp_path / "rows.root") as file:
        tree = file.mktree("jets", {name: "float32" for name in (*jets.FEATURES, "label")})
        tree.extend({name: np.zeros(5, np.float32) for name in (*jets.FEATURES, "label")})
    monkeypatch.setattr(files, "SMALL_BYTES", 10)
    monkeypatch.setattr(files, "MOST_PACKED", 1e-3)  # as if there were a thousand times as many rows
    for read in (jets.read, lambda path: list(readers.batches(path))):
        with pytest.raises(StudyError, match="rows.root says that it holds"):
            read(tmp_path / "rows.root")


def test_other_archives_are_no_bombs_either(tmp_path):
    path = zipped(tmp_path / "model.keras", [("config.json", bytes(80 << 20)), ("model.weights.h5", b"")])
    with pytest.raises(StudyError, match="model.keras says that it holds"):
        keras_file.latent_kernels(path)
    with gzip.open(tmp_path / "train-images-idx3-ubyte.gz", "wb") as stream:
        stream.write(bytes(80 << 20))
    with pytest.raises(StudyError, match="ubyte.gz says that it holds"):
        mnist._read_idx(tmp_path / "train-images-idx3-ubyte.gz")
    (tmp_path / "large.json").write_bytes(b" " * 2000)
    with pytest.raises(StudyError, match="large.json has more than the 1,000 bytes"):
        files.read_text(tmp_path / "large.json", 1000)
    files.check_size(60 << 20, tmp_path / "large.json")  # little may be packed as well as it likes


@pytest.mark.parametrize("text, message", [
    ("a: &x [1]\nb: *x", r"alias \*x"),
    ("a: &a {x: 1}\nb: {<<: *a}", r"alias \*a"),
    ("name: a\nname: b", "'name' is there twice"),
    ("rows: {hls: 1, hls: 2}", "'hls' is there twice"),
    ("[" * 5000, "nested too deep"),
    ("a: 2001-99-99", "is not YAML"), ("a: " + "9" * 5000, "is not YAML"), ("a: 0x_", "."),
    ("!!python/name:os.system", "is not YAML"), ("!!python/object/new:os.system [x]", "is not YAML"),
    ("a: \x00", "is not YAML"), ("\xff", "."), ("x" * (5 << 20), "more than the 4 MiB"),
])
def test_a_study_file_is_plain_values(tmp_path, text, message):
    (tmp_path / "own.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(StudyError, match=message) as caught:
        study.load(tmp_path / "own.yaml")
    assert "own.yaml" in str(caught.value)
    with pytest.raises(StudyError, match="cannot be read: Is a directory"):
        study_file.read(tmp_path)


@pytest.mark.parametrize("change, message", [
    ({"name": "../own"}, "name"), ({"name": "/tmp/own"}, "name"), ({"name": ".."}, "name"), ({"name": "a/b"}, "name"),
    ({"name": "own\n"}, "name"), ({"name": "x" * 101}, "name"), ({"name": "$(touch x)"}, "name"),
    ({"part": "x; exec touch x"}, "part"), ({"part": "[exec touch x]"}, "part"),
    ({"networks": {"../jets-bnn-small": None}}, "unknown network"),
    ({"data": {"../jets": {"source": "generated"}}}, "data"),
    ({"data": {"jets": {"source": "file", "path": "a\0b"}}}, "path"),
    ({"ablations": {"networks": ["jets-bnn-small"], "changes": {"": {"epochs": 1}}}}, "is no name"),
    ({"ablations": {"networks": ["jets-bnn-small"], "changes": {"x" * 300: {"epochs": 1}}}}, "is no name"),
    ({"ablations": {"networks": ["jets-bnn-small"], "changes": {"x": {"epochs": "many"}}}}, "epochs of a recipe is int"),
    ({"ablations": {"networks": ["jets-bnn-small"], "changes": {"x": {"epochs": -1}}}}, "epochs of a recipe is 1 to"),
    ({"networks": {"data": OWN}}, "results keep something else"), ({"networks": {"study.json": OWN}}, "something else"),
    ({"networks": {"x" * 200: OWN}}, "its name is a folder's"), ({"networks": {"a/b": OWN}}, "its name is a folder's"),
    ({"networks": {"own": OWN | {"widths": [16, 2**30, 5]}}}, "has [0-9,]* parameters"),
    ({"epochs": 10**400}, "epochs"), ({"clock_ns": float("nan")}, "clock_ns"),
])
def test_names_and_numbers_of_a_study_stay_within_bounds(tmp_path, change, message):
    import yaml

    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"name": "own", "networks": {"jets-bnn-small": None},
                                    "data": {"jets": {"source": "generated"}}} | change))
    with pytest.raises(StudyError, match=message):
        study.load(path)


def test_a_model_that_names_code_is_refused_before_keras_sees_it(tmp_path):
    layers = [{"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 2]}},
              {"module": "keras.layers", "class_name": "Dense", "config": {
                  "units": 2, "kernel_initializer": {"module": "os", "class_name": "system", "config": {}}}}]
    for found, message in ((layers, "names the module 'os'"),
                           ([layers[0], {"class_name": "Lambda", "config": {}}], "Lambda.*none: it is code")):
        zipped(tmp_path / "m.keras", [("config.json", json.dumps({"config": {"layers": found}}).encode())])
        for read in (keras_model.outline, keras_model.load):
            with pytest.raises(StudyError, match=message):
                read(tmp_path / "m.keras")


def test_a_home_of_nobody_is_named(tmp_path):
    this = study.Study(study.Settings.model_validate({
        "name": "own", "networks": {"jets-bnn-small": None},
        "data": {"jets": {"source": "file", "path": "~nobody-of-this-name/jets.root"}}}), tmp_path)
    with pytest.raises(StudyError, match="data.jets.path ~nobody-of-this-name"):
        this.data_path("jets")


def test_links_that_lead_out_of_the_results_are_refused_and_never_followed(tmp_path):
    outside, results = tmp_path / "outside", tmp_path / "results"
    for folder in (outside / "rtl", results / "network"):
        folder.mkdir(parents=True)
    (outside / "rtl/kept").touch()
    (outside / "kept.json").write_text("{}")
    (results / "network/inside.json").symlink_to(results / "network/other.json")
    files.contained(results)
    (tmp_path / "elsewhere").symlink_to(results)
    files.contained(tmp_path / "elsewhere")  # a results folder on another disk
    (results / "network/rtl").symlink_to(outside / "rtl")
    (results / "network/train.json").symlink_to(outside / "kept.json")
    with pytest.raises(StudyError, match="network/(rtl|train.json) is a link that leads out of"):
        files.contained(results)
    # What is written replaces the link.
    files.write_json(results / "network/train.json", {"a": 1})
    with files.replacing(results / "network/rtl") as temporary:
        temporary.mkdir()
    assert (outside / "kept.json").read_text() == "{}" and (outside / "rtl/kept").exists()
    assert not (results / "network/rtl").is_symlink() and list((results / "network/rtl").iterdir()) == []
    files.contained(results)


@pytest.mark.parametrize("name, kept", [
    ("Größe der Daten é/{a} it's.yaml", True), ("a#b.yaml", True), ("a #b.yaml", False), ("a: b.yaml", False),
    ("'a'", False), ("[a]", False), ("*a", False)])
def test_a_study_file_may_have_any_name_that_snakemake_leaves_whole(name, kept, monkeypatch):
    from snakemake.cli import parse_config

    monkeypatch.chdir(study.root())
    if kept:
        assert parse_config([f"study={workflow.named(Path(name).absolute())}"]) == {"study": name}
    else:
        with pytest.raises(StudyError, match="would take the name"):
            workflow.named(Path(name).absolute())


def test_what_stands_in_the_way_of_a_result_is_named(tmp_path):
    (tmp_path / "train.json").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "train.json", tmp_path / "file/train.json", tmp_path / ("x" * 300)):
        with pytest.raises(StudyError, match="cannot write"):
            files.write_json(path, {"a": 1})
    with pytest.raises(StudyError, match="cannot be read: Is a directory"):
        files.read_json(tmp_path / "train.json")


def test_a_result_that_was_changed_is_not_taken(tmp_path):
    path = tmp_path / "train.json"
    files.write_json(path, {"accuracy": 0.7123, "runs": [{"seed": 1}]})
    assert files.read_json(path) == {"accuracy": 0.7123, "runs": [{"seed": 1}]}
    whole = path.read_text()
    for before, after in (("0.7123", "0.7128"), ('"seed": 1', '"seed": 2'), ("checksum", "checksun"), ("accuracy", "accuracz")):
        path.write_text(whole.replace(before, after))
        with pytest.raises(StudyError, match="train.json is damaged, or was changed by hand.*delete it"):
            files.read_json(path)
    path.write_text('{"accuracy": 0.7128}')  # of an earlier version
    assert files.read_json(path) == {"accuracy": 0.7128}
    for text in ('[1]', '{"a": NaN}', '{"a": ' + "[" * 100_000, '{"a": "\udcff"}'):
        path.write_text(text, errors="surrogateescape")
        with pytest.raises(StudyError, match="train.json is not valid JSON"):
            files.read_json(path)
