"""Jobs in forks of one server: what they get, what they give back, and how they end."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from ultralow.study import forkserver

TARGETS = """
import os, signal, sys, time
def report(arguments):
    print(os.getcwd(), "json.tool" in sys.modules, os.environ["MARK"])
    print("to standard error", file=sys.stderr)
    return int(arguments[0])
def killed(arguments): os.kill(os.getpid(), signal.SIGKILL)
def raising(arguments): raise ValueError("boom")
def waiting(arguments): time.sleep(60)
"""


@pytest.fixture
def client(tmp_path, monkeypatch):
    """Calls a target in a fork of a server, from another process."""
    (tmp_path / "fork_targets.py").write_text(TARGETS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setenv("MARK", "of the client")
    code = ("import os, sys; from ultralow.study import forkserver as f; "
            "sys.exit(f.call(os.environ[f.ADDRESS], f'fork_targets:{sys.argv[1]}', sys.argv[2:], ['json.tool', 'no.such']))")

    def start(*arguments):
        return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    return start


def test_a_job_has_its_clients_folder_environment_and_streams_and_the_servers_modules(client, tmp_path):
    with forkserver.started(MARK="of the server"):
        process = client("report", "7")
        out, err = process.communicate(timeout=60)
        assert process.returncode == 7 and "to standard error" in err
        assert out.split() == [os.path.realpath(tmp_path), "True", "of", "the", "client"]
        process = client("raising")
        assert "ValueError: boom" in process.communicate(timeout=60)[1] and process.returncode == 1
        process = client("killed")
        assert "the process of this job was killed" in process.communicate(timeout=60)[1] and process.returncode == 1
        assert client("report", "0").wait(60) == 0  # the server goes on
    assert forkserver.ADDRESS not in os.environ


def forks(server):
    return [child for child in server.children() if child.status() != psutil.STATUS_ZOMBIE]


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_job_ends_with_its_client_and_the_server_with_the_run(client):
    with forkserver.started():
        server, = (child for child in psutil.Process().children() if "forkserver" in " ".join(child.cmdline()))
        process = client("waiting")
        wait_for(lambda: forks(server))
        process.kill()
        process.communicate()
        wait_for(lambda: not forks(server))
        process = client("waiting")
        wait_for(lambda: forks(server))
        left = forks(server)
    wait_for(lambda: not any(fork.is_running() for fork in left), 10)
    assert not server.is_running()
    assert process.wait(60) == 1
    process.communicate()
