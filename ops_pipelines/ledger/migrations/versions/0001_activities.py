"""The first schema: ops_activities."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the table and its indexes."""
    op.create_table(
        "ops_activities",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("source", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("duration_s", sa.Float),
        sa.Column("backup_id", sa.String(40)),
        sa.Column("store", sa.String(63)),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("run_id", sa.String(64)),
        sa.Column("error", sa.Text),
        sa.Column("meta", sa.JSON, nullable=False),
    )
    op.create_index("ix_ops_activities_source_kind_started", "ops_activities", ["source", "kind", "started_at"])
    op.create_index("ix_ops_activities_status", "ops_activities", ["status"])
