"""The socket below a connection to PostgreSQL: how whoever waits at it is woken."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import psycopg

Connection = psycopg.Connection[tuple[Any, ...]]


def cut(connection: Connection) -> None:
    """Wake whoever waits in this connection, from any thread: it is over."""
    # Closed already: nobody is waiting.
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


@contextmanager
def after(limit: timedelta, act: Callable[[], object]) -> Iterator[None]:
    """Do something in another thread when the block takes longer than the limit."""
    timer = threading.Timer(min(limit.total_seconds(), threading.TIMEOUT_MAX), act)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
