"""One source as a line of the overview: how old its recovery point is, where it lies, what was proved, thirty days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from ops_pipelines.chronology import age
from ops_pipelines.config.models import Config
from ops_pipelines.language.said import counted, said
from ops_pipelines.language.speech import Language
from ops_pipelines.watch.charts import Tone
from ops_pipelines.watch.drawn import rpo_gauge
from ops_pipelines.watch.situations import State
from ops_pipelines.watch.snapshots import CopiesSeen, Seen, SeenWhole, Snapshot

URGENCY: Mapping[State, int] = {"FAIL": 0, "NEVER": 1, "OVERDUE": 2, "UNKNOWN": 3, "STALE": 4, "WEAK": 5, "OK": 6}


@dataclass(frozen=True)
class Dot:
    """One copy of the data.

    Attributes:
        title: where, and what is with it.
    """

    title: str
    tone: Tone
    offsite: bool


@dataclass(frozen=True)
class Line:
    """One source, as templates show it.

    Attributes:
        age: how old its recovery point is; None where there is none or nobody knows.
        at: when it was looked at.
    """

    name: str
    kind: str
    state: State
    cause: str
    next: str
    at: datetime | None
    rpo: timedelta
    warn_after: timedelta
    rto: timedelta
    age: timedelta | None
    seen: Seen | None
    dots: Sequence[Dot]

    @property
    def partly(self) -> bool:
        """Whether its proof is no whole one: it must not look like one."""
        return self.seen is not None and self.seen.proof is not None and not self.seen.proof.whole

    def gauge(self, spoken: Language) -> Markup:
        """How much of the RPO is used up."""
        return rpo_gauge(self.age, self.rpo, self.warn_after, spoken)

    @property
    def slow(self) -> bool:
        """Whether the last restore took longer than its RTO."""
        return self.seen is not None and self.seen.restore_s is not None and self.seen.restore_s > self.seen.rto_s


def line_of(config: Config, snapshot: Snapshot[Seen] | Snapshot[SeenWhole], now: datetime) -> Line:
    """One source as of now."""
    source = config.sources[snapshot.source]
    state, cause, advice = snapshot.judged(now, config.web.stale_after)
    seen: Seen | None = snapshot.seen
    old = age(seen.recovery_point_at, now) if seen is not None and seen.recovery_point_at is not None else None
    return Line(
        name=snapshot.source,
        kind=source.kind,
        state=state,
        cause=cause,
        next=advice,
        at=snapshot.at,
        rpo=source.rpo,
        warn_after=source.warn_window,
        rto=source.rto,
        age=old,
        seen=seen,
        dots=_dots(seen, now) if seen is not None else (),
    )


def _dots(seen: Seen, now: datetime) -> list[Dot]:
    return [Dot(said("the live data"), "good", False), *(_dot(each, seen, now) for each in seen.stores)]


def _dot(copies: CopiesSeen, seen: Seen, now: datetime) -> Dot:
    place = said("{medium}, off-site", medium=copies.medium) if copies.offsite else copies.medium
    where: Mapping[str, str] = {"store": copies.store, "place": place}
    if not copies.readable:
        return Dot(said("{store} ({place}): cannot be read", **where), "bad", copies.offsite)
    if copies.damaged:
        title = counted(
            "{store} ({place}): {count} damaged", "{store} ({place}): {count} damaged", copies.damaged, **where
        )
        return Dot(title, "bad", copies.offsite)
    if copies.newest_at is None:
        return Dot(said("{store} ({place}): no copy", **where), "bad", copies.offsite)
    old = age(copies.newest_at, now)
    found = counted(
        "{store} ({place}): {count} copy, {age} old",
        "{store} ({place}): {count} copies, the newest {age} old",
        copies.copies,
        age=old if old is not None else said("in the future"),
        **where,
    )
    newest = seen.newest.started_at if seen.newest is not None else copies.newest_at
    behind = newest - copies.newest_at > timedelta(minutes=1)
    return Dot(
        said("{copies}, behind", copies=found) if behind else found, "warn" if behind else "good", copies.offsite
    )
