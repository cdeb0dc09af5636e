"""Knows how a study file says what network it means: the catalogue's, changed; one of its own; or a trained model."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from ultralow.importing import keras_model
from ultralow.networks.catalogue import CATALOGUE, NetworkSpec
from ultralow.errors import StudyError, unknown
from ultralow.files import root
from ultralow.networks.recipes import RECIPES
from ultralow.study.strict import Named, Positive, Strict, located

_SHAPE = ("dataset", "widths", "weights", "activation", "input")  # what makes a network
_DECIDED_THERE = {"model", "raw", "recipe", "epochs", "batch_size", "delay_constraint", "chunk"}
_NAME = r"[A-Za-z0-9][A-Za-z0-9.+-]*"  # the workflow's wildcards know no others
# What stands beside the networks' folders in a results folder.
_TAKEN = ("ablations", "area", "data", "executed", "figures", "logs", "report", "search")


class Override(Strict):
    """What this study changes in a catalogue entry; or, under a name of one's own, a network as an entry has it."""

    dataset: str | None = None
    widths: Annotated[list[Positive], Field(min_length=2)] | None = None
    weights: str | list[str] | None = None
    activation: str | list[str] | None = None
    input: str | None = None
    scale_bits: Annotated[int, Field(ge=1, le=24)] | None = None
    # A trained model in place of widths and recipe: a .keras file (ultralow.importing.keras_model). It takes features as the study
    # scales them, or (raw) as they stand in the files.
    model: Named | None = None
    raw: bool = False
    recipe: str | None = None
    epochs: Positive | None = None
    batch_size: Positive | None = None
    # The name of another study, which trained, converted and built this very network: its results are taken as they are, and
    # hls and gates say whether they are shown.
    results_of: Annotated[str, Field(pattern=f"^{_NAME}$")] | None = None
    hls: bool = True
    gates: bool = True
    # Adder levels that sharing may add in the circuit; more: fewer LUTs, longer latency (ultralow.circuit.tracing.trace).
    delay_constraint: Annotated[int, Field(ge=-1, le=1000)] = 2
    # Inputs of a layer whose adders are shared at a time.
    chunk: Positive | None = None

    @property
    def tracing(self) -> dict[str, int]:
        """Options of :func:`ultralow.circuit.tracing.trace`."""
        return {"delay_constraint": self.delay_constraint, **({"chunk": self.chunk} if self.chunk else {})}

    def network(self, name: str) -> NetworkSpec:
        """The network ``name`` with this recipe.

        Raises:
            StudyError: it is not the catalogue's, and not said in full here.
        """
        if self.results_of and (decided := self.model_fields_set & _DECIDED_THERE):
            raise StudyError(f"network {name}: study {self.results_of} decides its {', '.join(sorted(decided))}; leave them out, or "
                             "leave out results_of")
        if self.recipe and self.recipe not in RECIPES:
            raise unknown(f"recipe of {name}", self.recipe, RECIPES)
        given = [key for key in (*_SHAPE, "scale_bits") if getattr(self, key) is not None]
        if name in CATALOGUE:
            if given:
                raise StudyError(f"network {name} is the catalogue's and keeps its {', '.join(given)}; give yours a name "
                                 "of its own")
            return replace(CATALOGUE[name], recipe=self.recipe or CATALOGUE[name].recipe)
        if self.model:
            return self._imported(name)
        if self.raw:
            raise StudyError(f"network {name}: raw is for trained models; what the study trains takes scaled features")
        if not given:
            raise StudyError(f"{unknown('network', name, CATALOGUE)}; one of your own needs {', '.join(_SHAPE)}")
        if missing := [key for key in _SHAPE if key not in given]:
            raise StudyError(f"network {name} lacks {', '.join(missing)}; one of your own needs {', '.join(_SHAPE)}")
        _check_name(name)
        more = {key: value for key in ("recipe", "scale_bits") if (value := getattr(self, key))}
        return NetworkSpec(name, tuple(self.widths), _tuple(self.weights), _tuple(self.activation), self.input,
                       **more, dataset=self.dataset)

    def _imported(self, name: str) -> NetworkSpec:
        _check_name(name)
        if wrong := [key for key in ("widths", "recipe", "epochs", "batch_size") if getattr(self, key) is not None]:
            raise StudyError(f"network {name}: {', '.join(wrong)} and model exclude each other: a trained model has them")
        if not self.dataset:
            raise StudyError(f"network {name}: a trained model needs dataset, and (but for models of HGQ2) input, the format "
                             "that the hardware receives")
        for key in ("weights", "activation"):
            if isinstance(getattr(self, key), list):
                raise StudyError(f"network {name}: {key} of a trained model is one format, for its real weights or plain "
                                 "ReLU")
        return keras_model.entry(name, located(root(), self.model, f"networks.{name}.model"), self.dataset, self.input, self.weights,
                              self.activation, self.scale_bits)


def _check_name(name: str) -> None:
    if not re.fullmatch(_NAME, name) or len(name) > 100:
        raise StudyError(f"network {name[:120]!r}: its name is a folder's; take up to 100 letters, digits, . and -")
    if name in _TAKEN or name.endswith((".json", ".csv")):
        raise StudyError(f"network {name!r}: results keep something else under this name; take another")


def _tuple(given: str | list[str]) -> str | tuple[str, ...]:
    return given if isinstance(given, str) else tuple(given)
