"""Write a study's report: a static site with an index, a page for each executed notebook, and no outside resource."""

from __future__ import annotations

import argparse
import base64
import os
import re
import sys
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ultralow import csvfile
from ultralow.report import comparison, html_tables, published, selection, summary
from ultralow.report.figures import gallery
from ultralow.networks.catalogue import FINN
from ultralow.errors import StudyError
from ultralow.circuit.lut_estimate import luts
from ultralow.files import read_json, replacing
from ultralow.report.results import Results, notes
from ultralow.report.html_tables import PROTOTYPES
from ultralow.study.study import root

_FILES = {
    "comparison.csv": "one row per network, every column; shares are 0 to 1, an empty cell was not measured",
    "finn.csv": "error against neurons per layer, beside FINN’s table 1",
    "importance.csv": "accuracy lost when a feature is permuted, network by network; shares",
    "area.csv": "LUTs and latency of the same networks, built in several ways",
    "manifest.json": "package versions, checksums, seeds, wall times and the machine",
    "study.json": "networks, seeds and data of this study",
}
_NETWORK_FILES = ("train.json", "convert.json", "synthesis.json", "model.keras", "folded.npz")
# What choosing a network needs: columns of comparison.csv, and their names on the page.
_PICKED = {"network": "network", "dataset": "dataset", "what": "what", "quality": "quality", "lut_percent": "lut",
           "latency_ns": "latency"}
_STEPS = ("training", "conversion", "synthesis")


def render(folder: str | Path) -> dict[str, str]:
    """The site of a results folder: file name -> HTML.

    Raises:
        StudyError: comparison.csv is missing, or a notebook or a JSON file is damaged.
    """
    folder = Path(folder)
    table = csvfile.read(folder / "comparison.csv")
    pages = [*notebook_pages(folder, list(table["network"])), *_DOCUMENTS]
    shared = {"study": folder.name, "style": Markup(_text("style.css")),
              "pages": [("index.html", "Overview"), *((p.file, p.label) for p in pages if p.network is None)]}
    environment = Environment(loader=PackageLoader("ultralow.report"), autoescape=True, undefined=StrictUndefined)
    site = {"index.html": environment.get_template("index.html").render(
        **shared, here="index.html", title=f"Study “{folder.name}”: what does each bit cost?", network=None,
        beside=[], **index(folder, table, pages))}
    colours = Markup(_code_colours())
    for one in pages:
        title, body = page(one.source)
        beside = [(other.file, other.label) for other in pages if one.network and other.network == one.network]
        site[one.file] = environment.get_template("page.html").render(
            **shared | {"style": shared["style"] + colours}, here=one.file,
            title=title if one in _DOCUMENTS else f"{one.source.stem}: {title}",
            network=one.network, beside=beside, body=Markup(body))
    return site


@dataclass(frozen=True)
class Page:
    """An executed notebook's place in the site. ``network`` is None for a notebook about the whole study."""

    source: Path
    file: str
    label: str
    network: str | None


# Pages that are the same in every study.
_DOCUMENTS = (Page(root() / "docs/how-it-works.md", "how-it-works.html", "How it works", None),)


def notebook_pages(folder: Path, networks: list[str]) -> list[Page]:
    """The executed notebooks; those named <network>-<step> belong to their network, in the steps' order."""
    pages = []
    for source in (folder / "executed").glob("*.ipynb"):
        file = re.sub(r"[^A-Za-z0-9._-]+", "-", source.stem) + ".html"
        # The longest name wins: jets-float-compressed is no step of jets-float.
        network = max((n for n in networks if source.stem.startswith(f"{n}-")), key=len, default=None)
        label = source.stem.removeprefix(f"{network}-") if network else source.stem
        pages.append(Page(source, file, label.replace("-", " "), network))
    order = {label: position for position, label in enumerate(_STEPS)}
    return sorted(pages, key=lambda page: (page.network or "", order.get(page.label, len(order)), page.file))


def write(folder: str | Path) -> Path:
    """Renders and writes report/ in the results folder, whole or not at all; returns the index page's path."""
    site = render(folder)
    target = Path(folder) / "report"
    with replacing(target) as temporary:
        temporary.mkdir()
        for file, text in site.items():
            (temporary / file).write_text(text, encoding="utf-8")
    return target / "index.html"


def _estimates(folder: Path, table: pd.DataFrame) -> dict[str, float]:
    """The quick estimate of LUTs of FINN's prototypes that were not built."""
    unbuilt = table.loc[table["network"].isin(PROTOTYPES) & table["lut"].isna(), "network"]
    return {name: luts(Results(folder).exact(name)) for name in unbuilt}


def index(folder: Path, table: pd.DataFrame, pages: list[Page]) -> dict:
    """What the index page shows."""
    drawn = [{"name": name, **entry} for name, entry in gallery.read(folder / "figures").items()]
    compared = [entry for entry in drawn if entry["network"] is None]
    datasets = list(dict.fromkeys(table["dataset"]))
    main = [name for name in datasets
            if not table.loc[table["dataset"] == name, "network"].str.startswith(FINN).all()]
    judged = table.assign(quality=comparison.qualities(table),
                          what=[comparison.quality(row).name for row in table.to_dict("records")])
    finn, measured = comparison.finn_table(table), selection.measured(judged)
    study, manifest = folder / "study.json", folder / "manifest.json"
    described = read_json(study) if study.exists() else {}
    shown = {
        "smoke": bool(described.get("smoke")), "without_effect": described.get("without_effect", []),
        "headline": summary.headline(table), "glossary": html_tables.GLOSSARY,
        "main": [grid for name in main for grid in (html_tables.slides(table, name), html_tables.main(table, name)) if grid],
        "budgets": [html_tables.budget(table, name) for name in datasets if (measured["dataset"] == name).any()],
        "measured": measured[list(_PICKED)].rename(columns=_PICKED).astype(object).to_dict("records"),
        "figures": [entry for entry in compared if not entry["name"].startswith("roc-")],
        "rocs": {name: [entry for entry in compared if entry["name"].startswith(f"roc-{name}-")] for name in datasets},
        "finn": html_tables.finn(finn, table) if len(finn) else None,
        "prototypes": html_tables.prototypes(table, _estimates(folder, table)),
        "published": [html_tables.published_networks(name) for name in datasets if len(published.of_task(name))],
        "networks": [_network(folder, row, drawn, pages) for row in table.to_dict("records")],
        "files": [(name, text) for name, text in _FILES.items() if (folder / name).exists()],
        "provenance": _provenance(read_json(manifest)) if manifest.exists() else [], "version": version("ultralow"),
    }
    sections = (("choose", "Choose a network", shown["budgets"]), ("tables", "Tables", True),
                ("figures", "Figures", shown["figures"]), ("finn", "FINN", shown["finn"]),
                ("published", "Published", shown["published"]), ("networks", "Network by network", shown["networks"]),
                ("data", "Data and provenance", True), ("cite", "How to cite", True))
    return shown | {"sections": [(anchor, name) for anchor, name, there in sections if there]}


def page(path: Path) -> tuple[str, str]:
    """Title and HTML body of an executed notebook or a markdown file, without scripts and outside resources.

    Raises:
        StudyError: the file is not a notebook.
    """
    import nbformat  # nbconvert takes a second to import: only where pages are made
    from bs4 import BeautifulSoup
    from nbconvert import HTMLExporter

    try:
        if path.suffix == ".md":
            cell = nbformat.v4.new_markdown_cell(path.read_text(encoding="utf-8"), id="text")
            notebook = nbformat.v4.new_notebook(cells=[cell])
        else:
            notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat lets through whatever its parser and its schema raise
        raise StudyError(f"{path} is not a notebook ({error}); delete it and run the study again") from None
    for cell in notebook.cells:
        # What libraries print to stderr is in the executed notebook; on a page it hides the story.
        cell["outputs"] = [o for o in cell.get("outputs", []) if o.get("name") != "stderr"]
        if cell.cell_type != "code":
            del cell["outputs"]
    exporter = HTMLExporter(template_name="basic", exclude_anchor_links=True, exclude_input_prompt=True,
                            exclude_output_prompt=True)
    soup = BeautifulSoup(exporter.from_notebook_node(notebook)[0], "html.parser")
    for tag in soup(["script", "link", "iframe", "style"]):
        tag.decompose()
    for image in soup("img"):
        drawing = path.parent / image.get("src", "")
        if drawing.suffix == ".svg" and drawing.is_file():
            image["src"] = "data:image/svg+xml;base64," + base64.b64encode(drawing.read_bytes()).decode()
        elif not image.get("src", "").startswith("data:"):
            image.replace_with(image.get("alt") or "(picture outside the notebook)")
    _prepare_tables(soup)
    if not soup.h1:
        soup.insert(0, BeautifulSoup(f"<h1>{_title(path)}</h1>", "html.parser"))
    return soup.h1.get_text(strip=True), str(soup)


def _prepare_tables(soup) -> None:
    """Gives tables of notebooks what readers without mouse or sight need: scopes, and a scroller that takes focus."""
    for number, table in enumerate(soup("table"), 1):
        for cell in table("th"):
            cell["scope"] = "col" if cell.find_parent("thead") else "row"
            if not cell.get_text(strip=True):
                cell.name = "td"
                del cell["scope"]
        table.attrs.pop("border", None)
        name = table.caption.get_text(strip=True) if table.caption else f"Table {number}"
        scroller = {"class": "scroll", "role": "region", "tabindex": "0", "aria-label": name}
        table.wrap(soup.new_tag("div", attrs=scroller))
    for block in soup("pre"):
        block["tabindex"] = "0"


def _network(folder: Path, row: dict, drawn: list[dict], pages: list[Page]) -> dict:
    """What a network's own section shows; its files may stand in another study's folder."""
    name, place = row["network"], Results(folder).path(row["network"])
    path = place / "train.json"
    return {"name": name, "text": html_tables.describe(row), "notes": notes(read_json(path)) if path.exists() else [],
            "folder": Path(os.path.relpath(place, folder)).as_posix(),
            "pages": [(page.file, page.label) for page in pages if page.network == name],
            "files": [file for file in _NETWORK_FILES if (place / file).exists()],
            "figures": [entry for entry in drawn if entry["network"] == name]}


def _provenance(manifest: dict) -> list[tuple[str, list[tuple[str, str]]]]:
    """The manifest's sections, each a list of (dotted key, value)."""
    plain = [(key, str(value)) for key, value in manifest.items() if not isinstance(value, dict)]
    sections = [(key.replace("_", " "), list(_leaves(value))) for key, value in manifest.items()
                if isinstance(value, dict) and value]
    return ([("run", plain)] if plain else []) + sections


def _leaves(value: dict, prefix: str = ""):
    for key, item in value.items():
        if isinstance(item, dict):
            yield from _leaves(item, f"{prefix}{key}.")
        else:
            yield prefix + key, ", ".join(map(str, item)) if isinstance(item, list) else str(item)


def _title(path: Path) -> str:
    return path.stem.replace("-", " ")


def _text(name: str) -> str:
    return resources.files("ultralow.report").joinpath("templates", name).read_text(encoding="utf-8")


def _code_colours() -> str:
    from pygments.formatters import HtmlFormatter

    # Of pygments' styles on this page's grey, xcode alone keeps every colour's contrast above 4.5.
    return "\n" + HtmlFormatter(style="xcode", nobackground=True).get_style_defs(".highlight")


def main(arguments: list[str] | None = None) -> int:
    """``python -m ultralow.report.site <study file>``: writes the study's report and prints its path."""
    from ultralow.study import manifest as manifests, study

    parser = argparse.ArgumentParser(prog="python -m ultralow.report.site", description="Write the report of a study.")
    parser.add_argument("study", help="study file, such as config/quick.yaml")
    this = study.load(parser.parse_args(arguments).study)
    # Again after the last notebook, whose wall time the manifest did not know yet.
    manifests.write(this)
    comparison.verify(this.results)
    print(write(this.results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
