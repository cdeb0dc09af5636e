"""Train Keras networks by their recipes: the same seed gives the same weights, also after a stop."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np

from ultralow.errors import Log, StudyError
from ultralow.files import replacing
from ultralow.metrics import quality
from ultralow.networks.recipes import Recipe
from ultralow.networks.spec import NetworkSpec
from ultralow.training import augmentation, pruning, schedules
from ultralow.training.evaluation import outputs
from ultralow.training.layers import BinaryDense, FeatureGain, TernaryDense
from ultralow.training.model import build

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
}
FINAL_RATE = 1e-4  # of the exponential schedule, relative to its first
CHECKPOINT_SECONDS = 30.0
GAIN_SHARE = 0.25  # of the epochs of a training, to learn the gains before it
VALIDATION_BATCH = 4096
History = dict[str, list[float]]


@dataclass(frozen=True)
class Rows:
    """Rows that a training sees.

    Attributes:
        x: (rows, inputs) float32, on the grid of the network's input format.
        y: labels (rows,) int, or the targets (rows, outputs) float of a regression.
        weights: how much each row counts in the loss, (rows,); None: all alike.
        teacher: probabilities (rows, classes) that take the recipe's ``distillation`` share in the targets.
    """

    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None = None
    teacher: np.ndarray | None = None


@dataclass
class _State:
    """What a training is at after some epochs: the model, its history, and the sums of the weights that are averaged."""

    model: keras.Model
    history: History
    epoch: int = 0
    summed: list[np.ndarray] = field(default_factory=list)

    def add_weights(self) -> None:
        """Adds the weights as they are to the sums."""
        self.summed = [total + keras.ops.convert_to_numpy(w) for total, w in zip(self.summed, self.model.trainable_variables)]

    def save(self, path: Path) -> None:
        arrays = {f"variable_{n}": keras.ops.convert_to_numpy(v) for n, v in enumerate(_variables(self.model))}
        arrays |= {f"summed_{n}": total for n, total in enumerate(self.summed)}
        arrays |= {f"history_{name}": values for name, values in self.history.items()}
        with replacing(path) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, epoch=self.epoch, **arrays)

    def restore(self, path: Path) -> None:
        try:
            with np.load(path, allow_pickle=False) as file:
                for number, variable in enumerate(_variables(self.model)):
                    variable.assign(file[f"variable_{number}"])
                self.history = {name: file[f"history_{name}"].tolist() for name in self.history}
                self.summed = [file[f"summed_{number}"] for number in range(len(self.summed))]
                self.epoch = int(file["epoch"])
        except Exception as error:  # zipfile, numpy and Keras each have their own words for a file that does not fit
            raise StudyError(f"checkpoint {path} does not fit ({error}); delete it and train again") from error


def train(network: NetworkSpec, recipe: Recipe, rows: Rows, valid: Rows, seed: int, log: Log = print,
          checkpoint: Path | None = None) -> tuple[keras.Model, History]:
    """Trains a network from its catalogue entry.

    Args:
        network, recipe: what to build and how to train it.
        rows, valid: training and validation rows; the latter steer the plateau schedule and are reported, nothing else.
        seed: fixes initial weights, order of rows and dropout. Same seed, same machine: same weights.
        log: receives a line per epoch (at most some twenty in all) with the time left.
        checkpoint: file that keeps the state of a long training; one that was stopped goes on from it, to the same
            weights. Removed at the end by whoever keeps the result.

    Returns:
        The trained network, and its history: loss, accuracy (not of a regression), val_loss, val_accuracy, one value per
        epoch.

    Raises:
        StudyError: the checkpoint is of another training.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model = build(network, recipe)
    steps = _compile(model, recipe, rows.y)
    target, validation = _targets(recipe, rows, network), (valid.x, _targets(recipe, valid, network))
    state = _State(model, {name: [] for name in ("loss", "accuracy", "val_loss", "val_accuracy")
                           if quality(rows.y) == "accuracy" or name.endswith("loss")},
                   summed=[np.zeros(weight.shape) for weight in model.trainable_variables])
    if checkpoint is not None and checkpoint.exists():
        state.restore(checkpoint)
        log(f"going on after epoch {state.epoch}, from the checkpoint")
    elif recipe.norm == "renorm":
        reestimate(model, rows.x)  # averages of zero steps are of no weights at all
    first_averaged = round(recipe.average * recipe.epochs)
    progress, saved = Progress(recipe.epochs, state.epoch, log), time.monotonic()
    while state.epoch < recipe.epochs:
        _constrain(state, network, recipe, rows, seed, steps)
        if recipe.schedule == "plateau":
            model.optimizer.learning_rate.assign(schedules.plateau(state.history["val_loss"], recipe.learning_rate))
        new = _epoch(model, recipe, rows, target, seed, state.epoch, validation_data=validation,
                     validation_batch_size=VALIDATION_BATCH)
        for name, values in state.history.items():
            values.append(float(new[name][0]))
        state.epoch += 1
        if state.epoch > first_averaged:
            state.add_weights()
        progress(state.epoch, state.history)
        if checkpoint is not None and time.monotonic() - saved > CHECKPOINT_SECONDS:
            state.save(checkpoint)
            saved = time.monotonic()
    if recipe.epochs > first_averaged:
        for weight, total in zip(model.trainable_variables, state.summed):
            weight.assign((total / (recipe.epochs - first_averaged)).astype("float32"))
    if recipe.reestimate:
        reestimate(model, rows.x)
    return model, state.history


def _constrain(state: _State, network: NetworkSpec, recipe: Recipe, rows: Rows, seed: int, steps: int) -> None:
    """Prunes weights, holds neurons and settles weights, as far as the recipe asks for it before the next epoch."""
    model, epoch = state.model, state.epoch
    if recipe.sparsity:
        pruning.prune(model, schedules.pruned_share(recipe, epoch))
    if recipe.keep < 1 and (share := schedules.held_share(recipe, epoch)):
        pruning.hold(model, network, share, rows.x, rows.y, np.random.default_rng([seed, epoch]))
    if share := schedules.settled_share(recipe, epoch):
        for layer in model.layers:
            if isinstance(layer, (BinaryDense, TernaryDense)):
                layer.settle(share, max(1, epoch * steps))


def learn_gain(network: NetworkSpec, recipe: Recipe, rows: Rows, seed: int) -> np.ndarray:
    """How much each feature (inputs,) should weigh in a first layer whose weights cannot say it, being ±1 or 0.

    A short training of the same network behind one learned factor per feature; the factors, to two bits after the
    leading one, with the largest feature at 1.5. ``rows.x`` are features of mean 0 and deviation 1; no teacher counts.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    short = replace(recipe, norm="batch", settle=1.0, loss="crossentropy", optimizer="adam", schedule="cosine", shift=0,
                    distort=0.0, keep=1.0, epochs=max(1, round(GAIN_SHARE * recipe.epochs)))
    inner = build(network, short)
    inputs = keras.Input((network.widths[0],), name="features")
    gain = FeatureGain(name="gain")
    model = keras.Model(inputs, inner(gain(inputs)))
    _compile(model, short, rows.y)
    target = _targets(short, replace(rows, teacher=None), network)
    for epoch in range(short.epochs):
        _epoch(model, short, rows, target, seed, epoch)
    gains = np.abs(keras.ops.convert_to_numpy(gain.gain)).astype(np.float64)
    mantissa, exponent = np.frexp(np.maximum(1.5 * gains / gains.max(), 2.0**-10))
    return np.ldexp(np.rint(mantissa * 8) / 8, exponent)


def _compile(model: keras.Model, recipe: Recipe, y: np.ndarray) -> int:
    """Gives the model the recipe's optimiser, schedule and, for labels ``y``, loss; those of a regression have the mean
    squared error. Returns the steps of an epoch."""
    steps = -(-len(y) // recipe.batch_size)
    rate = recipe.learning_rate
    if recipe.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps * recipe.epochs)
    elif recipe.schedule == "exponential":
        rate = keras.optimizers.schedules.ExponentialDecay(rate, steps * recipe.epochs, FINAL_RATE)
    metrics, single = [keras.metrics.CategoricalAccuracy(name="accuracy")], model.output_shape[-1] == 1
    if quality(y) == "r2":
        loss, metrics = keras.losses.MeanSquaredError(), []
    elif recipe.loss == "squared_hinge":
        loss = keras.losses.SquaredHinge()
    else:
        loss = (keras.losses.BinaryCrossentropy if single else keras.losses.CategoricalCrossentropy)(from_logits=True)
    if metrics and single:
        metrics = [keras.metrics.MeanMetricWrapper(_right_side, name="accuracy")]
    # Many steps run in the backend between two returns to Python; the last call of an epoch may be shorter.
    model.compile(OPTIMIZERS[recipe.optimizer](rate), loss, metrics=metrics, steps_per_execution=min(steps, 50))
    model.optimizer.build(model.trainable_variables)
    return steps


def _right_side(target: object, logit: object) -> object:
    """Whether the single output says the class that the target (1, or 0 or −1) says."""
    return keras.ops.equal(target > 0.5, logit > 0.0)


def _epoch(model: keras.Model, recipe: Recipe, rows: Rows, target: np.ndarray, seed: int, epoch: int,
           **options: object) -> dict[str, list[float]]:
    """Trains for one epoch. The order of its rows depends on seed and epoch alone, so that a training can stop between
    two."""
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(rows.x))
    inputs = rows.x[order] if not recipe.shift else augmentation.shifted(rows.x[order], recipe.shift, rng)
    if recipe.distort:
        inputs = augmentation.distorted(inputs, recipe.distort, rng)
    if rows.weights is not None:
        options["sample_weight"] = rows.weights[order]
    return model.fit(inputs, target[order], batch_size=recipe.batch_size, shuffle=False, verbose=0, **options).history


def reestimate(model: keras.Model, x: np.ndarray, batch: int = 8192) -> None:
    """Sets the statistics of every batch normalisation to those of all rows ``x``, front to back: the moving
    averages of training are of weights that still changed."""
    values = x
    for layer in model.layers[1:]:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(values.mean(0, dtype=np.float64))
            layer.moving_variance.assign(values.var(0, dtype=np.float64))
        values = outputs(layer, values, batch)


def _targets(recipe: Recipe, rows: Rows, network: NetworkSpec) -> np.ndarray:
    if quality(rows.y) == "r2":
        return rows.y.astype(np.float32)
    single = network.widths[-1] == 1
    target = (rows.y[:, None] if single else keras.utils.to_categorical(rows.y, network.widths[-1])).astype(np.float32)
    if rows.teacher is not None:
        target = (1 - recipe.distillation) * target + recipe.distillation * rows.teacher.astype(np.float32)
    return target if recipe.loss == "crossentropy" else 2 * target - 1


def _variables(model: keras.Model) -> list:
    """All that a step changes: weights, statistics, masks, states of random generators, the optimiser's moments."""
    return [*model.variables, *model.optimizer.variables]


class Progress:
    """A line per epoch, or per few epochs of a long training, with the time left."""

    def __init__(self, epochs: int, done: int, log: Log):
        self.epochs, self.first, self.log, self.every = epochs, done, log, max(1, epochs // 20)
        self.start = time.monotonic()

    def __call__(self, done: int, history: History) -> None:
        if done % self.every and done < self.epochs:
            return
        left = (time.monotonic() - self.start) / (done - self.first) * (self.epochs - done)
        valid = "accuracy" if "val_accuracy" in history else "loss"
        self.log(f"epoch {done}/{self.epochs}: loss {history['loss'][-1]:.4f}, "
                 f"validation {valid} {history[f'val_{valid}'][-1]:.4f}, {left:.0f} s left")
