"""What servers and services said when they were last asked how they are."""

from datetime import datetime, timezone

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table, and the row by which processes take turns on the rules about it."""
    op.create_table(
        "ops_probes",
        sa.Column("target", sa.String(63), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    evaluations = sa.table("ops_evaluations", sa.column("part"), sa.column("at", sa.DateTime(timezone=True)))
    never = datetime(1970, 1, 1, tzinfo=timezone.utc)
    op.bulk_insert(evaluations, [{"part": "probes", "at": never}])
