"""What was seen of every source, kept in the ledger: for faces that must touch neither sources nor stores.

Whoever has looked at the stores anyway keeps what was found: the RPO sensor all the time, `ops status` now and then.
Moments are kept, not ages: how old something is, the reader works out when it is read.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from ops_pipelines.chronology import believed, within
from ops_pipelines.engines.source import Source
from ops_pipelines.language.said import KEEP_FACTS, Word, Words, said
from ops_pipelines.ledger.ledger import Ledger, LedgerError
from ops_pipelines.ledger.models import Health
from ops_pipelines.ledger.upsert import insert_into
from ops_pipelines.redact import redact_within
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.vault.faults import UNREAD
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.verdict import Check
from ops_pipelines.watch.health import HOLDS, SourceHealth, source_health
from ops_pipelines.watch.phases import Phase
from ops_pipelines.watch.proved import Proved
from ops_pipelines.watch.situations import State, recovery_point_old
from ops_pipelines.workspace import Workspace


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class PhaseSeen(_Seen):
    """A step of a source's chain; `well_at` is when it last went well, and `allowed_s` how long that may be ago."""

    phase: Phase
    store: str | None
    state: State
    well_at: datetime | None
    allowed_s: float | None
    cause: Words
    safe: Words = ""
    next: str


class SituationSeen(_Seen):
    """Something else that is the matter."""

    cause: Words
    next: str


class CopiesSeen(_Seen):
    """The copies of one source in one store.

    Attributes:
        readable: False when the store could not be asked.
        free_bytes: what is left on its disk; None where nobody can know.
    """

    store: str
    medium: str
    offsite: bool
    readable: bool
    copies: int
    damaged: int
    size_bytes: int
    newest_at: datetime | None
    free_bytes: int | None = None


class DumpSeen(_Seen):
    """The newest restore point, verified or not.

    Attributes:
        rows: None where they were not counted.
        notes: what its dump warned of, and what could not be looked at.
    """

    id: str
    started_at: datetime
    duration_s: float
    size_bytes: int
    plain_bytes: int
    rows: int | None
    notes: Sequence[str] = ()


class VerdictSeen(_Seen):
    """The newest verdict on anything of the source.

    Attributes:
        words: what it is called: `verified` alone means that everything was compared.
        failed: how many checks that had to hold did not.
    """

    backup_id: str
    store: str
    outcome: str
    words: Words = ""
    reason: Words
    finished_at: datetime
    failed: int


class Seen(_Seen):
    """One source as it stood at a moment.

    Attributes:
        verified_at: when a restore was last found good.
        restore_s: what the restore of the recovery point took.
        proof: how much the proof of the recovery point says, against what is configured.
        foreign: whose restore points lie beside them, which nothing here uses.
        also: what else is the matter, and asks for something else.
    """

    source: str
    kind: str
    state: State
    cause: Words
    safe: Words = ""
    next: str
    also: Sequence[SituationSeen] = ()
    rpo_s: float
    warn_after_s: float
    rto_s: float
    recovery_point: str | None
    recovery_point_at: datetime | None
    restore_points: int
    verified: int
    verified_at: datetime | None
    restore_s: float | None
    proof: Proved | None = None
    newest: DumpSeen | None
    verdict: VerdictSeen | None
    stores: Sequence[CopiesSeen]
    phases: Sequence[PhaseSeen]
    problems: Sequence[str]
    foreign: str = ""


class VerdictWhole(VerdictSeen):
    """The same with every check."""

    checks: Sequence[Check]


class SeenWhole(Seen):
    """The same with every check: what is kept. Reading the checks of a thousand sources takes a while."""

    verdict: VerdictWhole | None


AnySeen = TypeVar("AnySeen", bound=Seen)


@dataclass(frozen=True)
class Snapshot(Generic[AnySeen]):
    """What was seen of a source, when, and when the watcher last looked itself; nothing when nobody ever did."""

    source: str
    at: datetime | None
    watched_at: datetime | None
    seen: AnySeen | None

    def judged(self, now: datetime, stale_after: timedelta) -> tuple[State, str, str]:
        """State, cause and next command as of now: what was seen grows older, and is not believed for ever."""
        if self.seen is None or self.at is None:
            return "UNKNOWN", said("it was never looked at"), "ops status"
        if not within(self.at, now, stale_after):
            then = {"state": Word(self.seen.state), "cause": self.seen.cause}
            silent = said(
                "last looked at {age} ago: is the daemon running? (then: {state}, {cause})", age=now - self.at, **then
            )
            if now <= self.at:
                silent = said(
                    "last looked at a time in the future: is the daemon running? (then: {state}, {cause})", **then
                )
            return "UNKNOWN", silent, "ops status"
        point = self.seen.recovery_point_at
        if self.seen.state in HOLDS and point is not None and (now - point).total_seconds() > self.seen.rpo_s:
            old = recovery_point_old(self.source, now - point, timedelta(seconds=self.seen.rpo_s))
            return old.state, old.cause, old.next
        return self.seen.state, self.seen.cause, self.seen.next


def look(workspace: Workspace, *, watching: bool = False) -> list[SourceHealth]:
    """The health of every source, in the file's order; keeps what was seen, where the ledger can be written.

    Args:
        watching: the caller looks all the time: its silence is a trouble.
    """
    found, rows = [], []
    for name, source in workspace.config.sources.items():
        catalogue, at = workspace.catalogue(name), workspace.clock.now()
        health = source_health(workspace, name, catalogue)
        seen = _seen(source, workspace.stores, health, catalogue, at)
        document = json.dumps(redact_within(seen.model_dump(mode="json", context=KEEP_FACTS)))
        rows.append(Health(source=name, at=at, watched_at=at if watching else None, document=document))
        found.append(health)
    # Health is told although it cannot be kept; who reads what was kept sees how old it is.
    with suppress(LedgerError), workspace.ledger.session() as session:
        _keep(session, rows)
    return found


def snapshots(session: Session, names: Iterable[str], form: type[AnySeen]) -> list[Snapshot[AnySeen]]:
    """What was last seen of each source. What another version of us wrote, and we cannot read, nobody saw.

    Args:
        form: `Seen`, or `SeenWhole` where the checks are wanted.
    """
    columns = (Health.source, Health.at, Health.watched_at, Health.document)
    rows = {row.source: row for row in session.execute(select(*columns))}
    found = []
    for name in names:
        snapshot: Snapshot[AnySeen] = Snapshot(name, None, None, None)
        if name in rows:
            with suppress(ValidationError):
                seen = form.model_validate_json(rows[name].document)
                snapshot = Snapshot(name, rows[name].at, rows[name].watched_at, seen)
        found.append(snapshot)
    return found


def ever_watched(ledger: Ledger) -> bool:
    """Whether anybody who looks all the time ever looked; where nobody can tell, he did."""
    try:
        with ledger.session() as session:
            return session.scalar(select(func.max(Health.watched_at))) is not None
    except LedgerError:
        return True


def _keep(session: Session, rows: Sequence[Health]) -> None:
    if not rows:
        return
    names = [row.source for row in rows]
    session.execute(delete(Health).where(Health.source.not_in(names)))
    watched: Mapping[str, datetime | None] = {
        row.source: row.watched_at for row in session.execute(select(Health.source, Health.watched_at))
    }
    values = [
        {"source": row.source, "at": row.at, "watched_at": row.watched_at or watched.get(row.source),
         "document": row.document}
        for row in rows
    ]  # fmt: skip
    new = insert_into(session, Health)
    kept = {name: new.excluded[name] for name in ("at", "watched_at", "document")}
    session.execute(new.on_conflict_do_update(index_elements=["source"], set_=kept), values)


def _seen(
    source: Source, stores: Mapping[str, Store], health: SourceHealth, catalogue: Catalogue, at: datetime
) -> SeenWhole:
    found = (verdict for point in catalogue.points for verdict in point.verdicts if verdict.outcome == "verified")
    good = sorted(found, key=lambda verdict: verdict.number)
    return SeenWhole(
        source=health.source,
        kind=health.kind,
        state=health.state,
        cause=health.cause,
        safe=health.safe,
        next=health.next,
        also=[SituationSeen(cause=each.cause, next=each.next) for each in health.besides],
        rpo_s=health.rpo.total_seconds(),
        warn_after_s=health.warn_after.total_seconds(),
        rto_s=source.rto.total_seconds(),
        recovery_point=health.recovery_point,
        recovery_point_at=health.recovery_point_at,
        restore_points=health.restore_points,
        verified=health.verified,
        verified_at=believed([verdict.finished_at for verdict in good], at)[-1] if good else None,
        restore_s=health.restore_s,
        proof=health.proof,
        newest=_dump(catalogue.newest),
        verdict=_verdict(catalogue),
        stores=[_copies(stores[copy.store], catalogue, at) for copy in health.copies],
        phases=[
            PhaseSeen(
                phase=each.phase,
                store=each.store,
                state=each.state,
                well_at=at - each.age if each.age is not None else None,
                allowed_s=_seconds(each.threshold),
                cause=each.cause,
                safe=each.safe,
                next=each.next,
            )
            for each in health.phases
        ],
        problems=health.problems,
        foreign=health.foreign,
    )


def _dump(point: RestorePoint | None) -> DumpSeen | None:
    if point is None:
        return None
    manifest = point.manifest
    return DumpSeen(
        id=point.id,
        started_at=point.started_at,
        duration_s=max(0.0, (manifest.finished_at - manifest.started_at).total_seconds()),
        size_bytes=manifest.size_bytes,
        plain_bytes=manifest.plain_bytes,
        rows=manifest.contents.known_rows,
        notes=manifest.notes,
    )


def _verdict(catalogue: Catalogue) -> VerdictWhole | None:
    verdicts = (verdict for point in catalogue.points for verdict in point.verdicts)
    newest = max(verdicts, key=lambda verdict: (verdict.number, verdict.finished_at), default=None)
    if newest is None:
        return None
    return VerdictWhole(
        backup_id=newest.backup_id,
        store=newest.store,
        outcome=newest.outcome,
        words=newest.words,
        reason=newest.reason,
        finished_at=newest.finished_at,
        failed=len(newest.failed),
        checks=newest.checks,
    )


def _copies(store: Store, catalogue: Catalogue, at: datetime) -> CopiesSeen:
    held = [point for point in catalogue.points if store.name in point.stores]
    return CopiesSeen(
        store=store.name,
        medium=store.medium,
        offsite=store.offsite,
        readable=not any(each.store == store.name and each.problem in UNREAD for each in catalogue.faults),
        copies=len(held),
        damaged=sum(each.store == store.name for each in catalogue.damage),
        size_bytes=sum(point.manifest.size_bytes for point in held),
        newest_at=catalogue.moments(at)[held[-1].id] if held else None,
        free_bytes=_free(store),
    )


def _free(store: Store) -> int | None:
    if store.root is None:
        return None
    try:
        system = os.statvfs(store.root)
    except OSError:  # that it cannot be read is told already
        return None
    return system.f_bavail * system.f_frsize


def _seconds(duration: timedelta | None) -> float | None:
    return duration.total_seconds() if duration is not None else None
