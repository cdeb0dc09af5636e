"""Generate a large balanced sample of jets chunk by chunk, the same for any number of processes.

A chunk holds 2,000 jets of each class, shuffled among themselves. The unit of work is one class of one chunk; its
random numbers follow from (seed, chunk, class) alone, so a unit is the same whoever makes it, and samples of
different length share their leading chunks. Finished units are kept in a folder beside the sample: a run that is
stopped goes on where it was. Command line: ``python -m ultralow.data.jetgen.sample --help``, or ``make jets``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ultralow import npz
from ultralow.data.jetgen import pythia
from ultralow.errors import StudyError
from ultralow.files import canonical_json, replacing
from ultralow.data.jetgen.substructure import Z_CUT
from ultralow.data.jets import CLASSES, FEATURES, record, verify, write_batches

PER_CLASS = 2_000
CHUNK = PER_CLASS * len(CLASSES)
SEED = 1
DATA = Path(__file__).resolve().parents[4] / "data"


@dataclass(frozen=True)
class Unit:
    """The jets of one class in one chunk: the first ``jets`` of its stream."""

    seed: int
    chunk: int
    kind: str
    jets: int = PER_CLASS

    def streams(self) -> tuple[int, int]:
        """The seeds of the hard process and of the shower, in Pythia's range 1 ... 900,000,000."""
        state = np.random.SeedSequence([self.seed, self.chunk, CLASSES.index(self.kind)]).generate_state(2, np.uint64)
        return tuple(int(word % 900_000_000) + 1 for word in state)

    def path(self, parts: Path) -> Path:
        """Where the finished unit is kept; other settings or versions have another folder."""
        folder = parts / f"{settings_digest()}-seed{self.seed}"
        return folder / f"{self.chunk:05d}-{self.kind}-{self.jets}.npz"


def plan(rows: int, seed: int = SEED) -> list[Unit]:
    """The units of a sample of ``rows`` jets; the last chunk may be smaller.

    Raises:
        StudyError: ``rows`` is not a positive multiple of the number of classes.
    """
    if rows <= 0 or rows % len(CLASSES):
        raise StudyError(f"rows is {rows}; the {len(CLASSES)} classes get equal shares, so give a positive multiple "
                         f"of {len(CLASSES)}, such as {max(1, round(rows / len(CLASSES))) * len(CLASSES)}")
    if seed < 0:
        raise StudyError(f"seed is {seed}; give 0 or a positive whole number")
    per_class = rows // len(CLASSES)
    return [Unit(seed, chunk, kind, min(PER_CLASS, per_class - first))
            for chunk, first in enumerate(range(0, per_class, PER_CLASS)) for kind in CLASSES]


def generate(rows: int, output: str | Path, jobs: int = 1, seed: int = SEED, parts: str | Path | None = None) -> None:
    """Makes ``rows`` jets and writes them to ``output`` (see ``jets.write_batches``; plus an int32 ``chunk``).

    Args:
        rows: a multiple of 5. Memory does not grow with it.
        jobs: processes; the result does not depend on it.
        seed: 0 or more.
        parts: where finished units are kept, by default ``jet-parts`` beside ``output``; may be deleted after.

    Raises:
        StudyError: see :func:`plan`; Pythia or FastJet is missing; a process was killed; the disk is full.
    """
    output = Path(output)
    parts = Path(parts) if parts else output.parent / "jet-parts"
    units = plan(rows, seed)
    for module in ("pythia8mc", "fastjet"):
        pythia.import_extra(module)
    _make_units([unit for unit in units if not _finished(unit, parts)], parts, jobs)
    write_batches(output, _chunks(units, parts), provenance(units, parts))


def make_unit(unit: Unit, parts: Path) -> float:
    """Generates ``unit`` into the folder ``parts``; returns the seconds it took."""
    started = time.perf_counter()
    features, flow = pythia.Collisions(unit.kind, *unit.streams()).jets(unit.jets)
    with replacing(unit.path(parts)) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, features=features, flow=np.array([flow[name] for name in pythia.CUT_FLOW]))
    return time.perf_counter() - started


def settings() -> dict:
    """Everything but the seed that decides which jets come out; goes into the provenance."""
    return {
        "source": "generated", "hard": pythia.HARD_SETTINGS, "processes": pythia.PROCESSES,
        "shower": pythia.SHOWER_SETTINGS, "jet": {
            "algorithm": "anti-kt", "radius": pythia.RADIUS, "pt_gev": pythia.JET_PT_GEV, "taken": "leading",
            "left_out": f"neutrinos, |eta| > {pythia.MAX_ETA:g}", "grooming": f"mMDT, z_cut {Z_CUT:g}"},
        "chunk_rows": CHUNK,
        "versions": {name: importlib.metadata.version(name) for name in ("pythia8mc", "fastjet")},
    }


def settings_digest() -> str:
    """Ten characters that differ when :func:`settings` differ.

    Raises:
        StudyError: Pythia or FastJet is not installed.
    """
    try:
        return hashlib.sha256(canonical_json(settings()).encode()).hexdigest()[:10]
    except importlib.metadata.PackageNotFoundError as error:
        raise pythia.missing_extra(error.name) from None


def provenance(units: Sequence[Unit], parts: Path) -> dict:
    """How the sample was made: settings, versions, the seeds of every unit and the cut flow of every class."""
    flow = {kind: dict.fromkeys(pythia.CUT_FLOW, 0) for kind in CLASSES}
    streams = {kind: [unit.streams() for unit in units if unit.kind == kind] for kind in CLASSES}
    for unit in units:
        for name, count in zip(pythia.CUT_FLOW, _load(unit, parts)[1]):
            flow[unit.kind][name] += int(count)
    return {**settings(), "settings_digest": settings_digest(), "seed": units[0].seed,
            "rows": sum(unit.jets for unit in units), "cut_flow": flow,
            "streams": {"rule": "numpy SeedSequence([seed, chunk, class]), two 64-bit words % 900000000 + 1: "
                                "hard process, shower; one pair per chunk", **streams}}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    try:
        run(arguments)
    except StudyError as error:
        sys.exit(f"error: {error}")


def run(arguments: Sequence[str] | None = None) -> None:
    """What :func:`main` does.

    Raises:
        StudyError: a setting is none, a file is damaged, or Pythia is not installed.
    """
    parser = argparse.ArgumentParser(prog="python -m ultralow.data.jetgen.sample", description="Makes a sample of jets.")
    parser.add_argument("--rows", type=int, default=500_000, help="how many jets, a multiple of 5 (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes; the content does not depend on it")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--output", type=Path, help="default data/cache/jets-<rows>.root")
    parser.add_argument("--parts", type=Path, help="folder of finished units, default jet-parts beside the output")
    parser.add_argument("--verify", type=Path, metavar="FILE", help="only compare FILE with the recorded checksums")
    parser.add_argument("--record", type=Path, metavar="JSON", help="also write the checksums of the sample there")
    options = parser.parse_args(arguments)
    try:
        if options.verify:
            print(f"{options.verify}: {verify(options.verify)} chunks as recorded")
            return
        output = options.output or DATA / "cache" / f"jets-{options.rows}.root"
        generate(options.rows, output, options.jobs, options.seed, options.parts)
        if options.record:
            record(output, options.record)
        print(output)
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from the units that are finished")


def _make_units(units: Sequence[Unit], parts: Path, jobs: int) -> None:
    if jobs < 1:
        raise StudyError(f"jobs is {jobs}; give 1 or more")
    total, done, started = sum(unit.jets for unit in units), 0, time.perf_counter()
    for unit, _ in _run(units, parts, jobs):
        done += unit.jets
        rate = done / (time.perf_counter() - started)
        print(f"chunk {unit.chunk} {unit.kind}: {done:,} of {total:,} jets, {rate:.0f} jets/s, "
              f"{(total - done) / rate / 60:.1f} min left", flush=True)


def _run(units: Sequence[Unit], parts: Path, jobs: int) -> Iterator[tuple[Unit, float]]:
    if jobs == 1:
        yield from ((unit, make_unit(unit, parts)) for unit in units)
        return
    # Spawned, not forked: the workers shall not inherit threads of whatever is loaded here. Ctrl-C ends them at
    # once; left to Python they would go on with the units that are already in their queue.
    with ProcessPoolExecutor(jobs, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_DFL)) as pool:
        waiting = {pool.submit(make_unit, unit, parts): unit for unit in units}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        except BrokenProcessPool:
            raise StudyError("a process of the generator was killed (out of memory?); run the same command again, "
                             "with fewer jobs if need be: finished units are kept") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _finished(unit: Unit, parts: Path) -> bool:
    return unit.path(parts).is_file() or Unit(unit.seed, unit.chunk, unit.kind).path(parts).is_file()


def _load(unit: Unit, parts: Path) -> tuple[np.ndarray, np.ndarray]:
    path = unit.path(parts)
    if not path.is_file():  # the head of a whole unit is the smaller unit
        path = Unit(unit.seed, unit.chunk, unit.kind).path(parts)
    try:
        stored = npz.read(path, ("features", "flow"))
        return stored["features"][:unit.jets], stored["flow"]
    except (OSError, ValueError) as error:
        raise StudyError(f"{path} is damaged ({error}); delete it and run the same command again") from error


def _chunks(units: Sequence[Unit], parts: Path) -> Iterator[dict[str, np.ndarray]]:
    for first in range(0, len(units), len(CLASSES)):
        chunk = units[first:first + len(CLASSES)]
        features = np.concatenate([_load(unit, parts)[0] for unit in chunk])
        label = np.repeat(np.arange(len(CLASSES), dtype=np.int8), chunk[0].jets)
        # Raw words of PCG64 are guaranteed never to change; numpy's shuffle is not.
        words = np.random.PCG64([chunk[0].seed, chunk[0].chunk]).random_raw(len(label))
        order = np.argsort(words, kind="stable")
        columns = {name: features[order, column] for column, name in enumerate(FEATURES)}
        yield {**columns, "label": label[order], "chunk": np.full(len(label), chunk[0].chunk, np.int32)}


if __name__ == "__main__":
    main()
