"""Knows what holds for every part of a study file: no key that is not known, no value of another type; names and paths."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ultralow.errors import StudyError

Positive = Annotated[int, Field(ge=1, lt=2**31)]
# A file or folder, as the study file names it.
Named = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f]*$")]
# Of folders, and of parts, which go into scripts of the vendor's tools.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def located(root: Path, path: str, what: str) -> Path:
    """The absolute path; a relative one counts from the project's root. ``what`` names its key in messages."""
    try:
        return root / Path(path).expanduser()
    except RuntimeError:
        raise StudyError(f"{what} {path}: there is no such user's folder; write it in full") from None
