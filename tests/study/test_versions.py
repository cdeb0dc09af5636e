"""The code behind each declared version is locked: a change of it asks for a new version, or for a proof that nothing changed."""

import ast

import pytest
import reach
import relock
from ultralow.study.identity import VERSIONS


def test_every_version_has_its_code_and_its_golden_run():
    import golden_runs

    assert set(VERSIONS) == set(relock.ENTRIES) == set(golden_runs.RUNS)


def test_the_code_is_the_one_that_was_locked():
    old, new = relock.locked(), relock.current()
    changed = [name for name in new if old.get(name) != new[name]]
    assert not changed, (
        f"the code that makes the results of {', '.join(changed)} is not the one in versions.lock.json: if it gives other results, "
        "raise the number in VERSIONS (lib/ultralow/study/identity.py); then `make relock`, which proves by golden runs that all "
        "others give what they gave")


SOURCE = '''"""A module."""
import math
from ultralow import metrics
FACTOR = 2

def helper(x):
    return FACTOR * x

def entry(x: int) -> int:
    """Says what it does."""
    # A comment.
    if x < 0:
        raise ValueError("too small")
    log("at work")
    return helper(x) + metrics.loss(x)

def unrelated():
    return 1
'''


@pytest.fixture
def digest_of(tmp_path, monkeypatch):
    """The digest of what ``entry`` of a module reaches, the module written in a package of its own."""
    def of(source, module="room", **others):
        for path in tmp_path.glob("*.py"):
            path.unlink()
        (tmp_path / "metrics.py").write_text("def loss(x):\n    return x - 1\n")
        for name, text in {module: source, **others}.items():
            (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.setattr(reach, "PACKAGE", tmp_path)
        for cached in (reach._modules, reach._registered, reach._normalised):
            cached.cache_clear()
        return reach.digest(f"{module}:entry")

    yield of
    for cached in (reach._modules, reach._registered, reach._normalised):
        cached.cache_clear()


@pytest.mark.parametrize("old, new", [
    ("# A comment.", "# Another one, and longer."),
    ('"""Says what it does."""', '"""Says it better."""'),
    ("import math\n", "import math\nimport os\n"),
    ("x: int) -> int", "x: float) -> float"),
    ('"too small"', 'f"{x} is too small"'),
    ('log("at work")', 'log("still at work")'),
    ("return 1", "return 2"),
    ("from ultralow import metrics", "from ultralow.metrics import loss"),
])
def test_what_changes_no_result_changes_no_digest(digest_of, old, new):
    before = digest_of(SOURCE)
    changed = SOURCE.replace(old, new)
    if "import loss" in new:
        changed = changed.replace("metrics.loss", "loss")
    ast.parse(changed)
    assert changed != SOURCE and digest_of(changed) == before


def test_a_move_to_another_module_changes_no_digest(digest_of):
    before = digest_of(SOURCE)
    start, end = SOURCE.index("FACTOR"), SOURCE.index("def entry")
    moved = SOURCE[:start] + "from ultralow.elsewhere import helper\n" + SOURCE[end:]
    assert digest_of(moved, module="renamed", elsewhere=SOURCE[start:end]) == before


@pytest.mark.parametrize("old, new", [
    ("x < 0", "x < 1"), ("FACTOR = 2", "FACTOR = 3"), ("FACTOR * x", "FACTOR + x"), ("raise ValueError", "raise KeyError")])
def test_what_may_change_a_result_changes_the_digest(digest_of, old, new):
    assert digest_of(SOURCE) != digest_of(SOURCE.replace(old, new))


def test_a_change_of_what_is_called_elsewhere_and_of_a_dispatched_kind_changes_the_digest(digest_of):
    assert digest_of(SOURCE) != digest_of(SOURCE, metrics="def loss(x):\n    return x - 2\n")
    source = SOURCE.replace("def helper", "@singledispatch\ndef helper")
    kind = "from ultralow import room\n\n@room.helper.register\ndef _(x: str):\n    return {}\n"
    assert digest_of(source, kinds=kind.format(1)) != digest_of(source, kinds=kind.format(2))
