"""Incidents, their outbox, mutes, and the evaluations that took turns on them."""

from datetime import datetime, timezone

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables of alerting; evaluations have a row for each part from the start, since rows are the locks."""
    op.create_table(
        "ops_incidents",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("open_key", sa.String(255), unique=True),
        sa.Column("rule", sa.String(63), nullable=False),
        sa.Column("source", sa.String(63), nullable=False),
        sa.Column("store", sa.String(63), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("condition", sa.JSON, nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        sa.Column("told_at", sa.DateTime(timezone=True)),
        sa.Column("told_severity", sa.String(16)),
        sa.Column("acked_at", sa.DateTime(timezone=True)),
        sa.Column("acked_by", sa.String(255)),
    )
    op.create_index("ix_ops_incidents_key", "ops_incidents", ["key"])
    op.create_table(
        "ops_outbox",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("incident_id", sa.String(40), sa.ForeignKey("ops_incidents.id"), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message", sa.JSON, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("accepted", sa.JSON, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
        sa.Column("holder", sa.String(255)),
        sa.Column("holder_host", sa.String(255)),
        sa.Column("held_until", sa.DateTime(timezone=True)),
        sa.Column("error", sa.Text),
    )
    op.create_index("ix_ops_outbox_status", "ops_outbox", ["status", "next_try_at"])
    op.create_index("ix_ops_outbox_key_event_created", "ops_outbox", ["key", "event", "created_at"])
    op.create_index("ix_ops_outbox_incident", "ops_outbox", ["incident_id"])
    op.create_table(
        "ops_mutes",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("source", sa.String(63)),
        sa.Column("rule", sa.String(63)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    evaluations = op.create_table(
        "ops_evaluations",
        sa.Column("part", sa.String(32), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    never = datetime(1970, 1, 1, tzinfo=timezone.utc)
    op.bulk_insert(evaluations, [{"part": part, "at": never} for part in ("attempts", "standing")])
