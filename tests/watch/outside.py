"""Who listens outside: Sentry's envelope endpoint and a heartbeat host, on this machine, at the wire."""

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Listener:
    """What arrived, as it arrived: heartbeats as (path, body), envelope items as (type, payload).

    `beaten_at` and `items_at` say when, entry by entry.
    """

    def __init__(self) -> None:
        self.beats: list[tuple[str, str]] = []
        self.beaten_at: list[datetime] = []
        self.items: list[tuple[str, dict[str, Any]]] = []
        self.items_at: list[datetime] = []
        self.raw = b""
        self.held = threading.Event()
        self.release = threading.Event()
        self.release.set()
        self.port = 0

    @property
    def dsn(self) -> str:
        """Sentry's."""
        return f"http://0123canarydsnkey@127.0.0.1:{self.port}/42"

    def url(self, path: str) -> str:
        """A heartbeat's."""
        return f"http://127.0.0.1:{self.port}{path}"

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The payloads of one type, in order."""
        return [payload for each, payload in list(self.items) if each == kind]

    def check_ins(self) -> list[tuple[str, str]]:
        """Monitors and statuses, in order."""
        return [(each["monitor_slug"], each["status"]) for each in self.of("check_in")]

    def take(self, path: str, body: bytes) -> None:
        """Remember a request."""
        self.raw += body
        now = datetime.now(timezone.utc)
        if not path.endswith("/envelope/"):
            self.beaten_at.append(now)
            self.beats.append((path, body.decode()))
            return
        _header, *rest = body.split(b"\n")
        while rest and rest[0]:
            kind, payload, *rest = rest
            self.items_at.append(now)
            self.items.append((json.loads(kind)["type"], json.loads(payload)))


def wait_for(condition: Callable[[], object], within_s: float = 30) -> None:
    """Poll until it is so."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


@contextmanager
def listener() -> Iterator[Listener]:
    """One, for the length of the block. Cleared `release` makes it hold every request."""
    found = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if self.headers.get("Transfer-Encoding") == "chunked":
                raise AssertionError("unexpected framing")
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if not found.release.is_set():
                found.held.set()
                found.release.wait(60)
            found.take(self.path, body)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield found
    finally:
        found.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
