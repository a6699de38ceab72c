"""What the ledger holds of a period, and what of the time before still counts in it. Reads only."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select

from ops_pipelines.clock import UTC
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import Activity, Base, Incident, Outgoing, Since


class Turn(NamedTuple):
    """Which attempt has a number."""

    turn: int
    source: str
    started_at: datetime


class Told(NamedTuple):
    """An incident, and every message about it, oldest first."""

    incident: Incident
    messages: Sequence[Outgoing]


def began_between(ledger: Ledger, begin: datetime, end: datetime) -> list[Activity]:
    """Every attempt that began in that time, in the order of their turns. Raises LedgerError."""
    query = select(Activity).where(Activity.started_at >= begin, Activity.started_at < end)
    return _rows(ledger, query.order_by(Activity.turn, Activity.id))


def proofs_until(ledger: Ledger, source: str, end: datetime) -> list[Activity]:
    """Every verification of a source that began before that time, in the order of their turns. Raises LedgerError."""
    query = select(Activity).where(Activity.source == source, Activity.kind == "verify", Activity.started_at < end)
    return _rows(ledger, query.order_by(Activity.turn, Activity.id))


def turns_between(ledger: Ledger, first: int, last: int) -> list[Turn]:
    """Which attempts have these numbers, both ends included. Raises LedgerError."""
    query = select(Activity.turn, Activity.source, Activity.started_at).where(Activity.turn.between(first, last))
    with ledger.session() as session:
        return [Turn(*row) for row in session.execute(query.order_by(Activity.turn))]


def last_turn(ledger: Ledger) -> int:
    """The highest number that any attempt has; 0 where there is none. Raises LedgerError."""
    with ledger.session() as session:
        return session.scalar(select(func.max(Activity.turn))) or 0


def first_known(ledger: Ledger, source: str | None = None) -> datetime | None:
    """When the ledger first knew of a source, or of anything; None where it never did. Raises LedgerError."""
    began, since = select(func.min(Activity.started_at)), select(func.min(Since.at))
    if source is not None:
        began, since = began.where(Activity.source == source), since.where(Since.source == source)
    with ledger.session() as session:
        found = [session.scalar(began), session.scalar(since)]
    return min((each for each in found if each is not None), default=None)


def last_known(ledger: Ledger, source: str) -> datetime | None:
    """When the last attempt at a source began. Raises LedgerError."""
    with ledger.session() as session:
        return session.scalar(select(func.max(Activity.started_at)).where(Activity.source == source))


def incidents_between(ledger: Ledger, begin: datetime, end: datetime) -> list[Told]:
    """Every incident that was open at any moment of that time, oldest first. Raises LedgerError."""
    open_then = (Incident.opened_at < end) & (Incident.resolved_at.is_(None) | (Incident.resolved_at >= begin))
    about = select(Outgoing).where(Outgoing.incident_id.in_(select(Incident.id).where(open_then)))
    messages: dict[str, list[Outgoing]] = {}
    with ledger.session() as session:
        incidents = list(session.scalars(select(Incident).where(open_then).order_by(Incident.opened_at, Incident.id)))
        for each in session.scalars(about.order_by(Outgoing.id)):
            messages.setdefault(each.incident_id, []).append(each)
        session.expunge_all()
    return [Told(each, messages.get(each.id, ())) for each in incidents]


def sha256_of(*rows: Base) -> str:
    """The digest of rows as they stand: every column, as JSON with its keys in order, times in UTC. Hexadecimal."""
    columns = [{column.name: getattr(row, column.name) for column in row.__table__.columns} for row in rows]
    said: Any = columns[0] if len(columns) == 1 else columns
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":"), default=_in_utc).encode()).hexdigest()


def _in_utc(at: datetime) -> str:
    """PostgreSQL answers in the time zone of the session."""
    return at.astimezone(UTC).isoformat()


def _rows(ledger: Ledger, query: Any) -> list[Activity]:
    with ledger.session() as session:
        rows = list(session.scalars(query))
        session.expunge_all()
    return rows
