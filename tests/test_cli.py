"""The command `ultralow`: help that is complete and fast, and exit codes."""

import subprocess
import sys
import tomllib

import pytest

from ultralow import cli
from ultralow.study.study import root

COMMANDS = ("run", "tables", "report", "check", "jets", "worker")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_tells_what_a_command_is_for(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*command, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0 and len(text.splitlines()) > 5
    for name in COMMANDS if not command else ():
        assert f"\n    {name} " in text
    if command:
        assert f"usage: ultralow {command[0]}" in text


def test_the_command_is_the_packages_own_and_starts_without_heavy_packages():
    project = tomllib.loads((root() / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"ultralow": "ultralow.cli:main"}
    code = ("import sys\nfrom ultralow import cli\n"
            "try:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
            "print([name for name in ('numpy', 'pandas', 'pydantic', 'keras', 'jax', 'tensorflow') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("arguments, message", [
    (["run", "config/quik.yaml"], "error: study file"), (["check", "config/quik.yaml"], "error: study file"),
    (["worker", "config/paper.yaml", "binary", "4"], "error: worker 4 is not one of 1 to 1"),
    (["run", "config/smoke.yaml", "--profile", "slrum"], "error: unknown profile 'slrum'"),
    (["tables", "config/quik.yaml"], "error: study file"), (["report", "config/quik.yaml"], "error: study file"),
    (["jets", "--rows", "7"], "error: rows is 7"), (["jets", "--verify", "nowhere.root"], "error: "),
    (["step", "report", "study=config/quik.yaml"], "error: study file")])
def test_what_the_user_can_mend_ends_with_2(arguments, message, capsys, monkeypatch):
    monkeypatch.chdir(root())
    assert cli.main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["rn"], ["check", "--cores", "2"], ["run"], ["worker", "config/paper.yaml", "float", "1"]])
def test_a_wrong_option_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2 and "usage: ultralow" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "tables", "report", "check", "worker", "step"])
def test_our_own_fault_ends_with_1(command, capsys, monkeypatch):
    """Whatever a command meets that nobody has foreseen; `jets` reads no study file."""
    from ultralow.study import study as studies

    def broken(*_):
        raise KeyError("unforeseen")

    monkeypatch.setattr(studies, "load", broken)
    more = {"worker": ["binary", "1"], "step": ["study=config/quick.yaml"]}.get(command, [])
    study = ["report"] if command == "step" else ["config/quick.yaml"]
    assert cli.main([command, *study, *more]) == 1
    text = capsys.readouterr().err
    assert "Traceback" in text and text.splitlines()[-1].startswith("fault: KeyError, which is not yours to mend")


def test_jets_end_with_1_by_our_own_fault(capsys, monkeypatch):
    from ultralow.data.jetgen import sample

    monkeypatch.setattr(sample, "run", lambda *_: 1 / 0)
    assert cli.main(["jets"]) == 1 and "fault: ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_tells_the_exit_codes(command, capsys):
    for arguments in ([command, "--help"], ["--help"]):
        with pytest.raises(SystemExit):
            cli.main(arguments)
        text = capsys.readouterr().out.lower()
        assert "exit codes:" in text and text.index("exit codes") < text.rindex("2") and "mend" in text
