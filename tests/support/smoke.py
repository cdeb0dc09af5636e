"""Smoke-size studies of the tests: a study file with results of its own, and commands run as `make` runs them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

from ultralow.study.study import root


def environment(**more):
    """The tools of this Python's environment first, and one thread a job, as in the Makefile."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", **more}


def call(*command, folder=None, **more):
    """A command with the tools of this Python's environment, from the project's root."""
    return subprocess.run(command, cwd=folder or root(), text=True, capture_output=True, stdin=subprocess.DEVNULL,
                          env=environment(**more))


def execute(notebook, output, parameters):
    """A notebook executed as the workflow does it, in a process of its own, from the notebooks' folder."""
    code = "import json, sys; from ultralow.study import notebook as n; n.execute(*sys.argv[1:3], json.loads(sys.argv[3]))"
    return call(sys.executable, "-c", code, notebook, str(output), json.dumps(parameters), folder=root() / "notebooks")


class Smoke:
    """A study file of its own with results of its own, so that no earlier run can stand in for this one."""

    def __init__(self, folder, name, **changes):
        content = yaml.safe_load((root() / "config/smoke.yaml").read_text()) | {"name": name}
        if changes:  # other networks: the experiments are the whole study's
            content |= {"ablations": None, "search": None, "area": None} | changes
        self.file, self.results = folder / f"{name}.yaml", root() / "results" / name
        self.content = content
        self.write(content)
        shutil.rmtree(self.results, ignore_errors=True)

    def write(self, content):
        self.file.write_text(yaml.safe_dump(content, sort_keys=False))

    def table(self):
        return pd.read_csv(self.results / "comparison.csv").set_index("network", drop=False)
