"""Every file that a page names is there."""

import re

import pytest

from ultralow.files import root

PAGES = sorted([root() / "README.md", root() / "data/README.md", *(root() / "docs").glob("*.md")])
# Where names without a folder may lie, beside the page's own.
PLACES = ("", "docs", "lib/ultralow", "tests", "notebooks", "config", "data", "benchmarks")
NAME = re.compile(r"(?<![\w./<-])((?:[\w.-]+/)*[\w-]+\.(?:py|ipynb|yaml|md|v|sh|css))(?![\w/])")
# Files of users, of one result, or of other projects.
ELSEWHERE = re.compile(r"^(models/|backends/|config/mine\.yaml$|config\.yaml$)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_are_named_exist(page):
    text = page.read_text(encoding="utf-8")
    inline = [name for code in re.findall(r"`([^`\n]+)`", text) for name in NAME.findall(code)]
    commands = [name for line in text.splitlines() if line.startswith("    ") for name in NAME.findall(line)]
    missing = [name for name in (*inline, *commands) if not ELSEWHERE.search(name) and "…" not in name
               and not any((root() / place / name).exists() for place in PLACES)]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target
