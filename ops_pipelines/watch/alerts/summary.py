"""The digest: a message at fixed times, also when all is well. It goes through the outbox, once for each time.

What was proved and what was not, sizes, drills. Read from the ledger, as it was last seen: no store is asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ops_pipelines import text
from ops_pipelines.chronology import age
from ops_pipelines.config.alerts import Severity
from ops_pipelines.config.cadence import next_tick, ticks
from ops_pipelines.config.models import Config
from ops_pipelines.language.said import Size, counted, said, worded
from ops_pipelines.language.speech import language
from ops_pipelines.ledger.alerts import SUMMARY, AlertLedger
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import RUNNING, SUCCEEDED, Activity, Incident
from ops_pipelines.proof import VERIFIED
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
        return settling is not None and settling.put_summary(key, message.severity, message.kept())


def put_now(config: Config, ledger: Ledger, now: datetime) -> Message:
    """Put a digest into the outbox at once, beside those that come by themselves. Raises LedgerError."""
    message = summary_message(config, ledger, since_of(config, now), now)
    with AlertLedger(ledger).settling(f"{SUMMARY}_by_hand", as_of=now) as settling:
        if settling is not None:
            settling.put_summary(
                f"{SUMMARY}/by hand {now.isoformat()}",
                message.severity,
                message.kept(),
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
    spoken = language(config.language)
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
    sections: list[tuple[str, Sequence[str]]] = [
        (said("proved since {at}", at=since), [_proved(each, now) for each in told]),
        (said("not proved, or to look at"), [line for each in told for line in _unproved(each)] or [said("nothing")]),
        (said("sizes in 30 days"), [line for each in told if (line := _sizes(each, now))] or [said("not known yet")]),
        (said("drills"), drills),
        (said("open incidents"), incidents or [said("no incident")]),
    ]
    told_sections = tuple(
        (spoken.tell(name), tuple(text.line(redact(spoken.tell(line))) for line in lines)) for name, lines in sections
    )
    return Message(
        incident=SUMMARY, event="summary", severity=severity, rule="digest", source="", store="", phase="alerts",
        title=_verdict(told, broken), cause="", next="", at=now, since=since,
        sections=told_sections, language=config.language,
        fine=all(each.state == "OK" for each in told),
    )  # fmt: skip


def _verdict(told: Sequence[_Told], broken: Sequence[str]) -> str:
    """How it stands, in one sentence: the subject of the message."""
    if broken:
        return counted(
            "{count} of {all} sources cannot be restored as promised: {names}",
            "{count} of {all} sources cannot be restored as promised: {names}",
            len(broken), all=len(told), names=broken,
        )  # fmt: skip
    if unknown := [each.name for each in told if each.state == "UNKNOWN"]:
        return counted(
            "nobody knows whether {count} of {all} sources can be restored: {names}",
            "nobody knows whether {count} of {all} sources can be restored: {names}",
            len(unknown), all=len(told), names=unknown,
        )  # fmt: skip
    if unsure := [each.name for each in told if each.state != "OK"]:
        return said("every source can be restored, look at {names}", names=unsure)
    return said("every source can be restored: each was restored and compared")


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
        unproved=[
            said("{id} in {store}: {cause}", id=each.backup_id, store=each.store, cause=worded(each.words))
            for each in provings
            if each.outcome != "verified"
        ],
    )


def _counted(session: Session, name: str, since: datetime) -> Mapping[str, int]:
    query = select(Activity.status, func.count()).where(
        Activity.source == name, Activity.kind == "dump", Activity.status != RUNNING, Activity.finished_at >= since
    )
    return {row[0]: row[1] for row in session.execute(query.group_by(Activity.status))}


def _proved(each: _Told, now: datetime) -> str:
    seen = each.seen
    if seen is None or seen.recovery_point is None:
        return said("{name}: nothing was ever proved", name=each.name)
    old = age(seen.recovery_point_at, now) if seen.recovery_point_at is not None else None
    return said(
        "{name}: {words}, recovery point {age} (RPO {rpo}); dumped {dumps} ×, proved {proofs} ×",
        name=each.name,
        words=worded(seen.proof.words if seen.proof is not None else VERIFIED),
        age=said("{age} old", age=old) if old is not None else said("of unknown age"),
        rpo=each.rpo,
        dumps=each.dumps,
        proofs=each.proved,
    )


def _unproved(each: _Told) -> Iterator[str]:
    if each.state != "OK":
        found = {"name": each.name, "state": each.state, "cause": each.cause, "next": each.next}
        yield (
            said("{name}: {state}: {cause}; next: {next}", **found)
            if each.next
            else said("{name}: {state}: {cause}", **found)
        )
    if each.failed:
        yield counted("{name}: {count} dump failed", "{name}: {count} dumps failed", each.failed, name=each.name)
    yield from (said("{about}: {what}", about=each.name, what=line) for line in each.unproved)
    if each.seen is not None and each.seen.proof is not None:
        gaps = each.seen.proof.gaps
        # Of a proof that is only weak, the cause has named the first.
        left = gaps[1:] if each.state == "WEAK" else gaps
        yield from (said("{name}: not compared: {gap}", name=each.name, gap=str(gap)) for gap in left)


def _sizes(each: _Told, now: datetime) -> str:
    """By day, from the oldest restore point of the last 30 days to the newest."""
    made = [point for point in reversed(each.points) if point.started_at >= now - _SIZES]
    if not made:
        return ""
    daily = list({point.started_at.date(): point.size_bytes for point in made}.values())[-_BARS:]
    first, last = daily[0], daily[-1]
    return said(
        "{name}: {size} ({sign}{more}) {bars}",
        name=each.name,
        size=Size(last),
        sign="+" if last >= first else "-",
        more=Size(abs(last - first)),
        bars="".join(sparkline(daily)),
    )


def _drills(session: Session, config: Config, now: datetime) -> Iterator[str]:
    if config.drilled is None:
        yield said("none is scheduled")
    else:
        at = next_tick(config.drilled.every, config.timezone, now)
        yield said("next: {scenario} at {at}", scenario=config.scenario, at=at)
    query = select(Activity).where(Activity.kind == "drill", Activity.status != RUNNING)
    newest = session.scalars(query.order_by(Activity.turn.desc(), Activity.id.desc()).limit(1)).first()
    if newest is None:
        yield said("last: never drilled")
        return
    same = select(Activity).where(Activity.kind == "drill", Activity.started_at >= newest.started_at - _DAY)
    rows = [row for row in session.scalars(same) if row.meta.get("drill") == newest.meta.get("drill")]
    failed = [row.source for row in rows if row.status != SUCCEEDED]
    how = counted("passed for {count} source", "passed for {count} sources", len(rows))
    if failed:
        how = said("FAILED for {names}", names=failed)
    passed = age(newest.started_at, now)
    yield said(
        "last: {scenario}, {age} ago: {how}",
        scenario=newest.meta.get("scenario", "drill"),
        age=passed if passed is not None else said("in the future"),
        how=how,
    )


def _incidents(session: Session, now: datetime) -> Iterator[str]:
    query = select(Incident).where(Incident.open_key.is_not(None)).order_by(Incident.opened_at, Incident.id)
    for row in session.scalars(query):
        about = row.source or (said("store {name}", name=row.store) if row.store else said("this machine"))
        passed = age(row.opened_at, now)
        yield said(
            "{severity} {about}: {title}, for {span}",
            severity=row.severity,
            about=about,
            title=row.told("title"),
            span=passed if passed is not None else said("in the future"),
        )
