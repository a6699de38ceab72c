"""How is each step of a source's chain doing? Step by step, store by store, with the next command.

What the stores say comes first; the ledger adds attempts that failed and left nothing in any store. When the ledger
cannot be read, what only it knows is UNKNOWN, and the rest is told all the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from ops_pipelines.chronology import believed
from ops_pipelines.config.drills import DefaultDrills, Drills, Scenario
from ops_pipelines.config.models import Config
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.engines.source import Source
from ops_pipelines.errors import OpsError
from ops_pipelines.language.said import Words, said, worded
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import CANCELLED, FAILED, RUNNING, Activity
from ops_pipelines.proof import VERIFIED
from ops_pipelines.settings.values import Duration
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.vault.faults import UNREAD
from ops_pipelines.vault.stores.registry import LOCAL
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.watch import situations
from ops_pipelines.watch.situations import Situation, State

Phase = Literal["dump", "snapshot", "copy", "verify", "retention", "drill"]
_ATTEMPTS = ("dump", "copy", "verify", "prune", "drill")


class PhaseHealth(BaseModel):
    """One step of a source's chain.

    Attributes:
        store: the store it is about, for copies.
        situation: what is the matter with it; None where nothing is.
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
    cause: Words = ""
    safe: Words = ""
    next: str = ""
    situation: Situation | None = None
    damaged: Sequence[str] = ()
    lost: Sequence[str] = ()
    verdicts: Sequence[str] = ()


def _step(
    phase: Phase,
    found: Situation | str,
    *,
    store: str | None = None,
    age: timedelta | None = None,
    threshold: timedelta | None = None,
    **more: Sequence[str],
) -> PhaseHealth:
    """A step with what is the matter with it, or what there is to say when all is well."""
    if isinstance(found, str):
        return PhaseHealth(phase=phase, store=store, state="OK", age=age, threshold=threshold, cause=found, **more)
    return PhaseHealth(
        phase=phase, store=store, state=found.state, age=age, threshold=threshold, cause=found.cause, safe=found.safe,
        next=found.next, situation=found, **more,
    )  # fmt: skip


def phases_of(
    config: Config, name: str, catalogue: Catalogue, ledger: Callable[[], Ledger], now: datetime
) -> list[PhaseHealth]:
    """Every step of a source's chain.

    Args:
        ledger: opens it; what only it knows is unknown when it cannot be asked.
    """
    source = config.source(name)
    try:
        unread: OpsError | None = None
        last: Mapping[str, _Last] | None = _last_attempts(ledger(), name, now)
    except OpsError as error:
        last, unread = None, error
    found = [_dump(name, source, catalogue, last, now)]
    wrong = {each.store for each in (*catalogue.damage, *catalogue.damaged_verdicts, *catalogue.faults)}
    stores = [*source.copies, *([LOCAL] if LOCAL in wrong and catalogue.points else [])]
    found += [_copy(name, source, store, catalogue, now) for store in stores]
    found.append(_verify(name, source, catalogue, now))
    if source.keep is not None:
        found.append(_retention(name, last, unread))
    drills = config.drilled
    # Of those that nobody asked for, nobody is told before the first was played.
    if drills is not None and not (isinstance(drills, DefaultDrills) and last is not None and "drill" not in last):
        found.append(_drill(name, drills, config.scenario, last, unread))
    return found


class _Last(NamedTuple):
    """The newest attempt of a kind that has ended, and how long ago it began at most, where a clock tells."""

    attempt: Activity
    age: timedelta | None


def _last_attempts(ledger: Ledger, name: str, now: datetime) -> dict[str, _Last]:
    last: dict[str, _Last] = {}
    newest = ledger.recent_of_each(name, _ATTEMPTS, limit=5)
    for kind in _ATTEMPTS:
        ended = [row for row in newest if row.kind == kind and _has_ended(row)]
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
    newest = catalogue.newest
    age = catalogue.age(newest, now) if newest is not None else None

    def found() -> Situation | str:
        attempt = last["dump"].attempt if last and "dump" in last else None
        if attempt is not None and attempt.status == FAILED:
            return situations.attempt_failed(name, attempt.error, state="FAIL", next=f"ops backup {name}")
        if newest is None:
            return situations.never_backed_up(name)
        return _aged(name, newest, catalogue, source, now)

    phase: Phase = kind_of(source.kind).step
    return _step(phase, found(), age=age, threshold=source.rpo)


def _copy(name: str, source: Source, store: str, catalogue: Catalogue, now: datetime) -> PhaseHealth:
    held = [point for point in catalogue.points if store in point.stores]
    age = catalogue.age(held[-1], now) if held else None
    damaged = [each for each in catalogue.damage if each.store == store]
    verdicts = [each for each in catalogue.damaged_verdicts if each.store == store]
    lost = [each.id for each in catalogue.faults if (each.store, each.problem) == (store, "lost")]
    faults = [each for each in catalogue.faults if each.store == store and each.problem in UNREAD]

    def found() -> Situation | str:
        if faults:
            return situations.store_unreadable(name, faults[0])
        if damaged:
            return situations.damage(name, catalogue, damaged[-1])
        if not catalogue.points:
            return situations.never_backed_up(name).model_copy(update={"what": said("nothing to copy yet")})
        if lost:
            return situations.copy_lost(name, store, lost)
        if not held or all(store not in point.stores for point in catalogue.points[-2:]):
            return situations.copy_behind(name, store, nothing=not held)
        if verdicts:
            return situations.verdict_damaged(name, store, verdicts[-1].words)
        aged = _aged(name, held[-1], catalogue, source, now)
        if isinstance(aged, str) or aged.kind == "clock_wrong" or held[-1] is catalogue.newest:
            return aged
        return aged.model_copy(update={"next": f"ops copy {name} --to {store}"})

    return _step(
        "copy", found(), store=store, age=age, threshold=source.rpo, damaged=[each.id for each in damaged], lost=lost,
        verdicts=[each.id for each in verdicts],
    )  # fmt: skip


def _verify(name: str, source: Source, catalogue: Catalogue, now: datetime) -> PhaseHealth:
    proofs = _proofs(catalogue)
    last = believed([proof.finished_at for proof in proofs], now)[-1] if proofs else None
    age = max(now - last, timedelta(0)) if last is not None else None
    overdue = source.verify.overdue_after or source.rpo
    newest = catalogue.newest

    def found() -> Situation | str:
        if (bad := bad_newest(name, catalogue)) is not None:
            return bad
        if not proofs:
            return situations.never_proved(name)
        if age is None:
            when = said("the last verification is dated {at}: in the future", at=proofs[-1].finished_at)
            return situations.undated(name, when, f"ops verify {name}")
        if age > overdue:
            return situations.verify_overdue(name, age, overdue)
        if newest is not None and newest.verdict is not None and newest.verdict.outcome == "inconclusive":
            return situations.verify_inconclusive(name, newest.verdict.reason)
        if proofs[-1].words != VERIFIED:
            return said("last verified {age} ago: {words}", age=age, words=worded(proofs[-1].words))
        return said("last verified {age} ago", age=age)

    return _step("verify", found(), age=age, threshold=overdue)


def bad_newest(name: str, catalogue: Catalogue) -> Situation | None:
    """What is wrong when the newest backup was proved bad: the backup, or only a copy of it."""
    newest = catalogue.newest
    if newest is None or newest.verdict is None or newest.verdict.outcome != "bad":
        return None
    if newest.verdict.blames == "copy":
        faults = [each for each in catalogue.damage if each.id == newest.id]
        return situations.damage(name, catalogue, faults[-1]) if faults else None
    good = catalogue.recovery_point
    row = sum(1 for _bad in _bad_in_a_row(catalogue))
    return situations.backup_bad(
        name, newest.id, newest.verdict.reason, in_a_row=row, good=good.id if good is not None else ""
    )


def _retention(name: str, last: Mapping[str, _Last] | None, unread: OpsError | None) -> PhaseHealth:
    if last is None:
        return _step("retention", situations.ledger_unreadable(name, unread))
    if "prune" not in last:
        return _step("retention", said("nothing had to be deleted yet"))
    attempt, age = last["prune"]
    if attempt.status == FAILED:
        failed = situations.attempt_failed(name, attempt.error, state="STALE", next=f"ops prune {name}", what="")
        return _step("retention", failed, age=age)
    if age is None:
        return _step("retention", said("last deleted at a time in the future: was the clock wrong?"))
    return _step("retention", said("last deleted {age} ago", age=age), age=age)


def _drill(
    name: str, drills: Drills, scheduled: Scenario, last: Mapping[str, _Last] | None, unread: OpsError | None
) -> PhaseHealth:
    if last is None:
        return _step("drill", situations.ledger_unreadable(name, unread))
    again = f"ops drill {scheduled}"
    attempt, age = last.get("drill", (None, None))

    def found() -> Situation | str:
        if attempt is None:
            return situations.never_drilled(name, again)
        if attempt.status == FAILED:
            return situations.drill_failed(name, attempt.error, again)
        if age is None:
            when = said("the last drill is dated {at}: in the future", at=attempt.started_at)
            return situations.undated(name, when, again)
        if age > drills.overdue_after:
            return situations.drill_overdue(name, age, drills.overdue_after, again)
        return said("{scenario} passed {age} ago", scenario=attempt.meta.get("scenario", "drill"), age=age)

    return _step("drill", found(), age=age, threshold=drills.overdue_after)


def _aged(name: str, point: RestorePoint, catalogue: Catalogue, source: Source, now: datetime) -> Situation | str:
    """What the age of a step's newest restore point says of the step."""
    age, dated = catalogue.age(point, now), catalogue.moments(now)[point.id] == point.started_at
    if age is None or (age > source.rpo and not dated):
        return situations.clock_wrong(name, [point], now, age_known=False)
    if age > source.warn_window:
        return situations.step_old(name, age, source.rpo)
    return said("{age} old", age=age)


def _proofs(catalogue: Catalogue) -> list[Verdict]:
    """The good verdicts that stand, in the order in which they were found."""
    found = (verdict for point in catalogue.points if point.verified for verdict in point.verdicts)
    return sorted((each for each in found if each.outcome == "verified"), key=lambda each: each.number)


def _bad_in_a_row(catalogue: Catalogue) -> Iterator[RestorePoint]:
    for point in reversed(catalogue.points):
        if point.verdict is None or point.verdict.outcome != "bad":
            return
        yield point
