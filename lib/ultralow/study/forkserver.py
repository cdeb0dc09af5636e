"""Fork the processes of jobs from one process that has imported the packages they need.

Python's packages take seconds of processor time to import (papermill 4, Keras on JAX 7), and a study has dozens of jobs.
:func:`started` starts one process, the server, which imports what a job names and forks; the job runs in the fork, which
shares nothing with other jobs but what was imported and what JAX compiled. :func:`call` is the job's side: it hands over its
command, standard output and error, and waits. Whoever ends it ends the fork. On other machines of a cluster there is no
server: jobs run in their own processes there.
"""

from __future__ import annotations

import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ADDRESS = "ULTRALOW_FORKSERVER"  # the environment variable that holds the server's socket
_LENGTH = 4  # bytes before a request that tell how long it is


@contextmanager
def started(*held: int, **environment: str) -> Iterator[int]:
    """Runs a server while the block does, and tells its address to the processes that the block starts.

    Args:
        held: file descriptors that the server and its forks hold as well, such as that of a lock.
        environment: variables of the server, in which packages are imported.

    Yields:
        a file descriptor to hand to other processes: the server ends, and its forks with it, when this process and all
        that have it are gone.
    """
    with tempfile.TemporaryDirectory(prefix="ultralow-") as folder, socket.socket(socket.AF_UNIX) as listening:
        address = str(Path(folder) / "jobs")
        listening.bind(address)
        listening.listen(64)
        ends, alive = os.pipe()
        # Half a minute of a small training on JAX is compilation, of much the same as in the one before.
        compiled = {"JAX_COMPILATION_CACHE_DIR": str(Path(folder) / "compiled"),
                    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
        server = subprocess.Popen([sys.executable, "-m", __name__, str(listening.fileno()), str(ends)],
                                  env={**compiled, **os.environ, **environment}, pass_fds=(listening.fileno(), ends, *held),
                                  stdin=subprocess.DEVNULL)
        os.close(ends)
        os.environ[ADDRESS] = address
        try:
            yield alive
        finally:
            del os.environ[ADDRESS]
            os.close(alive)
            server.wait()


def call(address: str, target: str, arguments: list[str], imports: list[str]) -> int:
    """Has a server run ``target`` ("module:function", which takes the arguments and returns an exit code) in a fork.

    Args:
        imports: modules that the server imports before it forks; one that cannot be imported is left to the fork.

    Returns:
        the exit code: 1 if the fork was killed, which is said on standard error.
    """
    request = {"target": target, "arguments": arguments, "imports": imports, "folder": os.getcwd(),
               "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        socket.send_fds(server, [b" "], [1, 2])
        text = json.dumps(request).encode()
        server.sendall(len(text).to_bytes(_LENGTH, "big") + text)
        answer = server.recv(1)
    if answer:
        return answer[0]
    print("the process of this job was killed (out of memory?)", file=sys.stderr)
    return 1


def serve(listening: socket.socket, ends: int) -> None:
    """Forks a process for each :func:`call`, until all that have the other end of the pipe ``ends`` are gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the whole group of a terminal; the forks take it
    forks = set()
    with selectors.DefaultSelector() as events:
        events.register(listening, selectors.EVENT_READ)
        events.register(ends, selectors.EVENT_READ)
        while ends not in {key.fileobj for key, _ in events.select()}:
            connection, _ = listening.accept()
            with connection:
                _, streams, *_ = socket.recv_fds(connection, 1, 2)
                pid = _fork(connection, streams, (listening.fileno(), ends))
            for stream in streams:
                os.close(stream)
            forks = {fork for fork in (*forks, pid) if _runs(fork)}
    for fork in filter(_runs, forks):
        os.kill(fork, signal.SIGKILL)
        os.waitpid(fork, 0)


def _fork(connection: socket.socket, streams: list[int], closed: tuple[int, ...]) -> int:
    """The pid of a process that runs the request of a connection."""
    request = json.loads(_received(connection, int.from_bytes(_received(connection, _LENGTH), "big")))
    for module in request["imports"]:
        with suppress(Exception):  # the job imports it again, and tells
            importlib.import_module(module)
    if pid := os.fork():
        return pid
    code = 1
    try:
        for descriptor in closed:
            os.close(descriptor)
        for number, stream in zip((1, 2), streams):
            os.dup2(stream, number)
            os.close(stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(request["folder"])
        os.environ.update(request["environment"])
        threading.Thread(target=_end_with, args=(connection.dup(),), daemon=True).start()
        code = _target(request["target"])(request["arguments"])
    except KeyboardInterrupt:
        pass
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        with suppress(OSError):
            connection.sendall(bytes([code]))
        os._exit(code)


def _received(connection: socket.socket, length: int) -> bytes:
    text = b""
    while len(text) < length and (part := connection.recv(length - len(text))):
        text += part
    return text


def _end_with(connection: socket.socket) -> None:
    """Ends this process when the one that it works for, which sends nothing more, is gone."""
    connection.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _runs(pid: int) -> bool:
    """Whether a fork has not ended; one that has is taken leave of."""
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def _target(name: str) -> Callable[[list[str]], int]:
    module, function = name.split(":")
    return getattr(importlib.import_module(module), function)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
