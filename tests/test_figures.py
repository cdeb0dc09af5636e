import re

import numpy as np
import pandas as pd
import pytest
import synthetic
from matplotlib.colors import to_rgb

from ultralow import costfigures, figures, gallery, inputfigures, latent, tables
from ultralow.outcomes import Outcomes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return synthetic.make(tmp_path_factory.mktemp("study"), ("jets-float", "jets-bnn-small", "mnist-tnn",
                                                             "finn-128-binary", "finn-256-binary"))


@pytest.fixture(scope="module")
def compared(folder):
    return gallery.compared(folder, tables.comparison(folder))


@pytest.fixture(scope="module")
def single(folder):
    return gallery.single(folder, "jets-bnn-small")


def test_every_figure_says_what_it_shows(compared, single):
    assert {"accuracy-lut-jets", "accuracy-latency-jets", "auc-jets", "auc-mnist", "roc-jets-t", "finn"} <= set(
        compared)
    assert "accuracy-lut-mnist" not in compared  # nothing was synthesised: no empty axes
    assert set(single) == {f"{kind}-jets-bnn-small" for kind in ("roc", "confusion", "weights", "training")}
    for name, figure in (compared | single).items():
        assert figure.caption.endswith(".") and len(figure.alt) > 20, name
        assert re.search(r"\d", figure.alt), f"{name}: the text holds no value"


def test_alternative_text_holds_the_values_drawn(folder, compared):
    table = tables.comparison(folder).set_index("network")
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
    assert len(set(figures.MARKERS)) == len(figures.COLOURS)
    for colour in map(np.array, map(to_rgb, figures.COLOURS)):
        assert colour @ [0.2126, 0.7152, 0.0722] < 0.75, "too pale for a white page"


def test_published_points_are_left_out_for_another_task(tmp_path):
    folder = synthetic.make(tmp_path / "s", ("jets-float",))
    table = tables.comparison(folder)
    assert "published" in gallery.compared(folder, table)["accuracy-lut-jets"].caption
    table["source"] = "digits28"
    assert "published" not in gallery.compared(folder, table)["accuracy-lut-jets"].caption


def test_unmeasured_networks_are_not_drawn():
    table = pd.DataFrame({"network": ["a", "b"], "accuracy_mean": [0.5, 0.6], "accuracy_std": [np.nan, np.nan],
                          "lut": pd.array([100, pd.NA], "Int64")})
    figure = costfigures.accuracy_against("jets", "lut", table, ["a"], tables.front("jets").iloc[:0])
    labels = [text.get_text() for text in figure.canvas.legends[0].get_texts()]
    assert "a" in labels and "b" not in labels


def test_written_figures_come_back_with_their_texts(folder, single, tmp_path):
    confusion = {"confusion-x": single["confusion-jets-bnn-small"]}
    gallery.write(tmp_path, {}, {"x": confusion})
    assert (tmp_path / "confusion-x.svg").read_bytes().startswith(b"<?xml")
    entry = gallery.read(tmp_path)["confusion-x"]
    assert (entry["network"], entry["alt"]) == ("x", confusion["confusion-x"].alt)
    assert gallery.read(tmp_path / "nothing") == {}


def test_notebook_view_has_alternative_text_and_escapes(single):
    figure = figures.Figure(single["confusion-jets-bnn-small"].canvas, 'a <b> "c"', 'x < y & "z"')
    view = figure._repr_html_()
    assert 'alt="x &lt; y &amp; &quot;z&quot;"' in view and "<b>" not in view and 'src="data:image/png;base64,' in view


def test_bands_leave_out_classes_without_rows(folder):
    outcomes = Outcomes(folder)
    assert list(gallery.bands(outcomes, "jets-float")) == list(synthetic.CLASSES["jets"])
