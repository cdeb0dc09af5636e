import numpy as np
import pytest
import uproot
from layouts import some_jets

from ultralow.data import jets
from ultralow.errors import StudyError


def written(path, columns, types=None, provenance="{}"):
    """A file that jets.write would refuse to make."""
    with uproot.recreate(path) as file:
        tree = file.mktree("jets", {name: values.dtype for name, values in columns.items()})
        tree.extend(columns)
        file["provenance"] = provenance
    return path


def test_what_is_written_is_read_back(tmp_path):
    columns = {**some_jets(), "chunk": np.arange(50, dtype=np.int32)}
    jets.write(tmp_path / "jets.root", columns, {"source": "generated", "seed": 7})
    table = jets.read(tmp_path / "jets.root")
    assert (table.name, table.source, table.features, table.classes, table.test) == (
        "jets", "generated", jets.FEATURES, jets.CLASSES, None)
    assert table.x.dtype == np.float32 and table.y.dtype == np.int64
    assert np.array_equal(table.x, np.stack([columns[name] for name in jets.FEATURES], axis=1))
    assert np.array_equal(table.y, columns["label"])
    assert table.provenance == {"source": "generated", "seed": 7, "classes": list(jets.CLASSES)}


def test_layout_is_a_compressed_tree(tmp_path):
    jets.write(tmp_path / "jets.root", {**some_jets(500), "chunk": np.zeros(500, np.int32)}, {})
    with uproot.open(tmp_path / "jets.root") as file:
        assert file.classname_of("jets") == "TTree"
        types = {name: kind for name, kind in file["jets"].typenames().items()}
        assert types == {**dict.fromkeys(jets.FEATURES, "float"), "label": "int8_t", "chunk": "int32_t"}
        assert file.file.compression == uproot.ZSTD(5)


def test_batches_make_the_same_table(tmp_path):
    whole = some_jets()
    parts = ({name: values[start:start + 7] for name, values in whole.items()} for start in range(0, 50, 7))
    assert jets.write_batches(tmp_path / "parts.root", parts, {}) == 50
    jets.write(tmp_path / "whole.root", whole, {})
    parts, whole = jets.read(tmp_path / "parts.root"), jets.read(tmp_path / "whole.root")
    assert np.array_equal(parts.x, whole.x) and np.array_equal(parts.y, whole.y)


def test_labels_follow_the_class_names(tmp_path):
    columns = some_jets()
    path = written(tmp_path / "jets.root", columns, provenance='{"classes": ["g", "q", "t", "W", "Z"]}')
    names = np.array(["g", "q", "t", "W", "Z"])[columns["label"]]
    assert np.array_equal(np.array(jets.CLASSES)[jets.read(path).y], names)


def test_a_failing_batch_leaves_the_old_file(tmp_path):
    path = tmp_path / "jets.root"
    jets.write(path, some_jets(), {"source": "old"})

    def batches():
        yield some_jets()
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        jets.write_batches(path, batches(), {"source": "new"})
    assert jets.read(path).source == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["jets.root"]


def without(name):
    columns = some_jets()
    del columns[name]
    return columns


def with_values(name, rows, value):
    columns = some_jets()
    columns[name][rows] = value
    return columns


READ_FAULTS = {
    "missing branch": (lambda: without("d2_b1_mmdt"), r"jets\.root: branch 'd2_b1_mmdt' is missing.*column map"),
    "NaN": (lambda: with_values("mass_mmdt", [11, 30], np.nan), r"'mass_mmdt' has 2 values.*NaN.*row 11; leave"),
    "infinite": (lambda: with_values("zlogz", [49], -np.inf), r"'zlogz' has 1 values.*infinite.*row 49"),
    "label": (lambda: with_values("label", [3], 5), r"1 labels are not in 0 ... 4, the first \(5\) in row 3"),
    "empty class": (lambda: with_values("label", slice(None, None, 5), 1), r"class 'q' has no jets; make"),
}


@pytest.mark.parametrize("fault", READ_FAULTS)
def test_reading_names_the_fault(tmp_path, fault):
    columns, message = READ_FAULTS[fault]
    path = written(tmp_path / "jets.root", columns())
    with pytest.raises(StudyError, match=message):
        jets.read(path)


WRITE_FAULTS = {
    "missing column": (lambda: without("label"), "column 'label' is missing; give all 16"),
    "NaN": (lambda: with_values("mass_mmdt", [11, 30], np.nan), "'mass_mmdt' has 2 values"),
    "label": (lambda: with_values("label", [3], -1), r"the first \(-1\) in row 3"),
    "too large": (lambda: {**some_jets(), "zlogz": np.full(50, 1e300)}, "'zlogz' has 50 values"),
    "length": (lambda: {**some_jets(), "zlogz": np.zeros(49)}, r"'zlogz' has shape \(49,\)"),
    "float beside": (lambda: {**some_jets(), "weight": np.ones(50)}, "'weight' is float64; only integers"),
    "no rows": (lambda: some_jets(0), "no jets to write"),
}


@pytest.mark.parametrize("fault", WRITE_FAULTS)
def test_writing_refuses_the_fault_and_leaves_nothing(tmp_path, fault):
    columns, message = WRITE_FAULTS[fault]
    with pytest.raises(StudyError, match=message):
        jets.write(tmp_path / "jets.root", columns(), {})
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_not_jets(tmp_path):
    with pytest.raises(StudyError, match=r"none\.root is missing; make the file again"):
        jets.read(tmp_path / "none.root")
    (tmp_path / "text.root").write_text("not ROOT at all, but long enough to be looked into")
    with pytest.raises(StudyError, match="text.root is not a readable ROOT file"):
        jets.read(tmp_path / "text.root")
    with uproot.recreate(tmp_path / "other.root") as file:
        file.mktree("events", {"x": "float32"}).extend({"x": np.ones(3, np.float32)})
    with pytest.raises(StudyError, match="has no tree 'jets'; it has events;1"):
        jets.read(tmp_path / "other.root")
    jets.write(tmp_path / "jets.root", some_jets(5000), {})
    whole = (tmp_path / "jets.root").read_bytes()
    (tmp_path / "jets.root").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(StudyError, match="not a readable ROOT file"):
        jets.read(tmp_path / "jets.root")
