"""How is each step of a source's chain doing? Step by step, store by store, with the next command.

What the stores say comes first; the ledger adds attempts that failed and left nothing in any store. When the ledger
cannot be read, what only it knows is UNKNOWN, and the rest is told all the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from ops_pipelines.chronology import believed
from ops_pipelines.clock import human_duration
from ops_pipelines.config.drills import DefaultDrills, Drills, Scenario
from ops_pipelines.config.sources import Source
from ops_pipelines.config.values import Duration
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.models import CANCELLED, FAILED, RUNNING, Activity
from ops_pipelines.proof import VERIFIED
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.watch.situations import State
from ops_pipelines.workspace import Workspace

Phase = Literal["dump", "snapshot", "copy", "verify", "retention", "drill"]
_ATTEMPTS = ("dump", "copy", "verify", "prune", "drill")


class PhaseHealth(BaseModel):
    """One step of a source's chain.

    Attributes:
        store: the store it is about, for copies.
        age: since it last went well; a dump's from its start.
        threshold: the age at which it fails.
        damaged: of copies, the restore points whose copy there is not what was published, oldest first.
        lost: of copies, those that were there, and that no prune removed.
        verdicts: of copies, the restore points of which a verdict there is damaged.
    """

    model_config = ConfigDict(frozen=True)

    phase: Phase
    store: str | None = None
    state: State
    age: Duration | None = None
    threshold: Duration | None = None
    cause: str = ""
    next: str = ""
    damaged: Sequence[str] = ()
    lost: Sequence[str] = ()
    verdicts: Sequence[str] = ()


def phases_of(workspace: Workspace, name: str, catalogue: Catalogue, now: datetime) -> list[PhaseHealth]:
    """Every step of a source's chain."""
    source = workspace.source(name)
    try:
        last: Mapping[str, _Last] | None = _last_attempts(workspace, name, now)
    except OpsError:
        last = None
    found = [_dump(name, source, catalogue, last, now)]
    local = workspace.local.name
    wrong = {each.store for each in (*catalogue.damage, *catalogue.damaged_verdicts, *catalogue.faults)}
    stores = [*source.copies, *([local] if local in wrong and catalogue.points else [])]
    found += [_copy(name, source, store, catalogue, now) for store in stores]
    found.append(_verify(name, source, catalogue, now))
    if source.keep is not None:
        found.append(_retention(name, last))
    drills = workspace.config.drilled
    # Of those that nobody asked for, nobody is told before the first was played.
    if drills is not None and not (isinstance(drills, DefaultDrills) and last is not None and "drill" not in last):
        found.append(_drill(drills, workspace.config.scenario, last))
    return found


class _Last(NamedTuple):
    """The newest attempt of a kind that has ended, and how long ago it began at most, where a clock tells."""

    attempt: Activity
    age: timedelta | None


def _last_attempts(workspace: Workspace, name: str, now: datetime) -> dict[str, _Last]:
    last: dict[str, _Last] = {}
    for kind in _ATTEMPTS:
        ended = [row for row in workspace.ledger.recent(source=name, kind=kind, limit=5) if _has_ended(row)]
        if ended:
            at = believed([row.started_at for row in reversed(ended)], now)[-1]
            last[kind] = _Last(ended[0], max(now - at, timedelta(0)) if at is not None else None)
    return last


def _has_ended(row: Activity) -> bool:
    """What somebody stopped has neither gone well nor failed."""
    return row.status != RUNNING and CANCELLED not in row.meta


def _dump(
    name: str, source: Source, catalogue: Catalogue, last: Mapping[str, _Last] | None, now: datetime
) -> PhaseHealth:
    phase: Phase = "snapshot" if source.kind == "files" else "dump"
    attempt = last["dump"].attempt if last and "dump" in last else None
    newest = catalogue.newest
    age = catalogue.age(newest, now) if newest is not None else None
    back_up = f"ops backup {name}"

    def told(state: State, cause: str, advice: str = back_up) -> PhaseHealth:
        return PhaseHealth(phase=phase, state=state, age=age, threshold=source.rpo, cause=cause, next=advice)

    if attempt is not None and attempt.status == FAILED:
        return told("FAIL", f"the last attempt failed: {_first_line(attempt.error)}")
    if newest is None:
        return told("NEVER", "never backed up")
    if age is None:
        return told("UNKNOWN", undatable(newest, now))
    return told(*_aged(age, source), "" if age <= source.warn_window else back_up)


def _copy(name: str, source: Source, store: str, catalogue: Catalogue, now: datetime) -> PhaseHealth:
    held = [point for point in catalogue.points if store in point.stores]
    age = catalogue.age(held[-1], now) if held else None
    fill = f"ops copy {name} --to {store}"

    damaged = [each for each in catalogue.damage if each.store == store]
    verdicts = [each for each in catalogue.damaged_verdicts if each.store == store]
    lost = [each.id for each in catalogue.faults if (each.store, each.problem) == (store, "lost")]

    def told(state: State, cause: str, advice: str = fill) -> PhaseHealth:
        return PhaseHealth(
            phase="copy", store=store, state=state, age=age, threshold=source.rpo, cause=cause, next=advice,
            damaged=[each.id for each in damaged], lost=lost,
            verdicts=[each.id for each in verdicts],
        )  # fmt: skip

    unreadable = [
        each.words for each in catalogue.faults if each.store == store and each.problem in ("away", "unreadable")
    ]
    if unreadable:
        return told("UNKNOWN", unreadable[0], "ops list")
    if damaged:
        more = f"{len(damaged)} damaged, the newest is " if len(damaged) > 1 else ""
        return told("FAIL", f"{more}{damaged[-1].id}: {damaged[-1].words}")
    if not catalogue.points:
        return told("NEVER", "nothing to copy yet", f"ops backup {name}")
    if lost:
        which = f"{len(lost)} copies are gone, the newest is {lost[-1]}" if len(lost) > 1 else f"{lost[-1]} is gone"
        return told("STALE", f"{which}, and no prune removed it")
    if not held:
        return told("NEVER", f"nothing of {name} is in {store}")
    behind = sum(1 for point in catalogue.points[-2:] if store not in point.stores)
    if behind == 2:
        return told("STALE", "the newest two backups are not in it")
    if verdicts:
        return told("STALE", verdicts[-1].words)
    if age is None:
        return told("UNKNOWN", undatable(held[-1], now), f"ops backup {name}")
    return told(*_aged(age, source), "" if age <= source.warn_window else fill)


def _verify(name: str, source: Source, catalogue: Catalogue, now: datetime) -> PhaseHealth:
    proofs = _proofs(catalogue)
    last = believed([proof.finished_at for proof in proofs], now)[-1] if proofs else None
    age = max(now - last, timedelta(0)) if last is not None else None
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
    if not proofs:
        return told("NEVER", "nothing was ever restored and compared")
    if age is None:
        return told("UNKNOWN", f"the last proof is dated {proofs[-1].finished_at:%Y-%m-%d %H:%M} UTC: in the future")
    if age > overdue:
        return told("OVERDUE", f"last proved {human_duration(age)} ago, {human_duration(overdue)} is allowed")
    if verdict is not None and verdict.outcome == "inconclusive":
        return told("STALE", f"the newest proof was inconclusive: {verdict.reason}")
    partly = f": {proofs[-1].words}" if proofs[-1].words != VERIFIED else ""
    return told("OK", f"last proved {human_duration(age)} ago{partly}", "")


def _retention(name: str, last: Mapping[str, _Last] | None) -> PhaseHealth:
    dry_run = f"ops prune {name}"
    if last is None:
        return PhaseHealth(
            phase="retention",
            state="UNKNOWN",
            cause="the ledger cannot be read",
            next="look at the disk of base, then: ops status",
        )
    if "prune" not in last:
        return PhaseHealth(phase="retention", state="OK", cause="nothing had to be deleted yet")
    attempt, age = last["prune"]
    if attempt.status == FAILED:
        return PhaseHealth(phase="retention", state="STALE", age=age, cause=_first_line(attempt.error), next=dry_run)
    return PhaseHealth(phase="retention", state="OK", age=age, cause=f"last deleted {_ago(age)}")


def _drill(drills: Drills, scheduled: Scenario, last: Mapping[str, _Last] | None) -> PhaseHealth:
    again = f"ops drill {scheduled}"
    if last is None:
        return PhaseHealth(
            phase="drill",
            state="UNKNOWN",
            cause="the ledger cannot be read",
            next="look at the disk of base, then: ops status",
        )
    attempt, age = last.get("drill", (None, None))

    def told(state: State, cause: str, advice: str = again) -> PhaseHealth:
        return PhaseHealth(
            phase="drill", state=state, age=age, threshold=drills.overdue_after, cause=cause, next=advice
        )

    if attempt is None:
        return told("NEVER", "no disaster drill yet")
    scenario = attempt.meta.get("scenario", "drill")
    if attempt.status == FAILED:
        return told("FAIL", f"the last drill failed: {_first_line(attempt.error)}")
    if age is None:
        return told("UNKNOWN", f"the last drill is dated {attempt.started_at:%Y-%m-%d %H:%M} UTC: in the future")
    if age > drills.overdue_after:
        allowed = human_duration(drills.overdue_after)
        return told("OVERDUE", f"last drilled {human_duration(age)} ago, {allowed} is allowed")
    return told("OK", f"{scenario} passed {human_duration(age)} ago", "")


def _ago(age: timedelta | None) -> str:
    return f"{human_duration(age)} ago" if age is not None else "at a time in the future: was the clock wrong?"


def _aged(age: timedelta, source: Source) -> tuple[State, str]:
    if age > source.rpo:
        return "FAIL", f"{human_duration(age)} old, rpo is {human_duration(source.rpo)}"
    if age > source.warn_window:
        return "STALE", f"{human_duration(age)} old"
    return "OK", f"{human_duration(age)} old"


def _proofs(catalogue: Catalogue) -> list[Verdict]:
    """The good verdicts that stand, in the order in which they were found."""
    found = (verdict for point in catalogue.points if point.verified for verdict in point.verdicts)
    return sorted((each for each in found if each.outcome == "verified"), key=lambda each: each.number)


def undatable(point: RestorePoint, now: datetime) -> str:
    """Why nobody knows how old a restore point is."""
    if point.started_at > now:
        ahead = human_duration(point.started_at - now)
        return f"{point.id} is dated {ahead} ahead of this machine's clock, so its age is not known"
    return f"{point.id} is older than others by its clock and newer by its number, so its age is not known"


def _bad_in_a_row(catalogue: Catalogue) -> Iterator[RestorePoint]:
    for point in reversed(catalogue.points):
        if point.verdict is None or point.verdict.outcome != "bad":
            return
        yield point


def _first_line(text: str | None) -> str:
    lines: Sequence[str] = (text or "").splitlines()
    return lines[0] if lines else "no reason was recorded"
