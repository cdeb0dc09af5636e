"""Import a model that was trained elsewhere as a run of the study: make it exact, test it, keep it in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import singledispatch
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from ultralow import metrics
from ultralow.data.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.exact.base import ExactNetwork, exact_rows
from ultralow.exact.circuit import CircuitNetwork
from ultralow.exact.dense import FoldedNetwork
from ultralow.exact.load import load_network
from ultralow.files import sha256
from ultralow.fixed_point import Fixed, integer_format
from ultralow.importing import keras_model, plain_chain
from ultralow.importing.hgq_model import HgqNetwork
from ultralow.importing.plain_chain import PlainChain
from ultralow.networks.spec import QUANTISED, NetworkSpec
from ultralow.study import identity, runs
from ultralow.study.runs import Log, Run
from ultralow.study.sections import wrong_outputs

ROWS_COMPARED = 1000  # of the model and what is read of it, layer by layer
ROWS_MEASURED = 10_000  # what the network is worth at each step of rounding
MOST_LOST = 2.0  # points of accuracy, or of 100·R², that rounding may cost without a word
FAR_BETTER = 0.1  # a share of the rows, by which another order of the outputs must be right more often


@dataclass(frozen=True)
class Job:
    """What one import is asked for.

    Attributes:
        path: the .keras file (:mod:`ultralow.importing.keras_model`).
        raw: whether the model takes features as they stand in the data's files, not as the dataset scales them. A model of
            a study takes them as the folded.npz beside it says.
        folder: where the run is kept.
        outputs: what the model's outputs are, in its order; None: in the order of the dataset's.
        raw_targets: whether ``data`` has its targets in the unit of the files, as the model gives them.
    """

    network: NetworkSpec
    path: Path
    data: Dataset
    raw: bool
    folder: Path
    backend: str = "tensorflow"
    outputs: tuple[str, ...] | None = None
    raw_targets: bool = False

    @property
    def identity(self) -> identity.Parts:
        """What the run's results depend on."""
        beside = self.path.with_name("folded.npz")
        scaling = identity.of_network(beside) if not self.raw and beside.exists() else None
        parts = identity.of_import(self.network, sha256(self.path), self.raw, scaling, self.data.sha256)
        return parts | ({"outputs": list(self.outputs)} if self.outputs else {}) | (
            {"raw_targets": True} if self.raw_targets else {})

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
        as :func:`ultralow.study.runs.run`; ``notes``, sentences for whoever brought the model, where there are any; of a chain of
        dense layers what :func:`_rounding` gives; of a model of HGQ2 ``keras_rows``, ``keras_rows_exact`` and ``input``, too.

    Raises:
        StudyError: the model does not fit the data or does not become exact.
    """
    runs.check(job.network, None, job.data)
    if job.order:
        log(f"outputs {', '.join(job.outputs)} are brought to the order of {job.data.name}: {', '.join(job.data.outputs)}")
    runs.start_keras(job.backend)
    imported = convert(job.network, job, log)
    notes = [*imported.facts.pop("notes", ()), *_meanings(imported.network, job)]
    for note in notes:
        log(f"{job.network.name}: NOTE: {note}")
    values, logits = runs.judged(imported.network, job.data, lambda x: imported.before)
    result = {"seed": keras_model.SEED, "history": {}, **imported.facts, **values, **({"notes": notes} if notes else {})}
    runs.keep(job.folder, imported.network, result, job.identity, imported.save_model)
    return Run(result, True, logits)


def _rows(data: Dataset, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Features, labels and weights of at most ``most`` rows of the validation and training part; the test part is for the end."""
    x, y, w = (None if data.w_train is None and axis == "w" else np.concatenate(
        [getattr(data, f"{axis}_{part}") for part in ("valid", "train")])[:most] for axis in "xyw")
    return x, y, w


def _compare(chain: PlainChain, job: Job, scaling: tuple[np.ndarray | None, np.ndarray | None], log: Log) -> None:
    """Compares the network that was read from the file with the model, before anything is rounded.

    Args:
        scaling: gain and move (inputs,) of the features before the chain.

    Raises:
        StudyError: on some rows they give other outputs.
    """
    from ultralow.training import evaluation

    activations = [group.activation for group in keras_model.outline(job.path).groups[:-1]]
    x = _rows(job.data, ROWS_COMPARED)[0]
    parting = evaluation.compare(chain.model, activations, _affine(x, *scaling).astype(np.float32))
    if not parting.apart and chain.own is not chain.model:
        own = _affine(x, *scaling_of(job, lambda line: None)).astype(np.float32)
        parting = evaluation.compare_whole(chain.own, chain.model, activations, own, _affine(own, chain.gain, chain.move))
    if parting.apart:
        where = f"from dense layer {parting.layer} on " if parting.layer else ""
        raise StudyError(
            f"{job.network.name}: the network that was read from {job.path} is not the model: on {parting.apart:,} of "
            f"{parting.rows:,} rows its outputs differ, {where}(by up to {parting.largest:.3g}), before anything is rounded; "
            "leave out of the model what stands between its dense layers beside batch normalisation and activation, or report "
            "the file")
    log(f"{parting.rows:,} of {parting.rows:,} rows: before rounding the network gives what the model gives")


def _affine(x: np.ndarray, gain: np.ndarray | None, move: np.ndarray | None) -> np.ndarray:
    return x.astype(np.float64) * (1.0 if gain is None else gain) + (0.0 if move is None else move)


def _rounding(model, folded: FoldedNetwork, job: Job) -> dict:
    """What the formats of the study file do to a model.

    Returns:
        facts of the run: ``saturated``, for each layer with weights beyond their format its number, how many of how many, the
        largest and the format that holds it; ``by_step``, what the network is worth on rows of the validation and training part
        as the model itself, and with the formats of weights, activations and input, one after another; ``notes``, sentences.
    """
    from ultralow.training import evaluation

    of = keras_model.outline(job.path).groups
    activations = [group.activation for group in of[:-1]]
    x, y, weights = _rows(job.data, ROWS_MEASURED)
    saturated = list(_saturated(model, job.network, of))
    exact, steps = _affine(x, folded.gain, folded.move), {}
    for name, options in (("model", {}), ("weights", {"layers": folded.layers}),
                          ("activations", {"layers": folded.layers, "formats": True})):
        steps[name] = metrics.judged(evaluation.real_outputs(model, activations, exact, **options)[0], y, weights)
    steps["input"] = metrics.judged(folded.logits(folded.encode(x)), y, weights)
    notes = [*map(_saturation, saturated), *_loss(job, steps, len(y))]
    return {"saturated": saturated, "by_step": steps, "notes": notes}


def _saturation(one: dict) -> str:
    """A sentence about what :func:`_saturated` found in a layer."""
    remedy = f"; {one['holds']} holds them" if one["holds"] else ""
    return (f"dense layer {one['layer']}: {one['weights']:,} of {one['of']:,} weights lie beyond {one['format']} (largest "
            f"{one['largest']:.3g}) and saturate{remedy}")


def _saturated(model, network: NetworkSpec, of: list[keras_model.Group]) -> Iterator[dict]:
    """Layers whose real weights, with their normalisation, do not fit the format that the study file gives them."""
    from ultralow.training import folding

    layers = zip(folding.groups(model), network.layer_weights, of)
    for position, ((dense, norm, _), weights, group) in enumerate(layers, start=1):
        if weights in QUANTISED or group.weights is not None:  # the model's own rounding
            continue
        kernel, form = folding.rounded_kernel(dense), Fixed.parse(weights)
        kernel = kernel if norm is None else kernel * folding.normalisation(norm)[0]
        codes = np.rint(kernel * 2.0**form.fraction)
        beyond = (codes < form.low_code) | (codes > form.high_code)
        if not beyond.any():
            continue
        try:
            holds = str(integer_format(int(codes.min()), int(codes.max()), form.fraction))
        except StudyError:  # more bits than any format has
            holds = None
        yield {"layer": position, "weights": int(beyond.sum()), "of": int(beyond.size), "format": weights,
               "largest": float(np.abs(kernel).max()), "holds": holds}


def _loss(job: Job, steps: dict[str, float], rows: int) -> list[str]:
    """A sentence where the folded network is worth much less than the model, with the step at which most is lost; ``steps``: of
    :func:`_rounding`, in their order."""
    values = list(steps.values())
    if values[0] - values[-1] <= MOST_LOST / 100:
        return []
    what = "R²" if job.data.targets else "accuracy"
    formats = {"weights": job.network.layer_weights, "activations": job.network.layer_activations,
               "input": (job.network.input,)}
    lost = {name: before - after for name, before, after in zip(list(steps)[1:], values, values[1:])}
    parts = ", ".join(f"{100 * value:.1f} by the format{'s' if name != 'input' else ''} of the {name} "
                      f"({', '.join(dict.fromkeys(formats[name])) or 'none'})" for name, value in lost.items())
    worst = max(lost, key=lost.get)
    remedy = (f"Give the {worst} more bits" if len(lost) > 1 else
              "Features lie beyond the format of the model's inputs, where codes saturate and it wraps around: train it with SAT")
    return [f"{100 * (values[0] - values[-1]):.1f} points of {what} are lost between the model and the network: "
            f"{values[0]:.3f} → {values[-1]:.3f} on {rows:,} rows of the validation and training part; {parts}. "
            f"{remedy}"]


def _meanings(network: ExactNetwork, job: Job) -> list[str]:
    """Sentences where the data say that the outputs mean something else than the study file says: another order, another unit."""
    x, y, weights = _rows(job.data, ROWS_MEASURED)
    logits, names = network.logits(network.encode(x)), list(job.data.outputs)
    on = f"on {len(y):,} rows of the validation and training part"
    if job.data.targets:
        if (hint := _unit(logits, y, weights, job)) is not None:
            return [f"{hint[0]} {on}; {hint[1]}"]
        what, fits = "R²", np.clip([[metrics.determination(logits[:, [j]], y[:, [i]], weights) for j in range(len(names))]
                                    for i in range(len(names))], -1.0, 1.0) / len(names)
    else:
        what, fits = "accuracy", metrics.confusion(logits, y, len(names), weights)
        fits = fits / fits.sum()
    best = linear_sum_assignment(-fits.T)[1]  # of each output the class or target that it fits best
    given, other = (fits[order, range(len(names))].sum() for order in (range(len(names)), best))
    if other - given < FAR_BETTER:
        return []
    places = job.order or list(range(len(names)))  # output i of the study is the model's output places[i]
    fitting = ", ".join(names[best[places.index(output)]] for output in range(len(names)))
    return [f"another order of the outputs fits far better: {what} {other:.3f} in place of {given:.3f} {on}; if the model's "
            f"outputs are {fitting}, say so: `outputs: [{fitting}]`"]


def _unit(estimates: np.ndarray, y: np.ndarray, weights: np.ndarray | None, job: Job) -> tuple[str, str] | None:
    """What is said where a regression's estimates fit far better in the other unit; None where they do not."""
    data = job.data
    others = estimates * y.std(axis=0) + y.mean(axis=0) if job.raw_targets else (estimates - data.target_mean) / data.target_scale
    given, other = (metrics.determination(values, y, weights) for values in (estimates, others))
    if other - max(given, -1.0) < FAR_BETTER:
        return None
    unit = "scaled as the study does" if job.raw_targets else "in the unit of the files"
    return (f"the outputs fit far better as targets {unit}: R² {other:.4f} in place of {given:.6g}",
            f"if the model gives them so, say so: `raw_targets: {str(not job.raw_targets).lower()}`")


@singledispatch
def convert(network: NetworkSpec, job: Job, log: Log) -> Imported:
    """The exact network that a model becomes, by kind of network: a chain of dense layers is folded."""
    from ultralow.training import folding
    from ultralow.training.evaluation import outputs

    log(f"{network.name}: {job.path.name}, trained elsewhere")
    chain = keras_model.load_chain(job.path)
    model, (gain, move) = chain.model, chain.scaling(*scaling_of(job, log))
    if chain.end and not job.data.classes:
        raise StudyError(f"{network.name}: {job.path} ends in a {chain.end}, which a classification leaves out, and "
                         f"{job.data.name} is a regression, whose estimates are the outputs themselves; train it without")
    _compare(chain, job, (gain, move), log)
    if job.order:
        keras_model.reorder(model, job.order)
    folded = replace(folding.fold(model, network, job.data.outputs), gain=gain, move=move)
    facts = _rounding(model, folded, job)
    zeros = np.concatenate([layer.kernel.ravel() for layer in folded.layers]) == 0
    before = outputs(model, folded.encode(job.data.x_test).astype(np.float32))
    bare = type(model)(model.inputs, model.outputs, name=model.name)
    return Imported(folded, before, {"zero_weights": float(np.mean(zeros)), **facts}, bare.save)


@convert.register
def _(network: HgqNetwork, job: Job, log: Log) -> Imported:
    """A model of HGQ2 becomes a circuit; its outputs and the circuit's are compared on every row of the data, encoded. What it
    was before is the model on features that are not encoded."""
    from ultralow.training.lut import hgq_circuit
    from ultralow.training.evaluation import outputs

    log(f"{network.name}: {job.path.name}, of HGQ2, trained elsewhere")
    data, chain = job.data, keras_model.load_chain(job.path)
    model = chain.model
    front = hgq_circuit.first_quantiser(model, network.name)
    gain, move = scaling_of(job, log)
    _same(chain, job, gain, move)
    if not job.raw and move is not None:
        # What rounding adds to the move is the circuit's own.
        move = None if (move == front.half).all() else move - front.half
    gain, move = chain.scaling(gain, move)
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
               "rounds them; train it with fewer bits (a model that was saved before HGQ2's trace_minmax(model, x_train) has "
               "more than it needs: call it, and save the model again)" if widest > hgq_circuit.MANTISSA else
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
    part, labels, weights = _rows(data, ROWS_MEASURED)
    own = outputs(model, (_affine(part, circuit.gain, circuit.move) - front.half).astype(np.float32))
    own = _taken(own, job.order) if job.order else own
    steps = {"model": metrics.judged(own, labels, weights),
             "input": metrics.judged(circuit.logits(circuit.encode(part)), labels, weights)}
    facts = {"zero_weights": None, "keras_rows": rows, "keras_rows_exact": exact, "input": str(circuit.input), "by_step": steps,
             "notes": _loss(job, steps, len(labels))}
    # What was taken out of a model and into the circuit's gain and move must not come back with its file.
    return Imported(circuit, before, facts, model.save if model is not chain.own else
                    lambda path: path.write_bytes(job.path.read_bytes()))


def _same(chain: PlainChain, job: Job, gain: np.ndarray | None, move: np.ndarray | None) -> None:
    """That a model of HGQ2 of which a plain chain was made gives the same behind gain and move (inputs,) of the data's features.

    Raises:
        StudyError: on some rows it does not.
    """
    x = _affine(_rows(job.data, ROWS_COMPARED)[0], gain, move)
    if wrong := plain_chain.apart(chain, x):
        raise StudyError(f"{job.network.name}: what was made of {job.path}, without the factors in front of it, "
                         f"gives other outputs on {wrong:,} of {len(x):,} rows; save the model as one chain of layers, or "
                         "report the file")


def scaling_of(job: Job, log: Log) -> tuple[np.ndarray | None, np.ndarray | None]:
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
