"""A proxy between a client and a server: it can break connections, and it can speak TLS."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_CHUNK = 65536


class Between:
    """Forwards connections to a server; `break_after` cuts the next long answers short."""

    def __init__(self, target: str, context: ssl.SSLContext | None) -> None:
        there = urlsplit(target)
        assert there.hostname is not None and there.port is not None
        self._target = (there.hostname, there.port)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.breaks: list[int] = []
        self.broken = 0

    def break_after(self, *sizes_bytes: int) -> None:
        """The next answers longer than these break off there, one each."""
        self.breaks = list(sizes_bytes)

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                threading.Thread(target=self._forward, args=(accepted,), daemon=True).start()

    def close(self) -> None:
        # Closing alone would leave the thread in accept().
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _forward(self, accepted: socket.socket) -> None:
        with suppress(OSError), socket.create_connection(self._target) as server:
            client = self._context.wrap_socket(accepted, server_side=True) if self._context else accepted
            with client:
                threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
                self._answer(server, client)

    @staticmethod
    def _pump(origin: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := origin.recv(_CHUNK):
                target.sendall(chunk)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        told = 0
        while chunk := server.recv(_CHUNK):
            client.sendall(chunk)
            told += len(chunk)
            if self.breaks and told > self.breaks[0]:
                del self.breaks[0]
                self.broken += 1
                client.shutdown(socket.SHUT_RDWR)
                return


@contextmanager
def between(target: str, context: ssl.SSLContext | None = None) -> Iterator[Between]:
    """A proxy in front of `http://host:port` for the length of the block.

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
