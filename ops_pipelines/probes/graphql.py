"""Dagster's web server over GraphQL: a question, an answer, and the error when there is none."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

from ops_pipelines.errors import OpsError
from ops_pipelines.starting import start_command


class DagsterSilent(OpsError):
    """Dagster's web server does not answer, or not as expected."""


def ask(url: str, query: str, *, limit_s: float, most_bytes: int, variables: Mapping[str, object] | None = None) -> Any:
    """The data that a query or a mutation returns.

    Args:
        url: of Dagster's web server.
        limit_s: seconds to wait for its answer.
        most_bytes: of the answer; a longer one is none.
    Raises:
        DagsterSilent.
    """
    # It is named in our own configuration, and is no business of a proxy's.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        asked = urllib.request.Request(
            f"{url.rstrip('/')}/graphql",
            data=json.dumps({"query": query, "variables": dict(variables or {})}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with opener.open(asked, timeout=limit_s) as answer:
            document = json.loads(answer.read(most_bytes))
    except urllib.error.HTTPError as error:
        raise silent(url, f"HTTP {error.code}") from None
    # Something else may listen on its port, and say anything.
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise silent(url, str(getattr(error, "reason", "") or error)) from None
    match document:
        case {"data": dict(data)}:
            return data
        case {"errors": [{"message": str(message)}, *_]}:
            raise silent(url, message)
    raise silent(url, "it is no GraphQL server")


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
