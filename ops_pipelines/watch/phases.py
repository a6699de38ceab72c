"""How is each step of a source's chain doing? Step by step, store by store, with the next command.

What the stores say comes first; the ledger adds attempts that failed and left nothing in any store. When the ledger
cannot be read, what only it knows is UNKNOWN, and the rest is told all the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ops_pipelines.clock import human_duration
from ops_pipelines.config.drills import Drills
from ops_pipelines.config.sources import Source
from ops_pipelines.config.values import Duration
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.models import FAILED, RUNNING, Activity
from ops_pipelines.proof import VERIFIED
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.workspace import Workspace

State = Literal["OK", "WEAK", "STALE", "UNKNOWN", "OVERDUE", "FAIL", "NEVER"]
Phase = Literal["dump", "snapshot", "copy", "verify", "retention", "drill"]
_ATTEMPTS = ("dump", "copy", "verify", "prune", "drill")


class PhaseHealth(BaseModel):
    """One step of a source's chain.

    Attributes:
        store: the store it is about, for copies.
        age: since it last went well; a dump's from its start.
        threshold: the age at which it fails.
    """

    model_config = ConfigDict(frozen=True)

    phase: Phase
    store: str | None = None
    state: State
    age: Duration | None = None
    threshold: Duration | None = None
    cause: str = ""
    next: str = ""


def phases_of(workspace: Workspace, name: str, catalogue: Catalogue, now: datetime) -> list[PhaseHealth]:
    """Every step of a source's chain."""
    source = workspace.source(name)
    try:
        last: Mapping[str, Activity] | None = _last_attempts(workspace, name)
    except OpsError:
        last = None
    found = [_dump(name, source, catalogue, last, now)]
    found += [_copy(workspace, name, source, store, catalogue, now) for store in source.copies]
    found.append(_verify(name, source, catalogue, now))
    if source.keep is not None:
        found.append(_retention(name, last, now))
    if (drills := workspace.config.drills) is not None:
        found.append(_drill(drills, last, now))
    return found


def _last_attempts(workspace: Workspace, name: str) -> dict[str, Activity]:
    """The newest finished attempt of each kind."""
    last: dict[str, Activity] = {}
    for kind in _ATTEMPTS:
        finished = (row for row in workspace.ledger.recent(source=name, kind=kind, limit=5) if row.status != RUNNING)
        if (row := next(finished, None)) is not None:
            last[kind] = row
    return last


def _dump(
    name: str, source: Source, catalogue: Catalogue, last: Mapping[str, Activity] | None, now: datetime
) -> PhaseHealth:
    phase: Phase = "snapshot" if source.kind == "files" else "dump"
    attempt = (last or {}).get("dump")
    newest = catalogue.newest
    age = now - newest.started_at if newest is not None else None
    back_up = f"ops backup {name}"

    def told(state: State, cause: str, advice: str = back_up) -> PhaseHealth:
        return PhaseHealth(phase=phase, state=state, age=age, threshold=source.rpo, cause=cause, next=advice)

    if attempt is not None and attempt.status == FAILED and (newest is None or attempt.started_at > newest.started_at):
        return told("FAIL", f"the last attempt failed: {_first_line(attempt.error)}")
    if age is None:
        return told("NEVER", "never backed up")
    return told(*_aged(age, source), "" if age <= source.warn_window else back_up)


def _copy(
    workspace: Workspace, name: str, source: Source, store: str, catalogue: Catalogue, now: datetime
) -> PhaseHealth:
    held = [point for point in catalogue.points if store in point.stores]
    age = now - held[-1].started_at if held else None
    fill = f"ops copy {name} --to {store}"

    def told(state: State, cause: str, advice: str = fill) -> PhaseHealth:
        return PhaseHealth(
            phase="copy", store=store, state=state, age=age, threshold=source.rpo, cause=cause, next=advice
        )

    unreadable = [problem for problem in catalogue.problems if f"store {store} " in problem]
    if unreadable:
        return told("UNKNOWN", unreadable[0], "ops list")
    if not catalogue.points:
        return told("NEVER", "nothing to copy yet", f"ops backup {name}")
    if age is None:
        return told("NEVER", f"nothing of {name} is in {store}")
    damaged = [point.id for point in held if store in point.damaged]
    if damaged:
        return told("FAIL", f"{len(damaged)} damaged, the newest is {damaged[-1]}")
    behind = sum(1 for point in catalogue.points[-2:] if store not in point.stores)
    if behind == 2:
        return told("STALE", "the newest two backups are not in it")
    return told(*_aged(age, source), "" if age <= source.warn_window else fill)


def _verify(name: str, source: Source, catalogue: Catalogue, now: datetime) -> PhaseHealth:
    ends = [(_proved_at(point), point) for point in catalogue.points if point.verified]
    last = max((end for end, _point in ends), default=None)
    age = now - last if last is not None else None
    overdue = source.verify.overdue_after or source.rpo
    again = f"ops verify {name}"

    def told(state: State, cause: str, advice: str = again) -> PhaseHealth:
        return PhaseHealth(phase="verify", state=state, age=age, threshold=overdue, cause=cause, next=advice)

    newest = catalogue.newest
    verdict = newest.verdict if newest is not None else None
    if newest is not None and verdict is not None and verdict.outcome == "bad":
        again_bad = sum(1 for _bad in _bad_in_a_row(catalogue))
        row = f"{again_bad} in a row; " if again_bad > 1 else ""
        return told("FAIL", f"{row}{newest.id} is bad: {verdict.reason}", f"ops backup {name}")
    if age is None:
        return told("NEVER", "nothing was ever restored and compared")
    if age > overdue:
        return told("OVERDUE", f"last proved {human_duration(age)} ago, {human_duration(overdue)} is allowed")
    if verdict is not None and verdict.outcome == "inconclusive":
        return told("STALE", f"the newest proof was inconclusive: {verdict.reason}")
    words = next((point.verdict.words for end, point in ends if end == last and point.verdict is not None), "")
    partly = f": {words}" if words != VERIFIED else ""
    return told("OK", f"last proved {human_duration(age)} ago{partly}", "")


def _retention(name: str, last: Mapping[str, Activity] | None, now: datetime) -> PhaseHealth:
    dry_run = f"ops prune {name}"
    if last is None:
        return PhaseHealth(
            phase="retention",
            state="UNKNOWN",
            cause="the ledger cannot be read",
            next="look at the disk of base, then: ops status",
        )
    attempt = last.get("prune")
    if attempt is None:
        return PhaseHealth(phase="retention", state="OK", cause="nothing had to be deleted yet")
    age = now - attempt.started_at
    if attempt.status == FAILED:
        return PhaseHealth(phase="retention", state="STALE", age=age, cause=_first_line(attempt.error), next=dry_run)
    return PhaseHealth(phase="retention", state="OK", age=age, cause=f"last deleted {human_duration(age)} ago")


def _drill(drills: Drills, last: Mapping[str, Activity] | None, now: datetime) -> PhaseHealth:
    again = f"ops drill {drills.scenario}"
    if last is None:
        return PhaseHealth(
            phase="drill",
            state="UNKNOWN",
            cause="the ledger cannot be read",
            next="look at the disk of base, then: ops status",
        )
    attempt = last.get("drill")
    age = now - attempt.started_at if attempt is not None else None

    def told(state: State, cause: str, advice: str = again) -> PhaseHealth:
        return PhaseHealth(
            phase="drill", state=state, age=age, threshold=drills.overdue_after, cause=cause, next=advice
        )

    if attempt is None or age is None:
        return told("NEVER", "no disaster drill yet")
    scenario = attempt.meta.get("scenario", "drill")
    if attempt.status == FAILED:
        return told("FAIL", f"the last drill failed: {_first_line(attempt.error)}")
    if age > drills.overdue_after:
        allowed = human_duration(drills.overdue_after)
        return told("OVERDUE", f"last drilled {human_duration(age)} ago, {allowed} is allowed")
    return told("OK", f"{scenario} passed {human_duration(age)} ago", "")


def _aged(age: timedelta, source: Source) -> tuple[State, str]:
    if age > source.rpo:
        return "FAIL", f"{human_duration(age)} old, rpo is {human_duration(source.rpo)}"
    if age > source.warn_window:
        return "STALE", f"{human_duration(age)} old"
    return "OK", f"{human_duration(age)} old"


def _proved_at(point: RestorePoint) -> datetime:
    return max(verdict.finished_at for verdict in point.verdicts if verdict.outcome == "verified")


def _bad_in_a_row(catalogue: Catalogue) -> Iterator[RestorePoint]:
    for point in reversed(catalogue.points):
        if point.verdict is None or point.verdict.outcome != "bad":
            return
        yield point


def _first_line(text: str | None) -> str:
    lines: Sequence[str] = (text or "").splitlines()
    return lines[0] if lines else "no reason was recorded"
