import re

import pytest

from ultralow.study import manifest, study as studies
from ultralow.networks.recipes import RECIPES
from ultralow.networks.catalogue import CATALOGUE
from ultralow.errors import StudyError

GOOD = """
name: own
data: {jets: {source: generated, path: data/jets.root}}
networks: {jets-bnn-small: }
"""


def load(tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    return studies.load(path)


@pytest.mark.parametrize("path", sorted((studies.root() / "config").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_committed_study_loads_and_is_named_as_its_file(path):
    study = studies.load(path)
    assert study.settings.name == path.stem
    for network in study.networks:
        assert study.recipe(network.name).epochs >= 1
    assert study.without_effect == []


def test_quick_and_paper_hold_the_networks_that_the_study_promises():
    quick = studies.load("config/quick.yaml").settings.networks
    paper = studies.load("config/paper.yaml").settings.networks
    assert {"jets-float", "jets-float-compressed", "jets-bnn-small", "jets-tnn-small", "jets-tnn-optimised",
            "jets-bnn-relu", "jets-tnn-relu", "mnist-tnn"} <= set(quick)
    assert set(quick) | {"jets-bnn-optimised", "mnist-float", "mnist-bnn"} <= set(paper)


OWN = """
name: own
data:
  showers: {source: file, path: runs, features: [a, b], label: kind}
networks:
  showers-tnn: {dataset: showers, widths: [2, 4, 3], weights: ternary, activation: [binary], input: "fixed<5,2>"}
"""


@pytest.mark.parametrize("change, message", [
    (("label: kind", "label: kind, target: e"), "label and classes are for classification"),
    (("label: kind", "classes: [a, b]"), "one of your own .data.showers. needs"),
    (("features: [a, b]", "features: [a, kind]"), "column kind is named twice"),
    (("source: file", "source: openml"), "unknown source of data.showers 'openml'"),
    (("showers", "Showers"), "unknown dataset 'Showers'.*small letters"),
    (("widths: [2, 4, 3], ", ""), "network showers-tnn lacks widths"),
    (("activation: [binary]", "activation: [binary, binary]"), "activation names 2 layers, .* 2x4x3 have 1"),
    (("showers-tnn: {", "jets-bnn-small: {"), "jets-bnn-small is the catalogue's and keeps its dataset"),
    (("showers-tnn: {", "../showers: {"), "its name is a folder's"),
    (("dataset: showers", "dataset: shower"), "needs data.shower"),
    (("path: runs, ", ""), "one of your own .data.showers. needs"),
    (("weights: ternary", "raw_targets: true, weights: ternary"), "raw_targets is for trained models"),
    (("weights: ternary", "outputs: [a, b, c], weights: ternary"), "outputs is for trained models"),
    (("label: kind}", "target: e}\nablations: {networks: [showers-tnn], changes: {a: {l1: 0.0}}}"), "is for regression"),
])
def test_data_and_networks_of_ones_own_are_checked(tmp_path, change, message):
    assert load(tmp_path, OWN).network("showers-tnn").layer_activations == ("binary",)
    with pytest.raises(StudyError, match=message):
        load(tmp_path, OWN.replace(*change))


@pytest.mark.parametrize("known, outputs, there", [("label: kind, classes: [c, b, a]", "[a, b]", "c, b, a"),
                                                   ("target: [e, angle]", "[e, e]", "e, angle")])
def test_outputs_of_a_trained_model_are_those_of_the_data(tmp_path, known, outputs, there):
    import keras

    keras.Sequential([keras.Input((2,)), keras.layers.Dense(there.count(",") + 1)]).save(tmp_path / "own.keras")
    text = OWN.replace("label: kind", known).replace(
        "widths: [2, 4, 3], weights: ternary, activation: [binary],",
        f"model: {tmp_path}/own.keras, weights: 'fixed<8,2>', outputs: {outputs},")
    with pytest.raises(StudyError, match=f"networks.showers-tnn.outputs names .* data.showers are {there}; name each"):
        load(tmp_path, text)
    load(tmp_path, text.replace(f"outputs: {outputs}", f"outputs: [{', '.join(reversed(there.split(', ')))}]"))


@pytest.mark.parametrize("classes, message", [
    ("[no, yes]", r'data.showers.classes: YAML takes no and yes for false and true; put them in quotes: \["no", "yes"\]. For'),
    ("[On, Off, broken]", r'YAML takes On and Off for true and false; put them in quotes: \["On", "Off", "broken"\]'),
    ("[null, sig]", "classes.0.str: .* YAML reads nothing there; put a name in quotes"),
    ("[2024-01-01, sig]", "classes.0.str: .* YAML reads a date there"),
    ("[0.5, 1.5]", "classes.0.str: .* YAML reads a number there"),
    ("[true, false]", None), ('["no", "yes"]', None), ("[None, NA]", None), ("[1, 0]", None)])
def test_classes_that_yaml_reads_as_something_else_are_told(tmp_path, classes, message):
    """From spring-projects/spring-boot#9186, AuthMe/AuthMeReloaded#292 and tomasz-c/nft-blackhole#4 (Norway)."""
    text = OWN.replace("label: kind", f"label: kind, classes: {classes}")
    assert text != OWN
    if message:
        with pytest.raises(StudyError, match=message):
            load(tmp_path, text)
    else:
        told = load(tmp_path, text).settings.data["showers"].classes
        assert told == {"[true, false]": ["true", "false"], '["no", "yes"]': ["no", "yes"], "[None, NA]": ["None", "NA"],
                        "[1, 0]": [1, 0]}[classes]


def test_a_folder_and_a_pattern_are_many_files(tmp_path):
    for name in ("b.root", "a.root", "a.csv", ".hidden"):
        (tmp_path / name).touch()
    study = load(tmp_path, OWN.replace("path: runs", f"path: {tmp_path}/*.root"))
    assert [path.name for path in study.files("showers")] == ["a.root", "b.root"]
    with pytest.raises(StudyError, match="holds no file"):
        load(tmp_path, OWN.replace("path: runs", f"path: {tmp_path}/*.h5")).files("showers")


@pytest.mark.parametrize("change, message", [
    (("jets-bnn-small", "jets-bnn-smal"), "unknown network 'jets-bnn-smal'; did you mean 'jets-bnn-small'"),
    (("name: own", "name: own\nepoch: 3"), "unknown key 'epoch'; did you mean 'epochs'"),
    (("source: generated", "sauce: generated"), "unknown key in data.jets 'sauce'; did you mean 'source'"),
    (("source: generated", "source: generate"), "unknown source of data.jets 'generate'; did you mean 'generated'"),
    (("jets: {source", "jet: {source"), "unknown dataset 'jet'; did you mean 'jets'|needs data.jets"),
    (("jets-bnn-small: ", "jets-bnn-small: {epochs: 0}"), "epochs: Input should be greater than or equal to 1"),
    (("jets-bnn-small: ", "jets-bnn-small: {epochs: many}"), "epochs: Input should be a valid integer"),
    (("jets-bnn-small: ", "jets-bnn-small: {recipe: stdy}"), "unknown recipe of jets-bnn-small 'stdy'"),
    (("jets-bnn-small: ", "mnist-tnn: "), "network mnist-tnn needs data.mnist"),
    (("source: generated, path: data/jets.root", "source: file"), "source 'file' needs a path"),
    (("name: own", "name: ../own"), "name: String should match pattern"),
    (("name: own", "name: own\nseeds: [1, 1]"), "hold one twice"),
    (("name: own", "name: own\nseeds: []"), "seeds: List should have at least 1 item"),
    (("name: own", "name: [own"), "is not YAML"),
    ((GOOD, "- 1"), "must hold keys and values"),
    ((GOOD, "!!python/object/apply:os.system ['true']"), "is not YAML"),
])
def test_a_bad_study_file_is_refused_with_the_place_and_the_remedy(tmp_path, change, message):
    with pytest.raises(StudyError, match=message) as caught:
        load(tmp_path, GOOD.replace(*change))
    assert "own.yaml" in str(caught.value)


def test_a_missing_study_file_names_the_existing_ones():
    with pytest.raises(StudyError, match="config/none.yaml does not exist; there are config/frontier.yaml"):
        studies.load("config/none.yaml")


def test_a_network_overrides_the_study_which_overrides_the_recipe(tmp_path):
    assert load(tmp_path, GOOD).recipe("jets-bnn-small") == RECIPES[CATALOGUE["jets-bnn-small"].recipe]
    assert load(tmp_path, GOOD + "epochs: 7\n").recipe("jets-bnn-small").epochs == 7
    own = GOOD.replace("jets-bnn-small: ", "jets-bnn-small: {epochs: 3, recipe: reference-jets}") + "epochs: 7\n"
    assert load(tmp_path, own).recipe("jets-bnn-small").epochs == 3
    assert load(tmp_path, own).recipe("jets-bnn-small").loss == "squared_hinge"
    with pytest.raises(StudyError, match="unknown network of study own 'jets-float'"):
        load(tmp_path, own).folder("jets-float")
    assert load(tmp_path, GOOD).override("jets-bnn-small").tracing == {"delay_constraint": 2}
    own = GOOD.replace("jets-bnn-small: ", "jets-bnn-small: {delay_constraint: 3, chunk: 8}")
    assert load(tmp_path, own).override("jets-bnn-small").tracing == {"delay_constraint": 3, "chunk": 8}


@pytest.mark.parametrize("change, sentence", [
    # An other FPGA: fastmachinelearning/hls4ml#173, hls4ml-tutorial#56.
    ("part: xc7z020clg400-1", "part: xc7z020clg400-1 has no effect with tool: open, .* of xcvu9p-flga2104-2L-e alone"),
    ("multipliers: true", "multipliers has no effect: no network whose circuit is built has fixed-point weights"),
    ("clock_ns: 2.5\nnetworks: {jets-bnn-small: {gates: false}}", "clock_ns has no effect: no network's circuit is built here"),
    ("vhdl: true\nnetworks: {jets-bnn-small: {gates: false}}", "vhdl has no effect: no network's circuit"),
    ("rows: {hls: 10}\nnetworks: {jets-bnn-small: {hls: false}}", "rows.hls has no effect: no network goes through hls4ml"),
    ("rows: {rtl: 10}\nnetworks: {jets-bnn-small: {gates: false}}", "rows.rtl has no effect"),
    ("networks: {jets-bnn-small: {gates: false, delay_constraint: 3}}", "networks.jets-bnn-small.delay_constraint has no effect"),
    ("data: {jets: {source: generated, path: data/jets.root}, mnist: {source: digits28}}", "data.mnist has no effect: no network"),
    ("clock_ns: 2.5", None), ("tool: vitis\npart: xc7z020clg400-1", None), ("vhdl: true", None), ("rows: {hls: 10, rtl: 10}", None)])
def test_keys_without_effect_are_told(change, sentence, tmp_path):
    keys = [line.partition(":")[0] for line in change.splitlines()]
    kept = [line for line in GOOD.splitlines() if line.partition(":")[0] not in keys]
    study = load(tmp_path, "\n".join([*kept, change]))
    told = study.without_effect
    assert len(told) == (sentence is not None)
    if sentence:
        assert re.search(sentence, told[0])
        assert manifest.describe(study)["without_effect"] == told
    else:
        assert "without_effect" not in manifest.describe(study)
