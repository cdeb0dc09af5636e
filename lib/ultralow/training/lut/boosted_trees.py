"""Train boosted decision trees on the codes that hardware receives, and make them tables and sums.

Gradient boosting adds, round by round, one small tree for each class to that class's score. TreeLUT (arXiv:2501.01511) showed how
that becomes gates: features of few bits, so that a threshold is a table; leaves of few bits; a tree is a function of its
thresholds alone, and a class's score the sum of its trees. Trees here are grown by scikit-learn, leaf by leaf, and what a table
has room for bounds their number of leaves.
"""

from __future__ import annotations

import numpy as np

from ultralow.training.lut import input_encoding
from ultralow.data.dataset import Dataset
from ultralow.errors import Log, StudyError
from ultralow.fixed_point import Fixed
from ultralow.networks.methods import FrontNetwork
from ultralow.training.trained import Trained
from ultralow.exact.lut import MOST_KEY_BITS, Sums, TableNetwork, Tables, take_up
from ultralow.training.lut.input_encoding import Keys

_RARE = 1e-3  # share of the rows at either end of all leaves' values


def train(entry: FrontNetwork, data: Dataset, seed: int, epochs: int, log: Log) -> Trained:
    """The trained trees. Their number is the entry's, whatever the epochs.

    Raises:
        StudyError: trees have more leaves than a table has room for, or there are two classes only (one tree a round would do).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    method, form = entry.method, Fixed.parse(entry.input)
    if method.leaves - 1 > MOST_KEY_BITS:
        raise StudyError(f"{entry.name}: trees of {method.leaves} leaves need {method.leaves - 1} thresholds; a table has "
                         f"{MOST_KEY_BITS}")
    if len(data.classes) < 3:
        raise StudyError(f"{entry.name}: boosted trees are made circuits for three classes and more")
    bits = np.array([min(form.bits, method.key_bits + (name in method.wide)) for name in data.features])
    keys = input_encoding.fitted(data.x_train, data.y_train, form, bits)
    rounds = max(1, entry.widths[1] // len(data.classes))
    model = HistGradientBoostingClassifier(
        learning_rate=method.learning_rate, max_iter=rounds, max_leaf_nodes=method.leaves, min_samples_leaf=method.least_rows,
        l2_regularization=method.l2, max_features=method.features, early_stopping=False, random_state=seed)
    model.fit(keys(data.x_train).astype(np.float32), data.y_train)
    trees = [[predictor.nodes for predictor in row] for row in model._predictors]
    network = export(entry, trees, model._baseline_prediction.ravel(), keys, data.outputs)
    logits, x = network.logits(network.encode(data.x_valid)), keys(data.x_valid).astype(np.float32)
    log(f"{rounds} rounds: validation accuracy {np.mean(model.predict(x) == data.y_valid):.4f}, with leaves of few bits "
        f"{np.mean(logits.argmax(1) == data.y_valid):.4f}; {network.layers[0].outputs} tables before the first sums")
    return Trained(network, lambda encoded: model.decision_function(keys.of(encoded).astype(np.float32)), {}, {})


def export(entry: FrontNetwork, trees: list[list[np.ndarray]], start: np.ndarray, keys: Keys, classes: tuple[str, ...]
           ) -> TableNetwork:
    """The exact network: thresholds that several trees share once, leaves rounded, trees without effect left out.

    ``trees``: scikit-learn's nodes, by round and class. ``start`` (classes,): scores before the first round. Leaves are whole
    numbers of one unit, so that later, weaker trees have fewer bits; of a tree the smallest is 0.
    """
    form, bits, method = keys.form, keys.bits, entry.method
    _clip(trees)
    widest = max(np.ptp(nodes["value"][nodes["is_leaf"] == 1]) for row in trees for nodes in row)
    unit = widest / (2**method.leaf_bits - 1)
    thresholds: dict[tuple[int, int], int] = {}
    tables, columns = ([], []), [[] for _ in classes]
    offset = start / unit
    for row in trees:
        for column, nodes in enumerate(row):
            leaves = nodes["value"][nodes["is_leaf"] == 1]
            least = leaves.min()
            offset[column] += least / unit
            if not np.rint((leaves - least) / unit).any():
                continue
            # A tree may ask the same twice, on both sides of another question.
            asked = sorted({_threshold(nodes, at) for at in np.flatnonzero(nodes["is_leaf"] == 0)})
            values = np.array([np.rint((_leaf(nodes, dict(zip(asked, _bits(key, len(asked))))) - least) / unit)
                               for key in range(2 ** len(asked))]).astype(np.int64)
            columns[column].append(len(tables[0]))
            tables[0].append(np.array([(thresholds.setdefault(which, len(thresholds)), 0) for which in asked]
                                      if form.bits > 1 else [(feature, 0) for feature, _ in asked], np.int64))
            tables[1].append(values)
    constants = np.rint(offset - offset.min()).astype(np.int64)
    rest = np.array([take_up(tables[1], terms, int(constant)) for terms, constant in zip(columns, constants)])
    layers = (Tables(tuple(tables[0]), tuple(tables[1])), Sums(tuple(np.array(terms, np.int64) for terms in columns), rest))
    if form.bits > 1:
        layers = (_compared(thresholds, form, bits), *layers)
    return TableNetwork(entry.name, form, layers, (len(bits), len(tables[0]), len(classes)), "boosted trees", 0, classes,
                        keys.gain, keys.move)


def _clip(trees: list[list[np.ndarray]]) -> None:
    """Leaves that hardly a row reaches, cut off at what the others have: one that is far out would take all bits for itself."""
    leaves = np.concatenate([nodes[nodes["is_leaf"] == 1] for row in trees for nodes in row])
    leaves = leaves[np.argsort(leaves["value"], kind="stable")]
    share = np.cumsum(leaves["count"], dtype=np.float64) / leaves["count"].sum()
    low, high = leaves["value"][np.searchsorted(share, [_RARE, 1 - _RARE])]
    for nodes in (nodes for row in trees for nodes in row):
        nodes["value"] = np.where(nodes["is_leaf"] == 1, np.clip(nodes["value"], low, high), nodes["value"])


def _compared(thresholds: dict[tuple[int, int], int], form: Fixed, bits: np.ndarray) -> Tables:
    """For each threshold (a feature and the largest code on its left) a table of the feature's upper bits: 1 on its right."""
    keys, values = [], []
    for feature, code in thresholds:
        low = form.bits - bits[feature]
        keys.append(np.array([(feature, low + place) for place in range(bits[feature])], np.int64))
        values.append((np.arange(2 ** bits[feature]) > code).astype(np.int64))
    return Tables(tuple(keys), tuple(values))


def _threshold(nodes: np.ndarray, at: int) -> tuple[int, int]:
    return int(nodes["feature_idx"][at]), int(np.floor(nodes["num_threshold"][at]))


def _bits(key: int, count: int) -> list[int]:
    return [key >> place & 1 for place in range(count)]


def _leaf(nodes: np.ndarray, right: dict[tuple[int, int], int]) -> float:
    """The value of the leaf that these answers lead to."""
    at = 0
    while not nodes["is_leaf"][at]:
        at = nodes["right" if right[_threshold(nodes, at)] else "left"][at]
    return float(nodes["value"][at])
