"""Run a step or a training method on a few rows, and print a digest of what it gives: equal digests, equal results.

    python tests/support/golden_runs.py training "additive tables" … > digests.json

`make relock` runs it with the code before and after a change, on the same machine: floats may differ between processors, so that
digests are compared and never kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ultralow.data import dataset, sources, tabular
from ultralow.data.dataset import Table
from ultralow.files import canonical_json, root
from ultralow.networks.methods import (Additive, BoostedTrees, FrontNetwork, HgqDense, HgqTables, LearnedTables, Votes)
from ultralow.networks.recipes import RECIPES
from ultralow.networks.spec import NetworkSpec
from ultralow.study import identity, imported, runs
from ultralow.training import lut

SMALL = {"epochs": 2, "batch_size": 128}
METHODS = {
    "additive tables": (Additive(1e-3, wide=("f1",), batch_size=256, passes=1), (16, 4, 5), "ufixed<6,6>"),
    "voting tables": (Votes(candidates=30, rows=300, looks=2), (784, 12, 10), "ufixed<1,0>"),
    "boosted trees": (BoostedTrees(leaves=5, leaf_bits=3, wide=("f0",), least_rows=10), (16, 15, 5), "ufixed<6,6>"),
    "learned tables": (LearnedTables(thresholds=7, batch_size=64), (16, 15, 5), "ufixed<6,6>"),
    "HGQ tables": (HgqTables(1e-5, neurons=3, learning_rate=0.02, batch_size=64), (16, 5, 5), "fixed<6,1>"),
    "HGQ dense": (HgqDense(1e-5, learning_rate=0.02, batch_size=64), (16, 8, 5), "fixed<6,1>"),
}


def table(features: int = 16, classes: int = 5, rows: int = 900) -> Table:
    """Rows whose class depends on the features; pixels where there are as many as MNIST has."""
    rng = np.random.default_rng(5)
    x = rng.normal(0, 1.3, (rows, features)).astype(np.float32)
    y = (np.tanh(x) @ np.random.default_rng(6).normal(size=(features, classes))).argmax(1)
    pixels = features == 784
    if pixels:
        x = np.clip(x * 60 + 128, 0, 255).astype(np.uint8)
    return Table("mnist" if pixels else "jets", "file", tuple(f"f{n}" for n in range(features)),
                 tuple(f"c{n}" for n in range(classes)), x, y)


def data() -> dict:
    """Embedded jets, pixels, and a table of one's own as classes and as a regression."""
    found = {"jets": dataset.split_and_scale(sources.load_table("jets", "generated", root() / "data/jets.root"), rows=2000),
             "pixels": dataset.split_and_scale(table(784, 10, 400))}
    with tempfile.TemporaryDirectory() as folder:
        path, rows = Path(folder) / "own.csv", table(3, 3)
        lines = [f"{a:.5f},{b:.5f},{c:.5f},{'uvw'[y]},{1 + y / 2},{2 * a + b:.4f}" for (a, b, c), y in zip(rows.x, rows.y)]
        path.write_text("\n".join(["a,b,c,kind,weight,energy", *lines]))
        for name, label, targets in (("kinds", "kind", []), ("energies", None, ["energy"])):
            columns = tabular.Columns(["a", "b", "c"], label, None, targets, "weight", None, None)
            found[name] = dataset.split_and_scale(tabular.read(name, [path], columns))
    return {name: part.sha256 for name, part in found.items()}


def dense(kind: str, recipe: str, weights: str, activation: str, features: int = 16, **changes):
    """A dense network trained and folded: the model, and the folded network."""
    rows = dataset.split_and_scale(table(features, 10 if features == 784 else 5))
    network = NetworkSpec(kind, (features, 12, 8, len(rows.classes)), weights, activation,
                      "ufixed<1,0>" if features == 784 else "fixed<7,3>", dataset=rows.name)
    model, folded, history, valid = runs.fit(network, replace(RECIPES[recipe], **SMALL, **changes), rows, 1, quiet)
    return model, folded, [content(folded), history, valid]


def training() -> dict:
    """Every kind of dense network."""
    return {"binary": dense("binary", "binary", "binary", "binary", refine=0)[2],
            "ternary": dense("ternary", "ternary", "ternary", "ternary", average=0.5, reestimate=True)[2],
            "ternary+relu": dense("ternary-relu", "ternary-relu", "ternary", "ufixed<5,2>")[2],
            "reference": dense("reference", "reference-jets", "binary", "binary")[2],
            "pruned": dense("pruned", "pruned", "fixed<7,2>", "ufixed<8,4>")[2],
            "digits": dense("digits", "digits-wide", "binary", "binary", features=784)[2]}


def method(kind: str):
    """A network of the front: what its training gives, and a description of it."""
    way, widths, form = METHODS[kind]
    rows = dataset.split_and_scale(table(widths[0], widths[-1]))
    network = FrontNetwork(kind.replace(" ", "-"), widths=widths, input=form, method=way, dataset=rows.name)
    trained = lut.train(network, rows, 1, 3, quiet)
    x = trained.network.encode(rows.x_test)
    return trained, [content(trained.network), trained.history, trained.facts, np.asarray(trained.before(x), np.float64)]


def importing() -> dict:
    """A folded model, and one of HGQ2 that becomes a circuit."""
    import keras
    from hgq.config import QuantizerConfig
    from hgq.layers import QDense, QDenseT
    from hgq.utils import trace_minmax

    from ultralow.importing import keras_model

    runs.start_keras("jax")
    rows, found = dataset.split_and_scale(table()), {}
    keras.utils.set_random_seed(1)
    hgq = keras.Sequential([keras.Input((16,)), QDense(7, activation="relu", iq_conf=QuantizerConfig("kif", "datalane", f0=3)),
                            QDenseT(5)])
    trace_minmax(hgq, rows.x_train, verbose=False)
    with tempfile.TemporaryDirectory() as folder:
        for name, model, form in (("dense", dense("own", "ternary", "ternary", "ternary")[0], "fixed<7,3>"), ("hgq", hgq, None)):
            path = Path(folder) / f"{name}.keras"
            model.save(path)
            job = imported.Job(keras_model.entry(name, path, "jets", form), path, rows, False, Path(folder) / name, "jax")
            result = imported.run(job, quiet).result
            found[name] = [identity.of_network(Path(folder) / name / "folded.npz"), result]
    return found


def search() -> list:
    """The first trials that a search suggests."""
    import optuna

    from ultralow.circuit import lut_estimate
    from ultralow.study import search as searches

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = [lut_estimate.luts(dense("estimated", "ternary", "ternary", "ternary")[1])]
    for weights in ("binary", "ternary"):
        trials = optuna.create_study(directions=("maximize", "minimize"))
        for done in range(3):
            trials.sampler = searches.sampler(1, done, 0)
            trial = trials.ask()
            network, recipe = searches.suggest(trial, "jets", weights, 3)
            trials.tell(trial, (0.5, 100.0 * done))
            found.append([network.widths, vars(recipe), trial.params])
    return found


def conversion() -> dict:
    """hls4ml's emulation of a dense network."""
    from ultralow.synthesis import hls4ml

    folded = dense("converted", "ternary-relu", "ternary", "ufixed<5,2>")[1]
    return without_tools(hls4ml.compare(folded, folded.encode(table().x), clock_ns=5.0, log=quiet).to_dict())


def synthesis() -> dict:
    """Circuits of a dense network and of tables: counts, stages and rows; the Verilog's bytes are pinned by test_golden."""
    from ultralow.synthesis import implement

    found = {}
    for network in (dense("built", "ternary-relu", "ternary", "ufixed<5,2>")[1], method("boosted trees")[0].network):
        with tempfile.TemporaryDirectory() as folder:
            found[network.name] = without_tools(
                implement.measure(network, network.codes(table().x), folder, 5.0, quiet).to_dict())
    return found


def without_tools(result: object) -> dict:
    """A result without names and versions of tools."""
    content = result if isinstance(result, dict) else vars(result)
    return {key: value for key, value in content.items() if key not in ("tool", "script", "seconds")}


def content(network: object) -> str:
    """A digest of an exact network's values."""
    with tempfile.TemporaryDirectory() as folder:
        network.save(Path(folder) / "network.npz")
        return identity.of_network(Path(folder) / "network.npz")


def quiet(line: str) -> None:
    """No log."""


# By the name of a declared version.
RUNS: dict[str, Callable[[], object]] = {
    "data": data, "training": training,
    "weight flips": lambda: dense("flipped", "binary", "binary", "binary")[2],
    **{kind: lambda kind=kind: method(kind)[1] for kind in METHODS},
    "importing": importing, "search": search, "conversion": conversion, "synthesis": synthesis,
}


def main(names: list[str]) -> None:
    """Prints {name: digest} as JSON."""
    os.environ |= {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}  # before Keras is imported
    digests = {}
    for name in names or RUNS:
        digests[name] = hashlib.sha256(canonical_json(RUNS[name]()).encode()).hexdigest()
        print(name, digests[name][:16], file=sys.stderr, flush=True)
    print(json.dumps(digests))


if __name__ == "__main__":
    main(sys.argv[1:])
