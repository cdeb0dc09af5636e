"""The jet generator: equal content for any number of processes, resuming, checksums, and the committed sample."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import uproot

from ultralow.data.jetgen import pythia, sample as generator
from ultralow.errors import StudyError
from ultralow.files import read_json
from ultralow.data.jetgen.sample import Unit, generate, plan
from ultralow.data.jets import CLASSES, FEATURES, TREE
from ultralow.data.jets import chunk_checksums, record, verify

DATA = Path(__file__).parents[3] / "data"


class FakeCollisions:
    """Stands for Pythia where only the bookkeeping is tested: numbers that follow from the two seeds."""

    made: list[str] = []

    def __init__(self, kind, hard_seed, shower_seed):
        self.made.append(kind)
        self.rng = np.random.default_rng([hard_seed, shower_seed])

    def jets(self, count):
        rows = np.stack([self.rng.random(16, np.float32) for _ in range(count)])
        return rows, dict.fromkeys(pythia.CUT_FLOW, count)


@pytest.fixture
def fake(monkeypatch):
    """Three jets per class and chunk, without Pythia, which need not be installed."""
    monkeypatch.setattr(generator, "PER_CLASS", 3)
    monkeypatch.setattr(generator, "CHUNK", 15)
    monkeypatch.setattr(pythia, "Collisions", FakeCollisions)
    monkeypatch.setattr(pythia, "import_extra", lambda name: None)
    monkeypatch.setattr(generator.importlib.metadata, "version", lambda name: "1")
    monkeypatch.setattr(FakeCollisions, "made", [])


def columns(path):
    return uproot.open(path)[TREE].arrays(library="np")


def test_plan_is_balanced_and_its_streams_are_distinct():
    units = plan(25_000)
    assert [unit.jets for unit in units] == [2000] * 10 + [1000] * 5
    assert [unit.chunk for unit in units] == [0] * 5 + [1] * 5 + [2] * 5
    assert [unit.kind for unit in units[:5]] == list(CLASSES)
    seeds = [seed for unit in plan(500_000) + plan(500_000, seed=2) for seed in unit.streams()]
    assert len(set(seeds)) > len(seeds) - 2  # two of a thousand may meet by chance in 9e8
    assert 1 <= min(seeds) and max(seeds) <= 900_000_000


@pytest.mark.parametrize(("rows", "message"), [(12, "multiple of 5, such as 10"), (0, "such as 5"), (-5, "positive")])
def test_rows_that_cannot_be_balanced(rows, message):
    with pytest.raises(StudyError, match=message):
        plan(rows)


def test_chunks_are_balanced_shuffled_and_shared_by_longer_samples(fake, tmp_path):
    generate(40, tmp_path / "a" / "long.root")
    generate(25, tmp_path / "b" / "short.root")
    long, short = columns(tmp_path / "a" / "long.root"), columns(tmp_path / "b" / "short.root")
    assert np.bincount(long["label"]).tolist() == [8] * 5
    assert long["chunk"].tolist() == [0] * 15 + [1] * 15 + [2] * 10
    assert np.any(np.diff(long["label"][:15]) < 0)
    for name in (*FEATURES, "label"):
        assert np.array_equal(long[name][:15], short[name][:15])
    # The last, smaller chunk is the head of the whole one: two of the three jets of every class.
    whole, head = ({(label, value) for label, value in zip(table["label"][15:30], table["zlogz"][15:30])}
                   for table in (long, short))
    assert head < whole and len(head) == 10


def test_a_stopped_run_goes_on(fake, tmp_path, monkeypatch):
    class Stopped(FakeCollisions):
        def jets(self, count):
            if len(self.made) == 4:
                raise KeyboardInterrupt
            return super().jets(count)

    monkeypatch.setattr(pythia, "Collisions", Stopped)
    with pytest.raises(KeyboardInterrupt):
        generate(30, tmp_path / "jets.root")
    assert not (tmp_path / "jets.root").exists()
    assert not list(tmp_path.rglob("*.part"))
    monkeypatch.setattr(pythia, "Collisions", FakeCollisions)
    FakeCollisions.made.clear()
    generate(30, tmp_path / "jets.root")
    assert len(FakeCollisions.made) == 10 - 3
    generate(30, tmp_path / "elsewhere" / "jets.root")
    assert chunk_checksums(tmp_path / "jets.root") == chunk_checksums(tmp_path / "elsewhere" / "jets.root")


def test_a_damaged_unit_is_named(fake, tmp_path):
    generate(15, tmp_path / "jets.root")
    unit = Unit(generator.SEED, 0, "W", 3).path(tmp_path / "jet-parts")
    unit.write_bytes(unit.read_bytes()[:100])
    with pytest.raises(StudyError, match=f"{unit.name} is damaged.*delete it"):
        generate(15, tmp_path / "jets.root")


def test_checksums_find_a_changed_chunk(fake, tmp_path):
    generate(40, tmp_path / "jets.root")
    record(tmp_path / "jets.root", tmp_path / "sums.json")
    assert verify(tmp_path / "jets.root", tmp_path / "sums.json") == 2  # the third is not whole
    generate(30, tmp_path / "other.root", seed=7)
    with pytest.raises(StudyError, match="2 of 2 chunks differ.*the first 0"):
        verify(tmp_path / "other.root", tmp_path / "sums.json")
    generate(10, tmp_path / "small.root")
    with pytest.raises(StudyError, match="no whole chunk of 15"):
        verify(tmp_path / "small.root", tmp_path / "sums.json")
    with pytest.raises(StudyError, match="nowhere.root is missing"):
        verify(tmp_path / "nowhere.root", tmp_path / "sums.json")
    (tmp_path / "cut.root").write_bytes((tmp_path / "jets.root").read_bytes()[:2000])
    with pytest.raises(StudyError, match="cut.root is not a generated sample.*make jets"):
        verify(tmp_path / "cut.root", tmp_path / "sums.json")


def test_provenance_tells_how_it_was_made(fake, tmp_path):
    generate(30, tmp_path / "jets.root", seed=5)
    with uproot.open(tmp_path / "jets.root") as file:
        told = json.loads(str(file["provenance"]))
    assert told["source"] == "generated" and told["seed"] == 5 and told["rows"] == 30
    assert told["cut_flow"]["W"]["events"] == 6
    assert told["streams"]["t"] == [list(Unit(5, chunk, "t").streams()) for chunk in range(2)]
    assert "PartonLevel:MPI=off" in told["shower"]


def test_without_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises(StudyError, match="pythia8mc is not installed.*requirements-jets.lock"):
        generate(10, tmp_path / "jets.root")
    assert not list(tmp_path.iterdir())


def test_command_line_names_the_fault(capsys):
    with pytest.raises(SystemExit, match="error: rows is 7"):
        generator.main(["--rows", "7"])


def test_content_does_not_depend_on_the_number_of_processes(tmp_path):
    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    generate(5, tmp_path / "one" / "jets.root", jobs=1)
    generate(5, tmp_path / "two" / "jets.root", jobs=2)
    assert chunk_checksums(tmp_path / "one" / "jets.root") == chunk_checksums(tmp_path / "two" / "jets.root")


def test_a_longer_stream_starts_with_the_shorter_one_and_has_the_right_mass():
    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    mass = FEATURES.index("mass_mmdt")
    for kind, low, high in (("W", 70, 90), ("Z", 80, 100), ("t", 140, 190)):
        features, flow = pythia.Collisions(kind, *Unit(1, 0, kind).streams()).jets(40)
        assert low < np.median(features[:, mass]) < high
        assert flow[pythia.CUT_FLOW[2]] == 40 <= flow[pythia.CUT_FLOW[1]] <= flow[pythia.CUT_FLOW[0]]
    head, _ = pythia.Collisions("t", *Unit(1, 0, "t").streams()).jets(15)
    assert np.array_equal(head, features[:15])


def test_an_event_without_a_jet_is_no_jet():
    pytest.importorskip("fastjet")
    ak = pytest.importorskip("awkward")
    soft = {"status": [1, 1], "id": [211, 211], "p": [{"px": 10.0, "py": 0.0, "pz": 0.0, "e": 11.0}] * 2}
    hard = {"status": [1, 1, 1, -1], "id": [211, 22, 12, 22], "p": [
        {"px": 900.0, "py": 0.0, "pz": 1.0, "e": 901.0}, {"px": 90.0, "py": 1.0, "pz": 0.0, "e": 91.0},
        {"px": 900.0, "py": 0.0, "pz": 0.0, "e": 900.0}, {"px": 900.0, "py": 0.0, "pz": 0.0, "e": 900.0}]}
    particles, counts, pt = pythia.leading_jets(ak.Array([soft, hard, soft]))
    assert counts.tolist() == [0, 2, 0] and pt[[0, 2]].tolist() == [0, 0]
    assert pt[1] == pytest.approx(np.hypot(990.0, 1.0))  # neither the neutrino nor the intermediate photon
    assert sorted(particles[:, 0]) == [90.0, 900.0]


def test_unknown_kind():
    with pytest.raises(StudyError, match="unknown kind of jet 'top'.*'t'"):
        pythia.Collisions("top", 1, 2)


def test_the_committed_sample_is_the_head_of_the_large_one():
    sums = read_json(DATA / "jets-checksums.json")
    assert verify(DATA / "jets.root", DATA / "jets-checksums.json") == 6
    assert len(sums["chunks"]) == 50 and sums["seed"] == generator.SEED
    sample = columns(DATA / "jets.root")
    assert np.bincount(sample["label"]).tolist() == [12_000] * 5
