"""Read and write tables as CSV: equal tables give equal bytes, an empty cell is NA."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ultralow.errors import StudyError
from ultralow.files import replacing, sha256


def to_text(table: pd.DataFrame) -> str:
    """The text that :func:`write` writes."""
    return table.to_csv(index=False, lineterminator="\n", na_rep="")


def write(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table as CSV, NA as an empty cell."""
    with replacing(path) as temporary:
        temporary.write_text(to_text(table), encoding="utf-8")


def write_with_checksum(table: pd.DataFrame, path: str | Path) -> None:
    """:func:`write`, with the checksum beside it (``sha256sum -c`` reads it): for a table that no other file can restore."""
    checksum = _checksum_path(Path(path))
    checksum.unlink(missing_ok=True)  # the old one never stands beside the new table
    write(table, path)
    with replacing(checksum) as temporary:
        temporary.write_text(f"{sha256(path)}  {Path(path).name}\n")


def read(path: str | Path) -> pd.DataFrame:
    """A table that :func:`write` wrote, with the same column types.

    Raises:
        StudyError: the file is missing or damaged, or not what the checksum beside it was made of.
    """
    checksum = _checksum_path(Path(path))
    if checksum.exists() and Path(path).exists() and checksum.read_text(errors="replace").split()[:1] != [sha256(path)]:
        raise StudyError(f"{path} is damaged or was changed by hand: its SHA-256 is not the one in {checksum.name}; take both "
                         "again (`git checkout`), or delete both and run `make study` again")
    try:
        # convert_dtypes gives nullable columns; an empty column has no type of its own and stays NA throughout.
        return pd.read_csv(path).convert_dtypes()
    except (FileNotFoundError, pd.errors.EmptyDataError):
        raise StudyError(f"{path} is missing or empty; run the comparison notebook first") from None
    except (ValueError, OSError) as error:
        raise StudyError(f"{path} is not a table ({error}); delete it and run `make study` again") from None


def _checksum_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
