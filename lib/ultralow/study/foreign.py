"""Knows one run of a model that no folded network can be: made a circuit, compared, tested, kept in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ultralow import metrics
from ultralow.exact.load import load_network
from ultralow.importing import keras_model
from ultralow.study import runs
from ultralow.data.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.files import replacing, write_json
from ultralow.exact.base import exact_rows
from ultralow.importing.hgq_model import HgqNetwork


def take(network: HgqNetwork, path: Path, data: Dataset, raw: bool, folder: Path, log: Callable[[str], None],
         backend: str = "tensorflow") -> dict:
    """Makes a model of HGQ2 a circuit and measures it, as :func:`ultralow.study.runs.take` does what can be folded.

    The model's outputs and the circuit's are compared on every row of the data, encoded. ``<quality>_float`` is the model's on
    features that are not encoded. Writes model.keras (the file as it is), folded.npz (the circuit) and run.json.

    Args:
        raw: whether the model takes features as they stand in the data's files. A model of a study takes them as the folded.npz
            beside it says.

    Raises:
        StudyError: a row differs; or the model does not become a circuit.
    """
    runs.check(network, None, data)
    runs.start_keras(backend)
    from ultralow.importing import hgq_trace
    from ultralow.training.evaluation import outputs

    log(f"{network.name}: {path.name}, of HGQ2, trained elsewhere")
    model = keras_model.load(path)
    before = hgq_trace.front(model, network.name)
    circuit = hgq_trace.convert(model, network, before, data.outputs, *_scaling(path, data, raw, before.half, log))
    log(f"{circuit.architecture}: {len(circuit.comb.ops):,} operations, inputs {circuit.input}, {hgq_trace.widest(circuit)} bits "
        "at the widest")
    parts = {name: circuit.codes(getattr(data, f"x_{name}")) for name in ("train", "valid", "test")}
    rows, exact = hgq_trace.compare(model, circuit, before, *parts.values())
    log(f"{exact:,} of {rows:,} rows: the circuit gives what the model gives")
    if exact != rows:
        wide = hgq_trace.widest(circuit)
        raise StudyError(
            f"{network.name}: {rows - exact:,} of {rows:,} rows of the circuit differ from the model {path}. "
            + (f"Its sums take up to {wide} bits, and Keras counts in floats of {hgq_trace.MANTISSA}: the model itself rounds them; "
               "train it with fewer bits" if wide > hgq_trace.MANTISSA else
               "A value of one of its tables may lie on the edge between two steps, where floats decide by chance; train it with "
               "fewer bits after the point, or some steps on"))
    found = {name: circuit(codes) * 2.0**-circuit.output_fraction for name, codes in parts.items() if name != "train"}
    quality = metrics.quality(data.y_valid)
    result = {"seed": keras_model.SEED, "history": {}, "zero_weights": None, "keras_rows": rows, "keras_rows_exact": exact,
              f"valid_{quality}": metrics.judged(found["valid"], data.y_valid, data.w_valid)}
    x = data.x_test if circuit.gain is None else data.x_test * circuit.gain
    x = x + (0.0 if circuit.move is None else circuit.move) - before.half
    plain = outputs(model, x.astype(np.float32))
    # Others are rounded in float32 on an edge, or lie beyond the format, where codes saturate and the model wraps around.
    log(f"{exact_rows(plain, found['test']):,} of {len(plain):,} rows of the test part: the same on features as they are, not encoded")
    result |= runs.tested(found["test"], plain, data)
    with replacing(folder) as temporary:
        temporary.mkdir()
        (temporary / "model.keras").write_bytes(path.read_bytes())
        circuit.save(temporary / "folded.npz")
        write_json(temporary / "run.json", {**result, "input": str(circuit.input),
                                            "fingerprint": keras_model.identity(path)["sha256"]})
    return {**result, "input": str(circuit.input)}


def _scaling(path: Path, data: Dataset, raw: bool, half: np.ndarray, log: Callable[[str], None]
             ) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Gain and move (inputs,) of scaled features before the model; None, None: it takes them as they are. ``half`` is what
    rounding adds to the move."""
    if raw:
        return data.scale, data.mean
    if not (beside := path.with_name("folded.npz")).exists():
        return None, None
    log(f"gains of the features from {beside.name} beside it")
    known = load_network(beside)
    return known.gain, None if known.move is None or (known.move == half).all() else known.move - half
