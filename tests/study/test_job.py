"""A job: what its server imports beforehand, and that every notebook names what the package has."""

import ast
import importlib
import json
import types

import pytest

from ultralow.study import job
from ultralow.study.study import root

NOTEBOOKS = sorted((root() / "notebooks").glob("*.ipynb"))


def code(path):
    cells = json.loads(path.read_text())["cells"]
    return ast.parse("\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"))


def imported(tree):
    """What a notebook's import statements bind, by name."""
    bound = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bound |= {alias.asname or alias.name.partition(".")[0]: importlib.import_module(
                alias.name if alias.asname else alias.name.partition(".")[0]) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
                bound[alias.asname or alias.name] = getattr(module, alias.name)
    return bound


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_what_the_package_has(path):
    tree = code(path)
    bound = imported(tree)
    assigned = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    used = {(node.value.id, node.attr) for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id not in assigned}
    missing = {f"{name}.{attribute}" for name, attribute in used
               if isinstance(bound.get(name), types.ModuleType) and not hasattr(bound[name], attribute)}
    assert not missing


def test_the_server_imports_what_the_notebook_and_the_step_need():
    names = job.imports("synthesis", str(root() / "notebooks/4-synthesis.ipynb"))
    assert {"ultralow.study.notebook", "pandas", "ultralow.study.steps", "ultralow.synthesis.implement"} <= set(names)
    for step in job.LATE:
        for module in job.LATE[step]:
            importlib.import_module(module)
