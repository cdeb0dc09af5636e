"""Notebooks executed in this process: outputs as a kernel gives them, parameters, and a failing cell."""

import base64
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
CELLS = ("import sys\nfrom IPython.display import Markdown, clear_output, display\n"
         "print('first', number)\nprint('warning', file=sys.stderr)\ndisplay(Markdown('**shown**'))\nprint('last')\nnumber + 1",
         "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
         "print('gone')\nclear_output()\nprint('kept')",
         "number + 2;")
RUN = "import sys; from ultralow.study import notebook; notebook.execute(*sys.argv[1:3], {'number': 5})"


def execute(folder, *cells):
    """The notebook of these cells, executed in a process of its own, and that process."""
    notebook = new_notebook(metadata=KERNEL, cells=[
        new_markdown_cell("# A notebook"), new_code_cell("number = 1", metadata={"tags": ["parameters"]}),
        *map(new_code_cell, cells)])
    nbformat.write(notebook, folder / "in.ipynb")
    done = subprocess.run([sys.executable, "-c", RUN, str(folder / "in.ipynb"), str(folder / "deep/out.ipynb")], text=True,
                          capture_output=True)
    executed = nbformat.read(folder / "deep/out.ipynb", 4)
    nbformat.validate(executed)
    return executed, done


def test_outputs_are_those_of_a_kernel(tmp_path):
    executed, done = execute(tmp_path, *CELLS)
    assert done.returncode == 0, done.stderr
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4, 5, 6]  # with the injected parameters
    first, figure, cleared, silent = code[2:]
    assert [(out.output_type, out.get("name")) for out in first.outputs] == [
        ("stream", "stdout"), ("stream", "stderr"), ("display_data", None), ("stream", "stdout"), ("execute_result", None)]
    assert first.outputs[0].text == "first 5\n" and first.outputs[2].data["text/markdown"] == "**shown**"
    assert first.outputs[4].data["text/plain"] == "6" and first.outputs[4].execution_count == 3
    assert base64.b64decode(figure.outputs[-1].data["image/png"]).startswith(b"\x89PNG")
    assert [out.text for out in cleared.outputs] == ["kept\n"] and silent.outputs == []
    assert executed.metadata.papermill.duration > 0 and not executed.metadata.papermill.exception
    assert executed.metadata.language_info.pygments_lexer == "ipython3"


@pytest.mark.parametrize("cell, name", [("1 / 0", "ZeroDivisionError"), ("def f(:", "SyntaxError"),
                                        ("raise SystemExit(3)", "SystemExit")])
def test_a_failing_cell_stops_the_notebook_and_leaves_its_traceback(cell, name, tmp_path):
    executed, done = execute(tmp_path, cell, "print('never')")
    assert done.returncode == 1 and name in done.stderr
    outputs = [out for shown in executed.cells for out in shown.get("outputs", [])]
    assert [out.ename for out in outputs if out.output_type == "error"] == [name]
    assert executed.metadata.papermill.exception is True and executed.cells[-1].outputs == []
