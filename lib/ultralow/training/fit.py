"""Train a network on a dataset: encode the features, train, fold, refine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ultralow import metrics
from ultralow.data.dataset import Dataset
from ultralow.errors import Log, StudyError, unknown
from ultralow.exact.base import encode
from ultralow.exact.dense import FoldedNetwork
from ultralow.fixed_point import Fixed
from ultralow.networks.methods import FrontNetwork
from ultralow.networks.recipes import RECIPES, Recipe
from ultralow.networks.spec import NetworkSpec
from ultralow.training import lut
from ultralow.training.backend import start_keras
from ultralow.training.trained import Trained

if TYPE_CHECKING:
    import keras


def train(spec: NetworkSpec, data: Dataset, seed: int = 1, recipe: Recipe | str | None = None, epochs: int | None = None,
          backend: str = "tensorflow", log: Log = print) -> Trained:
    """Trains a network and makes it exact.

    Args:
        seed: the same seed gives the same network on the same machine.
        recipe: how it is trained, or the name of one of :data:`ultralow.networks.recipes.RECIPES`; default the one that ``spec``
            names.
        epochs: in place of the recipe's.
        backend: of Keras; tensorflow or jax.

    Returns:
        ``network``, exact; ``model``, the Keras model with the input encoding in front (None of networks of tables); history.

    Raises:
        StudyError: spec, recipe and data do not fit each other; Keras runs on another backend already.
    """
    if isinstance(recipe, str) and recipe not in RECIPES:
        raise unknown("recipe", recipe, RECIPES)
    recipe = RECIPES[recipe or spec.recipe] if not isinstance(recipe, Recipe) else recipe
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    if recipe.teacher is not None and not isinstance(spec, FrontNetwork):
        raise StudyError(f"{spec.name}: its recipe learns from {recipe.teacher}, which a study trains first; take teacher=None")
    check(spec, recipe, data)
    if isinstance(spec, FrontNetwork):  # its method brings its own backend
        return lut.train(spec, data, seed, recipe.epochs, log)
    start_keras(backend)
    from ultralow.training.evaluation import outputs

    model, network, history, _ = fit(spec, recipe, data, seed, log)
    return Trained(network, lambda encoded: outputs(model, encoded.astype(np.float32)), history,
                   model=_with_encoding(model, network))


def check(network: NetworkSpec, recipe: Recipe | None, data: Dataset) -> None:
    """That network, recipe (None: nothing is trained) and data fit each other.

    Raises:
        StudyError: they do not; it says what to change.
    """
    inputs, outputs = len(data.features), len(data.outputs)
    fitting = (outputs, 1) if len(data.classes) == 2 else (outputs,)
    if network.widths[0] != inputs or network.widths[-1] not in fitting:
        raise StudyError(f"{network.name} is {network.architecture}, but its dataset {data.name} has {inputs} features and "
                         f"{outputs} {'classes' if data.classes else 'targets'} ({', '.join(data.outputs)})"
                         + ("; two classes take one output or two" if len(fitting) > 1 else ""))
    if recipe is None or isinstance(network, FrontNetwork) or network.widths[-1] == len(data.classes):
        return
    asked = {"refine": recipe.refine, "teacher": recipe.teacher,
             "loss": recipe.loss != "crossentropy" and not data.classes}
    if wrong := [field for field, on in asked.items() if on]:
        raise StudyError(f"{network.name}: its recipe's {', '.join(wrong)} work with an output for each class only, not "
                         f"{'with a single one' if data.classes else 'for regression'}; take a recipe without")


def fit(network: NetworkSpec, recipe: Recipe, data: Dataset, seed: int, log: Log, targets: np.ndarray | None = None,
        checkpoint: Path | None = None) -> tuple["keras.Model", FoldedNetwork, dict, float]:
    """The trained network, the folded one, the history, and the folded one's accuracy (of a regression R²) on the
    validation part. ``targets``: a teacher's probabilities of the training rows (rows, classes)."""
    from ultralow.training import folding  # Keras takes seconds: only where it is used
    from ultralow.training.train import Rows, train

    gain, move = encoding(network, recipe, data, seed, log)
    x, x_valid = (encode(part, Fixed.parse(network.input), gain, move) for part in (data.x_train, data.x_valid))
    rows, valid = Rows(x.astype(np.float32), data.y_train, data.w_train, targets), Rows(x_valid.astype(np.float32), data.y_valid)
    model, history = train(network, recipe, rows, valid, seed, log, checkpoint)
    folded = replace(folding.fold(model, network, data.outputs), gain=gain, move=move)
    if recipe.refine:
        from ultralow.training import weight_flips

        folded = weight_flips.refine(folded, x, data.y_train, recipe.refine, seed, log)
    return model, folded, history, metrics.judged(folded.logits(x_valid), data.y_valid, data.w_valid)


def encoding(network: NetworkSpec, recipe: Recipe, data: Dataset, seed: int,
             log: Log) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Gain and move of every feature before the input format, from the training part; None, None: as they are."""
    if recipe.scaling == "standard":
        return None, None
    if recipe.scaling == "minmax":
        format, low, high = Fixed.parse(network.input), data.x_train.min(0).astype(float), data.x_train.max(0)
        gain = (format.high - format.low) / np.where(high > low, high - low, 1.0)
        return gain, format.low - low * gain
    from ultralow.training.train import Rows, learn_gain

    gain = learn_gain(network, recipe, Rows(data.x_train, data.y_train, data.w_train), seed)
    log("gains of the features: " + ", ".join(f"{name} {g:g}" for name, g in zip(data.features, gain)))
    return gain, None


def _with_encoding(model: keras.Model, network: FoldedNetwork) -> keras.Model:
    """The model with the network's input encoding in front: it takes features as the dataset scales them."""
    import keras

    from ultralow.training.layers import InputEncoding

    inputs = keras.Input((network.widths[0],), name="features")
    encoding = InputEncoding(str(network.input), name="encoding")
    x = encoding(inputs)
    for weight, value in ((encoding.gain, network.gain), (encoding.move, network.move)):
        if value is not None:
            weight.assign(value)
    for layer in model.layers[1:]:
        x = layer(x)
    return keras.Model(inputs, x, name=model.name)
