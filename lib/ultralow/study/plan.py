"""Work out the jobs of a study for the Snakefile: which steps it has, and what each takes in and depends on."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ultralow.data.dataset import test_path
from ultralow.networks.catalogue import FINN
from ultralow.study import ablations, datasets, identity, reuse, steps
from ultralow.study.progress import SHOWN
from ultralow.study.study import Study


@dataclass(frozen=True)
class Page:
    """A finished step that is shown in a notebook once more: the notebook, its parameter, and the files that it reads."""

    notebook: str
    parameter: str
    files: tuple[str, ...]


class Plan:
    """The jobs of a study; all paths count from the project's root.

    Args:
        mode: None; or what is taken as it is, :data:`ultralow.study.reuse.TRAINED` or ``MEASURED``.
    """

    def __init__(self, study: Study, mode: str | None = None):
        self.study, self.mode = study, mode
        self.results = os.path.relpath(study.results)
        settings = study.settings
        self.networks = [entry.name for entry in study.networks]
        self.converted = [name for name in self.networks if study.override(name).hls]
        self.synthesised = [name for name in self.networks if study.override(name).gates]
        # Networks whose results stand in another study's folder are taken from there: no rule makes them.
        self.own = [name for name in self.networks if name not in study.shared]
        self.ablated = settings.ablations.networks if settings.ablations else []
        self.searched = ([f"{settings.search.dataset}-{weights}" for weights in settings.search.weights]
                         if settings.search else [])
        self.explored = settings.area.networks if settings.area else []
        # Several workers share a search; one is the search itself.
        self.workers = range(1, n + 1) if settings.search and (n := settings.search.workers) > 1 else []
        # Another study that shares results may have the test part of the same rows.
        self.test = {name: os.path.relpath(test_path(
            datasets.test_file(study, name) or study.results / "data" / f"{name}.npz")) for name in study.datasets}

    @property
    def prepared(self) -> list[str]:
        """Datasets that this run may prepare: trained networks need the test part alone."""
        return [name for name, path in self.test.items() if not (self.mode and os.path.exists(path))]

    @property
    def experiments(self) -> list[str]:
        return [f"{self.results}/ablations/{name}.csv" for name in self.ablated] + [
            f"{self.results}/search/{name}.csv" for name in self.searched]

    @property
    def finn(self) -> list[str]:
        """FINN's table, where the study has its networks."""
        return [f"{self.results}/finn.csv"] if any(name.startswith(FINN) for name in self.networks) else []

    @property
    def comparison(self) -> list[str]:
        """What the comparison leaves. Committed tables are there: as outputs they would be deleted before it begins, and with
        them those figures, if their whole folder were one."""
        tables = [f"{self.results}/comparison.csv", *self.finn]
        return [f"{self.results}/figures/figures.json", *(path for path in tables if not (self.mode and os.path.exists(path)))]

    @property
    def pages(self) -> dict[str, Page]:
        """What is shown once more of trainings, ablations and searches that are taken as they are, by the page's name."""
        if not self.mode:
            return {}
        trainings = self.own if self.mode == reuse.TRAINED else []
        # What the networks predict for the test part must be what train.json says.
        pages = {f"{name}-training": Page("2-training", f"network={name}", (self.file(name, "train.json"), self.test_part(name)))
                 for name in trainings}
        pages |= {f"{name}-ablations": Page("ablations", f"network={name}", (f"{self.results}/ablations/{name}.csv",))
                  for name in self.ablated}
        pages |= {f"search-{name}": Page("search", f"weights={name.rpartition('-')[2]}", (f"{self.results}/search/{name}.csv",))
                  for name in self.searched}
        return {name: page for name, page in pages.items() if self.mode == reuse.TRAINED or os.path.exists(page.files[0])}

    def file(self, network: str, name: str) -> str:
        """A file of a network's folder, which is another study's where that has the results."""
        return os.path.relpath(self.study.folder(network) / name)

    def source(self, dataset: str) -> list[str]:
        """A dataset's files; none where it comes by itself."""
        return [str(path) for path in self.study.files(dataset) if path.exists() or not datasets.downloads(self.study, dataset)]

    def data(self, network: str) -> str:
        """The whole dataset of a network."""
        return f"{self.results}/data/{self.study.network(network).dataset}.npz"

    def test_part(self, network: str) -> str:
        return self.test[self.study.network(network).dataset]

    def teachers(self, network: str) -> list[str]:
        """The trained networks that a network learns from."""
        teacher = self.study.recipe(network).teacher
        return [self.file(teacher, "folded.npz")] if teacher else []

    def model(self, network: str) -> list[str]:
        """The file of a network that was trained elsewhere."""
        path = self.study.model_path(network)
        return [str(path)] if path else []

    def preparation(self, dataset: str) -> dict[str, object]:
        """What a prepared dataset depends on, beside its files."""
        return {"settings": self.study.settings.data[dataset].model_dump_json(), "versions": identity.versions("data")}

    def training(self, network: str) -> dict[str, object]:
        """What the result of a training depends on, beside its input files."""
        return {"entry": str(self.study.network(network)), "recipe": str(self.study.recipe(network)),
                "seeds": self.study.settings.seeds, "raw": self.study.override(network).raw,
                **self.study.override(network).meaning, "versions": steps.training_versions(self.study, network)}

    def ablations(self, network: str) -> dict[str, object]:
        """As :meth:`training`, of ablations."""
        settings = self.study.settings
        return {"entry": str(self.study.network(network)), "variants": str(ablations.variants(self.study, network)),
                "settings": (settings.seeds, settings.backend, str(settings.ablations)),
                "versions": identity.versions("training", "weight flips")}

    def search(self) -> dict[str, object]:
        """As :meth:`training`, of searches."""
        settings = self.study.settings
        return {"settings": (settings.seeds[0], settings.backend, str(settings.search)),
                "versions": identity.versions("training", "weight flips", "search")}

    def conversion(self) -> dict[str, object]:
        """As :meth:`training`, of a conversion."""
        settings = self.study.settings
        return {"rows": settings.rows.hls, "target": (settings.part, settings.clock_ns),
                "versions": identity.versions("conversion")}

    def synthesis(self, network: str) -> dict[str, object]:
        """As :meth:`training`, of a synthesis."""
        settings = self.study.settings
        return {"rows": settings.rows.rtl, "target": (settings.part, settings.clock_ns, settings.tool, settings.vhdl),
                "tracing": self.study.override(network).tracing, "multipliers": settings.multipliers,
                "versions": identity.versions("synthesis")}

    def area(self) -> dict[str, object]:
        """As :meth:`training`, of the area study."""
        return {"settings": str(self.study.settings.area), "versions": identity.versions("synthesis")}

    def taken(self, path: str, ancient: Callable[[str], str]) -> str:
        """A file that this run does not make; ``ancient`` (Snakemake's) then has it older than what was made of it, since a
        checkout leaves no times that tell anything."""
        return ancient(path) if self.mode else path

    @property
    def compared(self) -> dict[str, list[str]]:
        """What the comparison takes in; where circuits are taken as they are, what is there."""
        area = [f"{self.results}/area.csv"] if self.study.settings.area else []
        files = {"train": [self.file(name, "train.json") for name in self.networks],
                 "convert": [self.file(name, "convert.json") for name in self.converted],
                 "synthesis": [self.file(name, "synthesis.json") for name in self.synthesised], "area": area}
        return {kind: [path for path in paths if self.mode != reuse.MEASURED or os.path.exists(path)]
                for kind, paths in files.items()}

    @property
    def targets(self) -> list[str]:
        """Every file that the run shall leave, each by name: a file that is missing, because a step failed or it was damaged
        and deleted, is no reason to make a report again that is there; so the old one would stay."""
        files = [f"{self.results}/{file}" for file in ("report/index.html", "comparison.csv", "figures/figures.json")]
        files += [*self.finn, *(path for kind in ("convert", "synthesis", "area") for path in self.compared[kind])]
        if not self.mode:
            files += [*self.experiments, *(self.file(name, file) for name in self.own for file in ("train.json", "folded.npz"))]
        return files


def either(names: Iterable[str]) -> str:
    """A wildcard's pattern for one of the names, and for nothing where there is none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def quoted(name: str, value: str | Path) -> str:
    """``name=value`` (or the value, without a name) as the shell takes it, with Snakemake's braces escaped, whatever stands
    in it."""
    return shlex.quote(f"{name}={value}" if name else str(value)).replace("{", "{{").replace("}", "}}")


def shell_command(command: str, where: str, main: bool) -> str:
    """A job's shell command for Snakemake: ``command`` with its messages in the job's log, whose end is shown if it fails, and
    then ``where``, a command that says where there is more.

    Of a step that is refused (exit code 2) the run shows the sentence when all others have ended; where Snakemake runs alone, the
    command does. It is the same command for both, or Snakemake would take results of the one for out of date in the other.

    Args:
        main: whether the job is a child of the run; if not, as on a cluster, its last line is shown in any case.
    """
    last = "tail -n 1 {log.text}"
    refused = f"printenv {SHOWN} > /dev/null || {last} >&2" if main else f"{last} >&2"
    return (f"{command} > {{log.text}} 2>&1 || {{{{ if [ $? = 2 ]; then {refused}; else tail -n 15 {{log.text}} >&2; {where}fi; "
            f"exit 1; }}}}" + ("" if main else f"; {last}"))
