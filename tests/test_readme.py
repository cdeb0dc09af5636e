"""README's numbers are those of the table that is committed beside it."""

import pytest

from ultralow import readme, tables
from ultralow.errors import StudyError
from ultralow.study import root


def test_readme_is_current():
    text = (root() / "README.md").read_text(encoding="utf-8")
    assert readme.renewed(text, tables.read(root() / readme.TABLE)) == text, "run `make readme`"


def test_another_number_would_be_seen():
    text, table = (root() / "README.md").read_text(encoding="utf-8"), tables.read(root() / readme.TABLE)
    table.loc[0, "lut"] += 1
    assert readme.renewed(text, table) != text
    with pytest.raises(StudyError, match="lacks the lines"):
        readme.renewed("no marks", table)
