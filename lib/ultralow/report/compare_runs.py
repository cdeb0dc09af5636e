"""Compare a new run with the committed reference: `ultralow check config/paper.yaml`.

Accuracies may differ by three standard deviations: the largest of the sample deviations over the seeds of either run (of
one seed there is none) and the binomial deviation of one test part, sqrt(a(1 - a) / rows). AUCs may differ by AUC_TOLERANCE.
Hardware columns of the same folded network must be equal; those of other networks are not compared, nor are accuracies
under other conditions (source, layers, rows).

With `--rows` each network's predictions are computed anew from its file and the test part first: their accuracies must be
those of train.json.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from ultralow import csvfile
from ultralow.exact.load import load_network
from ultralow.report import comparison
from ultralow.study import steps, study as studies
from ultralow.device import TOTALS
from ultralow.errors import StudyError
from ultralow.files import read_json

PAPER = "results/paper"
REFERENCE_HELP = ("results folder to compare with; where git knows it, as it was committed last (default: the study's own folder "
                  f"if it is committed, else {PAPER})")
DEVIATIONS = 3
AUC_TOLERANCE = 0.005
CONDITIONS = ("source", "architecture", "train_rows", "test_rows")
HARDWARE = ("hls_tool", "hls_rows", "hls_rows_exact", "keras_rows", "keras_rows_exact", "tool", "rtl_rows",
            "rtl_rows_exact", "input_bits", *TOTALS, "lut_estimate", "latency_cycles", "interval", "clock_ns",
            "latency_ns")


def main(arguments: list[str] | None = None) -> int:
    """Prints what differs. Returns 0, 1 if something differs by more than it may, or 2 if nothing can be compared."""
    parser = argparse.ArgumentParser(prog="ultralow check", description="Compare a run with the reference.")
    parser.add_argument("run", help="study file, or results folder")
    parser.add_argument("--reference", help=REFERENCE_HELP)
    parser.add_argument("--rows", action="store_true", help="compute every network's predictions on the test part again, too")
    options = parser.parse_args(arguments)
    try:
        if options.rows:
            check_rows(options.run)
        folder = Path(options.run) if Path(options.run).is_dir() else studies.load(options.run).results
        with committed(_reference(options.reference, folder), folder) as (reference, name):
            differences, remarks = compare(folder, reference)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(report(differences, remarks, folder.name, name))
    return int(bool((differences["verdict"] == "too much").any()))


def check_rows(file: str, log: Callable[[str], None] = print) -> None:
    """Compute the predictions of every network of a study again, from the files of the networks and the test part.

    Raises:
        StudyError: accuracies differ from those of train.json; or it is no study file, which alone says where rows come from.
    """
    if Path(file).is_dir():
        raise StudyError(f"{file} is a results folder; --rows needs the study file, which says where the rows come from")
    study = studies.load(file)
    for name in study.settings.networks:
        predictions = steps.check_predictions(study, name, log)
        log(f"{name}: {len(predictions.labels):,} rows, {len(predictions.logits)} of its networks as train.json says")


def compare(folder: Path, reference: Path) -> tuple[pd.DataFrame, list[str]]:
    """What differs between two results folders, network by network, and remarks on what was not compared.

    Returns:
        One row per value that differs: network, column, reference, new, allowed, verdict ("within" or "too much").
        What the reference has not measured is a remark.

    Raises:
        StudyError: a folder has no comparison.csv, or the two have no network in common.
    """
    ours, theirs = (csvfile.read(path / "comparison.csv").set_index("network") for path in (folder, reference))
    common = [name for name in theirs.index if name in ours.index]
    if not common:
        raise StudyError(f"{folder} and the reference have no network in common; there are "
                         f"{', '.join(ours.index)} and {', '.join(theirs.index)}")
    rows, remarks = [], []
    for text, missing in (("only in the reference", theirs.index.difference(ours.index)),
                          ("not in the reference", ours.index.difference(theirs.index))):
        if len(missing):
            remarks.append(f"{text}: {', '.join(missing)}")
    for name in common:
        new, old = ours.loc[name].to_dict(), theirs.loc[name].to_dict()
        if (other := [key for key in CONDITIONS if not _equal(new.get(key), old.get(key))]):
            remarks.append(f"{name}: accuracy and AUC not compared, other conditions ("
                           + ", ".join(f"{key} {old.get(key)} → {new.get(key)}" for key in other) + ")")
        else:
            rows += [{"network": name, **row} for row in _shares(new, old)]
        if same_network(_network_folder(folder, name), _network_folder(reference, name)):
            rows += [{"network": name, **row} for row in _hardware(new, old)]
        else:
            remarks.append(f"{name}: hardware columns not compared, they are of another trained network")
    for name in common:
        if (first := [row["column"] for row in rows if row["network"] == name and pd.isna(row["reference"])]):
            remarks.append(f"{name}: not measured in the reference: {', '.join(first)}")
    rows = [row for row in rows if not pd.isna(row["reference"])]
    return pd.DataFrame(rows, columns=["network", "column", "reference", "new", "allowed", "verdict"]), remarks


def deviation(new: dict, old: dict) -> float:
    """The standard deviation that accuracies (R² of a regression) of two rows of the comparison table are compared by; see
    the module."""
    what, mean, _ = comparison.quality(old)
    # What so many test rows tell; of R², whose spread the rows alone do not tell, no better than one in their root.
    drawn = ((mean * (1 - mean) if what == "accuracy" else 1) / old["test_rows"]) ** 0.5
    spreads = (comparison.quality(row).deviation for row in (new, old))
    return max([drawn, *(float(spread) for spread in spreads if not pd.isna(spread))])


def same_network(folder: Path, reference: Path) -> bool:
    """Whether two folders hold the same folded network; False where one has none."""
    files = [path / "folded.npz" for path in (folder, reference)]
    if not all(file.exists() for file in files):
        return False
    first, second = files
    # Another version of zlib packs the same numbers into other bytes.
    return first.read_bytes() == second.read_bytes() or load_network(first) == load_network(second)


def report(differences: pd.DataFrame, remarks: list[str], new: str, reference: str) -> str:
    """The text that is printed."""
    wrong = int((differences["verdict"] == "too much").sum())
    lines = [f"{new} against {reference}: accuracy within {DEVIATIONS} standard deviations, AUC within {AUC_TOLERANCE}, "
             "hardware exactly for the same networks.", ""]
    if len(differences):
        lines += [differences.astype(object).map(_text).to_string(index=False), ""]
    lines += [*remarks, ""] if remarks else []
    lines.append(f"{wrong} of {len(differences)} differences are larger than they may be." if len(differences)
                else "Nothing that was compared differs.")
    return "\n".join(lines)


@contextmanager
def committed(reference: Path, folder: Path) -> Iterator[tuple[Path, str]]:
    """The reference as git has it, in a folder of its own, and its name; the folder as it is where git has none.

    Raises:
        StudyError: git does not know the reference, and it is the folder that it is to be compared with.
    """
    if "comparison.csv" not in _committed_files(reference):
        if reference.resolve() == folder.resolve():
            raise StudyError(f"{folder} is the run and the reference, and git has no committed state of it; give another "
                             "folder by --reference")
        yield reference, str(reference)
        return
    with tempfile.TemporaryDirectory() as temporary:
        copy = _extract(reference, Path(temporary))
        for other in {shared["study"] for shared in _shared(copy).values()}:
            _extract(reference.parent / other, Path(temporary))
        commit = _git(reference, "rev-parse", "--short", "HEAD").decode().strip()
        yield copy, f"{reference} as committed ({commit})"


def _committed_files(folder: Path) -> list[str]:
    """What a comparison needs of a results folder, as far as git has it: table, study.json and the networks."""
    files = _git(folder, "ls-tree", "-r", "-z", "--name-only", "HEAD", ".").decode().split("\0")
    return [file for file in files if file in ("comparison.csv", "study.json")
            or file.count("/") == 1 and file.endswith("/folded.npz")]


def _extract(folder: Path, target: Path) -> Path:
    """Writes those files of git's last commit to a folder of the same name in ``target``; returns it."""
    copy = target / folder.name
    copy.mkdir()
    with tarfile.open(fileobj=io.BytesIO(_git(folder, "archive", "HEAD", *_committed_files(folder)))) as archive:
        archive.extractall(copy, filter="data")
    return copy


def _network_folder(folder: Path, name: str) -> Path:
    """The folder that holds a network's results: another study's, where this one shares them."""
    shared = _shared(folder).get(name)
    return folder.parent / shared["study"] / name if shared else folder / name


def _shared(folder: Path) -> dict[str, dict]:
    path = folder / "study.json"
    return read_json(path).get("shared", {}) if path.exists() else {}


def _git(folder: Path, *command: str) -> bytes:
    """What git prints in ``folder``; nothing where there is no git, or no repository."""
    try:
        return subprocess.run(["git", *command], cwd=folder, capture_output=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return b""


def _shares(new: dict, old: dict) -> Iterator[dict]:
    column = "r2_mean" if comparison.quality(old).name == "R²" else "accuracy_mean"
    yield from _difference(new, old, column, DEVIATIONS * deviation(new, old))
    for column in old:
        if column.startswith("auc_") and not column.endswith("_std"):
            yield from _difference(new, old, column, AUC_TOLERANCE)


def _hardware(new: dict, old: dict) -> Iterator[dict]:
    for column in HARDWARE:
        yield from _difference(new, old, column, 0)


def _difference(new: dict, old: dict, column: str, allowed: float) -> Iterator[dict]:
    """Nothing if the two are equal."""
    ours, theirs = new.get(column, pd.NA), old.get(column, pd.NA)
    if _equal(ours, theirs):
        return
    known = not pd.isna(ours) and not pd.isna(theirs)
    fits = known and allowed > 0 and abs(ours - theirs) <= allowed + 1e-9
    yield {"column": column, "reference": theirs, "new": ours, "allowed": f"±{allowed:.4f}" if allowed else "equal",
           "verdict": "within" if fits else "too much"}


def _equal(first: object, second: object) -> bool:
    return bool(pd.isna(first) and pd.isna(second)) or not (pd.isna(first) or pd.isna(second)) and first == second


def _text(value: object) -> str:
    return "not measured" if pd.isna(value) else f"{value:.10g}" if isinstance(value, float) else str(value)


def _reference(path: str | None, folder: Path) -> Path:
    """The folder to compare with; the default as REFERENCE_HELP says."""
    if path is None and "comparison.csv" in _committed_files(folder):
        return folder
    return _existing(path or PAPER)


def _existing(path: str) -> Path:
    """A results folder; a relative path counts from the working directory, then from the project's root."""
    for folder in (Path(path), studies.root() / path):
        if folder.is_dir():
            return folder
    raise StudyError(f"the reference {path} does not exist; give a results folder by --reference")


if __name__ == "__main__":
    sys.exit(main())
