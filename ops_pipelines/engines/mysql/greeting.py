"""The bounded beginning of a connection. A socket's own timeout begins anew with each byte of a greeting that drips."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pymysql

_CUT_EVERY_S = 0.1


@contextmanager
def bounded(connection: "pymysql.Connection[Any]", limit: timedelta, cut: threading.Event) -> Iterator[None]:
    """Cut a connection that the block has not opened by then.

    Args:
        cut: set when that was done.
    """
    over = threading.Event()

    def watch() -> None:
        over.wait(limit.total_seconds())
        while not over.wait(_CUT_EVERY_S):
            wire = connection._sock  # type: ignore[attr-defined]
            if wire is not None:  # None: it is not even reached, for which there is a timeout
                cut.set()
                with suppress(OSError):
                    wire.shutdown(socket.SHUT_RDWR)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
