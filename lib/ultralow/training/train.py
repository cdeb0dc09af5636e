"""Knows how networks are trained: losses, schedules, pruning, and the same result for the same seed, also after a stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from ultralow.training import augmentation, pruning
from ultralow.training.evaluation import outputs
from ultralow.networks.catalogue import Network
from ultralow.errors import StudyError
from ultralow.files import replacing
from ultralow.training.folding import fold
from ultralow.training.layers import BinaryDense, FeatureGain, MaskedDense, TernaryDense
from ultralow.metrics import quality
from ultralow.training.model import build
from ultralow.networks.recipes import Recipe

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
}
FINAL_RATE = 1e-4  # of the exponential schedule, relative to its first
CHECKPOINT_SECONDS = 30.0
HOLDING_STEPS = 4
GAIN_SHARE = 0.25  # of the epochs of a training, to learn the gains before it
History = dict[str, list[float]]


def train(network: Network, recipe: Recipe, x: np.ndarray, y: np.ndarray, x_valid: np.ndarray, y_valid: np.ndarray,
          seed: int, log: Callable[[str], None] = print, teacher: np.ndarray | None = None,
          checkpoint: Path | None = None, weights: np.ndarray | None = None) -> tuple[keras.Model, History]:
    """Trains a network from its catalogue entry.

    Args:
        network, recipe: what to build and how to train it.
        x, y: training rows (rows, inputs) float32, already on the grid of the input format; labels (rows,) int, or the
            targets (rows, outputs) float of a regression.
        x_valid, y_valid: validation rows; they steer the plateau schedule and are reported, nothing else.
        seed: fixes initial weights, order of rows and dropout. Same seed, same machine: same weights.
        log: receives a line per epoch (at most some twenty in all) with the time left.
        teacher: probabilities (rows, classes) that take the recipe's ``distillation`` share in the targets.
        checkpoint: file that keeps the state of a long training; one that was stopped goes on from it, to the same
            weights. Removed at the end by whoever keeps the result.
        weights: how much each training row counts in the loss, (rows,); None: all alike.

    Returns:
        The trained network, and its history: loss, accuracy (not of a regression), val_loss, val_accuracy, one value per
        epoch.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model = build(network, recipe)
    steps = _compile(model, recipe, y)
    target, target_valid = _targets(recipe, y, network, teacher), _targets(recipe, y_valid, network)
    history = {name: [] for name in ("loss", "accuracy", "val_loss", "val_accuracy")
               if quality(y) == "accuracy" or name.endswith("loss")}
    epoch, summed = 0, [np.zeros(weight.shape) for weight in model.trainable_variables]
    if checkpoint is not None and checkpoint.exists():
        epoch, history, summed = _restore(model, checkpoint, history, summed)
        log(f"going on after epoch {epoch}, from the checkpoint")
    elif recipe.norm == "renorm":
        reestimate(model, x)  # averages of zero steps are of no weights at all
    first_averaged = round(recipe.average * recipe.epochs)
    progress, saved = Progress(recipe.epochs, epoch, log), time.monotonic()
    while epoch < recipe.epochs:
        if recipe.sparsity:
            prune(model, pruned_share(recipe, epoch))
        if recipe.keep < 1 and (share := held_share(recipe, epoch)):
            hold(model, network, share, x, y, np.random.default_rng([seed, epoch]))
        if share := settled_share(recipe, epoch):
            for layer in model.layers:
                if isinstance(layer, (BinaryDense, TernaryDense)):
                    layer.settle(share, max(1, epoch * steps))
        if recipe.schedule == "plateau":
            model.optimizer.learning_rate.assign(plateau(history["val_loss"], recipe.learning_rate))
        new = _epoch(model, recipe, x, target, seed, epoch, weights, validation_data=(x_valid, target_valid),
                     validation_batch_size=4096)
        for name, values in history.items():
            values.append(float(new[name][0]))
        epoch += 1
        if epoch > first_averaged:
            summed = [total + keras.ops.convert_to_numpy(w) for total, w in zip(summed, model.trainable_variables)]
        progress(epoch, history)
        if checkpoint is not None and time.monotonic() - saved > CHECKPOINT_SECONDS:
            _save(model, checkpoint, epoch, history, summed)
            saved = time.monotonic()
    if recipe.epochs > first_averaged:
        for weight, total in zip(model.trainable_variables, summed):
            weight.assign((total / (recipe.epochs - first_averaged)).astype("float32"))
    if recipe.reestimate:
        reestimate(model, x)
    return model, history


def learn_gain(network: Network, recipe: Recipe, x: np.ndarray, y: np.ndarray, seed: int,
               weights: np.ndarray | None = None) -> np.ndarray:
    """How much each feature (inputs,) should weigh in a first layer whose weights cannot say it, being ±1 or 0.

    A short training of the same network behind one learned factor per feature; the factors, to two bits after the
    leading one, with the largest feature at 1.5. ``x`` (rows, inputs) are features of mean 0 and deviation 1.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    short = replace(recipe, norm="batch", settle=1.0, loss="crossentropy", optimizer="adam", schedule="cosine", shift=0,
                    distort=0.0, keep=1.0, epochs=max(1, round(GAIN_SHARE * recipe.epochs)))
    inner = build(network, short)
    inputs = keras.Input((network.widths[0],), name="features")
    gain = FeatureGain(name="gain")
    model = keras.Model(inputs, inner(gain(inputs)))
    _compile(model, short, y)
    target = _targets(short, y, network)
    for epoch in range(short.epochs):
        _epoch(model, short, x, target, seed, epoch, weights)
    found = np.abs(keras.ops.convert_to_numpy(gain.gain)).astype(np.float64)
    mantissa, exponent = np.frexp(np.maximum(1.5 * found / found.max(), 2.0**-10))
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


def _epoch(model: keras.Model, recipe: Recipe, x: np.ndarray, target: np.ndarray, seed: int, epoch: int,
           weights: np.ndarray | None = None, **options: object) -> dict[str, list[float]]:
    """Trains for one epoch. The order of its rows depends on seed and epoch alone, so that a training can stop between
    two."""
    rng = np.random.default_rng([seed, epoch])
    rows = rng.permutation(len(x))
    inputs = x[rows] if not recipe.shift else augmentation.shifted(x[rows], recipe.shift, rng)
    if recipe.distort:
        inputs = augmentation.distorted(inputs, recipe.distort, rng)
    if weights is not None:
        options["sample_weight"] = weights[rows]
    return model.fit(inputs, target[rows], batch_size=recipe.batch_size, shuffle=False, verbose=0, **options).history


def plateau(losses: list[float], rate: float, factor: float = 0.5, patience: int = 5, lowest: float = 1e-6,
            margin: float = 1e-4) -> float:
    """The learning rate after epochs of validation ``losses``: halved each time that ``patience`` epochs in a row
    were not better than the best so far by ``margin`` (Keras's ReduceLROnPlateau, without its state)."""
    best, waited = np.inf, 0
    for loss in losses:
        best, waited = (loss, 0) if loss < best - margin else (best, waited + 1)
        if waited >= patience:
            rate, waited = max(rate * factor, lowest), 0
    return rate


def pruned_share(recipe: Recipe, epoch: int) -> float:
    """Share of weights at zero in an epoch: a cubic ramp (Zhu and Gupta, arXiv:1710.01878) that ends at two thirds
    of the epochs; the rest heals."""
    ramp = max(1, round(recipe.epochs * 2 / 3))
    return recipe.sparsity * (1 - (1 - min(1, (epoch + 1) / ramp)) ** 3)


def settled_share(recipe: Recipe, epoch: int) -> float:
    """Share of the weights still free that an epoch fixes, so that as many go in each epoch from ``settle`` on, and
    all are fixed in the last."""
    first = round(recipe.settle * recipe.epochs)
    return 1 / (recipe.epochs - epoch) if epoch >= first else 0.0


def prune(model: keras.Model, share: float) -> None:
    """Masks the smallest ``share`` of the weights of all masked layers together; what is masked stays so."""
    layers = [layer for layer in model.layers if isinstance(layer, MaskedDense)]
    kernels = [keras.ops.convert_to_numpy(layer.kernel * layer.mask) for layer in layers]
    magnitudes = np.sort(np.concatenate([np.abs(kernel).ravel() for kernel in kernels]))
    threshold = magnitudes[int(np.ceil(share * len(magnitudes))) - 1]
    for layer, kernel in zip(layers, kernels):
        layer.mask.assign((np.abs(kernel) > threshold).astype("float32"))


def held_share(recipe: Recipe, epoch: int) -> float:
    """Share of the hidden neurons that are held in an epoch: HOLDING_STEPS equal steps between a tenth and a third of
    the epochs, before weights settle. In between the network heals."""
    first, last = recipe.epochs / 10, recipe.epochs / 3
    done = np.floor((epoch - first) / (last - first) * HOLDING_STEPS) + 1
    return (1 - recipe.keep) * float(np.clip(done / HOLDING_STEPS, 0, 1))


def hold(model: keras.Model, network: Network, share: float, x: np.ndarray, y: np.ndarray,
         rng: np.random.Generator, rows: int = 4096) -> None:
    """Holds ``share`` of all hidden neurons at their usual values, those that matter least first (``rows`` of x, y
    tell); what is held stays so."""
    steps = [layer for layer in model.layers if getattr(layer, "holding", False)]
    live = [keras.ops.convert_to_numpy(step.live) > 0 for step in steps]
    count = round(share * sum(map(len, live))) - sum(int((~on).sum()) for on in live)
    if count <= 0:
        return
    chosen = rng.permutation(len(y))[:rows]
    folded = fold(model, network)
    for position, neuron, value in pruning.least(folded, folded.input.codes(x[chosen]), y[chosen], live, count):
        on, held = (keras.ops.convert_to_numpy(v).copy() for v in (steps[position].live, steps[position].held))
        on[neuron], held[neuron] = 0.0, value
        steps[position].live.assign(on)
        steps[position].held.assign(held)


def reestimate(model: keras.Model, x: np.ndarray, batch: int = 8192) -> None:
    """Sets the statistics of every batch normalisation to those of all rows ``x``, front to back: the moving
    averages of training are of weights that still changed."""
    values = x
    for layer in model.layers[1:]:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(values.mean(0, dtype=np.float64))
            layer.moving_variance.assign(values.var(0, dtype=np.float64))
        values = outputs(layer, values, batch)


def _targets(recipe: Recipe, y: np.ndarray, network: Network, teacher: np.ndarray | None = None) -> np.ndarray:
    if quality(y) == "r2":
        return y.astype(np.float32)
    single = network.widths[-1] == 1
    target = (y[:, None] if single else keras.utils.to_categorical(y, network.widths[-1])).astype(np.float32)
    if teacher is not None:
        target = (1 - recipe.distillation) * target + recipe.distillation * teacher.astype(np.float32)
    return target if recipe.loss == "crossentropy" else 2 * target - 1


def _variables(model: keras.Model) -> list:
    """All that a step changes: weights, statistics, masks, states of random generators, the optimiser's moments."""
    return [*model.variables, *model.optimizer.variables]


def _save(model: keras.Model, path: Path, epoch: int, history: History, summed: list[np.ndarray]) -> None:
    arrays = {f"variable_{n}": keras.ops.convert_to_numpy(v) for n, v in enumerate(_variables(model))}
    arrays |= {f"summed_{n}": total for n, total in enumerate(summed)}
    arrays |= {f"history_{name}": values for name, values in history.items()}
    with replacing(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, epoch=epoch, **arrays)


def _restore(model: keras.Model, path: Path, history: History,
             summed: list[np.ndarray]) -> tuple[int, History, list[np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            for number, variable in enumerate(_variables(model)):
                variable.assign(file[f"variable_{number}"])
            return (int(file["epoch"]), {name: file[f"history_{name}"].tolist() for name in history},
                    [file[f"summed_{number}"] for number in range(len(summed))])
    except Exception as error:  # zipfile, numpy and Keras each have their own words for a file that does not fit
        raise StudyError(f"checkpoint {path} does not fit ({error}); delete it and train again") from error


class Progress:
    """A line per epoch, or per few epochs of a long training, with the time left."""

    def __init__(self, epochs: int, done: int, log: Callable[[str], None]):
        self.epochs, self.first, self.log, self.every = epochs, done, log, max(1, epochs // 20)
        self.start = time.monotonic()

    def __call__(self, done: int, history: History) -> None:
        if done % self.every and done < self.epochs:
            return
        left = (time.monotonic() - self.start) / (done - self.first) * (self.epochs - done)
        valid = "accuracy" if "val_accuracy" in history else "loss"
        self.log(f"epoch {done}/{self.epochs}: loss {history['loss'][-1]:.4f}, "
                 f"validation {valid} {history[f'val_{valid}'][-1]:.4f}, {left:.0f} s left")
