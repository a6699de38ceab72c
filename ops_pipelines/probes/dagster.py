"""Dagster, asked over GraphQL: does it answer, do its daemons live, what runs and what stands still. Judges nothing."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ops_pipelines.clock import UTC
from ops_pipelines.probes.graphql import DagsterSilent, as_expected, ask

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
        return bool(ask(url, "{ version }", limit_s=_ANSWER_S, most_bytes=65536).get("version"))
    return False


def dagster_state(url: str) -> DagsterState:
    """What Dagster says of itself.

    Args:
        url: of its web server.
    Raises:
        DagsterSilent.
    """
    data = ask(url, _STATE, limit_s=_LONGEST_S, most_bytes=16 * 2**20)
    with as_expected(url):
        return _state(data)


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


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None


def _first_line(error: Any) -> str:
    return str((error or {}).get("message") or "it is still loading").strip().splitlines()[0]
