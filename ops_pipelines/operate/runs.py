"""How a run in Dagster is doing: what it works at, what it said, how it ended."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ops_pipelines.clock import UTC
from ops_pipelines.naming import SOURCE_TAG
from ops_pipelines.operate.launch import OPERATOR_TAG
from ops_pipelines.operate.project import LIMIT_S, MOST_BYTES
from ops_pipelines.probes.graphql import as_expected, ask

_RUN = """query ($id: ID!) {
  runOrError(runId: $id) {
    __typename
    ... on Run { runId status jobName startTime endTime tags { key value }
                 stepStats { stepKey status startTime endTime } }
  }
}"""
_EVENTS = """query ($run: ID!, $after: String) {
  logsForRun(runId: $run, afterCursor: $after, limit: 1000) {
    ... on EventConnection { cursor hasMore events {
      __typename
      ... on LogMessageEvent { message timestamp level }
      ... on ExecutionStepOutputEvent { metadataEntries { label ... on TextMetadataEntry { text } } }
      ... on MaterializationEvent { metadataEntries { label ... on TextMetadataEntry { text } } }
      ... on ExecutionStepFailureEvent { stepKey error { message cause { message } } failureMetadata { description } }
      ... on RunFailureEvent { message }
    } }
  }
}"""
_ENDED = ("SUCCESS", "FAILURE", "CANCELED")
_LINES = 20
_MOST_PAGES = 50  # no run of ours says so much; who never ends is no Dagster


@dataclass(frozen=True)
class Step:
    """One step of a run; `state` is Dagster's word, the moments are None until they come."""

    name: str
    state: str
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class RunState:
    """A run, as of now.

    Attributes:
        status: Dagster's word: QUEUED, STARTED, SUCCESS, FAILURE, CANCELED and others.
        source: the one it is about; empty for several.
        operator: who pressed the button; empty for a schedule.
        steps: in the order in which they began.
        said: its last messages, with their moments.
        failures: why steps failed, in words.
        facts: what its steps told of their results: `proof`, `backup_id`, `target`.
    """

    id: str
    job: str
    status: str
    source: str
    operator: str
    started_at: datetime | None
    ended_at: datetime | None
    steps: Sequence[Step]
    said: Sequence[tuple[datetime, str]]
    failures: Sequence[str]
    facts: Mapping[str, str]

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in _ENDED


def run_state(url: str, run_id: str) -> RunState | None:
    """A run, as of now; None where Dagster knows none of that id.

    Args:
        url: of Dagster's web server.
    Raises:
        DagsterSilent.
    """
    data = ask(url, _RUN, variables={"id": run_id}, limit_s=LIMIT_S, most_bytes=MOST_BYTES)
    with as_expected(url):
        run = data["runOrError"]
        if run["__typename"] == "RunNotFoundError":
            return None
        return _state(run, list(_events(url, run_id)))


def _events(url: str, run_id: str) -> Iterator[Any]:
    """Everything that a run has said. Raises DagsterSilent, and as `as_expected` is told."""
    cursor = None
    for _ in range(_MOST_PAGES):
        variables = {"run": run_id, "after": cursor}
        data = ask(url, _EVENTS, variables=variables, limit_s=LIMIT_S, most_bytes=MOST_BYTES)
        found = data["logsForRun"] or {}
        yield from found.get("events") or []
        if not found.get("hasMore"):
            return
        cursor = str(found["cursor"])


def _state(run: Any, events: Sequence[Any]) -> RunState:
    tags = {tag["key"]: str(tag["value"]) for tag in run["tags"]}
    steps = [
        Step(str(each["stepKey"]), str(each["status"] or ""), _moment(each["startTime"]), _moment(each["endTime"]))
        for each in sorted(run["stepStats"], key=lambda each: each["startTime"] or float("inf"))
    ]
    messages = [each for each in events if each["__typename"] == "LogMessageEvent" and each["level"] != "DEBUG"]
    said = [(datetime.fromtimestamp(int(each["timestamp"]) / 1000, UTC), str(each["message"])) for each in messages]
    failures = list(dict.fromkeys(filter(None, map(_failure, events))))
    if not failures and run["status"] == "FAILURE":
        failures = [str(each["message"]) for each in events if each["__typename"] == "RunFailureEvent"]
    return RunState(
        id=str(run["runId"]),
        job=str(run["jobName"]),
        status=str(run["status"]),
        source=tags.get(SOURCE_TAG, ""),
        operator=tags.get(OPERATOR_TAG, ""),
        started_at=_moment(run["startTime"]),
        ended_at=_moment(run["endTime"]),
        steps=steps,
        said=said[-_LINES:],
        failures=failures,
        facts=dict(_facts(events)),
    )


def _failure(event: Any) -> str:
    if event["__typename"] != "ExecutionStepFailureEvent":
        return ""
    if described := (event["failureMetadata"] or {}).get("description"):
        return str(described)
    error = event["error"] or {}
    return str((error.get("cause") or error).get("message") or f"{event['stepKey']} failed").strip()


def _facts(events: Sequence[Any]) -> Iterator[tuple[str, str]]:
    for event in events:
        for entry in event.get("metadataEntries") or ():
            if "text" in entry:
                yield str(entry["label"]), str(entry["text"])


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
