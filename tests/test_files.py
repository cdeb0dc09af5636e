import errno
import signal
import subprocess
import sys

import numpy as np
import pytest

from ultralow import files
from ultralow.errors import StudyError, unknown


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.json"
    files.write_json(path, {"lut": 1})
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert files.read_json(path) == {"lut": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_refuses_is_named_with_a_remedy(tmp_path, code):
    with pytest.raises(StudyError, match="result.json.*free some space"), files.replacing(tmp_path / "result.json"):
        raise OSError(code, "refused")
    assert not list(tmp_path.iterdir())


def test_a_missing_input_is_not_mistaken_for_a_full_disk(tmp_path):
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "result.json"):
        open(tmp_path / "input")


def test_a_folder_is_replaced_whole(tmp_path):
    for content in ("old", "new"):
        with files.replacing(tmp_path / "rtl") as temporary:
            temporary.mkdir()
            (temporary / content).touch()
    assert [path.name for path in (tmp_path / "rtl").iterdir()] == ["new"]


def test_what_a_killed_process_left_is_swept_and_what_others_write_stays(tmp_path):
    code = f"""
import os, signal
from ultralow.files import replacing
with replacing({str(tmp_path)!r} + "/network/rtl") as rtl, replacing({str(tmp_path)!r} + "/result.json") as result:
    rtl.mkdir()
    (rtl / "circuit.v").touch()
    result.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    assert len(list(tmp_path.rglob(".*.part"))) == 2
    with files.replacing(tmp_path / "study.json") as temporary:
        temporary.write_text("{}")
        files.sweep(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["study.json"]


def test_what_a_process_leaves_that_nobody_has_taken_leave_of_is_swept(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    part = tmp_path / f".figures.{files._HOST}.{child.pid}.part"
    part.mkdir()
    files.sweep(tmp_path)
    assert part.exists()
    child.send_signal(signal.SIGKILL)  # and no wait(): it keeps its number
    files.sweep(tmp_path, patience_s=20)
    assert not part.exists()
    child.wait()


def test_canonical_json_is_sorted_rounded_and_plain():
    text = files.canonical_json({"b": np.float64(1 / 3), "a": np.arange(2), "ä": (np.int8(1), None)})
    assert text == files.canonical_json({"ä": [1, None], "a": [0, 1], "b": 0.33333333330000000001})
    with pytest.raises(ValueError):
        files.canonical_json({"nan": float("nan")})


def test_json_that_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(StudyError, match="none.json is missing"):
        files.read_json(tmp_path / "none.json")
    (tmp_path / "cut.json").write_text('{"lut": ')
    with pytest.raises(StudyError, match="cut.json is not valid JSON"):
        files.read_json(tmp_path / "cut.json")


def test_unknown_names_come_with_the_nearest():
    assert "did you mean 'epochs'" in str(unknown("key", "epoch", ["epochs", "seeds"]))
    assert "valid: epochs, seeds" in str(unknown("key", "zzz", ["epochs", "seeds"]))
