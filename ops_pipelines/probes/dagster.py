"""Dagster, asked over GraphQL: does it answer, do its daemons live, what runs and what stands still. Judges nothing."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ops_pipelines.clock import UTC
from ops_pipelines.errors import OpsError
from ops_pipelines.starting import start_command

_ANSWER_S = 2.0
_LONGEST_S = 15.0
_STATE = """{
  version
  instance {
    info
    daemonHealth { allDaemonStatuses { daemonType required healthy lastHeartbeatTime } }
  }
  workspaceOrError {
    __typename
    ... on PythonError { message }
    ... on Workspace { locationEntries { name locationOrLoadError {
      __typename
      ... on PythonError { message }
      ... on RepositoryLocation { repositories {
        schedules { name scheduleState { status } }
        sensors { name sensorState { status } }
      } }
    } } }
  }
}"""


class DagsterSilent(OpsError):
    """Dagster's web server does not answer, or not as expected."""


@dataclass(frozen=True)
class Daemon:
    """One of Dagster's daemons; `beat_at` is when it last said that it is alive."""

    name: str
    healthy: bool
    beat_at: datetime | None


@dataclass(frozen=True)
class DagsterState:
    """What Dagster says of itself.

    Attributes:
        info: its instance's configuration, as text.
        daemons: those that its configuration needs.
        broken: code locations that could not be loaded, with the reason.
        running, stopped: names of schedules and sensors.
    """

    version: str
    info: str
    daemons: Sequence[Daemon]
    broken: Sequence[str]
    running: Sequence[str]
    stopped: Sequence[str]


def dagster_answers(url: str) -> bool:
    """Whether Dagster's web server answers a GraphQL query."""
    with suppress(DagsterSilent):
        return bool(_ask(url, "{ version }", limit_s=_ANSWER_S, most_bytes=65536)["version"])
    return False


def dagster_state(url: str) -> DagsterState:
    """What Dagster says of itself.

    Args:
        url: of its web server.
    Raises:
        DagsterSilent.
    """
    data = _ask(url, _STATE, limit_s=_LONGEST_S, most_bytes=16 * 2**20)
    try:
        return _state(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise _silent(url, f"its answer has no {error}") from None


def _state(data: Any) -> DagsterState:
    workspace = data["workspaceOrError"]
    entries = workspace.get("locationEntries", [])
    loaded = [(each["name"], each["locationOrLoadError"]) for each in entries]
    broken = [f"{name}: {_first_line(found)}" for name, found in loaded if "repositories" not in (found or {})]
    if workspace["__typename"] == "PythonError":
        broken.append(_first_line(workspace))
    states: dict[str, str] = {}
    for repository in (each for _, found in loaded for each in (found or {}).get("repositories", [])):
        states |= {each["name"]: each["scheduleState"]["status"] for each in repository["schedules"]}
        states |= {each["name"]: each["sensorState"]["status"] for each in repository["sensors"]}
    return DagsterState(
        version=data["version"],
        info=data["instance"]["info"] or "",
        daemons=[
            Daemon(each["daemonType"], bool(each["healthy"]), _moment(each["lastHeartbeatTime"]))
            for each in data["instance"]["daemonHealth"]["allDaemonStatuses"]
            if each["required"]
        ],
        broken=broken,
        running=sorted(name for name, status in states.items() if status == "RUNNING"),
        stopped=sorted(name for name, status in states.items() if status != "RUNNING"),
    )


def _ask(url: str, query: str, *, limit_s: float, most_bytes: int) -> Any:
    asked = urllib.request.Request(
        f"{url.rstrip('/')}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    # It is named in our own configuration, and is no business of a proxy's.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(asked, timeout=limit_s) as answer:
            document = json.loads(answer.read(most_bytes))
    except urllib.error.HTTPError as error:
        raise _silent(url, f"HTTP {error.code}") from None
    except (OSError, ValueError) as error:
        raise _silent(url, str(getattr(error, "reason", "") or error)) from None
    if not isinstance(document, dict) or not isinstance(document.get("data"), dict):
        errors = document.get("errors") if isinstance(document, dict) else None
        raise _silent(url, str(errors[0].get("message")) if errors else "it is no GraphQL server")
    return document["data"]


def _silent(url: str, why: str) -> DagsterSilent:
    return DagsterSilent(
        f"Dagster's web server at {url} does not answer",
        why=why,
        safe="backups do not need it: ops backup works without",
        next=f"start it: {start_command()}; or correct alerts.dagster_url",
    )


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None


def _first_line(error: Any) -> str:
    return str((error or {}).get("message") or "it is still loading").strip().splitlines()[0]
