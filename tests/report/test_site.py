import json
import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
import synthetic
from bs4 import BeautifulSoup

from ultralow import csvfile
from ultralow.report import comparison, selection, site as report, summary
from ultralow.report.figures import gallery
from ultralow.errors import StudyError
from ultralow.files import read_json, write_json

NETWORKS = ("jets-float", "jets-bnn-small", "mnist-tnn", "finn-128-binary")


def _study(folder: Path, networks=NETWORKS, sources=("generated", "digits28")) -> Path:
    synthetic.make(folder, networks, sources=sources)
    table = comparison.table(folder)
    csvfile.write(table, folder / "comparison.csv")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = _study(tmp_path_factory.mktemp("study"))
    gallery.write(folder / "figures", folder, {}, ["jets-float"])
    write_json(folder / "manifest.json", {"command": "make", "packages": {"keras": "3"}, "data": {"jets": {"a": [1]}}})
    report.write(folder)
    return folder


@pytest.fixture(scope="module")
def site(folder):
    return {path.name: BeautifulSoup(path.read_text(), "html.parser") for path in (folder / "report").glob("*.html")}


def test_one_page_for_each_notebook(site):
    assert set(site) == {"index.html", "comparison.html", "data-jets.html", "jets-float-training.html",
                         "how-it-works.html"}
    steps = site["jets-float-training.html"].find("nav", attrs={"aria-label": "Steps of jets-float"})
    assert steps.find("a", href="index.html#network-jets-float")


def test_links_lead_somewhere(folder, site):
    for name, soup in site.items():
        ids = [tag["id"] for tag in soup(id=True)]
        assert len(ids) == len(set(ids)), name
        for link in soup("a", href=True):
            target, _, anchor = link["href"].partition("#")
            if target.startswith("https://"):
                continue
            path = (folder / "report" / unquote(target or name)).resolve()
            assert path.exists(), f"{name}: {link['href']}"
            if anchor and path.suffix == ".html":
                assert site[path.name].find(id=anchor), f"{name}: {link['href']}"


def test_nothing_is_loaded_from_outside(folder, site):
    for name, soup in site.items():
        for tag in soup(["img", "script", "link", "iframe", "source", "object", "embed"]):
            address = tag.get("src") or tag.get("href") or tag.get("data") or "data:"
            assert address.startswith("data:") or (folder / "report" / address).exists(), f"{name}: {tag}"
        text = (folder / "report" / name).read_text()
        assert not re.search(r"@import|url\(\s*['\"]?http", text), name


def test_readable_without_eyes_or_mouse(site):
    for name, soup in site.items():
        assert soup.html["lang"] == "en" and soup.title.string and len(soup("main")) == 1 and len(soup("h1")) == 1
        assert soup.find("meta", attrs={"name": "viewport"})
        assert all(image.get("alt") for image in soup("img")), name
        assert all(head.get("scope") in ("col", "row") for head in soup("th")), name
        assert all(box.get("tabindex") == "0" and box.get("aria-label") for box in soup(class_="scroll")), name
        levels = [int(tag.name[1]) for tag in soup(re.compile("^h[1-6]$"))]
        assert all(after <= before + 1 for before, after in zip(levels, levels[1:])), f"{name}: {levels}"
        ids = {tag["id"] for tag in soup(id=True)}
        for key in ("aria-describedby", "for"):
            named = [tag[key] if isinstance(tag[key], list) else tag[key].split() for tag in soup(attrs={key: True})]
            assert set(sum(named, [])) <= ids, name
    assert all(field.find_parent("label") for field in site["index.html"]("input"))
    assert all(table.caption for table in site["index.html"]("table", id=True))


def test_main_table_shows_ours_published_and_mark(site):
    rows = {row["data-network"]: row for row in site["index.html"]("tr", attrs={"data-network": True})}
    cells = [cell.get_text(" ", strip=True) for cell in rows["jets-bnn-small"]("td")]
    assert re.fullmatch(r"0\.\d{3} ± 0\.\d{3} 0\.62 ▼ \(worse\)", cells[0])
    assert re.fullmatch(r"0\.\d{3} ± 0\.\d{3} 0\.75 [▲▼] \((better|worse)\)", cells[1])
    assert cells[3] == "30 40 ▲ (better)"
    assert cells[4] == "2,000 = 0.17 % 0.8 % ▲ (better)"
    assert cells[6] == "0 % 0 % = (equal)" and cells[8] == "all 500 ✓"
    unlike = [cell.get_text(" ", strip=True) for cell in rows["mnist-tnn"]("td")]
    assert unlike[0].endswith("0.95 ≠ (other data)") and unlike[8] == ""
    assert "finn-128-binary" not in rows and site["index.html"].find(id="table-finn")


def test_headline_says_what_was_found_and_where(folder):
    table = comparison.table(folder)
    text = " ".join(summary.headline(table))
    assert "jets-bnn-small (binary weights and activations)" in text and "not the published data set" in text
    assert "easier task than MNIST" in text and "its circuit was not synthesised" in text
    assert "1,000 rows in all, in 2 networks, and agree on every one" in text
    # accuracies 0.5 and 0.6 beside 0.75 and 0.62; 0.1 and 0.2 % LUT beside 7 and 0.8 %; 30 ns beside 60 and 40 ns
    assert "accuracy as high or higher in 0 of 2, fewer LUTs in 2 of 2, a shorter latency in 2 of 2" in text
    table.loc[table["network"] == "jets-float", "rtl_rows_exact"] = 599
    assert "disagree for jets-float" in " ".join(summary.headline(table))


def test_provenance_lists_the_manifest(site):
    text = site["index.html"].get_text(" ", strip=True)
    assert "keras 3" in text and "jets.a 1" in text


def test_notebook_page_drops_noise_and_scripts(tmp_path):
    outputs = [nbformat.v4.new_output("stream", name="stderr", text="noise of a library"),
               nbformat.v4.new_output("display_data", {"text/html":
                                      '<script src="https://cdn.example.org/x.js"></script>'
                                      "<table border=1><thead><tr><th></th><th>n</th></tr></thead>"
                                      "<tbody><tr><th>a</th><td>1</td></tr></tbody></table>"}),
               nbformat.v4.new_output("display_data", {"text/html": '<img src="https://example.org/a.png" alt="pic">'})]
    cells = [nbformat.v4.new_markdown_cell("# T <i>x</i>\n\nα = 1"), nbformat.v4.new_code_cell("f()", outputs=outputs)]
    path = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    title, body = report.page(path)
    assert title.startswith("T") and "α = 1" in body
    assert "noise" not in body and "script" not in body and "example.org" not in body and "pic" in body
    table = BeautifulSoup(body, "html.parser").table
    assert [cell.get("scope") for cell in table("th")] == ["col", "row"] and table.parent["tabindex"] == "0"


def test_a_smoke_study_says_that_its_numbers_mean_nothing(tmp_path):
    folder = _study(tmp_path / "s", ("jets-bnn-small",))
    assert "mean nothing" not in report.render(folder)["index.html"]
    write_json(folder / "study.json", {"networks": ["jets-bnn-small"], "smoke": True})
    assert "Its numbers mean nothing" in report.render(folder)["index.html"]


def test_what_is_told_of_a_model_stands_at_the_top_and_with_its_network(tmp_path):
    folder = _study(tmp_path / "own", ("jets-float", "jets-bnn-small"))
    train = read_json(folder / "jets-float/train.json")
    for run in train["runs"]:
        run["notes"] = ["dense layer 1: 11 of 24 weights lie beyond fixed<16,4> (largest 61.3) and saturate; fixed<19,7> holds them"]
    write_json(folder / "jets-float/train.json", train)
    index = BeautifulSoup(report.render(folder)["index.html"], "html.parser")
    warnings = [one.get_text() for one in index.select("p.warning")]
    text = f"{train['runs'][0]['notes'][0]}."
    assert warnings == [f"jets-float: {text}", text]
    assert index.select_one("#network-jets-float p.warning").get_text() == text


def test_names_are_escaped_and_steps_belong_to_the_longest_name(tmp_path):
    for name in ("jets-float-training", "jets-float-compressed-synthesis", "jets-float-compressed-training", "a b&c"):
        (tmp_path / "executed").mkdir(exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(), tmp_path / "executed" / f"{name}.ipynb")
    pages = report.notebook_pages(tmp_path, ["jets-float", "jets-float-compressed"])
    assert [(page.file, page.network, page.label) for page in pages] == [
        ("a-b-c.html", None, "a b&c"),
        ("jets-float-training.html", "jets-float", "training"),
        ("jets-float-compressed-training.html", "jets-float-compressed", "training"),
        ("jets-float-compressed-synthesis.html", "jets-float-compressed", "synthesis")]


def test_faults_are_named_and_leave_the_old_report(tmp_path):
    with pytest.raises(StudyError, match="comparison.csv is missing"):
        report.write(tmp_path)
    folder = _study(tmp_path / "s", ("jets-bnn-small",))
    index = report.write(folder)
    before = index.read_text()
    (folder / "executed" / "comparison.ipynb").write_text("{")
    with pytest.raises(StudyError, match="comparison.ipynb is not a notebook"):
        report.write(folder)
    assert index.read_text() == before and not list(folder.glob(".report*"))


def _luminance(colour: str) -> float:
    colour = colour.lstrip("#")
    colour = "".join(c * 2 for c in colour) if len(colour) == 3 else colour
    parts = [int(colour[i:i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_text_colour_stands_out(site):
    style = site["comparison.html"].style.string
    named = dict(re.findall(r"--(\w+): (#\w+)", style))
    code = re.findall(r"\.highlight [^{]*\{[^}]*?(?<!-)color: (#\w{3,6})", style)
    assert len(code) > 10
    for colour in [*code, *(named[name] for name in ("ink", "soft", "link", "good", "bad"))]:
        for paper in (named["paper"], named["tint"]):
            light, dark = sorted((_luminance(paper), _luminance(colour)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (colour, paper)


def test_a_network_can_be_chosen_without_and_with_scripts(folder, site):
    index = site["index.html"]
    best = selection.best_within(comparison.table(folder).query("dataset == 'jets'"), 30, 0.5)
    row = index.find(id="choose-jets").tbody.tr
    assert row.th.text == "30 ns" and row.td.get_text(" ", strip=True).startswith(best["network"])
    assert not index.find(id="choose-mnist")  # nothing was synthesised
    measured = json.loads(index.find(id="measured").string)
    assert [one["network"] for one in measured] == ["jets-float", "jets-bnn-small"]
    assert set(measured[0]) == {"network", "dataset", "what", "quality", "lut", "latency"}
    assert index.find(id="pick").has_attr("hidden")  # a form that only works by script is shown by script
    assert "Within 50 ns and 2%" in index.find(class_="answer").text


def test_every_row_of_the_slides_is_there_ours_or_not(site):
    names = [row.th.get_text(" ", strip=True) for row in site["index.html"].find(id="slides-jets").tbody("tr")]
    assert len(names) == 7 and names[0] == "jets-float 16x64x32x32x5 slides: float model"
    assert names[6].startswith("not in this study") and names[6].endswith("slides: TNN + ReLU")
    cells = site["index.html"].find(id="slides-jets").tbody("tr")[6]("td")
    assert [cell.get_text(strip=True) for cell in cells[:5]] == ["0.68", "0.88", "0.92", "60", "2 %"]
    assert all("data-value" not in cell.attrs for cell in cells)


def test_published_rows_tell_their_conditions(site):
    table = site["index.html"].find(id="published-jets")
    head = [cell.text for cell in table.thead("th")]
    assert {"device", "tool stage", "data set", "clock [MHz]", "source"} <= set(head)
    stages = [row("td")[head.index("tool stage") - 1].text for row in table.tbody("tr")]
    assert stages == sorted(stages) and "from 7 %" in table.text


def test_the_report_says_how_to_cite(site):
    cite = site["index.html"].find(id="cite").find_next("ul")
    assert {"https://arxiv.org/abs/2003.06308", "https://arxiv.org/abs/1612.07119"} == {a["href"] for a in cite("a")}


def test_finns_table_has_deviations_and_marks(tmp_path):
    folder = _study(tmp_path / "s", ("finn-128-binary", "finn-128-float"), sources=("generated", "mnist"))
    cells = BeautifulSoup(report.render(folder)["index.html"], "html.parser").find(id="table-finn").tbody("td")
    assert re.fullmatch(r"\d+\.\d\d ± \d+\.\d\d FINN 6\.58 ▼ \(worse\)", cells[0].get_text(" ", strip=True))


def test_keys_without_effect_stand_on_top(tmp_path):
    folder = synthetic.make(tmp_path, ("jets-bnn-small",))
    csvfile.write(comparison.table(folder), folder / "comparison.csv")
    text = "part: xc7z020clg400-1 has no effect with tool: open"
    assert "has no effect" not in report.render(folder)["index.html"]
    study = read_json(folder / "study.json")
    write_json(folder / "study.json", study | {"without_effect": [text]})
    page = report.render(folder)["index.html"]
    assert f'<p class="warning">{text}.</p>' in page and page.index(text) < page.index('class="answer"')
