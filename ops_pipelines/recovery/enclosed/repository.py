"""Lend a repository to restic in the sandbox: its objects can be read there, and nothing else of the store or its keys.

restic's REST protocol (https://restic.readthedocs.io/en/stable/REST_backend.html) on a socket that was opened inside;
restic may add and remove its own locks, so that nobody prunes what it reads.
"""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ops_pipelines import logs, stopping
from ops_pipelines.errors import OpsError
from ops_pipelines.vault.stores.objects import CONFIG, KINDS, Objects

_LIST = "application/vnd.x.restic.rest.v2"
_NAME = re.compile("[0-9a-f]{64}")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_PIECE = 1024 * 1024
_LOCK_BYTES = 64 * 1024


@contextmanager
def lent(listener: socket.socket, objects: Objects, note: Callable[[str], None]) -> Iterator[None]:
    """Answer restic on a listening socket for the length of the block.

    Locks that it left, because it was stopped, are removed at the end: nobody else could tell that it is dead.

    Args:
        note: told of each lock before it is made, for who comes after us when we are killed.
    """
    server = _Server(listener, objects, note)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()

    def end() -> None:
        server.shutdown()
        thread.join()
        server.server_close()
        with server.locking:
            server.over = True  # who is connected still asks
            for name in server.locks:
                with suppress(OpsError, OSError):
                    objects.remove_lock(name)

    with stopping.ending(end):
        yield


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket, objects: Objects, note: Callable[[str], None]) -> None:
        super().__init__(("", 0), _Request, bind_and_activate=False)
        self.socket.close()
        self.socket, self.objects, self.note, self.locks = listener, objects, note, set[str]()
        self.locking, self.over = threading.Lock(), False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that ends in the middle is restic's business, which is stopped at any moment."""


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 600
    server: _Server

    def do_GET(self) -> None:
        """An object, a piece of one, or a list."""
        self._answer(self._get)

    def do_HEAD(self) -> None:
        """An object's size."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """A new lock."""
        self._answer(self._post)

    def do_DELETE(self) -> None:
        """A lock that is not needed any more."""
        self._answer(self._delete)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what went wrong is told by restic."""

    def _answer(self, action: Any) -> None:
        try:
            action(*self._object())
        except (OpsError, OSError) as error:
            logs.event("repository_not_read", level="warning", path=self.path, why=str(error).splitlines()[0])
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _object(self) -> tuple[str, str]:
        """The kind and the name that a path means; `locks` and "" mean the list of locks."""
        words = self.path.split("?")[0].strip("/").split("/")
        if words == [CONFIG]:
            return CONFIG, ""
        if words[0] in KINDS and len(words) == 1:
            return words[0], ""
        if words[0] in KINDS and len(words) == 2 and _NAME.fullmatch(words[1]):
            return words[0], words[1]
        return "", ""

    def _get(self, kind: str, name: str) -> None:
        objects = self.server.objects
        if kind in KINDS and not name:
            listed = [{"name": each, "size": size} for each, size in objects.names(kind) if _NAME.fullmatch(each)]
            self._send(HTTPStatus.OK, json.dumps(listed).encode(), kind=_LIST)
            return
        size = objects.size(kind, name) if kind else None
        if size is None:
            self._send(HTTPStatus.NOT_FOUND)
            return
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        last = min(int(asked[2]), size - 1) if asked and asked[2] else size - 1
        self.send_response(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK)
        self.send_header("Content-Length", str(max(0, last - first + 1)))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        while self.command == "GET" and first <= last:
            piece = objects.read(kind, name, first, min(_PIECE, last - first + 1))
            if not piece:
                self.close_connection = True  # it has become shorter: restic sees that bytes are missing
                return
            self.wfile.write(piece)
            first += len(piece)

    def _post(self, kind: str, name: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if kind != "locks" or not name or length > _LOCK_BYTES:
            self.close_connection = True
            self._send(HTTPStatus.FORBIDDEN)
            return
        if self.server.objects.size(kind, name) is not None:
            self.close_connection = True
            self._send(HTTPStatus.CONFLICT)  # somebody else's: it would be removed with ours
            return
        content = self.rfile.read(length)
        with self.server.locking:
            if not self.server.over:
                self.server.note(name)
                self.server.objects.write_lock(name, content)
                self.server.locks.add(name)
        self._send(HTTPStatus.FORBIDDEN if self.server.over else HTTPStatus.OK)

    def _delete(self, kind: str, name: str) -> None:
        if kind != "locks" or name not in self.server.locks:
            self._send(HTTPStatus.FORBIDDEN)  # that of another process guards what that is doing
            return
        self.server.objects.remove_lock(name)
        with self.server.locking:
            self.server.locks.discard(name)
        self._send(HTTPStatus.OK)

    def _send(self, status: HTTPStatus, body: bytes = b"", kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
