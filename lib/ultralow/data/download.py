"""Download a file once, resume it when cut, and accept it only with the right checksum.

Why not pooch: it starts a cut download anew, and one of these files has gigabytes.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from ultralow.errors import StudyError

_BLOCK = 1 << 18
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}  # answers that a server may take back a moment later


class _Cut(Exception):
    """The server could not answer now; the next attempt may go on where this one stopped."""


@dataclass(frozen=True)
class Connection:
    """How a server is asked.

    Attributes:
        address: of the description of a data set, where it is not the service's own.
        timeout_s: without one byte; a slow line may take as long as it needs.
        attempts: connections in a row that brought nothing new before giving up.
        backoff_s: wait before the second attempt; doubles after every failed one.
        progress: whether a bar shows what has arrived.
    """

    address: str | None = None
    timeout_s: float = 30.0
    attempts: int = 5
    backoff_s: float = 1.0
    progress: bool = True


def fetch(url: str, path: str | Path, checksum: str | None = None, connection: Connection = Connection()) -> Path:
    """Downloads ``url`` to ``path`` unless it is there already.

    What has arrived waits in ``<path>.download``; after a cut or an abandoned run the next call goes on from
    there (HTTP Range). ``path`` itself appears only when all bytes are there and the checksum is right. A
    download with a wrong checksum is deleted.

    Args:
        checksum: "sha256:<hex>" or "md5:<hex>", as servers state it; None checks only the length.

    Raises:
        StudyError: the server refuses (404 …), stays silent, keeps cutting, or sends other content.
    """
    path = Path(path)
    if path.exists():
        verify(path, checksum, url)
        return path
    part = path.with_name(path.name + ".download")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _attempts(lambda: _transfer(url, part, connection), lambda: part.stat().st_size if part.exists() else 0, url, connection)
        try:
            verify(part, checksum, url)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)  # damaged bytes would only be resumed into more of them
    except OSError as error:
        raise StudyError(f"cannot write {path}: {error.strerror}; free some space or choose another cache folder, "
                         "then run the same command again") from error
    return path


def json(url: str, connection: Connection = Connection()) -> dict:
    """The JSON object at ``url``, for descriptions of a few kB.

    Raises:
        StudyError: as for :func:`fetch`, or the answer is not JSON.
    """
    def once() -> dict:
        with _open(url, {}, connection) as answer:
            _refuse(answer, url)
            try:
                return answer.json()
            except ValueError:
                raise StudyError(f"{url} did not answer with JSON; {_REMEDY}") from None
    return _attempts(once, lambda: 0, url, connection)


def verify(path: Path, checksum: str | None, origin: str) -> None:
    """Compares ``path`` with a checksum "<algorithm>:<hex>"; None passes.

    Raises:
        StudyError: they differ.
    """
    if checksum is None:
        return
    algorithm, _, expected = checksum.partition(":")
    with open(path, "rb") as stream:
        digest = hashlib.file_digest(stream, algorithm).hexdigest()
    if digest != expected.lower():
        raise StudyError(f"{path} from {origin} has {algorithm} {digest}, expected {expected}: it is damaged or not the "
                         f"file that the study means; delete it if it is still there and run the same command again, "
                         f"or {_REMEDY}")


def _attempts(once, arrived, url: str, connection: Connection):
    """Calls ``once`` until it succeeds or ``connection.attempts`` calls in a row brought nothing new."""
    failed = 0
    while True:
        before = arrived()
        try:
            return once()
        except requests.exceptions.InvalidURL as error:
            raise StudyError(f"{url} is not an address ({error})") from None
        except (_Cut, requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failed = 1 if arrived() > before else failed + 1
            if failed >= connection.attempts:
                kept = f"; {arrived()} bytes are kept and will be resumed" if arrived() else ""
                raise StudyError(f"cannot download {url}: {_why(error, connection.timeout_s)}, {failed} times in a row{kept}; "
                                 f"check the network and run the same command again, or {_REMEDY}") from error
        time.sleep(connection.backoff_s * 2 ** (failed - 1))


def _transfer(url: str, part: Path, connection: Connection) -> None:
    start = part.stat().st_size if part.exists() else 0
    with _open(url, {"Range": f"bytes={start}-"} if start else {}, connection) as answer:
        if answer.status_code == 416:  # nothing lies beyond what we have: either all of it, or another file's part
            if answer.headers.get("Content-Range", "").rpartition("/")[2] == str(start):
                return
            part.unlink()
            raise _Cut("the server could not resume")
        _refuse(answer, url)
        if answer.status_code != 206:
            start = 0  # the server sends the whole file again
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length and "Content-Encoding" not in answer.headers else None
        with (open(part, "ab" if start else "wb") as stream,
              tqdm(desc=part.stem, total=total, initial=start, unit="B", unit_scale=True,
                   disable=not connection.progress) as bar):
            # read1, not iter_content: what arrived before a cut is written, however little it is. An end before
            # the announced length is an error of urllib3's.
            while block := answer.raw.read1(_BLOCK, decode_content=True):
                stream.write(block)
                bar.update(len(block))


def _open(url: str, headers: dict, connection: Connection) -> requests.Response:
    # "identity": a length and a resume point mean something only for the bytes as they are stored.
    return requests.get(url, headers={"Accept-Encoding": "identity", **headers}, stream=True, timeout=connection.timeout_s)


def _refuse(answer: requests.Response, url: str) -> None:
    if answer.status_code in _TEMPORARY:
        raise _Cut(f"the server answered {answer.status_code} {answer.reason}")
    if answer.status_code >= 400:
        raise StudyError(f"cannot download {url}: the server answered {answer.status_code} {answer.reason}; "
                         f"the file may have moved: {_REMEDY}")


def _why(error: Exception, timeout_s: float) -> str:
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)) or "timed out" in str(error):
        return f"the server was silent for {timeout_s:g} s"
    if isinstance(error, _Cut):
        return str(error)
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, urllib3.exceptions.ProtocolError)):
        return "the connection was cut"
    return f"no connection ({type(error).__name__})"


_REMEDY = "fetch it by hand and give it as source 'file', or choose another source"
