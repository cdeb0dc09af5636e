"""The committed studies hold what the report shows, and the repository stays light."""

import re
import subprocess

import pytest

from ultralow import csvfile
from ultralow.files import root
from ultralow.report import comparison
from ultralow.report.figures import gallery
from ultralow.report.results import Results
from ultralow.study import study as studies

STUDIES = ("paper", "frontier")
MOST_MEGABYTES, MOST_FILES = 45, 1200


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root(), capture_output=True, check=True).stdout.decode()
    return [name for name in listed.split("\0") if name and (root() / name).is_file()]


def test_what_is_committed_is_light():
    files = tracked()
    assert len(files) <= MOST_FILES
    assert sum((root() / name).stat().st_size for name in files) <= MOST_MEGABYTES * 1e6


def test_only_figures_that_readme_shows_are_committed():
    shown = set(re.findall(r"results/\w+/figures/[\w-]+\.svg", (root() / "README.md").read_text(encoding="utf-8")))
    assert shown and {name for name in tracked() if name.startswith("results/") and "/figures/" in name} == shown


@pytest.mark.parametrize("name", STUDIES)
def test_the_table_is_what_the_committed_files_say(name):
    folder = studies.load(root() / f"config/{name}.yaml").results
    comparison.verify(folder)
    importance = Results(folder).importance()
    assert csvfile.to_text(importance) == (folder / "importance.csv").read_text()


@pytest.mark.parametrize("name", STUDIES)
def test_every_figure_can_be_drawn_without_rows(name):
    results = Results(studies.load(root() / f"config/{name}.yaml").results)
    for network in results.networks:
        train, bands = results.train(network), results.roc_bands(network)
        assert list(bands) == train["classes"]
        for kind, band in bands.items():
            assert len(band.signal) < 200 and (band.low <= band.mean + 1e-12).all() and (band.mean <= band.high + 1e-12).all()
            assert 0.5 < band.auc_mean < 1 and (band.auc_std is None) == (len(train["runs"]) == 1), (network, kind)
    assert all(results.distributions(dataset) for dataset in ("jets", "mnist"))
    drawn = gallery.single(results.folder, results.networks[0])
    assert len(drawn) >= 3
