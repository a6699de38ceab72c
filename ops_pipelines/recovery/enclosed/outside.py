"""Reach a server in a sandbox from outside: by a socket in the one directory that both sides see.

A server that only knows a network has the sandbox's own loopback, where nobody from outside gets; there a socket is
passed on to it.
"""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from ops_pipelines.engines.short import SHORTENED, short_path

SOCKET = "outside.sock"
_LOOPBACK = re.compile(r"127\.0\.0\.1:(\d+)")
_PIECE = 256 * 1024


@contextmanager
def reachable(url: str, directory: Path) -> Iterator[tuple[str, str]]:
    """What to exchange in a URL from inside, and for what, for the length of the block; both empty when it is good.

    A path that is too long for a socket goes by way of an open directory of the process, and ours is another one.
    """
    shortened, listening = SHORTENED.search(url), _LOOPBACK.search(url)
    if shortened is None and (listening is None or not (directory / SOCKET).is_socket()):
        yield "", ""
        return
    below = directory / "data" if (directory / "data" / "sock").is_socket() else directory
    with short_path(below) as path:
        if shortened is not None:
            yield shortened[0], quote(path, safe="") if "%" in shortened[0] else path
        elif listening is not None:
            yield listening[0], quote(f"{path}/{SOCKET}", safe="")


def pass_on(directory: Path, port: int) -> None:
    """Inside: connect whoever comes to the socket with a server on loopback, until the process ends."""
    with short_path(directory) as path:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{path}/{SOCKET}")
    listener.listen()
    threading.Thread(target=_accept, args=(listener, port), daemon=True).start()


def _accept(listener: socket.socket, port: int) -> None:
    while True:
        client, _address = listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", port))
        except OSError:
            client.close()
            continue
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=_carry, args=(one, other), daemon=True).start()


def _carry(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while piece := one.recv(_PIECE):
            other.sendall(piece)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)
