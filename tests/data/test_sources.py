import hashlib
import json
from dataclasses import replace

import numpy as np
import pandas
import pytest
import uproot
from layouts import arff, h5, some_jets, tarball
from server import serving

from ultralow.data import jets, published_jets, readers, sources
from ultralow.data.download import Connection
from ultralow.errors import StudyError

FAST = Connection(timeout_s=5, attempts=2, backoff_s=0.01, progress=False)


@pytest.fixture
def server():
    with serving() as server:
        yield server


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def openml(server, content: bytes, checksum: str | None = None, **options) -> str:
    """OpenML's description of a data set, and the data set."""
    url = server.add("data.arff", content, **options)
    return server.add("42468", json.dumps({"data_set_description": {
        "id": "42468", "name": "hls4ml_lhc_jets_hlf", "format": "ARFF", "url": url,
        "md5_checksum": checksum or md5(content)}}).encode())


def zenodo(server, parts: dict[str, bytes], **options) -> str:
    """Zenodo's record with its files."""
    files = [{"key": name, "checksum": f"md5:{md5(content)}", "links": {"self": server.add(name, content, **options)}}
             for name, content in parts.items()]
    return server.add("3602254", json.dumps({"id": 3602254, "files": files}).encode())


def tarballs(**changes) -> dict[str, bytes]:
    members = {"train": {"train/README.txt": b"no table", "train/a.h5": h5(some_jets(20, 1)),
                         "train/b.h5": h5(some_jets(15, 2))}, "val": {"val/c.h5": h5(some_jets(10, 3))}, **changes}
    return {f"hls4ml_LHCjet_100p_{part}.tar.gz": tarball(files) for part, files in members.items()}


def same(table, *expected: dict) -> bool:
    x = np.concatenate([np.stack([columns[name] for name in jets.FEATURES], axis=1) for columns in expected])
    return np.array_equal(table.x, x) and np.array_equal(table.y, np.concatenate([e["label"] for e in expected]))


def left(folder) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


def test_openml_once(server, tmp_path):
    url = openml(server, arff(some_jets()))
    for _ in range(2):
        table = sources.load_table("jets", "openml", cache=tmp_path, connection=replace(FAST, address=url))
        assert table.source == "openml" and same(table, some_jets())
    assert len(server.asked("42468")) == len(server.asked("data.arff")) == 1
    assert table.provenance["md5"] == {"openml-42468.arff": md5(arff(some_jets()))}
    assert left(tmp_path) == ["jets-openml.root", "openml-42468.arff"]


def test_openml_goes_on_after_a_cut(server, tmp_path):
    url = openml(server, arff(some_jets()), cuts=[300, 0, 0])
    with pytest.raises(StudyError, match="300 bytes are kept"):
        sources.load_table("jets", "openml", cache=tmp_path, connection=replace(FAST, address=url))
    assert left(tmp_path) == ["openml-42468.arff.download"]
    assert same(sources.load_table("jets", "openml", cache=tmp_path, connection=replace(FAST, address=url)), some_jets())
    assert left(tmp_path) == ["jets-openml.root", "openml-42468.arff"]


def test_zenodo_by_name_with_its_parts(server, tmp_path):
    url = zenodo(server, tarballs())
    table = sources.load_table("jets", "zenodo", cache=tmp_path, connection=replace(FAST, address=url))
    assert table.source == "zenodo" and same(table, some_jets(20, 1), some_jets(15, 2), some_jets(10, 3))
    with uproot.open(tmp_path / "jets-zenodo-100p.root") as file:
        assert file["jets"]["published_part"].array(library="np").tolist() == [0] * 35 + [1] * 10


def without(name):
    columns = some_jets()
    del columns[name]
    return columns


def changed(name, rows, value):
    columns = some_jets()
    columns[name][rows] = value
    return columns


CONTENT_FAULTS = {
    "missing column": (lambda: without("n2_b2_mmdt"), "'n2_b2_mmdt' is missing .nearest there: .*name it in"),
    "NaN": (lambda: changed("mass_mmdt", [7, 9], np.nan), "'mass_mmdt' has 2 values that are NaN .* row 7"),
    "empty class": (lambda: changed("label", slice(2, None, 5), 3), "class 'W' has no jets among 50"),
}


@pytest.mark.parametrize("fault", CONTENT_FAULTS)
@pytest.mark.parametrize("source", ["openml", "zenodo", "file"])
def test_faulty_content_leaves_no_table(server, tmp_path, source, fault):
    columns, message = CONTENT_FAULTS[fault]
    cache, path = tmp_path / "cache", None
    if source == "openml":
        options = {"connection": replace(FAST, address=openml(server, arff(columns())))}
    elif source == "zenodo":
        options = {"connection": replace(FAST, address=zenodo(server, tarballs(train={"train/a.h5": h5(columns())})))}
    else:
        options, path = {}, tmp_path / "jets.h5"
        path.write_bytes(h5(columns()))
    with pytest.raises(StudyError, match=message):
        sources.load_table("jets", source, path, cache, **options)
    assert not [name for name in left(cache) if not name.endswith((".arff", ".tar.gz"))]


def test_rows_are_counted_over_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(readers.batches, "__defaults__", (8, None))
    (tmp_path / "jets.arff").write_bytes(arff(changed("zlogz", [21], np.inf)))
    with pytest.raises(StudyError, match="'zlogz' has 1 values .* row 21"):
        published_jets.prepare("file", tmp_path / "jets.arff", tmp_path)


NETWORK_FAULTS = {
    "checksum": ({"checksum": "0" * 32}, {}, "has md5 .* expected 0{32}: it is damaged"),
    "not found": ({"statuses": [404]}, {}, "answered 404"),
    "hanging": ({"hang": True}, {"timeout_s": 0.2}, "silent for 0.2 s, 2 times"),
}


@pytest.mark.parametrize("fault", NETWORK_FAULTS)
def test_network_faults_leave_nothing(server, tmp_path, fault):
    options, network, message = NETWORK_FAULTS[fault]
    url = openml(server, arff(some_jets()), **options)
    with pytest.raises(StudyError, match=message):
        published_jets.prepare("openml", cache=tmp_path, connection=replace(FAST, address=url, **network))
    assert left(tmp_path) == []


def test_answers_of_another_layout(server, tmp_path):
    with pytest.raises(StudyError, match="answered without 'data_set_description'; its layout may have changed"):
        published_jets.prepare("openml", cache=tmp_path, connection=replace(FAST, address=server.add("a", b"{}")))
    with pytest.raises(StudyError, match="answered without 'files'"):
        published_jets.prepare("zenodo", cache=tmp_path, connection=replace(FAST, address=server.add("a", b"{}")))
    url = zenodo(server, {"hls4ml_LHCjet_150p_train.tar.gz": b""})
    with pytest.raises(StudyError, match=r"one file \*100p_train.tar.gz, it lists hls4ml_LHCjet_150p_train"):
        published_jets.prepare("zenodo", cache=tmp_path, connection=replace(FAST, address=url))
    assert left(tmp_path) == []


@pytest.mark.parametrize("order", ["gqwzt", "gqtwz", "tzwgq"])
def test_one_hot_columns_count_by_name(tmp_path, order):
    (tmp_path / "jets.h5").write_bytes(h5(some_jets(), order))
    assert same(sources.load_table("jets", "file", tmp_path / "jets.h5", tmp_path), some_jets())


def test_numbers_need_their_order(tmp_path):
    order = ("g", "q", "t", "w", "z")
    columns = some_jets()
    columns["label"] = np.array([order.index(jets.CLASSES[label].lower()) for label in columns["label"]])
    np.savez(tmp_path / "jets.npz", **columns)
    with pytest.raises(StudyError, match="'label' has numbers, and their order is not known; say it"):
        published_jets.prepare("file", tmp_path / "jets.npz", tmp_path / "cache")
    with pytest.raises(StudyError, match="does not name q, g, W, Z, t once each"):
        published_jets.prepare("file", tmp_path / "jets.npz", tmp_path / "cache", classes=("g", "q", "t", "w"))
    assert left(tmp_path / "cache") == []
    table = sources.load_table("jets", "file", tmp_path / "jets.npz", tmp_path / "cache", classes=order)
    assert same(table, some_jets())


def named() -> pandas.DataFrame:
    columns = some_jets()
    return pandas.DataFrame({**columns, "label": np.array(jets.CLASSES)[columns["label"]]})


def as_structured(frame: pandas.DataFrame, path) -> None:
    np.savez(path, table=frame.assign(label=some_jets()["label"]).to_records(index=False))


def as_tree(frame: pandas.DataFrame, path) -> None:
    with uproot.recreate(path) as file:
        columns = {name: frame[name].to_numpy() for name in frame if name != "label"} | {"label": some_jets()["label"]}
        file.mktree("events", {name: values.dtype for name, values in columns.items()}).extend(columns)


WRITERS = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "parquet": lambda frame, path: frame.astype({"label": "category"}).to_parquet(path),
    "npz": as_structured,
    "root": as_tree,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_file_type_with_a_column_map(tmp_path, kind):
    path = tmp_path / f"jets.{kind}"
    WRITERS[kind](named().rename(columns={"mass_mmdt": "msd"}), path)
    options = {} if "csv" in kind or kind == "parquet" else {"classes": jets.CLASSES}
    if kind != "root":
        with pytest.raises(StudyError, match="'mass_mmdt' is missing"):
            published_jets.prepare("file", path, tmp_path / "cache", **options)
    columns = {"mass_mmdt": "msd", "label": "label"}
    table = sources.load_table("jets", "file", path, tmp_path / "cache", columns=columns, **options)
    assert table.source == "file" and same(table, some_jets())
    assert table.provenance["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert table.provenance["columns"] == columns


def test_another_map_or_content_is_another_conversion(tmp_path):
    path = tmp_path / "jets.csv"
    named().assign(other=0.5).to_csv(path, index=False)
    plain = published_jets.prepare("file", path, tmp_path)
    assert published_jets.prepare("file", path, tmp_path) == plain
    assert published_jets.prepare("file", path, tmp_path, columns={"zlogz": "other"}) != plain
    named().to_csv(path, index=False)
    assert published_jets.prepare("file", path, tmp_path) != plain


def test_arguments(tmp_path):
    named().assign(label="x").to_csv(tmp_path / "jets.csv", index=False)
    (tmp_path / "jets.h5").write_bytes(h5(some_jets())[:3000])
    (tmp_path / "cut.arff").write_bytes(arff(some_jets())[:200])
    (tmp_path / "cut.tar.gz").write_bytes(tarball({"a.h5": h5(some_jets())})[:500])
    for arguments, options, message in (
            (("opnml",), {}, "unknown source of jets 'opnml'; did you mean 'openml'"),
            (("file",), {}, "needs a path"),
            (("file", tmp_path / "none.csv"), {}, "none.csv is missing"),
            (("file", tmp_path / "jets.csv"), {}, "50 labels in column 'label' are no class, the first .'x'. in row 0"),
            (("file", tmp_path / "jets.csv"), {"columns": {"mass": "m"}}, "unknown column in the map 'mass'"),
            (("file", tmp_path / "jets.h5"), {}, "cannot be read as .h5"),
            (("file", tmp_path / "cut.arff"), {}, "no @DATA line; the download may be cut"),
            (("file", tmp_path / "cut.tar.gz"), {}, "cannot be read as .tar.gz"),
            (("file", __file__), {}, "unknown file type 'test_sources.py'"),
            (("zenodo",), {"particles": "30p"}, "unknown particles of zenodo '30p'"),
            (("openml", tmp_path / "jets.csv"), {}, "takes no path")):
        with pytest.raises(StudyError, match=message):
            published_jets.prepare(*arguments, cache=tmp_path / "cache", **options)
    assert left(tmp_path / "cache") == []
