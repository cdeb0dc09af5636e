"""Hold a study: which networks, on which data, with which seeds, and where results go."""

from __future__ import annotations

from pathlib import Path

from ultralow.networks.catalogue import NetworkSpec
from ultralow.data.sources import DATASETS
from ultralow.device import PART
from ultralow.errors import StudyError, unknown
from ultralow.files import root
from ultralow.networks.recipes import Recipe
from ultralow.study import study_file
from ultralow.study.schema import Settings
from ultralow.study.sections import Override, located


class Study:
    """A study: its settings and its folders. Relative paths in it count from the project's root."""

    def __init__(self, settings: Settings, file: Path):
        self.settings = settings
        self.file = file

    @property
    def results(self) -> Path:
        return root() / "results" / self.settings.name

    def folder(self, network: str) -> Path:
        """results/<study>/<network>, for a network of this study; of one whose results another study has, its folder there."""
        shared = self.override(network).results_of
        return (self.results.parent / shared if shared else self.results) / network

    @property
    def shared(self) -> dict[str, str]:
        """Networks whose results another study has, and that study's name."""
        return {name: study for name in self.settings.networks if (study := self.override(name).results_of)}

    @property
    def networks(self) -> list[NetworkSpec]:
        return [self.network(name) for name in self.settings.networks]

    def network(self, name: str) -> NetworkSpec:
        """The catalogue entry as this study takes it (narrowed in a smoke study)."""
        self._check(name)
        entry = self.settings.entry(name)
        return entry.at_smoke_size() if self.settings.smoke else entry

    def override(self, name: str) -> Override:
        """What the file says of a network; hls4ml is left out where there is no emulation of it."""
        self._check(name)
        given = self.settings.networks[name] or Override()
        return given if self.settings.entry(name).hls4ml else given.model_copy(update={"hls": False})

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

    @property
    def without_effect(self) -> list[str]:
        """What the file says that changes no result of this study, a sentence each."""
        settings = self.settings
        built = [name for name in settings.networks if name not in self.shared and self.override(name).gates]
        converted = [name for name in settings.networks if name not in self.shared and self.override(name).hls]
        trained = [name for name in settings.networks if name not in self.shared and not self.override(name).model]
        explored = settings.area.networks if settings.area else []
        sentences = []
        if settings.tool == "open" and settings.part != PART:
            sentences.append(f"part: {settings.part} has no effect with tool: open, which knows the delays of {PART} alone: "
                             "delays and percentages are of that one; take tool: vitis, or leave part out")
        of_circuits = {"clock_ns": settings.clock_ns, "vhdl": settings.vhdl, "multipliers": settings.multipliers,
                       "rows.rtl": "rtl" in settings.rows.model_fields_set}
        unused = {key: "no network's circuit is built here (gates: false, or results_of)" for key, value in of_circuits.items()
                  if not built and value and key.partition(".")[0] in settings.model_fields_set}
        if built and settings.multipliers and not any(_has_fixed_weights(self.network(name)) for name in built):
            unused["multipliers"] = "no network whose circuit is built has fixed-point weights, the ones that need multipliers"
        if not converted and "hls" in settings.rows.model_fields_set:
            unused["rows.hls"] = "no network goes through hls4ml here"
        if not trained and not settings.ablations and not settings.search:
            unused |= {key: "no network is trained here" for key in ("seeds", "epochs", "batch_size")
                       if key in settings.model_fields_set and (key != "seeds" or len(settings.seeds) > 1)}
        unused |= {f"data.{name}": "no network of the study uses it" for name in settings.data if name not in self.datasets}
        unused |= {f"networks.{name}.{key}": "its circuit is not built here" for name in settings.networks
                   if name not in built and name not in explored
                   for key in ("delay_constraint", "chunk") if key in self.override(name).model_fields_set}
        return sentences + [f"{key} has no effect: {why}; leave it out" for key, why in unused.items()]

    def files(self, dataset: str) -> list[Path]:
        """The dataset's files as absolute paths, sorted: one, or those of a folder or of a pattern; none where the source
        needs none.

        Raises:
            StudyError: the pattern or folder holds none.
        """
        path = self.data_path(dataset)
        if path is None:
            return []
        if not (path.is_dir() and dataset not in DATASETS) and not set("*?[") & set(path.name):
            return [path]
        folder, pattern = (path, "*") if path.is_dir() else (path.parent, path.name)
        files = sorted(p for p in folder.glob(pattern) if p.is_file() and not p.name.startswith("."))
        if not files:
            raise StudyError(f"data.{dataset}.path {path} holds no file; give the path of a file, a folder or a pattern")
        return files

    def model_path(self, network: str) -> Path | None:
        """The file of a network that was trained elsewhere, as an absolute path; None of the others."""
        model = self.override(network).model
        return None if model is None else located(root(), model, f"networks.{network}.model")

    def data_path(self, dataset: str) -> Path | None:
        """The dataset's file as an absolute path; None where the source needs none."""
        path = self.settings.data[dataset].path
        return None if path is None else located(root(), path, f"data.{dataset}.path")

    def _check(self, name: str) -> None:
        if name not in self.settings.networks:
            raise unknown(f"network of study {self.settings.name}", name, self.settings.networks)


def _has_fixed_weights(network: NetworkSpec) -> bool:
    return not network.is_circuit and any("fixed<" in weights for weights in getattr(network, "layer_weights", ()))


def load(path: str | Path) -> Study:
    """Reads a study file; a relative path counts from the working directory, then from the project's root.

    Raises:
        StudyError: the file is missing, not YAML, or holds an unknown key or name; all faults are named at once.
    """
    path = Path(path)
    if not path.exists() and not path.is_absolute():
        path = root() / path
    try:
        return Study(study_file.settings(path), path)
    except FileNotFoundError:
        files = ", ".join(sorted(f"config/{p.name}" for p in (root() / "config").glob("*.yaml")))
        raise StudyError(f"study file {path} does not exist; there are {files}") from None
