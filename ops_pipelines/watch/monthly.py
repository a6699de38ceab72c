"""An account of a month, for a service level: was each RPO kept, how long restores took, what was proved, what was not.

Read from the ledger alone, and measured against `rpo` and `rto` as `ops.yaml` says now. Months begin and end in UTC.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from statistics import median

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from ops_pipelines.config.models import Config
from ops_pipelines.engines.source import Source
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import RUNNING, SUCCEEDED, Activity
from ops_pipelines.watch.history import Day, Made, Proving, restore_points, strips, watched_from
from ops_pipelines.watch.kept import rpo_kept

_NEWEST = 20_000


class NoSuchMonth(OpsError):
    """The month is written in another way than 2026-11, or has not begun."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class Broken(_Facts):
    """A time in which the RPO was not kept; `lasts`: it went on at the end of the account.

    Attributes:
        oldest_s: how old the recovery point became, in seconds; None where there was none.
    """

    begin: datetime
    end: datetime
    oldest_s: float | None
    lasts: bool


class Slow(_Facts):
    """A restore that took longer than the RTO, in seconds."""

    at: datetime
    backup_id: str
    took_s: float


class Rehearsed(_Facts):
    """What a drill did with the source.

    Attributes:
        took_s: seconds until it was back; None when it did not come back.
    """

    id: str
    at: datetime
    scenario: str
    passed: bool
    took_s: float | None
    lost_minutes: float | None


class NotCompared(_Facts):
    """Something that proofs of the month left out, and how many of them did."""

    what: str
    proofs: int


class MonthOf(_Facts):
    """The month of one source.

    Attributes:
        begin: of what is accounted for: of the month, or when it was first watched; None when it was not at all.
        rpo_kept: the share of that time, 0 to 1.
        oldest_s: how old the recovery point ever was; None when there was none at some moment.
        dumps: how many ended how.
        proofs: how many were called what, the most frequent first.
        restores: how many proofs restored a backup to its end; what they took is measured against the RTO.
        unproved: days on which no proof was good.
    """

    source: str
    rpo_s: float
    rto_s: float
    begin: datetime | None
    rpo_kept: float | None
    broken: Sequence[Broken]
    oldest_s: float | None
    restores: int
    slow: Sequence[Slow]
    slowest_s: float | None
    usual_s: float | None
    dumps: Mapping[str, int]
    proofs: Mapping[str, int]
    not_compared: Sequence[NotCompared]
    unproved: Sequence[date]
    drills: Sequence[Rehearsed]

    @property
    def promises_kept(self) -> bool:
        """Whether RPO and RTO were kept all the time."""
        return not self.broken and not self.slow


class Month(_Facts):
    """The month of all sources.

    Attributes:
        end: of what is accounted for: of the month, or now.
        over: whether that is the whole month.
    """

    month: str
    begin: datetime
    end: datetime
    over: bool
    sources: Sequence[MonthOf]

    @property
    def promises_kept(self) -> bool:
        """Whether every source that was watched kept RPO and RTO."""
        return all(each.promises_kept for each in self.sources)


def month_of(config: Config, ledger: Callable[[], Ledger], month: str, now: datetime) -> Month:
    """The account of a month.

    Args:
        ledger: opens it.
        month: `2026-11`.
    Raises:
        NoSuchMonth: that is no month, or lies in the future.
        LedgerError: the ledger cannot be read.
    """
    begin, after = _bounds(month, now)
    end = min(after, now)
    with ledger().session() as session:
        days = strips(session, config.sources, min(end, after - timedelta(microseconds=1)), _days(begin, end))
        sources = [_of(session, name, source, begin, end, days[name]) for name, source in config.sources.items()]
    return Month(month=month, begin=begin, end=end, over=end == after, sources=sources)


def _bounds(month: str, now: datetime) -> tuple[datetime, datetime]:
    try:
        begin = datetime.strptime(month, "%Y-%m").replace(tzinfo=timezone.utc)
    except ValueError:
        raise NoSuchMonth(f"{month!r} is no month", next=f"ops report --month {now:%Y-%m}") from None
    if begin >= now:
        raise NoSuchMonth(f"{month} has not begun", next=f"ops report --month {now:%Y-%m}")
    return begin, (begin + timedelta(days=32)).replace(day=1)


def _days(begin: datetime, end: datetime) -> int:
    return ((end - timedelta(microseconds=1)).date() - begin.date()).days + 1


def _of(session: Session, name: str, source: Source, begin: datetime, end: datetime, days: Sequence[Day]) -> MonthOf:
    since, rto_s = watched_from(session, name), source.rto.total_seconds()
    begins = max(begin, since) if since is not None and since < end else None
    points = restore_points(session, name, newest=_NEWEST, gone=True)
    kept = None
    if begins is not None:
        kept = rpo_kept([each for point in points for each in point.standings], begins, end, source.rpo)
    proofs = sorted(_proofs(points, begin, end), key=lambda each: each.at)
    good = [each for each in proofs if each.outcome == "verified"]
    took = [each.took_s for each in good]
    first = begins.date() if begins is not None else None
    return MonthOf(
        source=name,
        rpo_s=source.rpo.total_seconds(),
        rto_s=rto_s,
        begin=begins,
        rpo_kept=kept.share if kept is not None else None,
        broken=[
            Broken(begin=each.begin, end=each.end, oldest_s=_seconds(each.oldest), lasts=each.lasts)
            for each in (kept.breaches if kept is not None else ())
        ],
        oldest_s=_seconds(kept.oldest) if kept is not None else None,
        restores=len(good),
        slow=[Slow(at=each.at, backup_id=each.backup_id, took_s=each.took_s) for each in good if each.took_s > rto_s],
        slowest_s=max(took, default=None),
        usual_s=median(took) if took else None,
        dumps=_ended(days, "dump"),
        proofs=dict(Counter(each.words for each in proofs).most_common()),
        not_compared=_not_compared(good),
        unproved=[day.day for day in days if first is not None and day.day >= first and day.mark != "verified"],
        drills=_drills(session, name, begin, end),
    )


def _proofs(points: Sequence[Made], begin: datetime, end: datetime) -> list[Proving]:
    return [each for point in points for each in point.provings if begin <= each.at < end]


def _ended(days: Sequence[Day], kind: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for day in days:
        for (of_kind, outcome), attempts in day.counts.items():
            if of_kind == kind:
                found[outcome] += attempts
    return dict(sorted(found.items()))


def _not_compared(proofs: Sequence[Proving]) -> list[NotCompared]:
    counted = Counter(gap for each in proofs for gap in dict.fromkeys(each.gaps))
    return [NotCompared(what=what, proofs=times) for what, times in counted.most_common()]


def _drills(session: Session, name: str, begin: datetime, end: datetime) -> list[Rehearsed]:
    query = select(Activity).where(
        Activity.source == name, Activity.kind == "drill", Activity.status != RUNNING,
        Activity.started_at >= begin, Activity.started_at < end,
    )  # fmt: skip
    return [
        Rehearsed(
            id=str(row.meta.get("drill", row.id)),
            at=row.started_at,
            scenario=str(row.meta.get("scenario", "")),
            passed=row.status == SUCCEEDED,
            took_s=row.meta.get("took_s"),
            lost_minutes=row.meta.get("lost_minutes"),
        )
        for row in session.scalars(query.order_by(Activity.turn, Activity.id))
    ]


def _seconds(span: timedelta | None) -> float | None:
    return span.total_seconds() if span is not None else None
