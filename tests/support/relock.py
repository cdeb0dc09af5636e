"""Lock the code behind the declared versions anew: `make relock`.

For each version whose code has changed (:mod:`reach`) while its number has not, the golden runs are made twice on this machine:
by the code of the commit that locked it last, and by that of the working tree. Only if they give the same is it locked anew.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from reach import digest
from ultralow.study.identity import VERSIONS

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "tests" / "study" / "versions.lock.json"
# Where the code of each declared version begins.
ENTRIES = {
    "data": ("data.sources:load_table", "data.tabular:read", "data.dataset:split_and_scale"),
    "training": ("training.fit:fit", "study.runs:judged"),
    "weight flips": ("training.weight_flips:refine",),
    "additive tables": ("training.lut.additive:train",),
    "voting tables": ("training.lut.voting:train",),
    "boosted trees": ("training.lut.boosted_trees:train",),
    "learned tables": ("training.lut.dwn:train",),
    "HGQ tables": ("training.lut.hgq:train",),
    "HGQ dense": ("training.lut.hgq:train",),
    "importing": ("study.imported:convert",),
    "search": ("study.search:suggest", "study.search:sampler", "circuit.lut_estimate:luts"),
    "conversion": ("synthesis.hls4ml:compare",),
    "synthesis": ("synthesis.implement:measure",),
}


def locked() -> dict[str, dict]:
    """The content of the lock file: for each version its number and the digest of its code."""
    return json.loads(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else {}


def current() -> dict[str, dict]:
    """The same of the code as it stands."""
    return {name: {"version": version, "code": digest(*ENTRIES[name])} for name, version in VERSIONS.items()}


def main(arguments: list[str] | None = None) -> int:
    """Writes the lock file; returns 1 and says what to do where results have changed."""
    parser = argparse.ArgumentParser(prog="make relock", description=__doc__.partition("\n")[0])
    parser.add_argument("--base", help="commit to compare with (default: the one that changed the lock file last)")
    base = parser.parse_args(arguments).base or _git("log", "-1", "--format=%H", "--", str(LOCK)).decode().strip()
    old, new = locked(), current()
    changed = [name for name in new if name in old and old[name] != new[name] and old[name]["version"] == new[name]["version"]]
    if changed:
        print(f"the code of {', '.join(changed)} has changed: golden runs by the code of {base[:10]} and by today's", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            with tarfile.open(fileobj=BytesIO(_git("archive", base, "lib", "tests", "data", "pyproject.toml"))) as archive:
                archive.extractall(folder, filter="data")
            before, after = (_golden(Path(tree), changed) for tree in (folder, ROOT))
        if failed := [name for name in changed if name not in before or name not in after]:
            print(f"the golden runs of {', '.join(failed)} fail by the code of {base[:10]} or by today's: mend them, or compare "
                  "with another commit by --base; nothing was locked", file=sys.stderr)
            return 1
        if different := [name for name in changed if before[name] != after[name]]:
            print(f"the results of {', '.join(different)} have changed: raise the numbers in VERSIONS (study/identity.py), or "
                  "mend the code; nothing was locked", file=sys.stderr)
            return 1
    LOCK.write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")
    print(f"locked: {', '.join(name for name in new if old.get(name) != new[name]) or 'nothing has changed'}")
    return 0


def _golden(tree: Path, names: list[str]) -> dict[str, str]:
    """The digests of golden runs by the code of a tree, each tree by its own script; of those that fail there is none."""
    digests = {}
    for name in names:
        done = subprocess.run([sys.executable, str(tree / "tests/support/golden_runs.py"), name], cwd=tree, text=True,
                              stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(tree / "lib"), "OMP_NUM_THREADS": "1"})
        if done.returncode == 0:
            digests |= json.loads(done.stdout.splitlines()[-1])
    return digests


def _git(*command: str) -> bytes:
    return subprocess.run(["git", *command], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
