"""The physics check: its numbers on made-up jets, and the committed sample against the published means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ultralow.data import jets
from ultralow.data.jetgen import validation
from ultralow.report.figures import jets as jetfigures
from ultralow.data.jets import CLASSES, FEATURES
from ultralow.data.dataset import Table

SAMPLE = Path(__file__).parents[3] / "data" / "jets.root"


@pytest.fixture
def made_up():
    """Jets with the published means in every feature, but one class twice as large as the others."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(5), [400, 200, 200, 200, 200])
    x = np.array([validation.REFERENCE_MEANS[name] for name in FEATURES]) * rng.normal(1, 0.01, (len(y), 16))
    flow = {kind: {"b cut": 200, "a cut": 210, "events": 250} for kind in CLASSES}
    return Table("jets", "generated", FEATURES, CLASSES, x.astype(np.float32), y, None, {"cut_flow": flow})


def test_every_class_has_equal_weight_against_the_reference(made_up):
    made_up.x[made_up.y == 0] *= 2  # the large class
    found = validation.against_reference(made_up)
    assert found["difference_percent"].to_numpy() == pytest.approx(np.full(16, 20), abs=0.3)
    assert (found["standard_error"] / found["mean"].abs()).between(0.0002, 0.0006).all()
    assert (found["q"] / found["g"]).to_numpy() == pytest.approx(np.full(16, 2), rel=0.01)


def test_cut_flow_goes_down(made_up):
    found = validation.cut_flow(made_up)
    assert list(found.columns) == ["events", "a cut", "b cut", "efficiency"]
    assert found["efficiency"].tolist() == [0.8] * 5


def test_mass_peaks_and_separation(made_up):
    mass = FEATURES.index("mass_mmdt")
    for kind, value in validation.PDG_MASS_GEV.items():
        made_up.x[made_up.y == CLASSES.index(kind), mass] = value + np.linspace(-0.4, 20, 200) ** 3 / 8000
    peaks = validation.mass_peaks(made_up)
    assert (peaks["peak_gev"] - peaks["particle_mass_gev"]).abs().max() <= 1.0
    assert validation.separation(made_up, "mass_mmdt", "W", "t") == 1.0
    assert validation.separation(made_up, "multiplicity", "g", "g") == 0.0


def test_committed_sample_is_close_to_the_published_set():
    table = jets.read(SAMPLE)
    assert table.source == "generated"
    assert validation.against_reference(table)["difference_percent"].abs().max() < 4
    peaks = validation.mass_peaks(table)
    assert (peaks["peak_gev"] - peaks["particle_mass_gev"]).abs().max() < 3
    correlations = validation.correlations(table)
    assert correlations.loc["d2_b1_mmdt", "d2_a1_b1_mmdt"] == pytest.approx(1, abs=1e-9)
    assert correlations.loc["c1_b1_mmdt", "mass_mmdt"] > 0.9


def test_figures_show_all_classes_and_features(made_up):
    drawn = jetfigures.distributions(made_up)
    assert len([axes for axes in drawn.canvas.axes if axes.patches]) == 16
    assert [text.get_text() for text in drawn.canvas.legends[0].get_texts()] == list(CLASSES)
    comparison = validation.against_reference(made_up)
    assert len(jetfigures.differences(comparison).canvas.axes[0].patches) == 16
    mass = jetfigures.groomed_mass(made_up)
    assert mass.canvas.axes[0].get_yscale() == "log" and mass.bytes("svg") == mass.bytes("svg")
    assert "correlations" in jetfigures.correlation_matrix(validation.correlations(made_up)).alt
