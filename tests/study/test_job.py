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


@pytest.mark.parametrize("cell, code, last", [
    ("from ultralow.errors import StudyError\nraise StudyError('d.csv has\\nno column ' + 'x' * 300)", 2, f"error: d.csv has no column {'x' * 300}"),
    ("from ultralow.errors import TooSlow\nraise TooSlow('no clock')", 2, "error: no clock"),
    ("from ultralow.errors import OwnFault\nraise OwnFault('3 rows differ')", 1, "fault: 3 rows differ"),
    ("{}['a']", 1, "fault: KeyError in the step data, which is not yours to mend: please report it with "),
    ("raise MemoryError", 1, "")])
def test_the_end_of_a_failed_job_says_whose_fault_it_is(cell, code, last, tmp_path, capsys):
    import nbformat

    notebook, done = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)], metadata={
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}), notebook)
    assert job.run_here(["data", str(notebook), str(done), json.dumps({"study": "config/quick.yaml"})]) == code
    text = capsys.readouterr().err
    lines = text.strip().splitlines()
    assert lines[-1].startswith(last) if last else not lines[-1].startswith(("error: ", "fault: "))
    # A refusal is one sentence, whole and alone.
    assert (len(lines) == 1) == (code == 2 or "rows differ" in last)
