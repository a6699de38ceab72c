"""What became of a source's backups over time: a mark for each day, and every restore point that the ledger knows.

It is read from the ledger alone, so that a page asks no store. What a proof found in full lies beside the copies.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any, Literal

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from ops_pipelines.clock import moment_of
from ops_pipelines.ledger.models import REFUSED, RUNNING, SUCCEEDED, Activity, Since, Tally
from ops_pipelines.watch.kept import Event, Kept, Standing, judged, rpo_kept, standings

Mark = Literal["bad", "verified", "failed", "unsure", "copied", "dumped", "nothing"]
"""A day in one word. What is worse is said before what is better: a bad proof is not hidden by a good one."""

_DAYS = 30
_NEWEST = 500
_STEPS = ("dump", "adopt", "copy", "verify", "prune")


@dataclass(frozen=True)
class Day:
    """What ended on one day in UTC.

    Attributes:
        counts: how many attempts, by kind and outcome: `{("dump", "succeeded"): 4}`.
    """

    day: date
    counts: Mapping[tuple[str, str], int]

    @property
    def mark(self) -> Mark:
        """The day in one word."""
        if self._any("verify", "bad"):
            return "bad"
        if self._any("dump", "failed") and not self._any("dump", "succeeded"):
            return "failed"
        if self._any("verify", "verified"):
            return "verified"
        if self._any("verify", "inconclusive", "failed"):
            return "unsure"
        if self._any("copy", "succeeded"):
            return "copied"
        if self._any("dump", "succeeded") or self._any("adopt", "succeeded"):
            return "dumped"
        return "failed" if self.counts else "nothing"

    def _any(self, kind: str, *outcomes: str) -> bool:
        return any(self.counts.get((kind, outcome), 0) for outcome in outcomes)


@dataclass(frozen=True)
class Proving:
    """One verification that came to an end.

    Attributes:
        words: what its verdict is called: `verified`, `verified (sample)`, `bad`, `inconclusive`, …
        blames: of a bad one, `copy` or `backup`.
        took_s: seconds from its begin to its end: fetch, restore, comparison.
    """

    backup_id: str
    store: str
    outcome: str
    words: str
    reason: str
    at: datetime
    took_s: float
    gaps: Sequence[str] = ()
    notable: Sequence[str] = ()
    run_id: str | None = None
    blames: str | None = None


@dataclass
class Made:
    """One restore point, as the ledger knows it.

    Attributes:
        started_at: the start of its dump: the moment it protects. Of one that was adopted too.
        duration_s: what the dump took, in seconds; of one that was adopted, what that took.
        rows: None where they were not counted.
        stores: where copies are, by what was written and removed since.
        provings: verifications of any copy, oldest first.
        events: what happened to its copies, and what proofs found, in the order in which it happened.
    """

    id: str
    started_at: datetime
    duration_s: float
    size_bytes: int
    plain_bytes: int | None
    rows: int | None
    number: int | None
    adopted: bool
    run_id: str | None
    stores: set[str] = field(default_factory=set)
    provings: list[Proving] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def standings(self) -> list[Standing]:
        """When it was proved and could be restored: what the age of the recovery point is worked out from."""
        return standings(self.id, self.started_at, self.events)

    @property
    def verdict(self) -> Proving | None:
        """The newest proof; a bad one stands until the same copy was found good."""
        bad: dict[str, Proving] = {}
        for each in self.provings:
            if each.outcome == "bad":
                bad[each.store] = each
            elif each.outcome == "verified":
                bad.pop(each.store, None)
        if bad:
            return list(bad.values())[-1]
        settled = [each for each in self.provings if each.outcome == "verified"]
        tried = settled or self.provings
        return tried[-1] if tried else None

    @property
    def restore_s(self) -> float | None:
        """Seconds that its newest good proof took; None without one."""
        return next((each.took_s for each in reversed(self.provings) if each.outcome == "verified"), None)


def strips(session: Session, sources: Collection[str], now: datetime, days: int = _DAYS) -> dict[str, list[Day]]:
    """The last days of each source, oldest first, today's in UTC being the last.

    Args:
        days: how many.
    """
    today = now.astimezone(timezone.utc).date()
    dates = [today - timedelta(days=back) for back in reversed(range(days))]
    found: dict[str, dict[str, dict[tuple[str, str], int]]] = {name: {} for name in sources}
    query = select(Tally.period, Tally.source, Tally.kind, Tally.outcome, Tally.attempts).where(
        Tally.period.between(str(dates[0]), str(today)), Tally.source.in_(list(sources)), Tally.kind.in_(_STEPS)
    )
    for period, source, kind, outcome, attempts in session.execute(query):
        found[source].setdefault(period, {})[kind, outcome] = attempts
    return {name: [Day(each, found[name].get(str(each), {})) for each in dates] for name in sources}


def watched_from(session: Session, source: str) -> datetime | None:
    """Since when a source is looked after: it was first watched, or first dumped; None when it never was."""
    first = select(func.min(Activity.started_at)).where(Activity.source == source, Activity.kind == "dump")
    found = [session.scalar(select(Since.at).where(Since.source == source)), session.scalar(first)]
    return min((each for each in found if each is not None), default=None)


def restore_points(session: Session, source: str, *, newest: int = _NEWEST, gone: bool = False) -> list[Made]:
    """The newest restore points of a source, newest first.

    Args:
        newest: how many are looked at.
        gone: those too of which every copy was removed.
    """
    columns = (
        Activity.kind, Activity.status, Activity.started_at, Activity.duration_s, Activity.finished_at,
        Activity.backup_id, Activity.store, Activity.run_id, Activity.meta, Activity.turn,
    )  # fmt: skip
    of_it = (Activity.source == source, Activity.backup_id.is_not(None))
    made = (
        select(*columns)
        .where(*of_it, Activity.kind.in_(("dump", "adopt")), Activity.status == SUCCEEDED)
        .order_by(Activity.turn.desc(), Activity.id.desc())
        .limit(newest)
    )
    rows = session.execute(made).all()[::-1]
    if not rows:
        return []
    points = {row.backup_id: _made(row) for row in rows}
    later = select(*columns).where(
        *of_it,
        Activity.kind.in_(("copy", "verify", "prune")),
        Activity.status != RUNNING,
        Activity.turn >= rows[0].turn,
    )
    for row in session.execute(later.order_by(Activity.turn, Activity.id)):
        if row.backup_id in points:
            _happened(points[row.backup_id], row)
    return [each for each in reversed(points.values()) if gone or each.stores]


def kept_since(
    session: Session, source: str, points: Sequence[Made], first: date, now: datetime, rpo: timedelta
) -> Kept | None:
    """How an RPO was kept from a day until now, as far back as anybody watched; None where nobody did.

    Args:
        points: every restore point that may have been the recovery point, those too that are gone.
    """
    since = watched_from(session, source)
    if since is None or since >= now:
        return None
    begin = max(since, datetime(first.year, first.month, first.day, tzinfo=timezone.utc))
    return rpo_kept([each for point in points for each in point.standings], begin, now, rpo)


def _made(row: Row[Any]) -> Made:
    meta, started_at = row.meta, row.started_at
    with suppress(ValueError):
        started_at = moment_of(row.backup_id)
    return Made(
        id=row.backup_id,
        started_at=started_at,
        duration_s=row.duration_s or 0.0,
        size_bytes=meta.get("size_bytes", 0),
        plain_bytes=meta.get("plain_bytes"),
        rows=meta.get("rows"),
        number=meta.get("number"),
        adopted=row.kind == "adopt",
        run_id=row.run_id,
        stores={row.store},
        events=[Event(row.finished_at, "copied", row.store)],
    )


def _happened(point: Made, row: Row[Any]) -> None:
    if row.kind == "prune":
        if REFUSED not in row.meta:
            point.stores.discard(row.store)
            point.events.append(Event(row.finished_at, "removed", row.store))
    elif row.kind == "copy":
        if row.status == SUCCEEDED:
            point.stores.add(row.store)
            point.events.append(Event(row.finished_at, "copied", row.store))
    elif "outcome" in row.meta:
        _proved(point, row)


def _proved(point: Made, row: Row[Any]) -> None:
    meta, outcome = row.meta, row.meta["outcome"]
    if (found := judged(outcome, meta.get("blames"))) is not None:
        point.events.append(Event(row.finished_at, found, row.store))
    point.provings.append(
        Proving(
            backup_id=row.backup_id,
            store=row.store,
            outcome=outcome,
            words=meta.get("words") or outcome,
            reason=meta.get("reason", ""),
            at=row.finished_at,
            took_s=row.duration_s or 0.0,
            gaps=meta.get("gaps", ()),
            notable=meta.get("notable", ()),
            run_id=row.run_id,
            blames=meta.get("blames"),
        )
    )
