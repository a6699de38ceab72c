"""Dagster's web server over GraphQL: a question, an answer, and the error when there is none."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
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
    asked = urllib.request.Request(
        f"{url.rstrip('/')}/graphql",
        data=json.dumps({"query": query, "variables": dict(variables or {})}).encode(),
        headers={"Content-Type": "application/json"},
    )
    # It is named in our own configuration, and is no business of a proxy's.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(asked, timeout=limit_s) as answer:
            document = json.loads(answer.read(most_bytes))
    except urllib.error.HTTPError as error:
        raise silent(url, f"HTTP {error.code}") from None
    except (OSError, ValueError) as error:
        raise silent(url, str(getattr(error, "reason", "") or error)) from None
    if not isinstance(document, dict) or not isinstance(document.get("data"), dict):
        errors = document.get("errors") if isinstance(document, dict) else None
        raise silent(url, str(errors[0].get("message")) if errors else "it is no GraphQL server")
    return document["data"]


def silent(url: str, why: str) -> DagsterSilent:
    """The error for an answer that is none."""
    return DagsterSilent(
        f"Dagster's web server at {url} does not answer",
        why=why,
        safe="backups do not need it: ops backup works without",
        next=f"start it: {start_command()}; or correct alerts.dagster_url",
    )
