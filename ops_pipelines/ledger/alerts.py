"""What the ledger keeps of alerting: incidents, the outbox, mutes. What is told to whom is decided in `watch.alerts`.

Two things may happen in several processes at once, and each has one winner, by a compare-and-set that SQLite and
PostgreSQL both keep:

* *An evaluation is settled.* Its first statement moves the time of its part forward in `ops_evaluations`. The row stays
  locked until the transaction ends, and one whose facts are older than those already settled changes nothing.
* *A message is sent.* Its sender claims the row first. A claim ends with its process (the holder is known), or, from
  another machine's point of view, after a while.

An incident and its message are written in one transaction: no kill can part them.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import CursorResult, Select, bindparam, func, or_, select, union_all, update
from sqlalchemy.orm import Session

from ops_pipelines.clock import UTC, new_id
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.holder import alive, this_process
from ops_pipelines.ledger.ledger import Ledger, LedgerError
from ops_pipelines.ledger.models import (
    DELIVERED,
    RUNNING,
    SUPPRESSED,
    WAITING,
    Activity,
    Evaluation,
    Incident,
    Mute,
    Outgoing,
)

SUMMARY = "summary"
"""The event of a summary at a fixed time. All of them belong to one row of `ops_incidents`, which is neither open nor
resolved: every outgoing message belongs to one."""
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
# A clock that was set back must not silence us until it has caught up.
_MOST_SKEW = timedelta(minutes=5)
# Further back than any streak that is still of interest.
_LOOKED_BACK = 40
# For claims of other machines, whose processes we cannot see: longer than any message takes through all channels.
_CLAIM = timedelta(minutes=5)
# Longer than anything that is put back waits.
_LONGEST_WAIT = timedelta(hours=1)


class Attempt(NamedTuple):
    """What the rules must know of an activity that has ended; a thousand sources are read twice a minute.

    Its `turn` says which came later, `started_at` how long ago it was.
    """

    turn: int
    kind: str
    status: str
    started_at: datetime
    backup_id: str | None
    store: str | None
    run_id: str | None
    error: str | None
    meta: dict[str, Any]


def _newest_ended(kind: str) -> Select[Any]:
    columns = [getattr(Activity, name) for name in Attempt._fields]
    newest = (
        select(*columns, Activity.id)
        .where(Activity.source == bindparam("source"), Activity.kind == kind, Activity.status != RUNNING)
        .order_by(Activity.turn.desc(), Activity.id.desc())
        .limit(_LOOKED_BACK)
    )
    return select(newest.subquery(kind))


_ATTEMPTS = union_all(*(_newest_ended(kind) for kind in ("dump", "copy", "verify", "restore", "prune")))


class Settling:
    """One transaction in which an evaluation changes incidents and puts messages into the outbox."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session, self._now = session, now

    def open_incidents(self) -> dict[str, Incident]:
        """The open ones by key. Changes to them are written when the transaction ends."""
        rows = self._session.scalars(select(Incident).where(Incident.open_key.is_not(None)))
        return {row.key: row for row in rows}

    def mutes(self) -> list[Mute]:
        """Those that hold now."""
        return list(self._session.scalars(_holding(self._now)))

    def begin(
        self, *, key: str, rule: str, source: str, store: str, severity: str, condition: dict[str, Any]
    ) -> Incident:
        """A new open incident."""
        incident = Incident(
            id=new_id(self._now, tail_bytes=4), key=key, open_key=key, rule=rule, source=source, store=store,
            severity=severity, condition=condition, opened_at=self._now,
        )  # fmt: skip
        self._session.add(incident)
        self._session.flush()
        return incident

    def last_sent(self, key: str, event: str) -> datetime | None:
        """When a message of this kind about this key was last put into the outbox to be sent, by any process."""
        query = select(Outgoing.created_at).where(
            Outgoing.key == key, Outgoing.event == event, Outgoing.status != SUPPRESSED
        )
        query = query.order_by(Outgoing.id.desc()).limit(1)
        return self._session.scalar(query)

    def waiting(self, incident: Incident) -> bool:
        """Whether a message about it is still on its way."""
        query = select(Outgoing.id).where(Outgoing.incident_id == incident.id, Outgoing.status == WAITING).limit(1)
        return self._session.scalar(query) is not None

    def put_summary(self, key: str, severity: str, message: dict[str, Any]) -> bool:
        """Put a summary into the outbox; False when one of this key was put there already.

        Args:
            key: the same for every process that finds it due.
        """
        if self.last_sent(key, SUMMARY) is not None:
            return False
        if self._session.get(Incident, SUMMARY) is None:
            self._session.add(
                Incident(
                    id=SUMMARY, key=SUMMARY, rule=SUMMARY, source="", store="", severity="warn", opened_at=self._now,
                    condition={"title": "summaries", "cause": "", "next": ""},
                )
            )  # fmt: skip
            self._session.flush()
        self._session.add(_outgoing(self._now, SUMMARY, key, SUMMARY, severity, message))
        return True

    def put(self, incident: Incident, event: str, message: dict[str, Any], *, suppressed: str = "") -> None:
        """Put a message into the outbox.

        Args:
            suppressed: why it is kept but sent to nobody; empty when it is to be sent.
        """
        self._session.add(
            _outgoing(self._now, incident.id, incident.key, event, incident.severity, message, suppressed=suppressed)
        )


def _outgoing(
    now: datetime, incident: str, key: str, event: str, severity: str, message: dict[str, Any], *, suppressed: str = ""
) -> Outgoing:
    return Outgoing(
        incident_id=incident, key=key, event=event, severity=severity, created_at=now, message=message,
        status=SUPPRESSED if suppressed else WAITING, accepted=[], attempts=0, next_try_at=now,
        error=suppressed or None,
    )  # fmt: skip


class AlertLedger:
    """Incidents, outbox and mutes of an open ledger. Every method raises LedgerError when it cannot be used."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @contextmanager
    def settling(self, part: str, *, as_of: datetime) -> Iterator[Settling | None]:
        """Take this part's turn for the length of the block; None when newer facts have been settled already.

        Args:
            part: whose rules were evaluated.
            as_of: when the evaluation began to look at the facts.
        """
        if self.evaluated_at(part) is None:
            with suppress(LedgerError), self._ledger.session() as session:  # somebody else may be first
                session.add(Evaluation(part=part, at=_LONG_AGO))
        with self._ledger.session() as session:
            turn = (
                update(Evaluation)
                .where(Evaluation.part == part)
                .where(or_(Evaluation.at <= as_of, Evaluation.at > as_of + _MOST_SKEW))
                .values(at=as_of)
                .execution_options(synchronize_session=False)
            )
            yield Settling(session, as_of) if _changed(session, turn) else None

    def attempts(self, source: str) -> list[Attempt]:
        """The newest attempts of each kind at a source that have ended, newest first."""
        with self._ledger.session() as session:
            rows = session.execute(_ATTEMPTS, {"source": source}).all()
        return [Attempt(*row[:-1]) for row in sorted(rows, key=lambda row: (row.turn, row.id), reverse=True)]

    def evaluated_at(self, part: str) -> datetime | None:
        """As of when a part was last settled: our own sign of life."""
        with self._ledger.session() as session:
            return session.scalar(select(Evaluation.at).where(Evaluation.part == part))

    def was_put(self, key: str, event: str) -> bool:
        """Whether a message of this key and event was ever put into the outbox to be sent."""
        with self._ledger.session() as session:
            return Settling(session, _LONG_AGO).last_sent(key, event) is not None

    def open_incidents(self) -> list[Incident]:
        """The open ones, oldest first."""
        with self._ledger.session() as session:
            query = select(Incident).where(Incident.open_key.is_not(None)).order_by(Incident.opened_at, Incident.id)
            return _detached(session, session.scalars(query).all())

    def acknowledge(self, identifiers: Sequence[str], *, by: str, at: datetime) -> None:
        """Stop the repeats of open incidents until they end or change their severity."""
        with self._ledger.session() as session:
            session.execute(
                update(Incident)
                .where(Incident.id.in_(identifiers), Incident.open_key.is_not(None))
                .values(acked_at=at, acked_by=by)
            )

    def mute(
        self, *, source: str | None, rule: str | None, until: datetime, by: str, reason: str, at: datetime
    ) -> Mute:
        """Write a mute; `source` and `rule` narrow it. Raises OpsError for one that would end before it begins."""
        if until <= at:
            raise OpsError(
                "a mute of no length would mute nothing",
                safe="whoever was told is told",
                next="ops alerts mute --for 1h",
            )
        row = Mute(
            id=new_id(at, tail_bytes=4), source=source, rule=rule, created_at=at, ends_at=until, created_by=by,
            reason=reason,
        )  # fmt: skip
        with self._ledger.session() as session:
            session.add(row)
            session.flush()
            session.expunge_all()
        return row

    def mutes(self, now: datetime) -> list[Mute]:
        """Those that hold, oldest first."""
        with self._ledger.session() as session:
            query = _holding(now).order_by(Mute.created_at, Mute.id)
            return _detached(session, session.scalars(query).all())

    def unmute(self, identifiers: Sequence[str], *, at: datetime) -> None:
        """End mutes now."""
        with self._ledger.session() as session:
            session.execute(update(Mute).where(Mute.id.in_(identifiers)).values(ends_at=at))

    def depth(self) -> int:
        """How many messages wait in the outbox."""
        with self._ledger.session() as session:
            return session.scalar(select(func.count()).select_from(Outgoing).where(Outgoing.status == WAITING)) or 0

    def outbox(self, *, limit: int = 50) -> list[Outgoing]:
        """The newest messages, newest first, whatever became of them."""
        with self._ledger.session() as session:
            return _detached(session, session.scalars(select(Outgoing).order_by(Outgoing.id.desc()).limit(limit)).all())

    def due(self, now: datetime) -> list[Outgoing]:
        """Messages to send now, oldest first; of each incident only its oldest, so that they arrive in order."""
        first = select(func.min(Outgoing.id)).where(Outgoing.status == WAITING).group_by(Outgoing.incident_id)
        # No wait is that long: whoever wrote such a time had a clock that was ahead.
        come = or_(Outgoing.next_try_at <= now, Outgoing.next_try_at > now + _LONGEST_WAIT)
        query = select(Outgoing).where(Outgoing.id.in_(first), come).order_by(Outgoing.id)
        with self._ledger.session() as session:
            return _detached(session, session.scalars(query).all())

    def claim(self, row: Outgoing, now: datetime) -> bool:
        """Become the one who sends a message; False when somebody else is or it was sent meanwhile."""
        until = row.held_until
        held = row.holder is not None and until is not None and now < until <= now + _CLAIM + _MOST_SKEW
        if held and not (row.holder_host == socket.gethostname() and not alive(row.holder or "")):
            return False
        with self._ledger.session() as session:
            mine = (
                update(Outgoing)
                .where(Outgoing.id == row.id, Outgoing.status == WAITING)
                .where(Outgoing.holder.is_not_distinct_from(row.holder))
                .where(Outgoing.held_until.is_not_distinct_from(row.held_until))
                .values(holder=this_process(), holder_host=socket.gethostname(), held_until=now + _CLAIM)
            )
            return _changed(session, mine)

    def notified_channels(self, incident_id: str) -> list[str]:
        """The channels that accepted a message about an incident, in the order in which they first did."""
        query = select(Outgoing.accepted).where(Outgoing.incident_id == incident_id).order_by(Outgoing.id)
        with self._ledger.session() as session:
            return list(dict.fromkeys(channel for accepted in session.scalars(query) for channel in accepted))

    def accepted(self, identifier: int, channel: str) -> None:
        """A channel accepted a message that we claimed."""
        with self._ledger.session() as session:
            row = session.get_one(Outgoing, identifier)
            row.accepted = [*row.accepted, channel]

    def delivered(self, identifier: int, channel: str, *, at: datetime) -> None:
        """The last channel that had to take a message did; what waits has a way out again and is due at once."""
        with self._ledger.session() as session:
            row = session.get_one(Outgoing, identifier)
            row.accepted = [*row.accepted, channel]
            row.status, row.delivered_at, row.attempts, row.error = DELIVERED, at, row.attempts + 1, None
            row.holder = row.holder_host = row.held_until = None
            session.execute(
                update(Outgoing).where(Outgoing.status == WAITING, Outgoing.next_try_at > at).values(next_try_at=at)
            )

    def put_back(self, identifier: int, *, error: str, next_try_at: datetime) -> None:
        """Nobody accepted a message: it waits."""
        with self._ledger.session() as session:
            row = session.get_one(Outgoing, identifier)
            row.attempts, row.error, row.next_try_at = row.attempts + 1, error, next_try_at
            row.holder = row.holder_host = row.held_until = None

    def drop(self, identifier: int, *, why: str) -> None:
        """A message has nobody left to go to."""
        with self._ledger.session() as session:
            row = session.get_one(Outgoing, identifier)
            row.status, row.error = SUPPRESSED, why
            row.holder = row.holder_host = row.held_until = None


def _holding(now: datetime) -> Select[tuple[Mute]]:
    """Mutes that hold. One from the future was written by a clock that was ahead, and would last for as long."""
    return select(Mute).where(Mute.ends_at > now, Mute.created_at <= now + _MOST_SKEW)


def _changed(session: Session, statement: Any) -> bool:
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return bool(result.rowcount == 1)


def _detached(session: Session, rows: Sequence[Any]) -> list[Any]:
    session.expunge_all()
    return list(rows)
