"""A local HTTP server that serves, cuts, refuses and hangs on demand; stands for the outside world in the tests."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Route:
    """One address. ``cuts``: bytes after which successive answers break off; then whole answers follow."""

    content: bytes = b""
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)  # answered first, one each
    hang: bool = False
    ranges: bool = True
    chunked: bool = False  # no length: only the last chunk tells the end
    asked: list[str | None] = field(default_factory=list)  # the Range header of every request


class Server:
    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.stopped = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def add(self, name: str, content: bytes = b"", **options) -> str:
        self.routes[f"/{name}"] = Route(content, **options)
        return f"{self.url}/{name}"

    def asked(self, name: str) -> list[str | None]:
        return self.routes[f"/{name}"].asked

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        route = self.routes.get(request.path)
        if route is None:
            request.send_error(404)
            return
        asked = request.headers.get("Range")
        route.asked.append(asked)
        if route.hang:
            self.stopped.wait(10)
            return
        if route.statuses:
            request.send_error(route.statuses.pop(0))
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and route.ranges else 0
        if start >= len(route.content) and start:
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(route.content)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        body = route.content[start:]
        request.send_response(206 if start else 200)
        cut = route.cuts.pop(0) if route.cuts else None
        if route.chunked:
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            piece = body[:cut]
            request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) + (b"0\r\n\r\n" if cut is None else b""))
        else:
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body[:cut])


@contextmanager
def serving():
    """A server on a free port of this machine, stopped at the end."""
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        server.http.shutdown()
        server.http.server_close()
        thread.join()
