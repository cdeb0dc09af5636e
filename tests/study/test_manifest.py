"""The manifest says what made each result: today's code and packages only of what was made today."""

import pytest

from ultralow.files import read_json, write_json
from ultralow.study import manifest, reuse, study

NAME = "jets-bnn-small"


@pytest.fixture
def this(monkeypatch, tmp_path):
    """A study with committed results of another day and machine."""
    monkeypatch.setattr(study, "root", lambda: tmp_path)
    this = study.Study(study.Settings.model_validate({
        "name": "committed", "data": {"jets": {"source": "generated", "path": "jets.root"}}, "networks": {NAME: None}}),
        tmp_path / "a.yaml")
    write_json(this.results / "data" / "jets.json",
               {"source": "generated", "provenance": {}, "sha256": {"x_train": "ab"}, "counts": {}})
    old = {"packages": {"numpy": "1.0"}, "python": "3.11.1", "machine": {"processor": "another"}}
    write_json(this.results / "manifest.json", {
        "command": "make study STUDY=config/committed.yaml", "environments": {"0123abcd": old},
        "made": {f"{NAME}-{step}": {"versions": {step: 1}, "environment": "0123abcd"} for step in ("training", "synthesis")}
        | {"jets-tnn-gone-training": {"versions": {"training": 1}, "environment": "0123abcd"}},
        "wall_seconds": {f"{NAME}-training": 100.0}})
    return this


def test_what_was_not_made_today_keeps_its_record(this, monkeypatch):
    monkeypatch.setenv(reuse.VARIABLE, reuse.MEASURED)
    manifest.write(this)
    written = read_json(this.results / "manifest.json")
    assert set(written["made"]) == {f"{NAME}-training", f"{NAME}-synthesis"}  # a network that is no more in the study is left out
    assert {entry["environment"] for entry in written["made"].values()} == {"0123abcd"} == set(written["environments"])
    assert written["environments"]["0123abcd"]["packages"] == {"numpy": "1.0"}
    assert written["wall_seconds"] == {f"{NAME}-training": 100.0}


def test_what_is_made_today_says_so_and_the_rest_stays(this):
    manifest.record(this, NAME, "synthesis", {"synthesis": 2})
    manifest.write(this)
    written = read_json(this.results / "manifest.json")
    made = written["made"][f"{NAME}-synthesis"]
    assert made["versions"] == {"synthesis": 2}
    assert written["environments"][made["environment"]] == manifest.environment()
    assert written["made"][f"{NAME}-training"] == {"versions": {"training": 1}, "environment": "0123abcd"}
    assert len(written["environments"]) == 2
