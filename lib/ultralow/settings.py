"""Knows what a study file may say: data, networks, seeds, sizes; and refuses what it may not."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ultralow import imported
from ultralow.catalogue import CATALOGUE, DATASETS, Network
from ultralow.errors import StudyError, unknown
from ultralow.files import root
from ultralow.recipes import RECIPES, Recipe

Positive = Annotated[int, Field(ge=1, lt=2**31)]
JOURNAL = "journal"
_FOLDER = r"[A-Za-z0-9][A-Za-z0-9_.-]*"  # names of studies and of parts
# What stands beside the networks' folders in a results folder.
_TAKEN = ("ablations", "area", "data", "executed", "figures", "logs", "report", "search")
MOST_PARAMETERS = 10**9  # some gigabytes in training
_NAME = r"[A-Za-z0-9][A-Za-z0-9.+-]*"  # of networks: the workflow's wildcards know no others


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Data(_Strict):
    """Where one dataset comes from. ``rows`` takes a balanced part, for tests.

    A dataset of one's own (any name but those of the catalogue) says what its columns are: ``features``, and ``label``
    (classification: names or whole numbers) or ``target`` (regression: a column or several). ``columns`` and
    ``classes`` are also for jets read from a file (:mod:`ultralow.columns`).
    """

    source: str
    # Of one's own also a folder, or a pattern with * and ?: many files of one layout.
    path: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f]*$")] | None = None
    rows: Positive | None = None
    features: Annotated[list[str], Field(min_length=1)] | None = None
    label: str | None = None
    # Order of the classes, as their labels stand in the file; without it sorted.
    classes: Annotated[list[str | int], Field(min_length=2)] | None = None
    target: str | Annotated[list[str], Field(min_length=1)] | None = None
    # Columns with each row's weight, and with 1 (or true) for rows of the test part.
    weights: str | None = None
    test: str | None = None
    # Of a ROOT file with several.
    tree: str | None = None
    columns: dict[str, str] = {}

    @property
    def targets(self) -> list[str]:
        return [self.target] if isinstance(self.target, str) else self.target or []


class Rows(_Strict):
    """How many rows of the test part are compared, at most: by hls4ml's emulation, and by the Verilog."""

    hls: Positive = 1000
    rtl: Positive = 20000


class Override(_Strict):
    """What this study changes in a catalogue entry; or, under a name of one's own, a network as an entry has it."""

    dataset: str | None = None
    widths: Annotated[list[Positive], Field(min_length=2)] | None = None
    weights: str | list[str] | None = None
    activation: str | list[str] | None = None
    input: str | None = None
    scale_bits: Annotated[int, Field(ge=1, le=24)] | None = None
    # A trained model in place of widths and recipe: a .keras file (ultralow.imported). It takes features as the study
    # scales them, or (raw) as they stand in the files.
    model: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f]*$")] | None = None
    raw: bool = False
    recipe: str | None = None
    epochs: Positive | None = None
    batch_size: Positive | None = None
    hls: bool = True
    gates: bool = True
    # Adder levels that sharing may add in the circuit; more: fewer LUTs, longer latency (ultralow.gates.trace).
    delay_constraint: Annotated[int, Field(ge=-1, le=1000)] = 2


_SHAPE = ("dataset", "widths", "weights", "activation", "input")  # what makes a network
_TABLE = ("features", "label", "target", "weights", "test", "tree")  # of datasets of one's own


class Ablations(_Strict):
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


class Search(_Strict):
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


class Area(_Strict):
    """Networks whose circuits are built in several ways: LUTs against latency."""

    networks: Annotated[list[str], Field(min_length=1)]
    delay_constraints: Annotated[list[Annotated[int, Field(ge=-1, le=1000)]], Field(min_length=1)] = [0, 2, 8]
    clocks_ns: Annotated[list[Annotated[float, Field(gt=0, le=1000)]], Field(min_length=1)] = [5.0]


class Settings(_Strict):
    """The content of a study file."""

    # The name of a folder in results/, and nothing else.
    name: Annotated[str, Field(pattern=f"^{_FOLDER}$", max_length=100)]
    data: dict[str, Data]
    networks: dict[str, Override | None]
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)] = [1]
    epochs: Positive | None = None
    batch_size: Positive | None = None
    rows: Rows = Rows()
    # Each circuit in VHDL, too, beside its Verilog.
    vhdl: bool = False
    clock_ns: Annotated[float, Field(gt=0, le=1000)] = 5.0
    # It goes into scripts of the vendor's tools.
    part: Annotated[str, Field(pattern=f"^{_FOLDER}$", max_length=100)] = "xcvu9p-flga2104-2L-e"
    tool: Literal["open", "vitis"] = "open"
    # What Keras trains on. JAX is two to three times as fast on a CPU; the seeds give other weights on it.
    backend: Literal["tensorflow", "jax"] = "tensorflow"
    ablations: Ablations | None = None
    search: Search | None = None
    area: Area | None = None
    # Networks with fixed-point weights are built once more, with a multiplier (DSP) for each weight.
    multipliers: bool = False
    smoke: bool = False

    @model_validator(mode="after")
    def _names(self) -> Settings:
        for name, override in self.networks.items():
            if override and override.recipe and override.recipe not in RECIPES:
                raise unknown(f"recipe of {name}", override.recipe, RECIPES)
            if (dataset := self.entry(name).dataset) not in self.data:
                raise StudyError(f"network {name} needs data.{dataset}; add it to the study")
            if (parameters := self.entry(name).parameters) > MOST_PARAMETERS:
                raise StudyError(f"network {name} has {parameters:,} parameters; this study takes {MOST_PARAMETERS:,} at most")
        for part in ("ablations", "area"):
            for name in asked.networks if (asked := getattr(self, part)) else ():
                if name not in self.networks:
                    raise unknown(f"network in {part}", name, self.networks)
        if self.search and self.search.dataset not in self.data:
            raise unknown("dataset of search", self.search.dataset, self.data)
        if self.search and self.search.dataset not in DATASETS:
            raise StudyError(f"search starts from the catalogue's networks, and has none on {self.search.dataset}")
        if self.teachers - set(self.networks):
            raise StudyError(f"networks learn from {', '.join(sorted(self.teachers - set(self.networks)))}; "
                             "add the teacher to the study's networks, with {hls: false, gates: false} if only trained")
        for dataset, data in self.data.items():
            _check_own_data(dataset, data) if dataset not in DATASETS else _check_data(dataset, data)
        if len(set(self.seeds)) < len(self.seeds):
            raise StudyError(f"seeds {self.seeds} hold one twice")
        return self

    def entry(self, name: str) -> Network:
        """The network of this name: the catalogue's, or the study's own.

        Raises:
            StudyError: it is in neither, or only in part.
        """
        own = self.networks[name] or Override()
        given = [key for key in (*_SHAPE, "scale_bits") if getattr(own, key) is not None]
        if name in CATALOGUE:
            if given:
                raise StudyError(f"network {name} is the catalogue's and keeps its {', '.join(given)}; give yours a name "
                                 "of its own")
            return CATALOGUE[name]
        if own.model:
            return self._imported(name, own)
        if own.raw:
            raise StudyError(f"network {name}: raw is for trained models; what the study trains takes scaled features")
        if not given:
            raise StudyError(f"{unknown('network', name, CATALOGUE)}; one of your own needs {', '.join(_SHAPE)}")
        if missing := [key for key in _SHAPE if key not in given]:
            raise StudyError(f"network {name} lacks {', '.join(missing)}; one of your own needs {', '.join(_SHAPE)}")
        _check_name(name)
        more = {"recipe": own.recipe} if own.recipe else {}
        more |= {"scale_bits": own.scale_bits} if own.scale_bits else {}
        return Network(name, own.dataset, tuple(own.widths), _tuple(own.weights), _tuple(own.activation), own.input, **more)

    def _imported(self, name: str, own: Override) -> Network:
        _check_name(name)
        if wrong := [key for key in ("widths", "recipe", "epochs", "batch_size") if getattr(own, key) is not None]:
            raise StudyError(f"network {name}: {', '.join(wrong)} and model exclude each other: a trained model has them")
        if not (own.dataset and own.input):
            raise StudyError(f"network {name}: a trained model needs dataset and input, the format that the hardware receives")
        for key in ("weights", "activation"):
            if isinstance(getattr(own, key), list):
                raise StudyError(f"network {name}: {key} of a trained model is one format, for its real weights or plain ReLU")
        return imported.entry(name, root() / Path(own.model).expanduser(), own.dataset, own.input, own.weights,
                              own.activation, own.scale_bits)

    def recipe(self, name: str, like: str | None = None) -> Recipe:
        """The recipe of a network, or the one ``like`` in its place, with the study's changes: the network's own come
        before the study's."""
        changes = self.networks[name] or Override()
        recipe = RECIPES[like or changes.recipe or self.entry(name).recipe]
        return replace(recipe, epochs=changes.epochs or self.epochs or recipe.epochs,
                       batch_size=changes.batch_size or self.batch_size or recipe.batch_size)

    @property
    def teachers(self) -> set[str]:
        """Networks that others of the study, or its ablations, learn from."""
        changes = self.ablations.changes.values() if self.ablations else ()
        return {teacher for teacher in (*(self.recipe(name).teacher for name in self.networks),
                                        *(change.get("teacher") for change in changes)) if teacher}


def _check_name(name: str) -> None:
    if not re.fullmatch(_NAME, name) or len(name) > 100:
        raise StudyError(f"network {name[:120]!r}: its name is a folder's; take up to 100 letters, digits, . and -")
    if name in _TAKEN or name.endswith((".json", ".csv")):
        raise StudyError(f"network {name!r}: results keep something else under this name; take another")


def _tuple(given: str | list[str]) -> str | tuple[str, ...]:
    return given if isinstance(given, str) else tuple(given)


def _check_data(name: str, data: Data) -> None:
    """The catalogue's dataset ``name``."""
    if data.source not in DATASETS[name]:
        raise unknown(f"source of data.{name}", data.source, DATASETS[name])
    if data.source == "file" and not data.path:
        raise StudyError(f"data.{name}: source 'file' needs a path")
    foreign = [key for key in _TABLE if getattr(data, key) is not None]
    if (name, data.source) != ("jets", "file"):
        foreign += [key for key in ("columns", "classes") if getattr(data, key)]
    if foreign:
        raise StudyError(f"data.{name}: {', '.join(foreign)} {'is' if len(foreign) == 1 else 'are'} not for this source: "
                         "its columns are known; a dataset of your own needs a name of its own")


def _check_own_data(name: str, data: Data) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*", name):
        raise StudyError(f"data.{name}: {unknown('dataset', name, DATASETS)}; one of your own has a name of small letters "
                         "and digits")
    if not (data.path and data.features and (data.label or data.target)):
        raise StudyError(f"{unknown('dataset', name, DATASETS)}; one of your own (data.{name}) needs source: file, path, "
                         "features, and label (classification) or target (regression)")
    if data.source != "file":
        raise unknown(f"source of data.{name}", data.source, ("file",))
    if data.label and data.target or data.classes and not data.label:
        raise StudyError(f"data.{name}: label and classes are for classification, target for regression; give one of the two")
    if data.columns:
        raise StudyError(f"data.{name}: columns is for jets; name the file's own columns in features")
    used = [*data.features, *data.targets, *filter(None, (data.label, data.weights, data.test))]
    if twice := sorted({column for column in used if used.count(column) > 1}):
        raise StudyError(f"data.{name}: column {', '.join(twice)} is named twice")
