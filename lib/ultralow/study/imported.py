"""Import a model that was trained elsewhere as a run of the study: make it exact, test it, keep it in a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import singledispatch
from pathlib import Path

import numpy as np

from ultralow.data.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.exact.base import exact_rows
from ultralow.exact.circuit import CircuitNetwork
from ultralow.exact.load import load_network
from ultralow.files import sha256
from ultralow.importing import keras_model
from ultralow.importing.hgq_model import HgqNetwork
from ultralow.networks.spec import NetworkSpec
from ultralow.study import identity, runs
from ultralow.study.runs import Log, Run
from ultralow.study.sections import wrong_outputs


@dataclass(frozen=True)
class Job:
    """What one import is asked for.

    Attributes:
        path: the .keras file (:mod:`ultralow.importing.keras_model`).
        raw: whether the model takes features as they stand in the data's files, not as the dataset scales them. A model of
            a study takes them as the folded.npz beside it says.
        folder: where the run is kept.
        outputs: what the model's outputs are, in its order; None: in the order of the dataset's.
    """

    network: NetworkSpec
    path: Path
    data: Dataset
    raw: bool
    folder: Path
    backend: str = "tensorflow"
    outputs: tuple[str, ...] | None = None

    @property
    def identity(self) -> identity.Parts:
        """What the run's results depend on."""
        beside = self.path.with_name("folded.npz")
        scaling = identity.of_network(beside) if not self.raw and beside.exists() else None
        parts = identity.of_import(self.network, sha256(self.path), self.raw, scaling, self.data.sha256)
        return parts | ({"outputs": list(self.outputs)} if self.outputs else {})

    @property
    def order(self) -> list[int] | None:
        """Of each output in the dataset's order the position among the model's; None: they are the same.

        Raises:
            StudyError: the outputs that are named are not those of the dataset.
        """
        known = tuple(self.data.outputs)
        if self.outputs is None or self.outputs == known:
            return None
        if sorted(self.outputs) != sorted(known):
            raise wrong_outputs(self.network.name, self.outputs, self.data.name, known)
        return [self.outputs.index(name) for name in known]


@dataclass(frozen=True)
class Imported:
    """An exact network made of a model: its outputs on the test part before it became exact (rows, outputs), further facts of
    the run by name, and what writes its model.keras."""

    network: object
    before: np.ndarray
    facts: dict
    save_model: Callable[[Path], object]


def run(job: Job, log: Log = print) -> Run:
    """Makes a model exact and measures it, as :func:`ultralow.study.runs.run` does what it trains; writes model.keras,
    folded.npz and run.json.

    Returns:
        as :func:`ultralow.study.runs.run`; of a model of HGQ2 ``keras_rows``, ``keras_rows_exact`` and ``input``, too.

    Raises:
        StudyError: the model does not fit the data or does not become exact.
    """
    runs.check(job.network, None, job.data)
    if job.order:
        log(f"outputs {', '.join(job.outputs)} are brought to the order of {job.data.name}: {', '.join(job.data.outputs)}")
    runs.start_keras(job.backend)
    imported = convert(job.network, job, log)
    values, logits = runs.judged(imported.network, job.data, lambda x: imported.before)
    result = {"seed": keras_model.SEED, "history": {}, **imported.facts, **values}
    runs.keep(job.folder, imported.network, result, job.identity, imported.save_model)
    return Run(result, True, logits)


@singledispatch
def convert(network: NetworkSpec, job: Job, log: Log) -> Imported:
    """The exact network that a model becomes, by kind of network: a chain of dense layers is folded."""
    from ultralow.training import folding
    from ultralow.training.evaluation import outputs

    log(f"{network.name}: {job.path.name}, trained elsewhere")
    model = keras_model.load(job.path)
    if job.order:
        keras_model.reorder(model, job.order)
    gain, move = scaling(job, log)
    folded = replace(folding.fold(model, network, job.data.outputs), gain=gain, move=move)
    zeros = np.concatenate([layer.kernel.ravel() for layer in folded.layers]) == 0
    before = outputs(model, folded.encode(job.data.x_test).astype(np.float32))
    bare = type(model)(model.inputs, model.outputs, name=model.name)
    return Imported(folded, before, {"zero_weights": float(np.mean(zeros))}, bare.save)


@convert.register
def _(network: HgqNetwork, job: Job, log: Log) -> Imported:
    """A model of HGQ2 becomes a circuit; its outputs and the circuit's are compared on every row of the data, encoded. What it
    was before is the model on features that are not encoded."""
    from ultralow.training.lut import hgq_circuit
    from ultralow.training.evaluation import outputs

    log(f"{network.name}: {job.path.name}, of HGQ2, trained elsewhere")
    data, model = job.data, keras_model.load(job.path)
    front = hgq_circuit.first_quantiser(model, network.name)
    gain, move = scaling(job, log)
    if not job.raw and move is not None:
        # What rounding adds to the move is the circuit's own.
        move = None if (move == front.half).all() else move - front.half
    circuit = hgq_circuit.convert(model, network, front, data.outputs, gain, move)
    widest = hgq_circuit.widest(circuit)
    log(f"{circuit.architecture}: {len(circuit.comb.ops):,} operations, inputs {circuit.input}, {widest} bits at the widest")
    rows, exact = hgq_circuit.compare(model, circuit, front, *(circuit.codes(part)
                                                             for part in (data.x_train, data.x_valid, data.x_test)))
    log(f"{exact:,} of {rows:,} rows: the circuit gives what the model gives")
    if exact != rows:
        raise StudyError(
            f"{network.name}: {rows - exact:,} of {rows:,} rows of the circuit differ from the model {job.path}. "
            + (f"Its sums take up to {widest} bits, and Keras counts in floats of {hgq_circuit.MANTISSA}: the model itself "
               "rounds them; train it with fewer bits" if widest > hgq_circuit.MANTISSA else
               "A value of one of its tables may lie on the edge between two steps, where floats decide by chance; train it with "
               "fewer bits after the point, or some steps on"))
    x = data.x_test if circuit.gain is None else data.x_test * circuit.gain
    x = x + (0.0 if circuit.move is None else circuit.move) - front.half
    before = outputs(model, x.astype(np.float32))
    # Others are rounded in float32 on an edge, or lie beyond the format, where codes saturate and the model wraps around.
    same = exact_rows(before, circuit.logits(circuit.encode(data.x_test)))
    log(f"{same:,} of {len(before):,} rows of the test part: the same on features as they are, not encoded")
    if job.order:
        circuit, before = reordered(circuit, job.order), _taken(before, job.order)
    facts = {"zero_weights": None, "keras_rows": rows, "keras_rows_exact": exact, "input": str(circuit.input)}
    return Imported(circuit, before, facts, lambda path: path.write_bytes(job.path.read_bytes()))


def scaling(job: Job, log: Log) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Gain and move (inputs,) of the features before the model: the dataset's of raw features, else those of the folded.npz
    beside the model's file; None, None: it takes them as they are."""
    if job.raw:
        return job.data.scale, job.data.mean
    if not (beside := job.path.with_name("folded.npz")).exists():
        return None, None
    log(f"gains of the features from {beside.name} beside it")
    known = load_network(beside)
    return known.gain, known.move


def reordered(circuit: CircuitNetwork, order: list[int]) -> CircuitNetwork:
    """The circuit with its outputs in another order: output i is what was output ``order[i]``. A single output, which stands for
    two classes, changes its sign."""
    comb = circuit.comb
    if len(comb.out_idxs) < len(order):
        return replace(circuit, comb=comb._replace(out_negs=[not negative for negative in comb.out_negs]))
    return replace(circuit, comb=comb._replace(**{name: [getattr(comb, name)[i] for i in order]
                                                  for name in ("out_idxs", "out_shifts", "out_negs")}))


def _taken(outputs: np.ndarray, order: list[int]) -> np.ndarray:
    """The same of outputs (rows, outputs)."""
    return -outputs if outputs.shape[1] < len(order) else outputs[:, order]
