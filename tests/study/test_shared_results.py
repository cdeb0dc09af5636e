"""A study that takes networks' results from another: what is checked, where they are read, and what it says of them."""

import numpy as np
import pytest
import yaml
from random_networks import random_network

from ultralow.data import dataset
from ultralow.data.dataset import Dataset
from ultralow.errors import StudyError
from ultralow.files import read_json, write_json
from ultralow.report.results import Results
from ultralow.study import reuse, steps, study as studies
from ultralow.study.manifest import describe

FILE = {"name": "second", "seeds": [1], "data": {"jets": {"source": "generated", "path": "jets.root"}},
        "networks": {"jets-bnn-small": {"results_of": "first", "hls": False}, "jets-tnn-small": None}}


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """The second study, and the first one's results of the network that both have."""
    monkeypatch.setattr(studies, "root", lambda: tmp_path)
    (tmp_path / "second.yaml").write_text(yaml.safe_dump(FILE))
    this = studies.load(tmp_path / "second.yaml")
    folder = tmp_path / "results/first/jets-bnn-small"
    random_network(1, (16, 8, 5), ("binary", "binary"), "fixed<7,3>").save(folder / "folded.npz")
    write_json(folder / "train.json", {"seeds": [1], "architecture": this.network("jets-bnn-small").architecture,
                                       "source": "generated", "dataset": "jets", "classes": list("qgWZt"),
                                       "hardware_seed": 1, "runs": [{"seed": 1}]})
    write_json(folder / "convert.json", {"hls_rows": 3})
    write_json(folder / "synthesis.json", {"lut": 7})
    return this


def data(path, seed=0):
    x, y = np.random.default_rng(seed).normal(size=(50, 16)).astype(np.float32), np.arange(50) % 5
    return Dataset("jets", "generated", tuple(f"f{n}" for n in range(16)), tuple("qgWZt"), x, y, x, y, x, y, np.zeros(16),
                   np.ones(16)).save(path)


def test_the_other_studys_folder_is_read_and_this_one_says_which_steps_it_shows(shared):
    assert shared.folder("jets-bnn-small") == shared.results.parent / "first/jets-bnn-small"
    assert shared.folder("jets-tnn-small") == shared.results / "jets-tnn-small"
    reuse.check_shared(shared)
    assert steps.training(shared, "jets-bnn-small", lambda line: None)["runs"] == [{"seed": 1}]
    write_json(shared.results / "study.json", describe(shared))
    results = Results(shared.results)
    assert results.train("jets-bnn-small")["hardware_seed"] == 1 and results.exact("jets-bnn-small").layers
    assert results.convert("jets-bnn-small") is None and results.synthesis("jets-bnn-small") == {"lut": 7}
    for step in (steps.conversion, steps.synthesis):
        with pytest.raises(StudyError, match="built by study first"):
            step(shared, "jets-bnn-small")


def test_what_is_missing_or_of_another_training_is_named(shared):
    folder = shared.folder("jets-bnn-small")
    train = read_json(folder / "train.json")
    write_json(folder / "train.json", train | {"seeds": [1, 2]})
    with pytest.raises(StudyError, match="jets-bnn-small takes the results of study first, whose seeds differ"):
        reuse.check_shared(shared)
    write_json(folder / "train.json", train)
    (folder / "synthesis.json").unlink()
    with pytest.raises(StudyError, match="lacks synthesis.json; run that study first"):
        reuse.check_shared(shared)


def test_the_test_part_of_the_same_rows_is_taken_and_of_other_rows_refused(shared):
    own, other = (shared.results.parent / name / "data/jets.npz" for name in ("second", "first"))
    for path in (own, other):
        data(path)
        path.unlink()
    dataset.test_path(own).unlink()
    assert steps.test_file(shared, "jets") == other and len(steps.test_part(shared, "jets").x_test) == 50
    data(other, seed=1)
    assert steps.test_file(shared, "jets") is None
    with pytest.raises(StudyError, match="which are of other rows"):
        reuse.check_shared(shared)


def test_what_the_other_study_decides_is_not_said_here(shared):
    content = FILE | {"networks": {"jets-bnn-small": {"results_of": "first", "epochs": 3}}}
    shared.file.write_text(yaml.safe_dump(content))
    with pytest.raises(StudyError, match="study first decides its epochs"):
        studies.load(shared.file)
