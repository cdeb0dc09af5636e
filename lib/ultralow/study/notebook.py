"""Execute a notebook by papermill inside this process, without a kernel of its own.

A kernel would be another Python that imports everything once more. Here the cells run in an IPython shell of this process,
which is thrown away afterwards; what they show is kept in the notebook as a kernel's front end keeps it.
"""

from __future__ import annotations

import ast
import base64
import os
import platform
import sys
from pathlib import Path

import nbformat
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from papermill import execute_notebook
from papermill.engines import Engine, papermill_engines
from traitlets.config import Config

ENGINE = "in-process"
LANGUAGE = {"name": "python", "version": platform.python_version(), "mimetype": "text/x-python", "file_extension": ".py",
            "codemirror_mode": {"name": "ipython", "version": 3}, "pygments_lexer": "ipython3", "nbconvert_exporter": "python"}


def execute(notebook: str | Path, output: str | Path, parameters: dict[str, object]) -> None:
    """Executes ``notebook`` with these parameters and writes what it showed to ``output``, cell by cell.

    Raises:
        papermill.exceptions.PapermillExecutionError: a cell raised; ``output`` holds the traceback.
    """
    # What a kernel tells matplotlib: figures become outputs of their cell.
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    execute_notebook(str(notebook), str(output), parameters, engine_name=ENGINE, kernel_name="python3", progress_bar=False,
                     log_output=False)


class InProcess(Engine):
    """papermill's engine of this name: what it says of each cell (time, state) it says here, too."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **options) -> None:
        streams = sys.stdout, sys.stderr
        shell = _Shell.instance(config=Config({"HistoryManager": {"enabled": False}}), displayhook_class=_Result,
                                display_pub_class=_Publisher)
        shell.outputs = outputs = Outputs()
        nb_man.nb.metadata["language_info"] = LANGUAGE
        try:
            for index, cell in enumerate(nb_man.nb.cells):
                nb_man.cell_start(cell, index)
                raised = False
                if cell.cell_type == "code":
                    outputs.cell = cell.outputs = []
                    sys.stdout, sys.stderr = (Stream(outputs, name) for name in ("stdout", "stderr"))
                    raised = not shell.run_cell(cell.source, store_history=True).success
                    cell.execution_count = shell.execution_count - 1
                    sys.stdout, sys.stderr = streams
                if raised:
                    nb_man.cell_exception(cell, index)
                nb_man.cell_complete(cell, index)
                if raised:
                    return
        finally:
            sys.stdout, sys.stderr = streams
            _Shell.clear_instance()


papermill_engines.register(ENGINE, InProcess)


class Outputs:
    """The outputs of the cell that is running, in the order in which they came."""

    def __init__(self):
        self.cell: list = []

    def add(self, kind: str, **content: object) -> None:
        self.cell.append(nbformat.v4.new_output(kind, **content))

    def stream(self, name: str, text: str) -> None:
        last = self.cell[-1] if self.cell else {}
        if last.get("output_type") == "stream" and last["name"] == name:
            last["text"] += text
        else:
            self.add("stream", name=name, text=text)


class Stream:
    """sys.stdout or sys.stderr of a cell."""

    encoding, errors = "utf-8", "strict"

    def __init__(self, outputs: Outputs, name: str):
        self.outputs, self.name = outputs, name

    def write(self, text: str) -> int:
        if text:
            self.outputs.stream(self.name, text)
        return len(text)

    def writelines(self, lines) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True


class _Publisher(DisplayPublisher):
    """What ``display`` shows."""

    def publish(self, data, metadata=None, **options) -> None:
        self.shell.outputs.add("display_data", data=_plain(data), metadata=metadata or {})

    def clear_output(self, wait=False) -> None:
        self.shell.outputs.cell.clear()


class _Result(DisplayHook):
    """The value of a cell's last line."""

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict, md_dict=None) -> None:
        self.shell.outputs.add("execute_result", data=_plain(format_dict), metadata=md_dict or {},
                               execution_count=self.prompt_count)

    def finish_displayhook(self) -> None:
        pass


class _Shell(InteractiveShell):
    outputs: Outputs

    def _showtraceback(self, etype, evalue, stb) -> None:
        self.outputs.add("error", ename=etype.__name__, evalue=str(evalue), traceback=stb)

    def enable_gui(self, gui=None) -> None:
        pass


def _plain(data: dict) -> dict:
    """Pictures as text, as notebooks keep them."""
    return {kind: base64.b64encode(value).decode() if isinstance(value, bytes) else value for kind, value in data.items()}
