import numpy as np
import pytest

from ultralow import metrics

CLASSES = ("a", "b", "c")


def _sample(rows, seed=0, strength=1.0):
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, rows)
    return draw.normal(size=(rows, 3)) + strength * np.eye(3)[labels], labels


def _pairs(scores, truth):
    """AUC by its definition: the share of (signal, background) pairs in the right order, ties half."""
    signal, background = scores[truth][:, None], scores[~truth][None, :]
    return np.mean((signal > background) + 0.5 * (signal == background))


@pytest.mark.parametrize("decimals", [6, 0])  # rounded to integers, most scores are ties, as in a binary network
def test_auc_is_the_share_of_ordered_pairs(decimals):
    logits, labels = _sample(300)
    logits = logits.round(decimals)
    found, probability = metrics.auc_per_class(logits, labels, CLASSES), metrics.softmax(logits)
    for index, name in enumerate(CLASSES):
        assert found[name] == pytest.approx(_pairs(probability[:, index], labels == index), abs=1e-12)


def test_softmax_keeps_apart_what_float32_would_tie():
    logits = np.array([[25.0, 0.0, 0.0], [26.0, 0.0, 0.0]], np.float32)
    sure, surer = metrics.softmax(logits)[:, 0]
    assert sure < surer < 1
    assert np.isfinite(metrics.softmax(np.array([[1e4, -1e4]]))).all()


def test_a_class_without_rows_has_no_auc():
    logits, labels = _sample(50)
    labels[labels == 2] = 0
    assert metrics.auc_per_class(logits, labels, CLASSES)["c"] is None
    assert "c" not in metrics.roc_per_class(logits, labels, CLASSES)


def test_confusion_counts_true_in_rows():
    logits = np.eye(3)[[1, 1, 2]]
    assert metrics.confusion(logits, np.array([0, 1, 2]), 3).tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_equal_logits_take_the_first_class():
    assert metrics.accuracy(np.zeros((2, 3)), np.array([0, 1])) == 0.5


def test_thinned_curves_stay_curves():
    logits, labels = _sample(30000, strength=2.0)
    for curve in metrics.roc_per_class(logits, labels, CLASSES).values():
        assert len(curve.signal) <= metrics.ROC_POINTS
        assert (curve.signal[0], curve.background[0], curve.signal[-1], curve.background[-1]) == (0, 0, 1, 1)
        assert np.trapezoid(curve.signal, curve.background) == pytest.approx(curve.auc, abs=2e-4)
        # the plot's axis is logarithmic: the smallest backgrounds must have survived
        assert np.sum(curve.background < 1e-2) > 50


def test_band_spans_its_seeds():
    curves = [metrics.roc_per_class(*_sample(2000, seed), CLASSES)["a"] for seed in range(3)]
    band = metrics.band(curves)
    assert (band.low <= band.mean).all() and (band.mean <= band.high).all() and (band.low < band.high).any()
    assert band.auc_std == pytest.approx(np.std([c.auc for c in curves], ddof=1))
    assert metrics.band(curves[:1]).auc_std is None


def test_band_takes_the_smallest_background_of_a_step():
    step = metrics.Roc(np.array([0.0, 0.5, 0.5, 1.0]), np.array([0.0, 0.0, 0.4, 0.4]), 0.8)
    band = metrics.band([step])
    assert band.mean[np.isclose(band.signal, 0.5)] == 0
