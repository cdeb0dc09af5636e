"""Entries that become tables or circuits: what each says of itself, against counts by hand."""

import pytest

from ultralow.errors import StudyError
from ultralow.networks.catalogue import CATALOGUE, FRONT
from ultralow.networks.methods import FrontNetwork
from ultralow.networks.recipes import Recipe
from ultralow.study import identity

# Numbers that training may change: of each table its values, of an output or a table what else it has.
COUNTED = {
    "jets-tables-60": ("additive tables", 16 * 32 * 5),
    "jets-tables-150": ("additive tables", 16 * 32 * (4 + 5) + 4 * 32 * 5),
    "mnist-votes-30": ("voting tables", 30 * (64 + 6) + 10),
    "jets-hgq-tables-5": ("HGQ tables", (16 * 20 + 20 * 5) * (8 + 8 + 8 + 1)),  # weights and biases in, weights and bias out
    "jets-hgq-dense-1": ("HGQ dense", 17 * 64 + 65 * 32 + 33 * 32 + 33 * 5),
    "jets-trees-25": ("boosted trees", 25 * (6 + 5)),  # leaves and thresholds
    "mnist-trees-300": ("boosted trees", 300 * (6 + 5)),
    "jets-learned-50": ("learned tables", 50 * (64 + 6 * 31 * 16)),  # of each wire a score for each question
    "mnist-learned-1000": ("learned tables", 1000 * (64 + 6 * 784)),
}


@pytest.mark.parametrize("name", COUNTED)
def test_parameters_are_those_that_training_changes(name):
    assert (CATALOGUE[name].kind, CATALOGUE[name].parameters) == COUNTED[name]


@pytest.mark.parametrize("entry", FRONT, ids=lambda entry: entry.name)
def test_an_entry_says_what_it_is(entry):
    dataset, *_, number = entry.name.split("-")
    inputs, outputs = {"jets": (16, 5), "mnist": (784, 10)}[dataset]
    assert CATALOGUE[entry.name] is entry and entry.dataset == dataset and not entry.hls4ml
    assert (entry.widths[0], entry.widths[-1]) == (inputs, outputs)
    assert list(identity.training_versions(entry, Recipe())) == [entry.kind]
    if entry.kind in ("voting tables", "boosted trees", "learned tables"):
        assert entry.widths[1] == int(number)  # the number of its tables or trees
    small = entry.at_smoke_size()
    assert max(small.widths[1:-1], default=0) <= 8 and small.parameters <= entry.parameters
    assert (small.parameters < entry.parameters) == (max(entry.widths[1:-1], default=0) > 8)


def test_every_kind_is_counted_above():
    assert {entry.kind for entry in FRONT} == {kind for kind, _ in COUNTED.values()}


def test_an_entry_without_a_method_is_refused():
    with pytest.raises(StudyError, match="needs its method"):
        FrontNetwork("jets-tables-none", (16, 4, 5), dataset="jets")
