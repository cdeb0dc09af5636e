"""Order the test files, so that several processes end together (`make test` has one for each core), and let them share what JAX
compiles."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

# Those that take minutes come first: a file stays in one process, since its fixtures are made once.
LONG = ("study/test_workflow.py", "synthesis/test_hls4ml.py", "training/lut/test_peers.py",
        "importing/test_hgq_model.py", "test_golden.py", "training/lut/test_additive_and_voting.py",
        "data/jetgen/test_sample.py", "study/test_own.py", "synthesis/test_deliverable.py", "synthesis/test_netlist.py",
        "circuit/test_table_circuits.py", "circuit/test_rtl.py")


def pytest_collection_modifyitems(items):
    def rank(item):
        name = item.nodeid.partition("::")[0].removeprefix("tests/")
        return LONG.index(name) if name in LONG else len(LONG)

    items.sort(key=rank)  # stable: else as they were collected


def pytest_configure(config):
    """Half the time of a small training on JAX is compilation, much of it the same in every test."""
    if not hasattr(config, "workerinput") and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = TemporaryDirectory(prefix="ultralow-tests-")
        config.add_cleanup(folder.cleanup)
        os.environ |= {"JAX_COMPILATION_CACHE_DIR": str(Path(folder.name)), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                       "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
