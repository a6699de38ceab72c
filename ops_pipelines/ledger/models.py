"""The tables of the ledger: `ops_activities`, one row per attempt at something."""

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Float, Index, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

RUNNING, SUCCEEDED, FAILED = "running", "succeeded", "failed"


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
        holder: the process that works on it, so that a later one can tell whether it died.
    """

    __tablename__ = "ops_activities"
    __table_args__ = (
        Index("ix_ops_activities_source_kind_started", "source", "kind", "started_at"),
        Index("ix_ops_activities_status", "status"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    source: Mapped[str] = mapped_column(String(63))
    kind: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16))
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
