"""Knows what a study file may say: data, networks, seeds, sizes; and refuses what it may not."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from ultralow.networks.catalogue import NetworkSpec
from ultralow.data.sources import DATASETS
from ultralow.device import PART
from ultralow.errors import StudyError, unknown
from ultralow.study.origin import Data
from ultralow.study.override import Override
from ultralow.networks.recipes import RECIPES, Recipe
from ultralow.study.strict import Name, Positive, Strict

JOURNAL = "journal"
MOST_PARAMETERS = 10**9  # some gigabytes in training


class Rows(Strict):
    """How many rows of the test part are compared, at most: by hls4ml's emulation, and by the Verilog."""

    hls: Positive = 1000
    rtl: Positive = 20000


class Ablations(Strict):
    """Networks whose recipe is tried with one change at a time, by the change's name: fields of a recipe."""

    networks: Annotated[list[str], Field(min_length=1)]
    changes: Annotated[dict[str, dict[str, str | int | float | bool | None]], Field(min_length=1)]
    epochs: Positive | None = None
    rows: Positive | None = None
    # By network: the recipe that is changed, where it is not the network's own (say, the one before its last changes).
    recipes: dict[str, str] = {}

    @model_validator(mode="after")
    def _known(self) -> Ablations:
        for network, recipe in self.recipes.items():
            if network not in self.networks:
                raise unknown("network in ablations.recipes", network, self.networks)
            if recipe not in RECIPES:
                raise unknown("recipe in ablations.recipes", recipe, RECIPES)
        return self

    @field_validator("changes")
    @classmethod
    def _fields(cls, changes: dict) -> dict:
        for name, change in changes.items():
            if not 1 <= len(name.encode(errors="replace")) <= 100:  # the name of a folder, too
                raise StudyError(f"ablations.changes: {name[:100]!r} … is no name; take 1 to 100 bytes")
            for field in change:
                if field not in Recipe.__dataclass_fields__:
                    raise unknown(f"field of a recipe in ablations.changes.{name}", field, Recipe.__dataclass_fields__)
            replace(Recipe(), **change)  # refuses unknown values
        return changes


class Search(Strict):
    """A search for networks by Optuna: for each kind of weights so many trials, on at most ``rows`` training rows."""

    dataset: str
    weights: Annotated[list[Literal["binary", "ternary"]], Field(min_length=1)]
    trials: Positive = 40
    epochs: Positive = 12
    rows: Positive | None = None
    # Processes that try networks at the same time, a job each. With more than one, no two searches try the same ones.
    workers: Positive = 1
    # Where they share the trials: a journal file in the results, also on a shared file system, or a database's URL.
    storage: str = JOURNAL

    @field_validator("storage")
    @classmethod
    def _shared(cls, storage: str) -> str:
        if storage != JOURNAL and not re.match(r"(postgresql|mysql|sqlite)(\+\w+)?://", storage):
            raise StudyError(f"search.storage {storage!r} is neither '{JOURNAL}' nor the URL of a database: "
                             "postgresql://…, mysql://… or sqlite:///…")
        return storage


class Area(Strict):
    """Networks whose circuits are built in several ways: LUTs against latency."""

    networks: Annotated[list[str], Field(min_length=1)]
    delay_constraints: Annotated[list[Annotated[int, Field(ge=-1, le=1000)]], Field(min_length=1)] = [0, 2, 8]
    clocks_ns: Annotated[list[Annotated[float, Field(gt=0, le=1000)]], Field(min_length=1)] = [5.0]


class Settings(Strict):
    """The content of a study file."""

    name: Name  # of a folder in results/, and nothing else
    data: dict[str, Data]
    networks: dict[str, Override | None]
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)] = [1]
    epochs: Positive | None = None
    batch_size: Positive | None = None
    rows: Rows = Rows()
    # Each circuit in VHDL, too, beside its Verilog.
    vhdl: bool = False
    clock_ns: Annotated[float, Field(gt=0, le=1000)] = 5.0
    part: Name = PART
    tool: Literal["open", "vitis"] = "open"
    # What Keras trains on. JAX is two to three times as fast on a CPU; the seeds give other weights on it.
    backend: Literal["tensorflow", "jax"] = "tensorflow"
    ablations: Ablations | None = None
    search: Search | None = None
    area: Area | None = None
    # Networks with fixed-point weights are built once more, with a multiplier (DSP) for each weight.
    multipliers: bool = False
    smoke: bool = False
    _entries: dict[str, NetworkSpec] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _names(self) -> Settings:
        for name in self.networks:
            if (dataset := self.entry(name).dataset) not in self.data:
                raise StudyError(f"network {name} needs data.{dataset}; add it to the study")
            given = self.networks[name] or Override()
            if not self.entry(name).hls4ml and given.hls and "hls" in given.model_fields_set:
                raise StudyError(f"network {name}: hls4ml has no exact emulation of a model of its kind "
                                 f"({self.entry(name).kind}); leave hls out, or set it to false")
            if not self.entry(name).hls4ml and given.gates and self.tool == "vitis":
                raise StudyError(f"network {name}: tool: vitis synthesises what hls4ml writes, and for a model of its kind "
                                 f"({self.entry(name).kind}) it writes nothing; take tool: open, or gates: false")
            if not self.entry(name).hls4ml and given.chunk:
                raise StudyError(f"network {name}: chunk cuts matrices of weights in blocks, and a model of its kind "
                                 f"({self.entry(name).kind}) has none; leave it out")
            asked = self.area and name in self.area.networks or "delay_constraint" in given.model_fields_set
            if self.entry(name).is_circuit and asked:
                raise StudyError(f"network {name} enters the study as a circuit and is built in no other way; leave out its "
                                 "delay_constraint, and out of area the network")
            if (parameters := self.entry(name).parameters) > MOST_PARAMETERS:
                raise StudyError(f"network {name} has {parameters:,} parameters; this study takes {MOST_PARAMETERS:,} at most")
        for part in ("ablations", "area"):
            for name in asked.networks if (asked := getattr(self, part)) else ():
                if name not in self.networks:
                    raise unknown(f"network in {part}", name, self.networks)
        for name in self.ablations.networks if self.ablations else ():
            if self.data[self.entry(name).dataset].target or self.networks[name] and self.networks[name].model:
                raise StudyError(f"ablations compare accuracies of trainings, and {name} has none: it is for regression, or a "
                                 "trained model")
        if self.search and self.search.dataset not in self.data:
            raise unknown("dataset of search", self.search.dataset, self.data)
        if self.search and self.search.dataset not in DATASETS:
            raise StudyError(f"search starts from the catalogue's networks, and has none on {self.search.dataset}")
        if self.teachers - set(self.networks):
            raise StudyError(f"networks learn from {', '.join(sorted(self.teachers - set(self.networks)))}; "
                             "add the teacher to the study's networks, with {hls: false, gates: false} if only trained")
        for dataset, data in self.data.items():
            data.check(dataset)
        if len(set(self.seeds)) < len(self.seeds):
            raise StudyError(f"seeds {self.seeds} hold one twice")
        return self

    def entry(self, name: str) -> NetworkSpec:
        """The network of this name, the catalogue's or the study's own, with the study's recipe.

        Raises:
            StudyError: it is in neither, or only in part.
        """
        if name not in self._entries:  # a trained model's file is looked through
            self._entries[name] = (self.networks[name] or Override()).network(name)
        return self._entries[name]

    def recipe(self, name: str, like: str | None = None) -> Recipe:
        """The recipe of a network, or the one ``like`` in its place, with the study's changes: the network's own come
        before the study's."""
        changes = self.networks[name] or Override()
        recipe = RECIPES[like or self.entry(name).recipe]
        return replace(recipe, epochs=changes.epochs or self.epochs or recipe.epochs,
                       batch_size=changes.batch_size or self.batch_size or recipe.batch_size)

    @property
    def teachers(self) -> set[str]:
        """Networks that others of the study, or its ablations, learn from."""
        changes = self.ablations.changes.values() if self.ablations else ()
        return {teacher for teacher in (*(self.recipe(name).teacher for name in self.networks),
                                        *(change.get("teacher") for change in changes)) if teacher}
