"""The numbers that restore points and verdicts get: they only grow."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "ops_numbers",
        sa.Column("source", sa.String(63), primary_key=True),
        sa.Column("series", sa.String(16), primary_key=True),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
