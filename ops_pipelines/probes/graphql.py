"""Dagster's web server over GraphQL: a question, an answer, and the error when there is none."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from ops_pipelines.errors import OpsError
from ops_pipelines.starting import start_command


class DagsterSilent(OpsError):
    """Dagster's web server does not answer, or not as expected."""


def ask(url: str, query: str, *, limit_s: float, most_bytes: int, variables: Mapping[str, object] | None = None) -> Any:
    """The data that a query or a mutation returns.

    Args:
        url: of Dagster's web server.
        limit_s: seconds to wait for its whole answer, however slowly it comes.
        most_bytes: of the answer; a longer one is none.
    Raises:
        DagsterSilent.
    """
    began = time.monotonic()
    body = json.dumps({"query": query, "variables": dict(variables or {})})
    try:
        with _cut_after(_connected(url, limit_s), limit_s) as connection:
            path = f"{urlsplit(url).path.rstrip('/')}/graphql"
            connection.request("POST", path, body, {"Content-Type": "application/json", "Connection": "close"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise silent(url, f"HTTP {answer.status}")
            document = json.loads(answer.read(most_bytes))
    # Something else may listen on its port, and say anything.
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        late = time.monotonic() - began >= limit_s
        raise silent(url, f"its answer took more than {limit_s:g} s" if late else str(error)) from None
    match document:
        case {"data": dict(data)}:
            return data
        case {"errors": [{"message": str(message)}, *_]}:
            raise silent(url, message)
    raise silent(url, "it is no GraphQL server")


def _connected(url: str, limit_s: float) -> HTTPConnection:
    """A connection to a web server; through no proxy, since it is named in our own configuration."""
    parts = urlsplit(url)
    kinds: Mapping[str, type[HTTPConnection]] = {"http": HTTPConnection, "https": HTTPSConnection}
    if parts.scheme not in kinds or parts.hostname is None:
        raise ValueError("its address does not begin with http:// or https://")
    connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=limit_s)
    connection.connect()
    return connection


@contextmanager
def _cut_after(connection: HTTPConnection, limit_s: float) -> Iterator[HTTPConnection]:
    """Cut a connection when the time is over: the limit of a socket is for each read, and one byte renews it."""
    held: socket.socket = connection.sock  # the connection forgets it when the answer has begun

    def cut() -> None:
        with suppress(OSError):
            held.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(limit_s, cut)
    timer.start()
    try:
        yield connection
    finally:
        timer.cancel()
        connection.close()


@contextmanager
def as_expected(url: str) -> Iterator[None]:
    """Take an answer apart inside of the block.

    Raises:
        DagsterSilent: it lacks something, or something in it is of another kind.
    """
    try:
        yield
    except (LookupError, TypeError, AttributeError, ArithmeticError, ValueError, OSError) as error:
        raise silent(url, f"its answer is not as expected: {type(error).__name__}, {error}") from None


def silent(url: str, why: str) -> DagsterSilent:
    """The error for an answer that is none."""
    return DagsterSilent(
        f"Dagster's web server at {url} does not answer",
        why=why,
        safe="backups do not need it: ops backup works without",
        next=f"start it: {start_command()}; or correct alerts.dagster_url",
    )
