"""Knows the profiles: where Snakemake lets the jobs of a study run, and what it needs for that."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import yaml

from ultralow.study import study as studies
from ultralow.errors import StudyError, unknown

CONFIG = "config.yaml"
BUILT_IN = ("local", "dryrun", "touch")  # executors that come with Snakemake


def names() -> list[str]:
    """Those in profiles/."""
    return sorted(path.parent.name for path in (studies.root() / "profiles").glob(f"*/{CONFIG}"))


def find(name: str) -> Path:
    """The folder of a profile: one of :func:`names`, or any folder with a config.yaml, relative or absolute.

    Raises:
        StudyError: there is none, it is not YAML, or what its executor needs is not installed.
    """
    folder = studies.root() / "profiles" / name
    if name not in names():
        folder = Path(name).resolve()
        if not (folder / CONFIG).is_file():
            raise StudyError(f"{unknown('profile', name, names())} There are {', '.join(names())} in profiles/; the "
                             f"path of another folder with a {CONFIG} will do as well")
    try:
        content = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StudyError(f"profile {folder / CONFIG} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise StudyError(f"profile {folder / CONFIG} must hold keys and values; see profiles/local/{CONFIG}")
    executor = str(content.get("executor", "local"))
    if executor not in BUILT_IN and find_spec(f"snakemake_executor_plugin_{executor.replace('-', '_')}") is None:
        way = (f"`make .venv/.ready-{executor}`" if (studies.root() / f"requirements-{executor}.lock").exists() else
               f"`.venv/bin/pip install snakemake-executor-plugin-{executor}`")
        raise StudyError(f"profile {name} needs the package snakemake-executor-plugin-{executor}, which is not "
                         f"installed; {way} installs it")
    return folder
