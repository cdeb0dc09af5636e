"""Data of one's own: every file type gives the same table, and what is wrong with a file is said."""

import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pytest
import uproot

from ultralow.data import dataset, tabular
from ultralow.errors import StudyError

ROWS = 60


def columns():
    rng = np.random.default_rng(1)
    return {"a": rng.normal(size=ROWS).astype(np.float32), "b": np.arange(ROWS, dtype=np.float32),
            "kind": (np.arange(ROWS) % 3).astype(np.int32), "w": rng.uniform(0, 2, ROWS), "part": (np.arange(ROWS) % 4 == 0)
            .astype(np.int8), "energy": rng.uniform(1, 9, ROWS)}


def write(path, given):
    match path.suffix:
        case ".root":
            with uproot.recreate(path) as file:
                file.mktree("events", {name: values.dtype for name, values in given.items()}).extend(given)
        case ".h5":
            with h5py.File(path, "w") as file:
                for name, values in given.items():
                    file[name] = values
        case ".npz":
            np.savez(path, **given)
        case ".csv":
            pd.DataFrame(given).to_csv(path, index=False)
        case ".parquet":
            pd.DataFrame(given).to_parquet(path)
    return path


def read(files, **changes):
    return tabular.read("own", files, tabular.Columns(
        **{"features": ["a", "b"], "label": "kind", "weights": "w", "test": "part"} | changes))


@pytest.mark.parametrize("suffix", [".root", ".h5", ".npz", ".csv", ".parquet"])
def test_every_file_type_gives_the_same_table(tmp_path, suffix):
    given = columns()
    files = [write(tmp_path / f"{n}{suffix}", {name: values[part] for name, values in given.items()})
             for n, part in enumerate((slice(0, 20), slice(20, None)))]
    table = read(files)
    assert table.classes == ("0", "1", "2") and table.features == ("a", "b") and table.source == "file"
    np.testing.assert_array_equal(table.x, np.stack([given["a"], given["b"]], axis=1))
    np.testing.assert_array_equal(table.y, given["kind"])
    np.testing.assert_array_equal(table.test, given["part"] == 1)
    np.testing.assert_allclose(table.weights, given["w"])
    assert set(table.provenance["files"]) == {file.name for file in files}
    regression = read(files, label=None, targets=["energy"])
    np.testing.assert_allclose(regression.y, given["energy"][:, None], rtol=1e-6)
    assert regression.classes == () and regression.targets == ("energy",)


def test_names_are_classes_in_the_order_that_is_asked_for(tmp_path):
    names = np.array(["pion", "electron", "muon"])[columns()["kind"]]
    path = write(tmp_path / "a.csv", columns() | {"kind": names})
    assert read([path]).classes == ("electron", "muon", "pion")
    table = read([path], classes=["pion", "electron", "muon"])
    np.testing.assert_array_equal(table.y, columns()["kind"])


@pytest.mark.parametrize("change, asked, message", [
    ({"a": np.r_[columns()["a"][:7], np.nan, columns()["a"][8:]]}, {}, "'a' has 1 values .* row 7"),
    ({}, {"features": ["a", "bb"]}, "column 'bb' is missing .nearest there: b"),
    ({"a": np.array(["x"] * ROWS)}, {}, "'a' is not of numbers"),
    ({"w": -columns()["w"]}, {}, "weights in column 'w' go down to -"),
    ({"part": columns()["kind"]}, {}, "'part' marks the test part with 1 .* 0, 1, 2"),
    ({"kind": np.zeros(ROWS, int)}, {}, "has the value 0 only"),
    ({}, {"classes": [0, 1]}, "label '2' is none of the classes 0, 1"),
    ({}, {"classes": [0, 1, 2, 3]}, "class 3 has no rows"),
    ({}, {"label": "energy"} | {"classes": None}, None),
    ({}, {"tree": "events"}, "no ROOT file"),
])
def test_a_fault_is_named(tmp_path, change, asked, message):
    path = write(tmp_path / "a.csv", columns() | change)
    if message is None:  # sixty different energies are sixty classes: few enough, but no part has them all
        with pytest.raises(StudyError, match="cannot be split|lacks a class"):
            dataset.split_and_scale(read([path], **asked))
        return
    with pytest.raises(StudyError, match=message):
        read([path], **asked)


def test_a_regressions_targets_are_scaled_by_the_training_part_and_weights_have_mean_one(tmp_path):
    table = read([write(tmp_path / "a.npz", columns())], label=None, targets=["energy", "b"], features=["a"])
    data = dataset.split_and_scale(table)
    np.testing.assert_allclose(data.y_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.y_train.std(axis=0), 1)
    units = data.y_test * data.target_scale + data.target_mean
    assert set(np.round(units[:, 1])) == set(np.arange(0, ROWS, 4)), "the test part is the file's own"
    for part in ("train", "valid", "test"):
        assert getattr(data, f"w_{part}").mean() == pytest.approx(1)
    path = data.save(tmp_path / "own.npz")
    again = dataset.load(path)
    assert again.targets == ("energy", "b") and again.outputs == ("energy", "b")
    np.testing.assert_array_equal(again.w_valid, data.w_valid)
    alone = dataset.load_test(path)
    np.testing.assert_array_equal(alone.y_test, data.y_test)
    assert alone.w_train.size == 0 and alone.targets == data.targets


def text(path, content, encoding="utf-8"):
    path.write_bytes(content.encode(encoding))
    return path


def labelled(labels, suffix=".csv"):
    """Rows of two features and a label; "," and quotes do not stand in labels."""
    rows = [f"{n},{n * n},{label}" for n, label in enumerate(labels)]
    return "\n".join(["a,b,kind", *rows, ""])


def classes_of(path, **changes):
    table = read([path], **{"weights": None, "test": None} | changes)
    return table.classes, [table.classes[index] for index in table.y]


# NA is Namibia: OasisLMF/OasisLMF#307, datasets/country-codes#38; None: pandas-dev/pandas#10647; zeros in front:
# DOI-USGS/dataretrieval-python#311, scpike/us-state-county-zip#1.
@pytest.mark.parametrize("labels, classes, names", [
    (["NA", "DE", "NA"], None, ("DE", "NA")), (["None", "one", "nan", "null", "NULL", "n/a"], None,
                                               ("NULL", "None", "n/a", "nan", "null", "one")),
    (["001", "01", "1"], None, ("001", "01", "1")), (["0.0", "1.0", "10.0", "2"], None, ("0", "1", "2", "10")),
    (["True", "False", "True"], None, ("0", "1")), (["True", "False", "True"], [False, True], ("false", "true")),
    (["True", "False", "True"], ["True", "False"], ("True", "False")), (["1", "0"], [False, True], ("false", "true")),
    (["007", "8"], [7, 8], ("7", "8")), (["no", "yes"], ["yes", "no"], ("yes", "no")), (["-1", "+1"], [1, -1], ("1", "-1")),
    ([" sig", "bkg "], ["sig", "bkg"], ("sig", "bkg")), (["0.5", "1e3"], None, ("0.5", "1000"))])
def test_labels_are_texts(tmp_path, labels, classes, names):
    known, rows = classes_of(text(tmp_path / "a.csv", labelled(labels)), classes=classes)
    assert known == names and len(set(rows)) == len(set(labels))
    if classes is None and set(labels) <= set(names):
        assert rows == labels


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".root", ".h5", "float"])
def test_a_missing_label_is_refused_with_file_column_and_row(tmp_path, suffix):
    """From pandas-dev/pandas#24681."""
    labels = ["sig", "bkg", None, "NA", "None", None]
    given = {"a": np.arange(6.0), "b": np.arange(6.0), "kind": labels}
    path = tmp_path / f"own{suffix if suffix != 'float' else '.npz'}"
    if suffix == ".csv":
        text(path, labelled(["sig", "bkg", "", "NA", "None", "  "]))
    elif suffix == ".parquet":
        pd.DataFrame(given).to_parquet(path)
    elif suffix == ".root":
        with uproot.recreate(path) as file:
            file["events"] = {"a": given["a"], "b": given["b"], "kind": ak.Array([1, 2, None, 3, 4, None])}
    elif suffix == ".h5":
        with h5py.File(path, "w") as file:
            for name in "ab":
                file[name] = given[name]
            file["kind"] = [label or "" for label in labels]
    else:
        np.savez(path, **given | {"kind": np.array([0, 1, np.nan, 2, 3, np.nan])})
    with pytest.raises(StudyError, match=rf"own.*: the label in column 'kind' is missing in 2 rows, the first in row 2 "):
        classes_of(path)


def test_a_boolean_column_has_the_classes_true_and_false(tmp_path):
    pd.DataFrame({"a": np.arange(4.0), "b": 1.0, "kind": [True, False, True, True]}).to_parquet(tmp_path / "a.parquet")
    assert classes_of(tmp_path / "a.parquet", classes=[True, False]) == (("true", "false"), ["true", "false", "true", "true"])
    assert classes_of(tmp_path / "a.parquet", classes=[0, 1])[1] == classes_of(tmp_path / "a.parquet")[1] == ["1", "0", "1", "1"]
    with pytest.raises(StudyError, match="label 'false' is none of the classes no, yes"):
        classes_of(tmp_path / "a.parquet", classes=["no", "yes"])
    with pytest.raises(StudyError, match="label 'no' is none of the classes false, true; the study file takes no, yes"):
        classes_of(text(tmp_path / "a.csv", labelled(["no", "yes"])), classes=[False, True])


# Ends: pandas-dev/pandas#14124; sep: asafdav/ng-csv#28; UTF-16: Unstructured-IO/unstructured#4443; a quote that stays open:
# apple/turicreate#1692, cldf/csvw#52; decimal commas: tidyverse/readr#455.
@pytest.mark.parametrize("content, message", [
    ("a,b,kind\n1,2,x,\n3,4,y,\n", r"row 1 has 4 fields, the header 3 .*line 2 .* ends in a comma and the header does not"),
    ("a,b,kind\n1,2,x\n3,4,y,z\n", r"row 2 has 4 fields, the header 3 .*line 3 .*put quotes around"),
    ("a,b,kind\n\n1,2,x\n3,4\n", r"row 2 has 2 fields, the header 3 .*line 4 .*complete the row"),
    ("1,a,b,kind\n0,1,2,3,x\n", r"row 1 has 5 fields, the header 4"),
    ("a;b;kind\n0,5;1,5;x\n", r"has one column, 'a;b;kind': is it separated by semicolons\? Write it with commas and decimal"),
    ("a\tb\tkind\n0.5\t1\tx\n", r"is it separated by tabs"), ("a|b|kind\n0.5|1|x\n", "is it separated by bars"),
    ("a b kind\n0.5 1 x\n", "is it separated by blanks"), ("sep=;\na;b;kind\n1;2;x\n", "begins with 'sep=;', which only"),
    ("sep=,\na,b,kind\n1,2,x\n", "begins with 'sep=,', which only"),
    ('a,b,kind\n"0,5",1,x\n', r"'a' is not of numbers .'0,5' in row 0.*is that a decimal comma"),
    ("a,b,kind\n1,2,x\n3,NA,y\n", r"'b' is not of numbers .'NA' in row 1"),
    ("a,b,kind\n1,2,x\n3,,y\n", r"'b' has 1 values that are NaN.* row 1 "),
    ('a,b,kind\n1,2,x\n3,4,"y\n', "a quote that opens in row 2 is never closed"),
    ('a,b,kind\n1,2,x\n3,4,"y\n5,6,x\n', "a quote that opens in row 2 is never closed"),
    ('a,b,"kind\n1,2,x\n', "missing|never closed"), ("", "a.csv is empty"), ("a,b,kind\n", "no rows")])
def test_a_csv_of_another_kind_is_told_as_what_it_is(tmp_path, content, message):
    with pytest.raises(StudyError, match=message):
        classes_of(text(tmp_path / "a.csv", content))


def test_other_encodings_are_named(tmp_path):
    content = labelled(["grün", "rot"])
    for encoding, byte in (("latin-1", "fc"), ("utf-16", "ff")):
        with pytest.raises(StudyError, match=f"a.csv is not written in UTF-8 .*0x{byte}.* save it as CSV in UTF-8"):
            classes_of(text(tmp_path / "a.csv", content, encoding))


@pytest.mark.parametrize("content", [
    "a, b, kind\n0, 1, x\n2.5, -3, y\n", "\ufeffa,b,kind\n0,1,x\n2.5,-3,y\n", "a,b,kind\r\n0,1,x\r\n2.5,-3,y\r\n",
    '"a","b","kind"\n"0","1","x"\n"2.5","-3","y"\n', '"a" , "b" ,"kind"\n 0 ,1 , "x"\n2.5,-3,y',
    "\n\na,b,kind\n0,1,x\n\n2.5,-3,y\n\n", 'a,b,kind,size\n0,1,x,5" disk\n2.5,-3,y,"two\nlines"\n',
    "a,b,kind,\n0,1,x,\n2.5,-3,y,\n", "a,b,kind,kind\n0,1,x,u\n2.5,-3,y,v\n",
    "a,b,kind\r0,1,x\r2.5,-3,y\r"])
def test_dialects_that_leave_no_doubt_are_read(tmp_path, content):
    """Blanks: SheetJS/sheetjs#2239; a byte order mark: solgenomics/sgn#5700."""
    for changes in ({}, {"features": ["a", " b"]}):
        table = read([text(tmp_path / "a.csv", content)], weights=None, test=None, **changes)
        assert table.classes == ("x", "y") and table.x.tolist() == [[0, 1], [2.5, -3]] and table.y.tolist() == [0, 1]


def test_rows_of_arff_are_counted_and_missing_values_are_told(tmp_path):
    head = "% made up\n@RELATION r\n@ATTRIBUTE a REAL\n@ATTRIBUTE 'b' REAL\n@ATTRIBUTE kind {NA, None, x}\n@DATA\n"
    path = text(tmp_path / "a.arff", head + "% a comment\n1,2,NA\n3, 4,'None' % another\n\n5,6,x\n")
    assert classes_of(path) == (("NA", "None", "x"), ["NA", "None", "x"])
    with pytest.raises(StudyError, match="the label in column 'kind' is missing in 1 rows, the first in row 1 "):
        classes_of(text(tmp_path / "a.arff", head + "1,2,NA\n3,4,?\n"))
    with pytest.raises(StudyError, match="'b' has 1 values that are NaN.* row 0 "):
        classes_of(text(tmp_path / "a.arff", head + "1,?,NA\n3,4,x\n"))
    with pytest.raises(StudyError, match="row 2 has 4 fields, the header 3 .*line 9 "):
        classes_of(text(tmp_path / "a.arff", head + "1,2,NA\n% a comment\n3,4,x,7\n"))


def with_vectors(path, lengths):
    """A table with p4, four numbers in each row, m, 2 × 3, lead, a vector of one, and jets, a vector of varying length."""
    rows = len(lengths)
    p4, matrix = np.arange(4.0 * rows).reshape(rows, 4), np.arange(6 * rows).reshape(rows, 2, 3)
    jets = ak.Array([[float(row + n) for n in range(length)] for row, length in enumerate(lengths)])
    given = {"a": np.arange(1.0 * rows), "kind": np.arange(rows) % 2, "p4": p4, "m": matrix}
    if path.suffix == ".root":
        with uproot.recreate(path) as file:
            if path.stem == "rntuple":
                file["events"] = given | {"lead": ak.Array([[value] for value in p4[:, 1]]), "jets": jets}
            else:
                file.mktree("events", {"a": "float64", "kind": "int64", "p4": ("float64", (4,)), "m": ("int64", (2, 3)),
                                       "lead": "var * float64", "jets": "var * float64"})
                file["events"].extend(given | {"lead": ak.Array([[value] for value in p4[:, 1]]), "jets": jets})
    elif path.suffix == ".parquet":
        pd.DataFrame({name: list(values) for name, values in given.items() if name != "m"} | {
            "m": [row.tolist() for row in matrix], "lead": [[value] for value in p4[:, 1]], "jets": jets.to_list()}
            ).to_parquet(path)
    elif path.suffix == ".npz":
        np.savez(path, **given, lead=p4[:, 1:2])
    else:
        with h5py.File(path, "w") as file:
            for name, values in (given | {"lead": p4[:, 1:2]}).items():
                file[name] = values
    return path


@pytest.mark.parametrize("name", ["ttree.root", "rntuple.root", "a.parquet", "a.npz", "a.h5"])
def test_one_number_of_a_vector_is_a_column(tmp_path, name):
    """From scikit-hep/uproot5#356 and #72, scikit-hep/root_numpy#359."""
    path = with_vectors(tmp_path / name, [2, 1, 3, 2])
    table = read([path], features=["p4[0]", "lead", "m[1][2]", "p4[3]", "a"], weights=None, test=None)
    rows = np.arange(4)
    np.testing.assert_array_equal(table.x, np.stack([4 * rows, 4 * rows + 1, 6 * rows + 5, 4 * rows + 3, rows], axis=1))
    refused = {"p4": r"column 'p4' has 4 numbers in each row .float64.4..; give it one, as p4.0.",
               "m": r"column 'm' has 2 (× 3 )?numbers in each row .*give it one, as m.0.",
               "p4[4]": r"'p4.4.' is not there in every row: row 0",
               "a[0]": "'a.0.' has one number in each row; name it without .0.", "p5": "'p5' is missing .nearest there: p4",
               "p5[0]": "'p5.0.' is missing .*p4"}
    if "root" in name or "parquet" in name:
        refused |= {"jets": r"'jets' has 1 to 3 numbers in each row .row 0, .* has 2.; name one that every row has, as jets.0.",
                    "jets[1]": "'jets.1.' is not there in every row: row 1 .* has 1 numbers"}
        assert read([path], features=["jets[0]"], weights=None, test=None).x.tolist() == [[0], [1], [2], [3]]
    for feature, message in refused.items():
        with pytest.raises(StudyError, match=message):
            read([path], features=[feature], weights=None, test=None)


def test_whole_numbers_that_double_precision_rounds_are_refused(tmp_path):
    """From pandas-dev/pandas#26259 and #32134: nanoseconds since 1970."""
    times = 1556559573141592653 + np.arange(6)
    given = {"a": times, "b": np.arange(6.0), "kind": np.arange(6) % 2}
    for suffix in (".csv", ".parquet", ".npz", ".root"):
        path = write(tmp_path / f"a{suffix}", given)
        with pytest.raises(StudyError, match="'a' has whole numbers beyond 2.53, as 1556559573141592653 in row 0 .*offset"):
            read([path], weights=None, test=None)
        # Those that it holds are read, and stay different ones.
        exact = write(tmp_path / f"b{suffix}", given | {"a": (times - times[0]) * 256 + 2**60})
        assert len(np.unique(read([exact], weights=None, test=None).x[:, 0])) == 6


def test_complex_numbers_and_missing_times_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.arange(4) + 1j, b=np.arange(4.0), kind=np.arange(4) % 2)
    with pytest.raises(StudyError, match="'a' is not of numbers"):
        read([tmp_path / "a.npz"], weights=None, test=None)
    times = pd.to_datetime(["2024-01-01", None, "2024-01-03", "2024-01-04"])
    pd.DataFrame({"a": times, "b": 1.0, "kind": [0, 1, 0, 1]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(StudyError, match="'a' has 1 values that are NaN.* row 1 "):
        read([tmp_path / "a.parquet"], weights=None, test=None)


def test_the_class_that_a_part_lacks_is_named(tmp_path):
    """From aeon-toolkit/aeon#1726."""
    given = columns() | {"kind": np.array(["bkg", "sig", "tau"])[np.arange(ROWS) % 3]}
    part = np.arange(ROWS) % 4 == 0
    for marks, message in (
            ((given["kind"] == "sig") & part, "no row of class bkg, tau in the test part, which column part marks with 1"),
            ((given["kind"] == "bkg") | part, "no row of class bkg in the training part, which column part marks with 0")):
        table = read([write(tmp_path / "a.csv", given | {"part": marks.astype(int)})])
        with pytest.raises(StudyError, match=message):
            dataset.split_and_scale(table)
    rare = given | {"kind": np.r_[["rare"], given["kind"][1:]]}
    with pytest.raises(StudyError, match=r"cannot be split|no row of class rare in the"):
        dataset.split_and_scale(read([write(tmp_path / "b.csv", rare)], test=None))


def test_fewer_rows_keep_the_shares_of_the_classes(tmp_path):
    rng = np.random.default_rng(3)
    kinds = rng.choice(["bkg", "sig", "tau"], 2000, p=[0.9, 0.08, 0.02])
    given = {"a": np.arange(2000.0), "b": rng.normal(size=2000), "kind": kinds, "part": (np.arange(2000) % 5 == 0).astype(int)}
    table = read([write(tmp_path / "a.csv", given)], weights=None)
    small = dataset.split_and_scale(table, rows=500)
    counts = sum(np.bincount(labels) for labels in (small.y_train, small.y_valid, small.y_test))
    np.testing.assert_allclose(counts / 500, np.bincount(table.y) / 2000, atol=2 / 500)
    assert abs(len(small.y_test) - 100) <= 3 and 494 <= counts.sum() <= 500
