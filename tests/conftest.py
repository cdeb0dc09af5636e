"""Order the test files, so that several processes end together (`make test` has one for each core)."""

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
