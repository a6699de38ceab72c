"""The digest: a message at fixed times, also when all is well. It goes through the outbox, once for each time.

What was proved and what was not, sizes, drills. Read from the ledger, as it was last seen: no store is asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ops_pipelines import text
from ops_pipelines.chronology import in_words
from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.config.alerts import Severity
from ops_pipelines.config.cadence import next_tick, ticks
from ops_pipelines.config.models import Config
from ops_pipelines.ledger.alerts import SUMMARY, AlertLedger
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import RUNNING, SUCCEEDED, Activity, Incident
from ops_pipelines.redact import redact
from ops_pipelines.watch.alerts.message import Message
from ops_pipelines.watch.charts import sparkline
from ops_pipelines.watch.health import EXIT_STATUS
from ops_pipelines.watch.history import Made, restore_points
from ops_pipelines.watch.situations import State
from ops_pipelines.watch.snapshots import Seen, snapshots

_LOOKED_BACK = (timedelta(days=1), timedelta(days=8), timedelta(days=32), timedelta(days=400))
_DAY, _SIZES, _BARS = timedelta(days=1), timedelta(days=30), 30


@dataclass(frozen=True)
class _Told:
    """One source, as it stands and as it went."""

    name: str
    state: State
    cause: str
    next: str
    rpo: timedelta
    seen: Seen | None
    points: Sequence[Made]
    dumps: int
    failed: int
    proved: int
    unproved: Sequence[str]


def put_if_due(config: Config, ledger: Ledger, now: datetime) -> bool:
    """Put the digest into the outbox when its time has come; whoever finds that first does it.

    Returns:
        Whether this call did it. Nothing is sent for a time that had come before anybody looked at all.
    Raises:
        LedgerError: nothing was written; the next round finds the same.
    """
    settings = config.alerts.digest
    if settings is None or (due := last_tick(settings.every, config.timezone, now)) is None:
        return False
    alerts, key = AlertLedger(ledger), f"{SUMMARY}/{due:%Y-%m-%dT%H:%M}Z"
    last = alerts.evaluated_at(SUMMARY)
    if last is None:
        with alerts.settling(SUMMARY, as_of=now):
            return False
    # One that is later than now was written by a clock that was ahead: it says nothing.
    if due <= last <= now or alerts.was_put(key, SUMMARY):
        return False
    message = summary_message(config, ledger, since_of(config, due), now)
    with alerts.settling(SUMMARY, as_of=now) as settling:
        return settling is not None and settling.put_summary(key, message.severity, message.model_dump(mode="json"))


def put_now(config: Config, ledger: Ledger, now: datetime) -> Message:
    """Put a digest into the outbox at once, beside those that come by themselves. Raises LedgerError."""
    message = summary_message(config, ledger, since_of(config, now), now)
    with AlertLedger(ledger).settling(f"{SUMMARY}_by_hand", as_of=now) as settling:
        if settling is not None:
            settling.put_summary(
                f"{SUMMARY}/by hand {now.isoformat()}", message.severity, message.model_dump(mode="json")
            )
    return message


def last_tick(cron: str, timezone: str, now: datetime) -> datetime | None:
    """The last moment of a cron line that has come; None when there was none in a year."""
    for back in _LOOKED_BACK:
        if found := ticks(cron, timezone, now - back, now):
            return found[-1]
    return None


def since_of(config: Config, due: datetime) -> datetime:
    """What a digest goes back to: the one before it."""
    settings = config.alerts.digest
    before = last_tick(settings.every, config.timezone, due - timedelta(minutes=1)) if settings is not None else None
    return before or due - _DAY


def summary_message(config: Config, ledger: Ledger, since: datetime, now: datetime) -> Message:
    """The digest about what happened since a moment. Raises LedgerError."""
    with ledger.session() as session:
        seen = snapshots(session, config.sources, Seen)
        told = []
        for each in seen:
            state, cause, advice = each.judged(now, max(config.web.stale_after, _DAY))
            points = restore_points(session, each.source, gone=True)
            told.append(_told(session, config, each.source, state, cause, advice, each.seen, points, since))
        drills, incidents = list(_drills(session, config, now)), list(_incidents(session, now))
    broken = [each.name for each in told if EXIT_STATUS[each.state] > 1]
    severity: Severity = "error" if broken else "warn"
    when = f"{since:%Y-%m-%d %H:%M} UTC"
    sections = {
        f"proved since {when}": [_proved(each, now) for each in told],
        "not proved, or to look at": [line for each in told for line in _unproved(each)] or ["nothing"],
        "sizes in 30 days": [line for each in told if (line := _sizes(each, now))] or ["not known yet"],
        "drills": drills,
        "open incidents": incidents or ["none"],
    }
    return Message(
        incident=SUMMARY, event="summary", severity=severity, rule="digest", source="", store="", phase="alerts",
        title=_verdict(told, broken), cause="", next="", at=now, since=since,
        sections=tuple((name, tuple(text.line(redact(line)) for line in lines)) for name, lines in sections.items()),
        fine=all(each.state == "OK" for each in told),
    )  # fmt: skip


def _verdict(told: Sequence[_Told], broken: Sequence[str]) -> str:
    """How it stands, in one sentence: the subject of the message."""
    if broken:
        return f"{len(broken)} of {len(told)} sources cannot be restored as promised: {', '.join(broken)}"
    if unknown := [each.name for each in told if each.state == "UNKNOWN"]:
        return f"nobody knows whether {len(unknown)} of {len(told)} sources can be restored: {', '.join(unknown)}"
    if unsure := [each.name for each in told if each.state != "OK"]:
        return f"every source can be restored, look at {', '.join(unsure)}"
    return "every source can be restored: each was restored and compared"


def _told(
    session: Session, config: Config, name: str, state: State, cause: str, advice: str, seen: Seen | None,
    points: Sequence[Made], since: datetime,
) -> _Told:  # fmt: skip
    counted = _counted(session, name, since)
    provings = [each for point in points for each in point.provings if each.at >= since]
    return _Told(
        name=name,
        state=state,
        cause=cause,
        next=advice,
        rpo=config.sources[name].rpo,
        seen=seen,
        points=points,
        dumps=counted.get(SUCCEEDED, 0),
        failed=sum(count for status, count in counted.items() if status != SUCCEEDED),
        proved=sum(each.outcome == "verified" for each in provings),
        unproved=[f"{each.backup_id} in {each.store}: {each.words}" for each in provings if each.outcome != "verified"],
    )


def _counted(session: Session, name: str, since: datetime) -> Mapping[str, int]:
    query = select(Activity.status, func.count()).where(
        Activity.source == name, Activity.kind == "dump", Activity.status != RUNNING, Activity.finished_at >= since
    )
    return {row[0]: row[1] for row in session.execute(query.group_by(Activity.status))}


def _proved(each: _Told, now: datetime) -> str:
    seen = each.seen
    if seen is None or seen.recovery_point is None:
        return f"{each.name}: nothing was ever proved"
    age = f"{in_words(seen.recovery_point_at, now)} old" if seen.recovery_point_at is not None else "of unknown age"
    words = seen.proof.words if seen.proof is not None else "verified"
    counts = f"dumped {each.dumps} ×, proved {each.proved} ×"
    return f"{each.name}: {words}, recovery point {age} (RPO {human_duration(each.rpo)}); {counts}"


def _unproved(each: _Told) -> Iterator[str]:
    if each.state != "OK":
        yield f"{each.name}: {each.state}: {each.cause}{f'; next: {each.next}' if each.next else ''}"
    if each.failed:
        yield f"{each.name}: {each.failed} {'dump' if each.failed == 1 else 'dumps'} failed"
    yield from (f"{each.name}: {line}" for line in each.unproved)
    if each.seen is not None and each.seen.proof is not None:
        gaps = each.seen.proof.gaps
        # Of a proof that is only weak, the cause has named the first.
        yield from (f"{each.name}: not compared: {gap}" for gap in (gaps[1:] if each.state == "WEAK" else gaps))


def _sizes(each: _Told, now: datetime) -> str:
    """By day, from the oldest restore point of the last 30 days to the newest."""
    made = [point for point in reversed(each.points) if point.started_at >= now - _SIZES]
    if not made:
        return ""
    daily = list({point.started_at.date(): point.size_bytes for point in made}.values())[-_BARS:]
    first, last = daily[0], daily[-1]
    more = f"{'+' if last >= first else '-'}{human_size(abs(last - first))}"
    return f"{each.name}: {human_size(last)} ({more}) {''.join(sparkline(daily))}".rstrip()


def _drills(session: Session, config: Config, now: datetime) -> Iterator[str]:
    if config.drilled is None:
        yield "none is scheduled"
    else:
        yield f"next: {config.scenario} at {next_tick(config.drilled.every, config.timezone, now):%Y-%m-%d %H:%M} UTC"
    query = select(Activity).where(Activity.kind == "drill", Activity.status != RUNNING)
    newest = session.scalars(query.order_by(Activity.turn.desc(), Activity.id.desc()).limit(1)).first()
    if newest is None:
        yield "last: never drilled"
        return
    same = select(Activity).where(Activity.kind == "drill", Activity.started_at >= newest.started_at - _DAY)
    rows = [row for row in session.scalars(same) if row.meta.get("drill") == newest.meta.get("drill")]
    failed = [row.source for row in rows if row.status != SUCCEEDED]
    how = f"FAILED for {', '.join(failed)}" if failed else f"passed for {len(rows)} sources"
    yield f"last: {newest.meta.get('scenario', 'drill')}, {in_words(newest.started_at, now)} ago: {how}"


def _incidents(session: Session, now: datetime) -> Iterator[str]:
    query = select(Incident).where(Incident.open_key.is_not(None)).order_by(Incident.opened_at, Incident.id)
    for row in session.scalars(query):
        about = row.source or (f"store {row.store}" if row.store else "this machine")
        yield f"{row.severity} {about}: {row.condition['title']}, for {in_words(row.opened_at, now)}"
