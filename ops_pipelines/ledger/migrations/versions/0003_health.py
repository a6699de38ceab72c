"""Health as it was last seen, and tallies of attempts, which begin with those that the ledger has."""

from collections import Counter
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create both tables and count what has ended so far."""
    tallies = op.create_table(
        "ops_tallies",
        sa.Column("period", sa.String(10), primary_key=True),
        sa.Column("source", sa.String(63), primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("outcome", sa.String(16), primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
    )
    op.create_table(
        "ops_health",
        sa.Column("source", sa.String(63), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("watched_at", sa.DateTime(timezone=True)),
        sa.Column("document", sa.Text, nullable=False),
    )
    if counted := _counted():
        op.bulk_insert(tallies, counted)


def _counted() -> list[dict[str, Any]]:
    activities = sa.table(
        "ops_activities",
        *(sa.column(name) for name in ("source", "kind", "status", "duration_s")),
        sa.column("finished_at", sa.DateTime(timezone=True)),
        sa.column("meta", sa.JSON),
    )
    attempts: Counter[tuple[str, ...]] = Counter()
    seconds: Counter[tuple[str, ...]] = Counter()
    for row in op.get_bind().execute(sa.select(activities).where(activities.c.finished_at.is_not(None))):
        for period in (f"{row.finished_at:%Y-%m-%d}", "ever"):
            key = (period, row.source, row.kind, (row.meta or {}).get("outcome", row.status))
            attempts[key] += 1
            seconds[key] += row.duration_s or 0
    names = ("period", "source", "kind", "outcome")
    return [
        {**dict(zip(names, key, strict=True)), "attempts": n, "seconds": seconds[key]} for key, n in attempts.items()
    ]
