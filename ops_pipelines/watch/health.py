"""How is each source doing? The recovery point's age against its RPO, in one word and one sentence.

Ages come from the start of the dump in the newest *verified* restore point, read from the stores, so
the answer does not depend on Dagster, its schedules or the ledger being alive.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from ops_pipelines.clock import human_duration
from ops_pipelines.engines.source import Source
from ops_pipelines.language.said import Word, Words, said, worded
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.proof import VERIFIED
from ops_pipelines.settings.values import Duration
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.vault.trust import foreign_points, only_foreign, summary
from ops_pipelines.watch import situations
from ops_pipelines.watch.phases import PhaseHealth, bad_newest, phases_of
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

    @property
    def age_text(self) -> str:
        """Its age for people; `none` without a copy."""
        if self.age is not None:
            return human_duration(self.age)
        return said("of unknown age") if self.backup_id is not None else said("none")


class SourceHealth(BaseModel):
    """One source's state, why, and what to type next.

    Attributes:
        situations: everything that is the matter, the most urgent first, whose words are `cause`, `safe` and `next`.
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
    cause: Words
    safe: Words = ""
    next: str
    situations: Sequence[Situation] = ()
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
    def besides(self) -> Sequence[Situation]:
        """What is the matter beside the first situation, and asks for something else to be typed."""
        said, found = {self.next}, []
        for each in self.situations[1:]:
            if each.next not in said:
                found.append(each)
            said.add(each.next)
        return found

    @property
    def rpo_holds(self) -> bool:
        """Whether the recovery point is at most as old as the RPO allows, whatever else is wrong."""
        return self.age is not None and self.age <= self.rpo


def source_health(workspace: Workspace, name: str, catalogue: Catalogue | None = None) -> SourceHealth:
    """The health of one source, now.

    Args:
        catalogue: what its stores hold, for who has just read it.
    """
    source, now = workspace.config.source(name), workspace.clock.now()

    def ledger() -> Ledger:
        return workspace.ledger

    catalogue = catalogue or workspace.catalogue(name)
    point, newest = catalogue.recovery_point, catalogue.newest
    age = catalogue.age(point, now) if point is not None else None
    phases = phases_of(workspace.config, name, catalogue, ledger, now)
    proof = proved(source, point)
    clock = _wrong_clock(source, name, catalogue, now)
    holding = _distinct(_holding(name, source, catalogue, age, phases, proof, clock))
    if source.taken_by is not None:
        silent = newest is None or (catalogue.age(newest, now) or source.rpo) > source.warn_window
        holding = [situations.of_another(each, source.taken_by, silent=silent) for each in holding]
    first = holding[0] if holding else None
    return SourceHealth(
        source=name,
        kind=source.kind,
        state=first.state if first is not None else "OK",
        cause=first.cause if first is not None else _proof_text(proof, age or timedelta()),
        safe=first.safe if first is not None else "",
        next=first.next if first is not None else "",
        situations=holding,
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
        copies=[_copy(store, catalogue, now) for store in workspace.config.places(name)],
        phases=phases,
        trends=trends_of(name, catalogue, ledger, now),
        problems=catalogue.messages,
        foreign=foreign_points(catalogue.strangers),
        clock=clock,
    )


def all_health(workspace: Workspace) -> list[SourceHealth]:
    """The health of every source, in the file's order."""
    return [source_health(workspace, name) for name in workspace.config.sources]


def _holding(
    name: str,
    source: Source,
    catalogue: Catalogue,
    age: timedelta | None,
    phases: Sequence[PhaseHealth],
    proof: Proved | None,
    clock: Situation | None,
) -> Iterator[Situation]:
    """Every situation that it is in, the most urgent first: the recovery point, then what is wrong with steps."""
    newest = catalogue.newest
    if newest is None:
        yield _nothing_of_ours(name, catalogue)
        return
    if (bad := bad_newest(name, catalogue)) is not None and not newest.verified:
        yield bad
    if catalogue.recovery_point is None:
        yield situations.nothing_verified(name, len(catalogue.points))
    elif clock is not None and clock.state == "UNKNOWN":
        yield clock
    elif age is not None and age > source.rpo:
        yield situations.recovery_point_old(name, age, source.rpo)
    for fault in reversed(catalogue.damage):
        yield situations.damage(name, catalogue, fault)
    if clock is not None:
        yield clock
    if age is not None and source.warn_window < age <= source.rpo:
        yield situations.recovery_point_ageing(name, age)
    steps = list(_steps(phases))
    yield from steps
    if unsaid := _unsaid(catalogue, lost_said=any(each.kind == "copy_lost" for each in steps)):
        advice = f"ops sign {name}" if catalogue.strangers else f"ops list {name}"
        yield situations.strangers(name, unsaid[0], state="STALE", next=advice)
    if odd := _odd(newest):
        yield situations.needs_a_look(name, newest.id, odd)
    if proof is not None and proof.weaker and age is not None:
        yield situations.proof_weaker(name, _proof_text(proof, age), proof.gaps[0], proof.next)


def _unsaid(catalogue: Catalogue, *, lost_said: bool) -> Sequence[str]:
    """What the catalogue tells and no other situation does: what is damaged, lost or too new has its own advice."""
    damaged = {fault.words for fault in catalogue.damage}
    newer = {fault.words for fault in catalogue.faults if fault.problem == "newer"}
    said = {*damaged, *newer, *(catalogue.loss_messages if lost_said else ())}
    return [message for message in catalogue.messages if message not in said]


def _steps(phases: Sequence[PhaseHealth]) -> Iterator[Situation]:
    """What is wrong with steps, the worst first. Where the recovery point is young enough, it is not a loss yet."""
    for step in sorted(phases, key=lambda each: -EXIT_STATUS[each.state]):
        if step.situation is not None:
            what = said("{step}: {what}", step=Word(step.phase), what=step.situation.what)
            if step.store:
                what = said(
                    "{step} to {store}: {what}", step=Word(step.phase), store=step.store, what=step.situation.what
                )
            yield step.situation.model_copy(update={"state": "STALE", "what": what})


def _proof_text(proof: Proved | None, age: timedelta) -> str:
    return said("{words}; {age} old", words=worded(proof.words if proof is not None else VERIFIED), age=age)


def _odd(newest: RestorePoint) -> list[str]:
    """What is odd about the newest backup itself; how it was proved is told by the doctor."""
    checks = newest.verdict.notable if newest.verdict is not None else []
    return [f"{check.name}: {check.detail}" for check in checks if check.name != "isolation"]


def _distinct(found: Iterable[Situation]) -> list[Situation]:
    """Each once: a damaged copy is the matter with its store and with its source, and needs one advice."""
    kept: dict[tuple[str, str], Situation] = {}
    for each in found:
        kept.setdefault(each.key, each)
    return list(kept.values())


def _wrong_clock(source: Source, name: str, catalogue: Catalogue, now: datetime) -> Situation | None:
    """What is wrong with clocks: a restore point from the future, or a recovery point that none can date."""
    point, from_the_future = catalogue.recovery_point, list(catalogue.ahead(now))
    dated = point is None or catalogue.moments(now)[point.id] == point.started_at
    age = catalogue.age(point, now) if point is not None else None
    known = point is None or (age is not None and (dated or age <= source.rpo))
    undated = from_the_future or ([point] if point is not None and not known else [])
    return clock_wrong(name, undated, now, age_known=known) if undated else None


def _nothing_of_ours(name: str, catalogue: Catalogue) -> Situation:
    """Without a restore point: whether there is anything that could become one."""
    for fault in catalogue.faults:
        if fault.problem == "newer":
            return situations.store_unreadable(name, fault)
    for message in summary(catalogue.strangers, name):
        return situations.strangers(name, message, state="NEVER", next=f"ops sign {name}")
    return situations.never_backed_up(name, foreign=only_foreign(catalogue.strangers))


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
