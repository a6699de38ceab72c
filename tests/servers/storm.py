"""A proxy that speaks HTTP between a client and an S3 server, and answers as a service does on a bad day."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Refused:
    """The answer to a request that is not passed on: a status and S3's code for it."""

    status: int
    code: str


Change = Callable[[bytes], bytes]
Weather = Callable[[str, str], Refused | Change | None]
"""Asked with each request's method and path: it is refused, its answer's body is changed, or nothing happens to it."""


@dataclass
class Storm:
    """The proxy: where it listens, what it does to requests, and which it saw."""

    endpoint: str
    weather: Weather = lambda method, path: None
    seen: list[tuple[str, str]] = field(default_factory=list)

    def refuse(self, status: int, code: str, *, times: int = 10**9, after: int = 0, method: str = "") -> None:
        """Refuse so many requests, once so many of that method were let through."""
        lock, counted = threading.Lock(), [0]

        def weather(verb: str, path: str) -> Refused | None:
            if method and verb != method:
                return None
            with lock:
                counted[0] += 1
                return Refused(status, code) if after < counted[0] <= after + times else None

        self.weather = weather


@contextmanager
def storm(target: str) -> Iterator[Storm]:
    """A proxy in front of `http://host:port` for the length of the block."""
    there = urlsplit(target)

    class Request(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.seen.append((self.command, self.path))
            change = made.weather(self.command, self.path)
            if isinstance(change, Refused):
                said = f"<Error><Code>{change.code}</Code><Message>{change.code}</Message></Error>".encode()
                self.reply(change.status, {"Content-Type": "application/xml"}, said)
                return
            asked = http.client.HTTPConnection(there.hostname or "", there.port, timeout=30)
            asked.request(self.command, self.path, body, dict(self.headers.items()))
            got = asked.getresponse()
            content = got.read()
            headers = {k: v for k, v in got.getheaders() if k.lower() not in ("transfer-encoding", "connection")}
            self.reply(got.status, headers, change(content) if change is not None else content, len(content))
            asked.close()

        def reply(self, status: int, headers: dict[str, Any], body: bytes, size: int | None = None) -> None:
            self.send_response(status)
            sized = {k: v for k, v in headers.items() if k.lower() not in ("content-length", "date", "server")}
            length = headers.get("Content-Length", size) if self.command == "HEAD" else size or len(body)
            for name, value in {**sized, "Content-Length": str(length)}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            self.close_connection = size is not None and len(body) != size

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    server.daemon_threads = True
    made = Storm(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
