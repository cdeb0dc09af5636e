"""Knows what a study file says: which networks, on which data, with which seeds, and where results go."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ultralow.catalogue import CATALOGUE, DATASETS, Network
from ultralow.errors import StudyError, unknown
from ultralow.recipes import RECIPES, Recipe

Positive = Annotated[int, Field(ge=1)]
JOURNAL = "journal"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Data(_Strict):
    """Where one dataset comes from. ``rows`` takes a balanced part, for tests."""

    source: str
    path: str | None = None
    rows: Positive | None = None


class Rows(_Strict):
    """How many rows of the test part are compared, at most: by hls4ml's emulation, and by the Verilog."""

    hls: Positive = 1000
    rtl: Positive = 20000


class Override(_Strict):
    """What this study changes in a catalogue entry."""

    recipe: str | None = None
    epochs: Positive | None = None
    batch_size: Positive | None = None
    hls: bool = True
    gates: bool = True
    # Adder levels that sharing may add in the circuit; more: fewer LUTs, longer latency (ultralow.gates.trace).
    delay_constraint: Annotated[int, Field(ge=-1)] = 2


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
    delay_constraints: Annotated[list[Annotated[int, Field(ge=-1)]], Field(min_length=1)] = [0, 2, 8]
    clocks_ns: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = [5.0]


class Settings(_Strict):
    """The content of a study file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    data: dict[str, Data]
    networks: dict[str, Override | None]
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)] = [1]
    epochs: Positive | None = None
    batch_size: Positive | None = None
    rows: Rows = Rows()
    # Each circuit in VHDL, too, beside its Verilog.
    vhdl: bool = False
    clock_ns: Annotated[float, Field(gt=0, le=1000)] = 5.0
    part: str = "xcvu9p-flga2104-2L-e"
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
            if name not in CATALOGUE:
                raise unknown("network", name, CATALOGUE)
            if override and override.recipe and override.recipe not in RECIPES:
                raise unknown(f"recipe of {name}", override.recipe, RECIPES)
            if CATALOGUE[name].dataset not in self.data:
                raise StudyError(f"network {name} needs data.{CATALOGUE[name].dataset}; add it to the study")
        for part in ("ablations", "area"):
            for name in asked.networks if (asked := getattr(self, part)) else ():
                if name not in self.networks:
                    raise unknown(f"network in {part}", name, self.networks)
        if self.search and self.search.dataset not in self.data:
            raise unknown("dataset of search", self.search.dataset, self.data)
        if self.teachers - set(self.networks):
            raise StudyError(f"networks learn from {', '.join(sorted(self.teachers - set(self.networks)))}; "
                             "add the teacher to the study's networks, with {hls: false, gates: false} if only trained")
        for dataset, data in self.data.items():
            if dataset not in DATASETS:
                raise unknown("dataset", dataset, DATASETS)
            if data.source not in DATASETS[dataset]:
                raise unknown(f"source of data.{dataset}", data.source, DATASETS[dataset])
            if data.source == "file" and not data.path:
                raise StudyError(f"data.{dataset}: source 'file' needs a path")
        if len(set(self.seeds)) < len(self.seeds):
            raise StudyError(f"seeds {self.seeds} hold one twice")
        return self

    def recipe(self, name: str, like: str | None = None) -> Recipe:
        """The recipe of a network, or the one ``like`` in its place, with the study's changes: the network's own come
        before the study's."""
        changes = self.networks[name] or Override()
        recipe = RECIPES[like or changes.recipe or CATALOGUE[name].recipe]
        return replace(recipe, epochs=changes.epochs or self.epochs or recipe.epochs,
                       batch_size=changes.batch_size or self.batch_size or recipe.batch_size)

    @property
    def teachers(self) -> set[str]:
        """Networks that others of the study, or its ablations, learn from."""
        changes = self.ablations.changes.values() if self.ablations else ()
        return {teacher for teacher in (*(self.recipe(name).teacher for name in self.networks),
                                        *(change.get("teacher") for change in changes)) if teacher}


class Study:
    """A study: its settings and its folders. Relative paths in it count from the project's root."""

    def __init__(self, settings: Settings, file: Path):
        self.settings = settings
        self.file = file

    @property
    def results(self) -> Path:
        return root() / "results" / self.settings.name

    def folder(self, network: str) -> Path:
        """results/<study>/<network>, for a network of this study."""
        self._check(network)
        return self.results / network

    @property
    def networks(self) -> list[Network]:
        return [self.network(name) for name in self.settings.networks]

    def network(self, name: str) -> Network:
        """The catalogue entry as this study takes it (narrowed in a smoke study)."""
        self._check(name)
        entry = CATALOGUE[name]
        if (recipe := self.override(name).recipe):
            entry = replace(entry, recipe=recipe)
        return entry.at_smoke_size() if self.settings.smoke else entry

    def override(self, name: str) -> Override:
        self._check(name)
        return self.settings.networks[name] or Override()

    def recipe(self, name: str, like: str | None = None) -> Recipe:
        """See :meth:`Settings.recipe`."""
        self._check(name)
        return self.settings.recipe(name, like)

    @property
    def datasets(self) -> list[str]:
        """The datasets that the networks use, in the file's order."""
        used = {entry.dataset for entry in self.networks}
        if self.settings.search:
            used.add(self.settings.search.dataset)
        return [name for name in self.settings.data if name in used]

    def data_path(self, dataset: str) -> Path | None:
        """The dataset's file as an absolute path; None where the source needs none."""
        path = self.settings.data[dataset].path
        return None if path is None else root() / Path(path).expanduser()

    def _check(self, name: str) -> None:
        if name not in self.settings.networks:
            raise unknown(f"network of study {self.settings.name}", name, self.settings.networks)


def root() -> Path:
    """The project's root: the folder of pyproject.toml that holds this package."""
    return Path(__file__).resolve().parents[2]


def load(path: str | Path) -> Study:
    """Reads a study file; a relative path counts from the working directory, then from the project's root.

    Raises:
        StudyError: the file is missing, not YAML, or holds an unknown key or name; all faults are named at once.
    """
    path = Path(path)
    if not path.exists() and not path.is_absolute():
        path = root() / path
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        have = ", ".join(sorted(f"config/{p.name}" for p in (root() / "config").glob("*.yaml")))
        raise StudyError(f"study file {path} does not exist; there are {have}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StudyError(f"study file {path} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise StudyError(f"study file {path} must hold keys and values; see config/quick.yaml for an example")
    try:
        return Study(Settings.model_validate(content), path)
    except StudyError as error:
        raise StudyError(f"study file {path}: {error}") from None
    except ValidationError as error:
        raise StudyError(f"study file {path}: " + "; ".join(map(_sentence, error.errors()))) from None


def _sentence(fault: dict) -> str:
    """One pydantic fault as a sentence; unknown keys get the nearest valid ones."""
    *path, key = fault["loc"] or ("",)
    where = ".".join(map(str, (*path, key)))
    if fault["type"] == "extra_forbidden":
        parts = {"data": Data, "rows": Rows, "networks": Override, "ablations": Ablations, "search": Search}
        model = parts.get(path[0], Settings) if path else Settings
        kind = f"key in {'.'.join(map(str, path))}" if path else "key"
        return str(unknown(kind, key, model.model_fields))
    return f"{where}: {fault['msg']}"
