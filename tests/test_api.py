"""The public names, and the ten lines of docs/python-api.md: in another folder, as somebody runs them who has the package only."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ultralow as ul

PAGE = Path(__file__).parents[1] / "docs" / "python-api.md"


def elsewhere(code: str, folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)


def test_importing_the_package_imports_nothing_else(tmp_path):
    done = elsewhere("import sys, time; start = time.perf_counter(); import ultralow; took = time.perf_counter() - start\n"
                     "heavy = {'numpy', 'keras', 'tensorflow', 'jax', 'hls4ml', 'uproot'} & set(sys.modules)\n"
                     "print(sorted(heavy), took < 1)", tmp_path)
    assert done.stdout.split("\n")[0] == "[] True", done.stderr


def test_every_public_name_is_there_and_listed():
    for name in ul.__all__:
        assert getattr(ul, name) is not None and name in dir(ul)
    assert all(getattr(ul, name).__doc__ for name in ul.__all__ if name != "__version__")


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(AttributeError, match="did you mean .*write_verilog"):
        ul.write_verlog
    with pytest.raises(ImportError):
        from ultralow import nothing_like_that  # noqa: F401


def test_the_ten_lines_of_the_page(tmp_path):
    """As they stand there, but for narrower layers, a short training on few rows and few rows to emulate."""
    code = re.search(r"```python\n(import ultralow as ul\n.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    assert len(code.splitlines()) <= 10
    for long, short in (("(16, 64, 32, 5)", "(16, 32, 16, 5)"), ("seed=1)", "seed=1, epochs=12)"),
                        ('ul.load_dataset("jets")', 'ul.load_dataset("jets", rows=20_000)'),
                        ("ul.emulate_hls4ml(network, data.x_test)", "emulation = ul.emulate_hls4ml(network, data.x_test[:500])")):
        assert long in code
        code = code.replace(long, short)
    code += ("\nassert (network.predict(data.x_test) == data.y_test).mean() > 0.5, 'accuracy'\n"
             "assert design.latency_ns == cost.latency_ns > 0 and cost.lut > 100 and cost.ff > 100\n"
             "assert cost.rows == cost.rows_exact == len(data.x_test)\n"
             "assert emulation.rows == emulation.rows_exact == 500\n"
             "assert (model.predict(data.x_test, verbose=0).argmax(1) == network.predict(data.x_test)).mean() > 0.97\n")
    done = elsewhere(code, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert {path.name for path in (tmp_path / "rtl").iterdir()} == {"mine.v", "mine.xdc", "info.json"}


@pytest.fixture(scope="module")
def own():
    """Two classes of points, and an untrained model of somebody's own."""
    import keras

    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 4))
    data = ul.Dataset.from_arrays(x, (x[:, 0] + x[:, 1] > 0).astype(int), features=list("abcd"), classes=("below", "above"))
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(6, activation="relu")(inputs)
    return data, keras.Model(inputs, keras.layers.Dense(2)(hidden))


def test_a_model_in_memory_becomes_an_exact_network(own):
    data, model = own
    spec = ul.NetworkSpec("own", (4, 6, 2), weights="fixed<12,4>", activation="ufixed<12,4>", input="fixed<12,4>")
    network = ul.fold(model, spec, classes=data.classes)
    assert network.classes == ("below", "above")
    logits = model.predict(data.x_test, verbose=0)
    np.testing.assert_allclose(network.logits(network.encode(data.x_test)), logits, atol=0.05)


@pytest.mark.parametrize("changes, message", [
    ({"widths": (4, 7, 2)}, r"has the widths \(4, 6, 2\), own \(4, 7, 2\)"),
    ({"weights": "ternary"}, "dense layer 1 has ternary weights and no batch normalisation"),
    ({"weights": ("fixed<8,2>", "binary")}, "dense layer 2 has binary weights and no batch normalisation"),
])
def test_another_network_than_the_spec_says_is_refused(own, changes, message):
    fields = {"name": "own", "widths": (4, 6, 2), "weights": "fixed<8,2>", "activation": "ufixed<8,4>", "input": "fixed<8,3>"}
    with pytest.raises(ul.StudyError, match=message):
        ul.fold(own[1], ul.NetworkSpec(**fields | changes))


def test_a_layer_without_an_exact_form_is_refused():
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6), keras.layers.LeakyReLU(), keras.layers.Dense(2)])
    spec = ul.NetworkSpec("own", (4, 6, 2), weights="fixed<8,2>", activation="ufixed<8,4>", input="fixed<8,3>")
    with pytest.raises(ul.StudyError, match="LeakyReLU.*in its place: ReLU"):
        ul.fold(model, spec)


def test_a_model_trained_before_is_folded_and_training_afterwards_is_refused(tmp_path):
    code = """
import keras
import numpy as np
import ultralow as ul

x = np.random.default_rng(0).normal(size=(600, 4)).astype("float32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6, activation="relu"), keras.layers.Dense(2)])
model.predict(x, verbose=0)
spec = ul.NetworkSpec("own", (4, 6, 2), weights="fixed<12,4>", activation="ufixed<12,4>", input="fixed<12,4>")
print(ul.fold(model, spec).architecture)
ul.train(spec, ul.Dataset.from_arrays(x, (x[:, 0] > 0).astype(int)))
"""
    done = elsewhere(code, tmp_path)
    assert "4x6x2" in done.stdout, done.stderr[-2000:]
    assert "StudyError: TensorFlow computed something before" in done.stderr


def test_the_notebook_takes_a_model_from_memory_to_luts(tmp_path):
    notebook, made = PAGE.parents[1] / "notebooks" / "python-api.ipynb", tmp_path / "out.ipynb"
    done = subprocess.run([sys.executable, "-m", "papermill", "--no-progress-bar", "-k", "python3", str(notebook), str(made), "-p",
                           "rows", "8000", "-p", "epochs", "12"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    printed = "".join("".join(output["text"]) for cell in json.loads(made.read_text())["cells"]
                      for output in cell.get("outputs", []) if output["output_type"] == "stream" and output["name"] == "stdout")
    before, after = map(float, re.search(r"([\d.]+) in Keras, ([\d.]+) as integers", printed).groups())
    assert before > 0.5 and abs(after - before) < 0.05
    luts, ffs = (int(number.replace(",", "")) for number in re.search(r"([\d,]+) LUT, ([\d,]+) flip-flops, 0 DSP", printed).groups())
    assert 500 < luts < 5000 and ffs > 100
    assert "1,600 of 1,600 rows exact in Verilog, 1,600 of 1,600 in the netlist" in printed
    assert (tmp_path / "rtl" / "mine.v").exists()
