from dataclasses import replace

import pytest

from ultralow.data import sources
from ultralow.networks import catalogue
from ultralow.errors import StudyError

# FINN's table 1: neurons per layer, parameters, operations per frame (arXiv:1612.07119).
FINN = {128: (134_794, 268_800), 256: (335_114, 668_672), 512: (932_362, 1_861_632), 1024: (2_913_290, 5_820_416),
        2048: (10_020_874, 20_029_440), 4096: (36_818_954, 73_613_312)}


@pytest.mark.parametrize("neurons", FINN)
@pytest.mark.parametrize("kind", ["binary", "float"])
def test_parameters_and_operations_are_those_that_finn_published(neurons, kind):
    entry = catalogue.network(f"finn-{neurons}-{kind}")
    assert (entry.parameters, entry.operations) == FINN[neurons]
    assert entry.kind == kind


@pytest.mark.parametrize("entry", catalogue.CATALOGUE.values(), ids=lambda e: e.name)
def test_every_entry_follows_the_pattern_and_answers_to_a_published_row(entry):
    from ultralow.report import published

    prefix, precision = entry.name.split("-")[:2]
    assert prefix == ("finn" if precision.isdigit() else entry.dataset) and entry.dataset in sources.DATASETS
    if entry.published:
        row = published.rows().loc[entry.published]
        assert entry.architecture == row["architecture"]


@pytest.mark.parametrize("change, message", [
    ({"recipe": "studi"}, "unknown recipe of network jets-float 'studi'; did you mean 'study'"),
    ({"weights": "fixed<7,2>", "activation": "binary"}, "weights fixed<7,2> with a binary activation"),
    ({"weights": ("binary",)}, "weights names 1 layers, the widths 16x64x32x32x5 have 4"),
    ({"weights": "ternay"}, "'ternay' is not of the form"),
    ({"widths": (16,)}, "need an input and an output"),
])
def test_a_bad_entry_is_refused(change, message):
    with pytest.raises(StudyError, match=message):
        replace(catalogue.network("jets-float"), **change)
