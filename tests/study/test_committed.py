"""Every committed run is current: what it depends on, as it says, is what the studies ask for today. No rows are needed."""

import time

import pytest

from ultralow.files import read_json, root
from ultralow.study import datasets, identity, steps
from ultralow.study import study as studies

STUDIES = ("paper", "frontier")


def runs(this):
    """Each committed run of a study: its file, and the identity that the study asks for."""
    checksums = {name: datasets.checksums(this, name) for name in this.datasets}
    for entry in this.networks:
        if entry.name in this.shared:
            continue  # the other study's
        recipe = this.recipe(entry.name)
        teacher = None
        if recipe.teacher is not None:
            values = identity.of_network(this.folder(recipe.teacher) / "folded.npz")
            teacher = {"network": recipe.teacher, "sha256": values}
        for seed in this.settings.seeds:
            yield (this.folder(entry.name) / f"seed-{seed}" / "run.json",
                   identity.of_training(entry, recipe, checksums[entry.dataset], seed, this.settings.backend, teacher))


@pytest.mark.parametrize("name", STUDIES)
def test_all_committed_runs_are_current_and_it_takes_no_second_to_say_so(name):
    this = studies.load(root() / f"config/{name}.yaml")
    started = time.process_time()
    old = {str(path): changes for path, parts in runs(this)
           if (changes := identity.differences(read_json(path).get("identity"), parts))}
    assert not old
    assert time.process_time() - started < 1


@pytest.mark.parametrize("name", STUDIES)
def test_conversion_and_synthesis_are_of_the_networks_that_are_committed(name):
    this = studies.load(root() / f"config/{name}.yaml")
    for network in this.settings.networks:
        if network in this.shared:
            continue
        for file, identity_of in (("convert.json", steps.conversion_identity), ("synthesis.json", steps.synthesis_identity)):
            if (path := this.folder(network) / file).exists():
                assert identity.differences(read_json(path).get("identity"), identity_of(this, network)) == [], path


@pytest.mark.parametrize("name", STUDIES)
def test_the_manifest_says_of_each_committed_result_what_made_it(name):
    this = studies.load(root() / f"config/{name}.yaml")
    manifest = read_json(this.results / "manifest.json")
    for network in this.settings.networks:
        if network not in this.shared:
            for file, step in (("train.json", "training"), ("convert.json", "conversion"), ("synthesis.json", "synthesis")):
                if (this.folder(network) / file).exists():
                    made = manifest["made"][f"{network}-{step}"]
                    assert made["versions"] and manifest["environments"][made["environment"]]["packages"]["numpy"]
