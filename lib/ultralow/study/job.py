"""Run one step of a study as a job of the workflow: execute its notebook, then say in a line what came out.

Where the run has a fork server (:mod:`ultralow.study.forkserver`), the notebook is executed in a fork of it, which need not
import Keras and the rest anew.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path

from ultralow.errors import FAULT, REFUSED, OwnFault, StudyError
from ultralow.study import forkserver

# What a step's functions import when they are called, beside what its notebook imports; Keras after its set-up.
LATE = {
    "data": ("ultralow.data.sources", "ultralow.data.tabular", "uproot"),
    "training": ("ultralow.training.keras_setup", "ultralow.training.train", "ultralow.training.folding"),
    "conversion": ("ultralow.training.keras_setup", "ultralow.synthesis.hls4ml"),
    "synthesis": ("ultralow.synthesis.implement", "ultralow.synthesis.deliverable"),
}


# From outside, so that a second time may go better.
ENDED = ("KeyboardInterrupt", "MemoryError")


def run(step: str, notebook: str, output: str, parameters: dict[str, str]) -> int:
    """Executes a step's notebook in this process, or in a fork of the run's server if there is one.

    Args:
        step: the rule's name.
        output: where the executed notebook goes; it stays, with the traceback, if a cell fails.
        parameters: the notebook's: ``study``, and ``network``, ``dataset`` or ``weights``.

    Returns:
        0; 2 if the step was refused (StudyError), which is said in a sentence; 1 for any other exception, whose traceback is on
        standard error. The last line begins with REFUSED or FAULT of :mod:`ultralow.errors`.
    """
    if address := os.environ.get(forkserver.ADDRESS):
        arguments = [step, notebook, output, json.dumps(parameters)]
        return forkserver.call(address, f"{__name__}:run_here", arguments, imports(step, notebook))
    return run_here([step, notebook, output, json.dumps(parameters)])


def run_here(arguments: list[str]) -> int:
    """See :func:`run`, in this process; ``arguments`` are the same, the parameters as JSON."""
    from papermill.exceptions import PapermillExecutionError

    from ultralow.study import notebook as notebooks, progress, study

    step, notebook, output, parameters = *arguments[:3], json.loads(arguments[3])
    try:
        notebooks.execute(notebook, output, parameters)
    except PapermillExecutionError as error:
        if error.ename == OwnFault.__name__:
            print(FAULT + " ".join(error.evalue.split()), file=sys.stderr)
            return 1
        if error.ename in refusals():
            print(REFUSED + " ".join(error.evalue.split()), file=sys.stderr)
            return 2
        print(error, file=sys.stderr)
        if error.ename in ENDED:
            return 1
        print(f"{FAULT}{error.ename} in the step {step}, which is not yours to mend: please report it with {output}",
              file=sys.stderr)
        return 1
    except StudyError as error:
        print(REFUSED + " ".join(str(error).split()), file=sys.stderr)
        return 2
    print(progress.line(study.load(parameters["study"]), step, parameters))
    return 0


def refusals() -> set[str]:
    """Names of the exceptions that say what the user can mend."""
    classes = [StudyError]
    for one in classes:
        classes += one.__subclasses__()
    return {one.__name__ for one in classes}


def imports(step: str, notebook: str) -> list[str]:
    """The modules of this package, and of others, that a step's notebook imports, and those that its functions import
    later."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    names = ["ultralow.study.notebook"]
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [*names, *LATE.get(step, ())]
