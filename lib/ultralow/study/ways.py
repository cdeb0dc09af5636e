"""Knows which code trains a network, or takes in what was trained elsewhere, by what kind of network it is."""

from __future__ import annotations

from functools import singledispatch
from pathlib import Path

import numpy as np

from ultralow.study import foreign, frontruns, runs
from ultralow.data.dataset import Dataset
from ultralow.networks.spec import Network
from ultralow.networks.methods import FrontNetwork
from ultralow.importing.hgq_model import HgqNetwork
from ultralow.study.provenance import code_digest
from ultralow.networks.recipes import Recipe
from ultralow.study.runs import Log


@singledispatch
def train(network: Network, recipe: Recipe, data: Dataset, seed: int, folder: Path, log: Log, teacher: np.ndarray | None,
          backend: str) -> dict:
    """One run with one seed, see :func:`ultralow.study.runs.run`."""
    # Committed results come without the seeds' Keras models: such a run cannot be kept, or the study would end without one.
    # It would belong into ultralow.study.runs, but a change there makes the fingerprint of every run that is committed old.
    if (done := folder / "run.json").exists() and not (folder / "model.keras").exists():
        log(f"seed {seed}: no model.keras beside {done.name}, as of committed results: trained anew")
        done.unlink()
    return runs.run(network, recipe, data, seed, folder, log, teacher, backend)


@train.register
def _(network: FrontNetwork, recipe, data, seed, folder, log, teacher, backend) -> dict:
    return frontruns.run(network, recipe, data, seed, folder, log, teacher)


@singledispatch
def take(network: Network, path: Path, data: Dataset, raw: bool, folder: Path, log: Log, backend: str) -> dict:
    """A trained model instead of a run, see :func:`ultralow.study.runs.take`."""
    return runs.take(network, path, data, raw, folder, log, backend)


@take.register
def _(network: HgqNetwork, path, data, raw, folder, log, backend) -> dict:
    return foreign.take(network, path, data, raw, folder, log, backend)


@singledispatch
def described(network: Network, recipe: Recipe) -> dict:
    """What train.json says of how it was trained."""
    return {"name": network.recipe, **vars(recipe)}


@described.register
def _(network: FrontNetwork, recipe) -> dict:
    # Of a recipe the front has these; all else is the method's.
    return {"name": network.recipe, "method": network.kind, "epochs": recipe.epochs, "teacher": recipe.teacher,
            "distillation": recipe.distillation, **vars(network.method)}


@singledispatch
def code(network: Network, recipe: Recipe) -> str:
    """Changes with the code that decides what training a network, or taking it, gives."""
    return runs.training_digest(recipe)


@code.register
def _(network: FrontNetwork, recipe) -> str:
    return frontruns.training_code(network)


@code.register
def _(network: HgqNetwork, recipe) -> str:
    return runs.training_digest(recipe) + code_digest("take")
