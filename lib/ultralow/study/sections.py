"""Define the parts of a study file: where data come from, what networks are, experiments; names, numbers and paths.

Every part refuses keys that it does not know and values of another type. :mod:`ultralow.study.schema` is the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ultralow.data.sources import DATASETS
from ultralow.errors import StudyError, unknown
from ultralow.files import root
from ultralow.importing import keras_model
from ultralow.networks.catalogue import CATALOGUE, NetworkSpec
from ultralow.networks.recipes import RECIPES, Recipe

JOURNAL = "journal"

Positive = Annotated[int, Field(ge=1, lt=2**31)]
# A file or folder, as the study file names it.
Named = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f]*$")]
# Of folders, and of parts, which go into scripts of the vendor's tools.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]

_TABLE = ("features", "label", "target", "weights", "test", "tree")  # of datasets of one's own
_SHAPE = ("dataset", "widths", "weights", "activation", "input")  # what makes a network
_OF_MODELS = ("outputs", "raw_targets")  # keys that say what a trained model's numbers mean
_DECIDED_THERE = {"model", "raw", *_OF_MODELS, "recipe", "epochs", "batch_size", "delay_constraint", "chunk"}
_NAME = r"[A-Za-z0-9][A-Za-z0-9.+-]*"  # the workflow's wildcards know no others
# What stands beside the networks' folders in a results folder.
_TAKEN = ("ablations", "area", "data", "executed", "figures", "logs", "report", "search")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def located(root: Path, path: str, what: str) -> Path:
    """The absolute path; a relative one counts from the project's root. ``what`` names its key in messages."""
    try:
        return root / Path(path).expanduser()
    except RuntimeError:
        raise StudyError(f"{what} {path}: there is no such user's folder; write it in full") from None


class Data(Strict):
    """Where one dataset comes from. ``rows`` takes a part with the same shares of classes, for tests.

    A dataset of one's own (any name but those of the catalogue) says what its columns are: ``features``, and ``label``
    (classification: names or whole numbers) or ``target`` (regression: a column or several). ``columns`` and
    ``classes`` are also for jets read from a file (:mod:`ultralow.data.tabular`).
    """

    source: str
    # Of one's own also a folder, or a pattern with * and ?: many files of one layout.
    path: Named | None = None
    rows: Positive | None = None
    features: Annotated[list[str], Field(min_length=1)] | None = None
    label: str | None = None
    # Order of the classes, as their labels stand in the file (true and false of booleans); without it sorted.
    classes: Annotated[list[str | int], Field(min_length=2)] | None = None
    target: str | Annotated[list[str], Field(min_length=1)] | None = None
    # Columns with each row's weight, and with 1 (or true) for rows of the test part.
    weights: str | None = None
    test: str | None = None
    # Of a ROOT file with several.
    tree: str | None = None
    columns: dict[str, str] = {}

    @field_validator("classes", mode="before")
    @classmethod
    def _booleans(cls, classes: object) -> object:
        """Booleans by their names; study_file refuses no and yes, which are booleans to YAML only."""
        return [str(one).lower() if isinstance(one, bool) else one for one in classes] if isinstance(classes, list) else classes

    @property
    def targets(self) -> list[str]:
        return [self.target] if isinstance(self.target, str) else self.target or []

    def check(self, name: str) -> None:
        """That this says what the dataset ``name`` needs, and nothing else.

        Raises:
            StudyError: it does not.
        """
        self._check_known(name) if name in DATASETS else self._check_own(name)

    def _check_known(self, name: str) -> None:
        if self.source not in DATASETS[name]:
            raise unknown(f"source of data.{name}", self.source, DATASETS[name])
        if self.source == "file" and not self.path:
            raise StudyError(f"data.{name}: source 'file' needs a path")
        foreign = [key for key in _TABLE if getattr(self, key) is not None]
        if (name, self.source) != ("jets", "file"):
            foreign += [key for key in ("columns", "classes") if getattr(self, key)]
        if foreign:
            raise StudyError(f"data.{name}: {', '.join(foreign)} {'is' if len(foreign) == 1 else 'are'} not for this source: "
                             "its columns are known; a dataset of your own needs a name of its own")

    def _check_own(self, name: str) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9]*", name):
            raise StudyError(f"data.{name}: {unknown('dataset', name, DATASETS)}; one of your own has a name of small letters "
                             "and digits")
        if not (self.path and self.features and (self.label or self.target)):
            raise StudyError(f"{unknown('dataset', name, DATASETS)}; one of your own (data.{name}) needs source: file, path, "
                             "features, and label (classification) or target (regression)")
        if self.source != "file":
            raise unknown(f"source of data.{name}", self.source, ("file",))
        if self.label and self.target or self.classes and not self.label:
            raise StudyError(f"data.{name}: label and classes are for classification, target for regression; give one of the two")
        if self.columns:
            raise StudyError(f"data.{name}: columns is for jets; name the file's own columns in features")
        used = [*self.features, *self.targets, *filter(None, (self.label, self.weights, self.test))]
        if twice := sorted({column for column in used if used.count(column) > 1}):
            raise StudyError(f"data.{name}: column {', '.join(twice)} is named twice")


class Override(Strict):
    """What this study changes in a catalogue entry; or, under a name of one's own, a network as an entry has it."""

    dataset: str | None = None
    widths: Annotated[list[Positive], Field(min_length=2)] | None = None
    weights: str | list[str] | None = None
    activation: str | list[str] | None = None
    input: str | None = None
    scale_bits: Annotated[int, Field(ge=1, le=24)] | None = None
    # A trained model in place of widths and recipe: a .keras file (ultralow.importing.keras_model). It takes features as the
    # study scales them, or (raw) as they stand in the files.
    model: Named | None = None
    raw: bool = False
    # What a trained model's outputs are, in the model's order: every class (or target) of the dataset by its name; without this
    # line they stand in the dataset's order.
    outputs: Annotated[list[str | int], Field(min_length=1)] | None = None
    # Whether a trained regression gives its targets as they stand in the files, or as the study scales them; without this line
    # it gives them as it takes its features (raw).
    raw_targets: bool | None = None
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
    def meaning(self) -> dict[str, object]:
        """What the file says of a trained model's outputs, by key; empty where it says nothing."""
        return {key: value for key in _OF_MODELS if (value := getattr(self, key)) is not None}

    @property
    def gives_raw_targets(self) -> bool:
        """Whether a regression's outputs are in the unit of the data's files."""
        return self.model is not None and (self.raw if self.raw_targets is None else self.raw_targets)

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
            raise StudyError(f"network {name}: study {self.results_of} decides its {', '.join(sorted(decided))}; leave them "
                             "out, or leave out results_of")
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
        if meanings := [key for key in _OF_MODELS if getattr(self, key) is not None]:
            raise StudyError(f"network {name}: {', '.join(meanings)} is for trained models (key model); what the study trains "
                             "has the outputs of its dataset, in the dataset's order")
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
        path = located(root(), self.model, f"networks.{name}.model")
        return keras_model.entry(name, path, self.dataset, self.input, self.weights, self.activation, self.scale_bits)


def wrong_outputs(network: str, outputs: Iterable[object], dataset: str, known: Iterable[object]) -> StudyError:
    """What is said of ``outputs`` of a network that are not the classes or targets ``known`` of its dataset."""
    return StudyError(f"networks.{network}.outputs names {', '.join(map(str, outputs))}, and the outputs of a network on "
                      f"data.{dataset} are {', '.join(map(str, known))}; name each of these once, in the order of the model's "
                      "outputs")


def _check_name(name: str) -> None:
    if not re.fullmatch(_NAME, name) or len(name) > 100:
        raise StudyError(f"network {name[:120]!r}: its name is a folder's; take up to 100 letters, digits, . and -")
    if name in _TAKEN or name.endswith((".json", ".csv")):
        raise StudyError(f"network {name!r}: results keep something else under this name; take another")


def _tuple(formats: str | list[str]) -> str | tuple[str, ...]:
    return formats if isinstance(formats, str) else tuple(formats)


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
