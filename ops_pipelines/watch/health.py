"""How is each source doing? The recovery point's age against its RPO, in one word and one sentence.

Ages come from the start of the dump in the newest *verified* restore point, read from the stores, so
the answer does not depend on Dagster, its schedules or the ledger being alive.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from ops_pipelines.clock import human_duration
from ops_pipelines.config.sources import Source
from ops_pipelines.config.values import Duration
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.vault.trust import foreign_points, only_foreign, summary
from ops_pipelines.watch.phases import PhaseHealth, phases_of
from ops_pipelines.watch.proved import Proved, proved
from ops_pipelines.watch.situations import Situation, State, clock_wrong
from ops_pipelines.watch.trends import Trends, trends_of
from ops_pipelines.workspace import Workspace

EXIT_STATUS: Mapping[State, int] = {
    "OK": 0, "WEAK": 1, "STALE": 1, "UNKNOWN": 1, "OVERDUE": 2, "FAIL": 2, "NEVER": 2,
}  # fmt: skip
HOLDS: Collection[State] = ("OK", "WEAK", "STALE")
"""The states in which the RPO holds."""


class CopyHealth(BaseModel):
    """The newest copy in one store."""

    model_config = ConfigDict(frozen=True)

    store: str
    backup_id: str | None
    age: Duration | None


class SourceHealth(BaseModel):
    """One source's state, why, and what to type next.

    Attributes:
        recovery_point: id of the newest verified restore point.
        recovery_point_at: the start of its dump, or what it is no older than where a wrong clock dated it.
        age: of the recovery point, from there; None where nobody knows.
        newest: id of the newest restore point, verified or not.
        notes: what its dump warned of, and what could not be looked at while it was taken.
        proof: how much the proof of the recovery point says, against what is configured.
        phases: the same, step by step and store by store.
        clock: what is wrong with clocks, by which nobody can tell how old something is.
        trends: success rates of the last week, what restores took, growth.
        foreign: whose restore points lie beside them, which nothing here uses.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    kind: str
    state: State
    cause: str
    next: str
    rpo: Duration
    warn_after: Duration
    recovery_point: str | None
    recovery_point_at: datetime | None
    age: Duration | None
    newest: str | None
    newest_verdict: str | None
    notes: Sequence[str]
    proof: Proved | None
    restore_points: int
    verified: int
    size_bytes: int | None
    restore_s: float | None
    copies: Sequence[CopyHealth]
    phases: Sequence[PhaseHealth]
    trends: Trends
    problems: Sequence[str]
    foreign: str = ""
    clock: Situation | None = None

    @property
    def ok(self) -> bool:
        """Whether all is well enough: the RPO holds, and nothing is broken."""
        return self.state in HOLDS

    @property
    def rpo_holds(self) -> bool:
        """Whether the recovery point is at most as old as the RPO allows, whatever else is wrong."""
        return self.age is not None and self.age <= self.rpo


def source_health(workspace: Workspace, name: str, catalogue: Catalogue | None = None) -> SourceHealth:
    """The health of one source, now.

    Args:
        catalogue: what its stores hold, for who has just read it.
    """
    source, now = workspace.source(name), workspace.clock.now()
    catalogue = catalogue or workspace.catalogue(name)
    point, newest = catalogue.recovery_point, catalogue.newest
    age = catalogue.age(point, now) if point is not None else None
    phases = phases_of(workspace, name, catalogue, now)
    proof = proved(workspace, point)
    clock = _wrong_clock(source, name, catalogue, now)
    state, cause, advice = next(_judge(name, source, catalogue, age, phases, proof, clock))
    return SourceHealth(
        source=name,
        kind=source.kind,
        state=state,
        cause=cause,
        next=advice,
        rpo=source.rpo,
        warn_after=source.warn_window,
        recovery_point=point.id if point else None,
        recovery_point_at=catalogue.moments(now)[point.id] if point else None,
        age=age,
        newest=newest.id if newest else None,
        newest_verdict=newest.verdict.outcome if newest and newest.verdict else None,
        notes=newest.manifest.notes if newest else (),
        proof=proof,
        restore_points=len(catalogue.points),
        verified=sum(each.verified for each in catalogue.points),
        size_bytes=newest.manifest.size_bytes if newest else None,
        restore_s=_restore_seconds(point),
        copies=[_copy(store, catalogue, now) for store in (workspace.local.name, *source.copies)],
        phases=phases,
        trends=trends_of(workspace, name, catalogue, now),
        problems=catalogue.told,
        foreign=foreign_points(catalogue.strangers),
        clock=clock,
    )


def all_health(workspace: Workspace) -> list[SourceHealth]:
    """The health of every source, in the file's order."""
    return [source_health(workspace, name) for name in workspace.config.sources]


def _judge(
    name: str,
    source: Source,
    catalogue: Catalogue,
    age: timedelta | None,
    phases: Sequence[PhaseHealth],
    proof: Proved | None,
    clock: Situation | None,
) -> Iterator[tuple[State, str, str]]:
    """Every state that it is in with its cause and the next command: the recovery point first, then the worst step."""
    newest, back_up = catalogue.newest, f"ops backup {name}"
    if newest is None:
        yield _nothing_of_ours(name, catalogue)
        return
    if newest.verdict is not None and newest.verdict.outcome == "bad" and not newest.verified:
        yield "FAIL", f"the newest backup {newest.id} is bad: {newest.verdict.reason}", back_up
    point = catalogue.recovery_point
    if point is None:
        yield "NEVER", f"{len(catalogue.points)} backed up, none of them verified", f"ops verify {name}"
        return
    if age is None or (clock is not None and clock.state == "UNKNOWN"):
        assert clock is not None
        yield clock.state, clock.cause, clock.next
        return
    if age > source.rpo:
        yield "FAIL", f"the recovery point is {human_duration(age)} old, rpo is {human_duration(source.rpo)}", back_up
    if catalogue.damage:
        damaged = catalogue.damage[-1]
        advice = f"ops copy {name} --to {damaged.store}"
        yield "FAIL", f"the copy of {damaged.id} in {damaged.store} is bad: {damaged.words}", advice
    if clock is not None:
        yield clock.state, clock.cause, clock.next
    if age > source.warn_window:
        yield "STALE", f"the recovery point is {human_duration(age)} old", back_up
    worst = max(phases, key=lambda phase: EXIT_STATUS[phase.state])
    if EXIT_STATUS[worst.state]:
        # The recovery point is young enough: whatever is wrong now is not a loss yet.
        where = f"{worst.phase}{f' to {worst.store}' if worst.store else ''}"
        yield "STALE", f"{where}: {worst.cause}", worst.next
    if catalogue.told:
        yield "STALE", catalogue.told[0], f"ops sign {name}" if catalogue.strangers else "ops list"
    told = f"{proof.words if proof is not None else 'verified'}; {human_duration(age)} old"
    if proof is not None and proof.weaker:
        yield "WEAK", f"{told}; {proof.gaps[0].what}: {proof.gaps[0].why}", proof.next
    yield "OK", told, ""


def _wrong_clock(source: Source, name: str, catalogue: Catalogue, now: datetime) -> Situation | None:
    """What is wrong with clocks: a restore point from the future, or a recovery point that none can date."""
    point, from_the_future = catalogue.recovery_point, list(catalogue.ahead(now))
    dated = point is None or catalogue.moments(now)[point.id] == point.started_at
    age = catalogue.age(point, now) if point is not None else None
    known = point is None or (age is not None and (dated or age <= source.rpo))
    undated = from_the_future or ([point] if point is not None and not known else [])
    return clock_wrong(name, undated, now, age_known=known) if undated else None


def _nothing_of_ours(name: str, catalogue: Catalogue) -> tuple[State, str, str]:
    """Without a restore point: whether there is anything that could become one."""
    for told in summary(catalogue.strangers, name):
        return "NEVER", told, f"ops sign {name}"
    foreign = only_foreign(catalogue.strangers)
    return "NEVER", f"never backed up here; {foreign}" if foreign else "never backed up", f"ops backup {name}"


def _copy(store: str, catalogue: Catalogue, now: datetime) -> CopyHealth:
    held = [point for point in catalogue.points if store in point.stores]
    newest = held[-1] if held else None
    return CopyHealth(
        store=store, backup_id=newest.id if newest else None, age=catalogue.age(newest, now) if newest else None
    )


def _restore_seconds(point: RestorePoint | None) -> float | None:
    if point is None or point.verdict is None:
        return None
    return point.verdict.took_s
