import json
import re

import numpy as np
import pandas as pd
import pytest
import synthetic
from matplotlib.colors import to_rgb

from ultralow import csvfile
from ultralow.importing import keras_file
from ultralow.data.distributions import EDGES, Distributions
from ultralow.data.dataset import Dataset
from ultralow.files import root
from ultralow.metrics import Band, determination, estimate_histogram
from ultralow.report import comparison, published
from ultralow.report.figures import cost, data, gallery, inputs, roc, style, training
from ultralow.errors import StudyError
from ultralow.fixed_point import Fixed
from ultralow.exact.dense import FoldedLayer, FoldedNetwork
from ultralow.report.results import Results


AREA = pd.DataFrame({"network": ["jets-float"] * 3 + ["jets-bnn-small"], "clock_ns": [2.5, 5, 5, 5],
                     "delay_constraint": [2, 2, -1, 2], "lut": [1500, 1000, 900, 500], "ff": [9, 9, 9, 9],
                     "latency_cycles": [10, 6, 8, 4], "latency_ns": [25, 30, 40, 20]})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = synthetic.make(tmp_path_factory.mktemp("study"), ("jets-float", "jets-bnn-small", "mnist-tnn",
                                                               "finn-128-binary", "finn-256-binary"))
    csvfile.write(AREA, folder / "area.csv")
    return folder


@pytest.fixture(scope="module")
def compared(folder):
    return gallery.compared(folder, comparison.table(folder))


@pytest.fixture(scope="module")
def single(folder):
    return gallery.single(folder, "jets-bnn-small")


def test_every_figure_says_what_it_shows(compared, single):
    assert {"features-jets", "features-mnist", "accuracy-lut-jets", "accuracy-latency-jets", "auc-jets", "auc-mnist", "roc-jets-t", "finn",
            "precision-jets", "sparsity-jets", "importance-jets", "pixels-mnist", "area-latency"} <= set(compared)
    assert "accuracy-lut-mnist" not in compared  # nothing was synthesised: no empty axes
    assert set(single) == {f"{kind}-jets-bnn-small" for kind in ("roc", "confusion", "weights", "training")}
    for name, figure in (compared | single).items():
        assert figure.caption.endswith(".") and len(figure.alt) > 20, name
        assert re.search(r"\d", figure.alt), f"{name}: the text holds no value"


def test_alternative_text_holds_the_values_drawn(folder, compared):
    table = comparison.table(folder).set_index("network")
    assert f"jets-bnn-small {table.loc['jets-bnn-small', 'accuracy_mean']:.3f} at 2,000" in compared[
        "accuracy-lut-jets"].alt
    assert f"t {table.loc['jets-float', 'auc_t']:.3f}" in compared["auc-jets"].alt


def test_same_values_same_bytes(folder):
    first, second = (gallery.single(folder, "jets-bnn-small")["confusion-jets-bnn-small"] for _ in range(2))
    svg, png = first.bytes("svg"), first.bytes("png")
    assert (second.bytes("png"), second.bytes("svg")) == (png, svg)  # in the other order, too
    assert b"<dc:date>" not in svg and b"matplotlib" not in svg.lower()[:1500]
    assert b"http" not in re.sub(rb'xmlns(:\w+)?="[^"]*"|<!DOCTYPE[^>]*>|rdf:resource="[^"]*"|<dc:type[^>]*>', b"", svg)


def test_lines_differ_without_colour(compared):
    axes = compared["roc-jets-t"].canvas.axes[0]
    lines = axes.get_lines()
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == len(lines) == 2
    assert axes.get_yscale() == "log" and axes.get_xlabel() == "signal efficiency"
    assert len(set(style.MARKERS)) == len(style.COLOURS)
    looks = [tuple(style.look(index).values()) for index in range(20)]
    assert len({look[1:] for look in looks if look[2] == "white"}) == 10 and len(set(looks)) == 20
    for colour in map(np.array, map(to_rgb, style.COLOURS)):
        assert colour @ [0.2126, 0.7152, 0.0722] < 0.75, "too pale for a white page"


def test_published_points_are_left_out_for_another_task(tmp_path):
    folder = synthetic.make(tmp_path / "s", ("jets-float",))
    table = comparison.table(folder)
    assert "published" in gallery.compared(folder, table)["accuracy-lut-jets"].caption
    table["source"] = "digits28"
    assert "published" not in gallery.compared(folder, table)["accuracy-lut-jets"].caption


def test_unmeasured_networks_are_not_drawn():
    table = pd.DataFrame({"network": ["a", "b"], "accuracy_mean": [0.5, 0.6], "accuracy_std": [np.nan, np.nan],
                          "lut": pd.array([100, pd.NA], "Int64")})
    figure = cost.accuracy_against("jets", "lut", table, ["a"], published.of_task("jets").iloc[:0])
    labels = [text.get_text() for text in figure.canvas.legends[0].get_texts()]
    assert "a" in labels and "b" not in labels


def test_written_figures_come_back_with_their_texts(folder, single, tmp_path):
    confusion = single["confusion-jets-bnn-small"]
    assert gallery.write(tmp_path, folder, {"shared": confusion}, ["jets-bnn-small", "jets-float"]) == 9
    assert (tmp_path / "shared.svg").read_bytes() == (tmp_path / "confusion-jets-bnn-small.svg").read_bytes()
    entries = gallery.read(tmp_path)
    assert list(entries)[:2] == ["shared", "roc-jets-bnn-small"]
    entry = entries["confusion-jets-bnn-small"]
    assert (entry["network"], entry["alt"], entries["shared"]["network"]) == ("jets-bnn-small", confusion.alt, None)
    assert gallery.read(tmp_path / "nothing") == {}


def test_notebook_view_has_alternative_text_and_escapes(single):
    figure = style.Figure(single["confusion-jets-bnn-small"].canvas, 'a <b> "c"', 'x < y & "z"')
    view = figure._repr_html_()
    assert 'alt="x &lt; y &amp; &quot;z&quot;"' in view and "<b>" not in view and 'src="data:image/png;base64,' in view


def test_bands_leave_out_classes_without_rows(folder):
    assert list(Results(folder).roc_bands("jets-float")) == list(synthetic.CLASSES["jets"])


def test_precision_is_compared_in_the_same_layers():
    rows = pd.DataFrame([("a", "16x8x5", "float"), ("b", "16x64x5", "float"), ("c", "16x64x5", "ternary"),
                         ("d", "16x64x5", "ternary"), ("e", "16x64x5", "binary+relu")],
                        columns=["network", "architecture", "kind"])
    assert gallery.precisions(rows) == {"float": "b", "ternary": "c"}
    assert gallery.precisions(rows.iloc[:0]) == {}


def test_panels_by_precision_hold_a_curve_for_each_kind(compared):
    panels = compared["precision-jets"].canvas.axes
    assert [axes.get_title(loc="left") for axes in panels] == list(synthetic.CLASSES["jets"])
    assert all(len(axes.get_lines()) == 2 and axes.get_yscale() == "log" for axes in panels)
    assert "float: q" in compared["precision-jets"].alt and "not the published" in (
        compared["precision-jets"].canvas.legends[0].get_title().get_text())


def test_importance_shows_this_studys_networks_and_no_negative_zero(compared):
    texts = {text.get_text() for text in compared["importance-jets"].canvas.axes[0].texts}
    assert texts == {"20.0", "5.0", "10.0", "0.0"}
    assert "jets-float: mass 20.0, zlogz 5.0" in compared["importance-jets"].alt


def test_area_curves_differ_by_network_and_sharing(compared):
    lines = compared["area-latency"].canvas.axes[0].get_lines()
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == len(lines) == 3
    assert "jets-float: 1,500 LUTs in 25 ns at a clock of 2.5 ns, to 900 LUTs in 40 ns" in compared["area-latency"].alt


def test_published_points_are_told_apart_by_stage_and_device():
    front = published.of_task("jets")
    assert cost.conditions_of(front).nunique() > front["tool_stage"].nunique()
    assert (cost.conditions_of(published.of_task("mnist")).str.contains("not stated")).any()


def test_weights_stand_below_what_they_were_before_rounding(folder):
    folded = Results(folder).exact("jets-bnn-small")
    before = [np.random.default_rng(1).uniform(-1, 1, layer.kernel.shape) for layer in folded.layers]
    assert len(training.weights(folded, before).canvas.axes) == 2 * len(training.weights(folded).canvas.axes)
    assert "that training rounded" in training.weights(folded, before).caption


def test_latent_kernels_come_in_the_layers_order_and_pruned_ones_are_zero(tmp_path):
    import io
    import json
    import zipfile

    import h5py

    kernels, stream = [np.full((2, 3), float(i + 1)) for i in range(3)], io.BytesIO()
    with h5py.File(stream, "w") as file:
        for place, kernel in zip(("masked_dense", "ternary_dense", "masked_dense_1"), kernels):
            file[f"layers/{place}/vars/0"] = kernel
        file["layers/masked_dense_1/vars/mask"] = np.eye(2, 3)
    names = "InputLayer", "MaskedDense", "TernaryDense", "RoundedTanh", "MaskedDense"
    layers = [{"class_name": name} for name in names]
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
        archive.writestr("model.weights.h5", stream.getvalue())
    assert [found.max() for found in keras_file.latent_kernels(tmp_path / "model.keras")] == [1, 2, 3]
    assert keras_file.latent_kernels(tmp_path / "model.keras")[2].sum() == 6
    (tmp_path / "model.keras").write_bytes(b"no")
    with pytest.raises(StudyError, match="train the network again"):
        keras_file.latent_kernels(tmp_path / "model.keras")


def test_readers_find_the_wires():
    kernel = np.zeros((3, 2), np.int64)
    kernel[1] = [1, -1]
    network = FoldedNetwork("n", Fixed.parse("fixed<7,3>"), (FoldedLayer(
        kernel, "linear", "ternary", scale=np.ones(2, np.int64), offset=np.zeros(2, np.int64)),), ("a", "b"))
    assert network.readers().tolist() == [0, 1, 0]


def test_layers_say_how_many_of_their_weights_are_zero(folder, compared):
    first, last = (np.mean(layer.kernel == 0) for layer in Results(folder).exact("jets-float").layers)
    assert f"jets-float: {first:.0%}, {last:.0%}" in compared["sparsity-jets"].alt


def test_importance_as_a_table_has_the_studys_order(folder):
    table = Results(folder).importance()
    assert table["network"].tolist() == ["jets-float"] * 2 + ["jets-bnn-small"] * 2
    assert table["accuracy_drop"].tolist() == [0.2, 0.05, 0.1, -0.0004] and table["feature"].tolist() == ["mass", "zlogz"] * 2


def test_a_drawing_is_written_to_a_hundredth_of_a_point():
    svg = b'<g transform="scale(0.015625)"><path d="M 1.23456 -7.654321 L 10.001 3.5"/><use x="0.123456" y="2"/></g>'
    assert style.rounded(svg) == b'<g transform="scale(0.015625)"><path d="M 1.23 -7.65 L 10 3.5"/><use x="0.12" y="2"/></g>'


def test_markers_stand_at_even_distances_on_a_thinned_curve():
    band = Band.from_values({"signal": [0.1, 0.9, 1.0], "mean": [1e-3, 1e-1, 1.0]}, [0.9])
    axes = roc.roc("n", {"t": band, "q": band}).canvas.axes[0]
    first, second = axes.get_lines()
    assert first.get_xdata()[first.get_markevery()] == pytest.approx(0.1 * np.arange(1, 11))
    assert second.get_xdata()[second.get_markevery()] == pytest.approx(0.12 + 0.1 * np.arange(9))
    assert np.interp(0.5, first.get_xdata(), np.log10(first.get_ydata())) == pytest.approx(-2)


ODD = ("a|b", "$p_T$ $", "_other", "<i>Σ", "a/b", "\\frac $", " two  words", "plain")


def test_names_of_any_letters_are_drawn_as_they_are():
    """Columns named in LaTeX and with a leading underscore: matplotlib/matplotlib#21295 (a legend without the line)."""
    densities = np.ones((len(ODD), len(ODD), len(EDGES) - 1))
    band = Band(np.array([0.0, 1]), np.array([0.1, 1]), np.array([0.1, 1]), np.array([0.1, 1]), 0.7, None)
    histogram = estimate_histogram(np.arange(50.0), np.arange(50.0) + 1)
    drawn = [data.features(Distributions(ODD, ODD, densities)), roc.roc("n", dict.fromkeys(ODD, band)),
             roc.roc_of_class("$x$", {"n": band}), roc.auc_by_class("d", {"n": dict.fromkeys(ODD, 0.7)}),
             roc.roc_by_precision("d", {"binary": ("n", dict.fromkeys(ODD, band))}),
             training.confusion("n", ODD, np.eye(len(ODD))), training.estimates("n", {"$E_0$": histogram}),
             inputs.importances(pd.DataFrame({"feature": ODD, "network": "n", "accuracy_drop": 0.1}), "d")]
    for figure in drawn:
        assert figure.bytes("svg").startswith(b"<?xml")
    for figure in drawn[:2]:
        (legend, *_) = figure.canvas.legends or [axes.get_legend() for axes in figure.canvas.axes]
        assert len(legend.get_texts()) == len(ODD)


def test_classes_of_any_name_have_files_of_their_own(tmp_path):
    names = [style.file_name(name, number) for number, name in enumerate(ODD)]
    assert len(set(names)) == len(ODD) and names[-1] == "plain"
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9.+-]+", name)
    assert style.file_name("a b", 1) != style.file_name("a/b", 2)


def test_a_thousand_features_are_drawn_in_part_and_the_caption_says_so():
    """Wide tables: EducationalTestingService/rsmtool#202, fg-data-profiling#743."""
    names = tuple(f"f{number}" for number in range(1000))
    figure = data.features(Distributions(names, ("a", "b"), np.ones((2, 1000, len(EDGES) - 1))))
    assert len(figure.canvas.axes) == data.MOST_PANELS and "The first 40 of 1,000 features." in figure.caption
    few = data.features(Distributions(names[:3], ("a", "b"), np.ones((2, 3, len(EDGES) - 1))))
    assert len(few.canvas.axes) == 3 and "first" not in few.caption
    table = pd.DataFrame({"feature": names, "network": "n", "accuracy_drop": np.arange(1000) / 1000})
    worth = inputs.importances(table, "d")
    assert "Of 1,000 features the 40 that are worth most." in worth.caption and worth.canvas.get_figheight() < 20
    assert "n: f999 99.9" in worth.alt


@pytest.mark.parametrize("truth", [np.full(60, 50.0), np.zeros(60), np.full(60, -1e6)])
@pytest.mark.parametrize("error", [0.0, 0.1, 1e4])
def test_a_constant_target_is_drawn(truth, error):
    """A test beam of one energy."""
    figure = training.estimates("n", {"energy": estimate_histogram(truth, truth + error)})
    assert figure.bytes("svg").startswith(b"<?xml") and f"energy {error:.3f}" in figure.alt


def test_r2_of_a_constant_target_is_a_number():
    constant = np.full((20, 1), 0.1, np.float32)
    assert determination(constant, constant) == 1 and determination(constant + 1, constant) == 0
    both = np.column_stack([constant[:, 0], np.arange(20)])
    assert determination(both + [0, 1], both) == pytest.approx((1 + 1 - 1 / np.var(np.arange(20))) / 2)


@pytest.mark.parametrize("notebook, name", [("1-data", "data"), ("own-data", "particles")])
def test_names_of_classes_are_text_in_a_notebooks_table(notebook, name):
    cells = json.loads((root() / f"notebooks/{notebook}.ipynb").read_text())["cells"]
    (code,) = [source for cell in cells if ".rows(" in (source := "".join(cell["source"])) and ".style" in source]
    rows = Dataset.from_arrays(np.random.default_rng(1).normal(size=(90, 2)), np.arange(90) % 3, classes=("<b>b", "a&b", "q"))
    names = {"datafigures": data, "data": data} | {name: rows}
    table = eval(code.splitlines()[-1], names).to_html()
    assert "&lt;b&gt;b" in table and "a&amp;b" in table and "<b>" not in table
