"""The tables of the ledger: attempts, what became of telling humans about trouble, health as it was last seen."""

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Float, ForeignKey, Index, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ops_pipelines.language.said import told

RUNNING, SUCCEEDED, FAILED = "running", "succeeded", "failed"
REFUSED = "refused_for_safety"  # in the facts of a failed attempt that was never begun
CANCELLED = "cancelled"  # of one that somebody stopped
WAITING, DELIVERED, SUPPRESSED = "waiting", "delivered", "suppressed"
EVER = "ever"


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, aware and in UTC on both sides; SQLite has no time zones of its own."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        return value.astimezone(timezone.utc) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        return value.replace(tzinfo=timezone.utc) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    """The ledger's metadata."""


class Activity(Base):
    """One attempt, from before its first byte to its terminal state.

    Attributes:
        kind: `dump`, `copy`, `verify`, `restore`, …
        status: `running`, `succeeded` or `failed`.
        turn: those with higher ones began later, whatever a clock said; two that begin at once may have the same.
        holder: the process that works on it, so that a later one can tell whether it died.
    """

    __tablename__ = "ops_activities"
    __table_args__ = (
        Index("ix_ops_activities_source_kind_turn", "source", "kind", "turn"),
        Index("ix_ops_activities_turn", "turn"),
        Index("ix_ops_activities_status", "status"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    source: Mapped[str] = mapped_column(String(63))
    kind: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16))
    turn: Mapped[int] = mapped_column(BigInteger, server_default="0")
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    duration_s: Mapped[float | None] = mapped_column(Float)
    backup_id: Mapped[str | None] = mapped_column(String(40))
    store: Mapped[str | None] = mapped_column(String(63))
    host: Mapped[str] = mapped_column(String(255))
    holder: Mapped[str] = mapped_column(String(255))
    run_id: Mapped[str | None] = mapped_column(String(64))
    error: Mapped[str | None] = mapped_column(Text)
    meta: Mapped[dict[str, Any]] = mapped_column(JSON)


class Incident(Base):
    """One trouble, from the evaluation that first saw it to the one that saw it gone.

    Attributes:
        key: rule, source and store: what makes two troubles the same.
        open_key: the key while it is open, else nothing: at most one incident of a key is open.
        condition: what was last seen of it.
        told_at: when the last message about it was put into the outbox; nothing while nobody was told.
        told_severity: how severe that message said it was.
    """

    __tablename__ = "ops_incidents"
    __table_args__ = (Index("ix_ops_incidents_key", "key"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(255))
    open_key: Mapped[str | None] = mapped_column(String(255), unique=True)
    rule: Mapped[str] = mapped_column(String(63))
    source: Mapped[str] = mapped_column(String(63))
    store: Mapped[str] = mapped_column(String(63))
    severity: Mapped[str] = mapped_column(String(16))
    condition: Mapped[dict[str, Any]] = mapped_column(JSON)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    told_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    told_severity: Mapped[str | None] = mapped_column(String(16))
    acked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acked_by: Mapped[str | None] = mapped_column(String(255))

    def told(self, name: str) -> str:
        """What was last seen of it: its `title`, `cause`, `safe` or `next`."""
        return told(self.condition.get(name, ""))


class Outgoing(Base):
    """One message about an incident, from the transaction that decided it to the channel that took it.

    Attributes:
        event: `opened`, `escalated`, `repeated`, `resolved`; `summary`, which is about no incident.
        status: `waiting`, `delivered`, or `suppressed`: decided and kept, and sent to nobody; `error` says why.
        accepted: the channels that took it.
        holder: the process that is sending it, and until when it may be believed to be.
    """

    __tablename__ = "ops_outbox"
    __table_args__ = (
        Index("ix_ops_outbox_status", "status", "next_try_at"),
        Index("ix_ops_outbox_key_event_created", "key", "event", "created_at"),
        Index("ix_ops_outbox_incident", "incident_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("ops_incidents.id"))
    key: Mapped[str] = mapped_column(String(255))
    event: Mapped[str] = mapped_column(String(16))
    severity: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    message: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(16))
    accepted: Mapped[list[str]] = mapped_column(JSON)
    attempts: Mapped[int]
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    holder: Mapped[str | None] = mapped_column(String(255))
    holder_host: Mapped[str | None] = mapped_column(String(255))
    held_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str | None] = mapped_column(Text)


class Number(Base):
    """The number that a source's restore points (`point`) or verdicts (`verdict`) have reached."""

    __tablename__ = "ops_numbers"

    source: Mapped[str] = mapped_column(String(63), primary_key=True)
    series: Mapped[str] = mapped_column(String(16), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)


class Mute(Base):
    """Silence with an end: on a source, a rule, both, or everything."""

    __tablename__ = "ops_mutes"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    source: Mapped[str | None] = mapped_column(String(63))
    rule: Mapped[str | None] = mapped_column(String(63))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(Text)


class Evaluation(Base):
    """When the rules of a part were last evaluated. Its row is the lock by which processes take turns."""

    __tablename__ = "ops_evaluations"

    part: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class Tally(Base):
    """How many attempts ended how: moved on in the transaction that ends each, so that counting never walks history.

    Attributes:
        period: a day in UTC (`2026-11-21`) on which they ended, or `ever`.
        outcome: `succeeded` or `failed`; of verifications the verdict where there is one.
        seconds: what they took, together.
    """

    __tablename__ = "ops_tallies"

    period: Mapped[str] = mapped_column(String(10), primary_key=True)
    source: Mapped[str] = mapped_column(String(63), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(16), primary_key=True)
    attempts: Mapped[int]
    seconds: Mapped[float] = mapped_column(Float)


class Health(Base):
    """How a source stood when somebody last looked at its stores: what is served to those who must not.

    Attributes:
        at: when it was looked at, by anybody.
        watched_at: when the watcher, who looks all the time, last did.
        document: what was seen, as JSON; text, because who reads it parses and validates it in one go.
    """

    __tablename__ = "ops_health"

    source: Mapped[str] = mapped_column(String(63), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    watched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    document: Mapped[str] = mapped_column(Text)


class Since(Base):
    """When a source was first looked at."""

    __tablename__ = "ops_since"

    source: Mapped[str] = mapped_column(String(63), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class Probe(Base):
    """What was last found when a server or service was asked how it is; `document` is JSON."""

    __tablename__ = "ops_probes"

    target: Mapped[str] = mapped_column(String(63), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    document: Mapped[str] = mapped_column(Text)
