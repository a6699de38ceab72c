"""A proxy between a client and a server: it is the network on a bad day, and it can speak TLS.

proxy.suffer("stall", after_bytes=70_000)    # of what the server answers, all connections together
proxy.heal()                                  # new connections work again; what stood still is closed
"""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal, get_args
from urllib.parse import urlsplit

_CHUNK = 65536
_SLOW_BYTES_A_S = 1024
_RESET = struct.pack("ii", 1, 0)  # linger for no time: what is closed says RST, not FIN

Trouble = Literal["cut", "reset", "stall", "slow", "half-open", "refuse"]
"""What can happen to a network.

cut: both sides are told of the end. reset: both are told so rudely. stall: no byte more, and nobody is told, as a
firewall does it that forgot us. slow: 1 KB/s. half-open: the server is told, the client is not. refuse: connections
break off and new ones are closed before their first byte.
"""
TROUBLES: tuple[Trouble, ...] = get_args(Trouble)


class Between:
    """Forwards connections to a server, or does not."""

    def __init__(self, target: str, context: ssl.SSLContext | None) -> None:
        self._target = urlsplit(target)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._lock = threading.Lock()
        self._trouble: Trouble | None = None
        self._left = 0
        self._over = threading.Event()
        self.port = self._listener.getsockname()[1]
        self.breaks: list[int] = []
        self.broken = 0
        self.met = threading.Event()
        """Set when the trouble has begun."""
        self.answered_bytes = 0
        """What the server has said through all connections: where a trouble can begin."""

    def break_after(self, *sizes_bytes: int) -> None:
        """The next answers longer than these break off there, one each."""
        self.breaks = list(sizes_bytes)

    def suffer(self, trouble: Trouble, *, after_bytes: int = 0) -> None:
        """Let the network have this trouble once the server has answered so many bytes more."""
        with self._lock:
            self.met.clear()
            self._over = threading.Event()
            self._trouble, self._left = trouble, after_bytes
            if after_bytes == 0:
                self.met.set()

    def heal(self) -> None:
        """The network is well again; connections that stood still are gone."""
        with self._lock:
            self._trouble = None
            self._over.set()

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                threading.Thread(target=self._forward, args=(accepted,), daemon=True).start()

    def close(self) -> None:
        self.heal()
        # Closing alone would leave the thread in accept().
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _forward(self, accepted: socket.socket) -> None:
        if not self._admitted(accepted):
            return
        with suppress(OSError), self._server() as server:
            client = self._context.wrap_socket(accepted, server_side=True) if self._context else accepted
            with client:
                threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
                try:
                    self._answer(server, client)
                finally:
                    # The other thread still reads from it, which would keep it open: only this tells the client.
                    with suppress(OSError):
                        client.shutdown(socket.SHUT_RDWR)

    def _server(self) -> socket.socket:
        if self._target.scheme != "unix":
            return socket.create_connection((self._target.hostname, self._target.port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._target.path)
        return server

    def _admitted(self, accepted: socket.socket) -> bool:
        """Whether a new connection gets through; one that does not has met its end here."""
        trouble, over = self._now()
        if trouble in ("stall", "half-open"):
            over.wait()
        if trouble in ("refuse", "reset"):
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if trouble not in (None, "slow"):
            accepted.close()
            return False
        return True

    def _now(self) -> tuple[Trouble | None, threading.Event]:
        with self._lock:
            return (self._trouble if self.met.is_set() else None), self._over

    def _pump(self, origin: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := origin.recv(_CHUNK):
                trouble, over = self._now()
                if trouble in ("stall", "half-open"):
                    over.wait()
                    return
                target.sendall(chunk)
            self._wait_if_still()
            target.shutdown(socket.SHUT_WR)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        told = 0
        while chunk := server.recv(_CHUNK):
            before, after = self._split(chunk)
            client.sendall(before)
            told += len(chunk)
            if self.breaks and told > self.breaks[0]:
                del self.breaks[0]
                self.broken += 1
                client.shutdown(socket.SHUT_RDWR)
                return
            trouble, over = self._now()
            if trouble is not None and not self._passes(trouble, over, after, server, client):
                return
            if trouble is None and after:
                client.sendall(after)
        self._wait_if_still()

    def _wait_if_still(self) -> None:
        """The end of a connection does not get through either."""
        trouble, over = self._now()
        if trouble in ("stall", "half-open"):
            over.wait()

    def _split(self, chunk: bytes) -> tuple[bytes, bytes]:
        """What of an answer arrives before the trouble begins, and the rest."""
        with self._lock:
            self.answered_bytes += len(chunk)
            if self._trouble is None:
                return chunk, b""
            before = chunk[: self._left]
            self._left -= len(before)
            if self._left == 0:
                self.met.set()
            return before, chunk[len(before) :]

    @staticmethod
    def _passes(
        trouble: Trouble, over: threading.Event, rest: bytes, server: socket.socket, client: socket.socket
    ) -> bool:
        """Let a connection feel the trouble; whether it goes on."""
        if trouble == "slow":
            for at in range(0, len(rest), _SLOW_BYTES_A_S // 4):
                client.sendall(rest[at : at + _SLOW_BYTES_A_S // 4])
                over.wait(1 / 4)
            return True
        if trouble in ("reset", "refuse"):
            for each in (server, client):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if trouble == "half-open":
            server.shutdown(socket.SHUT_RDWR)
        if trouble in ("stall", "half-open"):
            over.wait()
        for each in (server, client):
            # Whoever reads in the other thread keeps a closed socket alive; only this wakes it.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RD if trouble in ("reset", "refuse") else socket.SHUT_RDWR)
            each.close()
        return False


@contextmanager
def between(target: str, context: ssl.SSLContext | None = None) -> Iterator[Between]:
    """A proxy in front of `http://host:port`, `tcp://host:port` or `unix:/socket` for the length of the block.

    Args:
        context: speak TLS with the client.
    """
    proxy = Between(target, context)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
