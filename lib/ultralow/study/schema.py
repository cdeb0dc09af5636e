"""Define what a study file may say as a whole, and refuse what its parts contradict."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, model_validator

from ultralow.data.sources import DATASETS
from ultralow.device import PART
from ultralow.errors import StudyError, unknown
from ultralow.networks.catalogue import NetworkSpec
from ultralow.networks.recipes import RECIPES, Recipe
from ultralow.study.sections import Ablations, Area, Data, Name, Override, Positive, Rows, Search, Strict, wrong_outputs

MOST_PARAMETERS = 10**9  # some gigabytes in training


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
    def _fits_together(self) -> Settings:
        for name in self.networks:
            self._check_network(name)
        self._check_experiments()
        if missing := self.teachers - set(self.networks):
            raise StudyError(f"networks learn from {', '.join(sorted(missing))}; "
                             "add the teacher to the study's networks, with {hls: false, gates: false} if only trained")
        for dataset, data in self.data.items():
            data.check(dataset)
        if len(set(self.seeds)) < len(self.seeds):
            raise StudyError(f"seeds {self.seeds} hold one twice")
        return self

    def _check_network(self, name: str) -> None:
        """That a network's data are there, and that it is asked for nothing that its kind does not have."""
        entry, asked = self.entry(name), self.networks[name] or Override()
        if entry.dataset not in self.data:
            raise StudyError(f"network {name} needs data.{entry.dataset}; add it to the study")
        data = self.data[entry.dataset]
        # Other classes are known when the file is read.
        known = list(map(str, data.targets or (data.classes or () if entry.dataset not in DATASETS else ())))
        if asked.outputs and known and sorted(map(str, asked.outputs)) != sorted(known):
            raise wrong_outputs(name, asked.outputs, entry.dataset, known)
        if asked.raw_targets is not None and not data.targets:
            raise StudyError(f"networks.{name}.raw_targets is for regression, and data.{entry.dataset} has classes; leave it out")
        if not entry.hls4ml:
            self._check_without_hls4ml(name)
        explored = self.area and name in self.area.networks or "delay_constraint" in asked.model_fields_set
        if entry.is_circuit and explored:
            raise StudyError(f"network {name} enters the study as a circuit and is built in no other way; leave out its "
                             "delay_constraint, and out of area the network")
        if entry.parameters > MOST_PARAMETERS:
            raise StudyError(f"network {name} has {entry.parameters:,} parameters; this study takes {MOST_PARAMETERS:,} at most")

    def _check_without_hls4ml(self, name: str) -> None:
        """That a network which hls4ml cannot write is not asked for it, nor for what layers of weights have."""
        kind, asked = self.entry(name).kind, self.networks[name] or Override()
        if asked.hls and "hls" in asked.model_fields_set:
            raise StudyError(f"network {name}: hls4ml has no exact emulation of a model of its kind ({kind}); leave hls out, or "
                             "set it to false")
        if asked.gates and self.tool == "vitis":
            raise StudyError(f"network {name}: tool: vitis synthesises what hls4ml writes, and for a model of its kind ({kind}) "
                             "it writes nothing; take tool: open, or gates: false")
        if asked.chunk:
            raise StudyError(f"network {name}: chunk cuts matrices of weights in blocks, and a model of its kind ({kind}) has "
                             "none; leave it out")

    def _check_experiments(self) -> None:
        """That ablations, area and search name networks and data of the study, of a kind that they can take."""
        for part, experiment in (("ablations", self.ablations), ("area", self.area)):
            for name in experiment.networks if experiment else ():
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
