import hashlib
import socket
from dataclasses import replace

import pytest
from server import serving

from ultralow.data import download
from ultralow.data.download import Connection
from ultralow.errors import StudyError

CONTENT = bytes(range(256)) * 400
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
FAST = Connection(timeout_s=5, attempts=3, backoff_s=0.01, progress=False)


@pytest.fixture
def server():
    with serving() as server:
        yield server


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_once_and_not_again(server, tmp_path):
    url = server.add("file", CONTENT)
    for _ in range(2):
        assert download.fetch(url, tmp_path / "cache" / "file", SHA256, FAST).read_bytes() == CONTENT
    assert server.asked("file") == [None]
    assert names(tmp_path / "cache") == ["file"]


def test_md5_and_no_checksum(server, tmp_path):
    url = server.add("file", CONTENT)
    download.fetch(url, tmp_path / "a", f"md5:{hashlib.md5(CONTENT).hexdigest()}", FAST)
    assert download.fetch(url, tmp_path / "b", connection=FAST).read_bytes() == CONTENT


def test_cut_connections_are_resumed(server, tmp_path):
    url = server.add("file", CONTENT, cuts=[1000, 20_000])
    assert download.fetch(url, tmp_path / "file", SHA256, FAST).read_bytes() == CONTENT
    assert server.asked("file") == [None, "bytes=1000-", "bytes=21000-"]
    assert names(tmp_path) == ["file"]


def test_a_cut_without_a_length_is_seen(server, tmp_path):
    url = server.add("file", CONTENT, cuts=[1000], chunked=True)
    assert download.fetch(url, tmp_path / "file", connection=FAST).read_bytes() == CONTENT
    assert server.asked("file") == [None, "bytes=1000-"]


def test_progress_between_cuts_counts_as_new_attempts(server, tmp_path):
    url = server.add("file", CONTENT, cuts=[500] * 10)
    assert download.fetch(url, tmp_path / "file", SHA256, FAST).read_bytes() == CONTENT


def test_an_abandoned_download_goes_on_at_the_next_call(server, tmp_path):
    url = server.add("file", CONTENT, cuts=[1000, 0, 0, 0])
    with pytest.raises(StudyError, match=r"cut, 3 times in a row; 1000 bytes are kept and will be resumed"):
        download.fetch(url, tmp_path / "file", SHA256, FAST)
    assert names(tmp_path) == ["file.download"]
    download.fetch(url, tmp_path / "file", SHA256, FAST)
    assert server.asked("file")[-1] == "bytes=1000-"
    assert names(tmp_path) == ["file"]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    url = server.add("file", CONTENT, cuts=[1000], ranges=False)
    assert download.fetch(url, tmp_path / "file", SHA256, FAST).read_bytes() == CONTENT


@pytest.mark.parametrize("left", [CONTENT, CONTENT + b"too much"], ids=["all of it", "more than it"])
def test_a_part_that_cannot_be_resumed(server, tmp_path, left):
    (tmp_path / "file.download").write_bytes(left)
    assert download.fetch(server.add("file", CONTENT), tmp_path / "file", SHA256, FAST).read_bytes() == CONTENT
    assert names(tmp_path) == ["file"]


def test_broken_checksum(server, tmp_path):
    url = server.add("file", CONTENT[:-1] + b"x")
    with pytest.raises(StudyError, match=rf"{url} has sha256 \w+, expected {SHA256[7:]}: it is damaged.*again"):
        download.fetch(url, tmp_path / "file", SHA256, FAST)
    assert names(tmp_path) == []


def test_a_file_that_is_there_is_checked_too(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(StudyError, match="expected"):
        download.fetch("http://127.0.0.1:9/file", tmp_path / "file", SHA256, FAST)


def test_not_found_is_not_tried_again(server, tmp_path):
    server.add("file", statuses=[404] * 9)
    with pytest.raises(StudyError, match="answered 404 Not Found; the file may have moved: .*source 'file'"):
        download.fetch(f"{server.url}/file", tmp_path / "file", SHA256, FAST)
    assert len(server.asked("file")) == 1
    assert names(tmp_path) == []


def test_a_busy_server_is_asked_again(server, tmp_path):
    url = server.add("file", CONTENT, statuses=[503, 429])
    assert download.fetch(url, tmp_path / "file", SHA256, FAST).read_bytes() == CONTENT


def test_a_hanging_server(server, tmp_path):
    url = server.add("file", hang=True)
    with pytest.raises(StudyError, match="the server was silent for 0.2 s, 2 times in a row; check the network"):
        download.fetch(url, tmp_path / "file", SHA256, replace(FAST, timeout_s=0.2, attempts=2))
    assert names(tmp_path) == []


def test_no_connection(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
        with pytest.raises(StudyError, match=r"no connection.*check the network"):
            download.fetch(url, tmp_path / "file", SHA256, FAST)
    assert names(tmp_path) == []


def test_a_place_that_cannot_be_written(server, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(StudyError, match="cannot write .*choose another cache folder"):
        download.fetch(server.add("file", CONTENT), tmp_path / "cache" / "file", SHA256, FAST)


def test_descriptions(server):
    assert download.json(server.add("good", b'{"a": 1}', statuses=[500]), FAST) == {"a": 1}
    with pytest.raises(StudyError, match="did not answer with JSON"):
        download.json(server.add("bad", b"<html>"), FAST)
