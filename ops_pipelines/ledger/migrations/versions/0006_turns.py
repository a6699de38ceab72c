"""Attempts get a turn, which only grows: which of two came later is no matter of a clock."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
_IN_TURN = """
update ops_activities set turn = numbered.turn
from (select id, row_number() over (order by started_at, id) as turn from ops_activities) as numbered
where numbered.id = ops_activities.id
"""


def upgrade() -> None:
    """Number what is there by its times: nothing better is known of it."""
    op.add_column("ops_activities", sa.Column("turn", sa.BigInteger, nullable=False, server_default="0"))
    op.execute(_IN_TURN)
    op.create_index("ix_ops_activities_turn", "ops_activities", ["turn"])
    op.create_index("ix_ops_activities_source_kind_turn", "ops_activities", ["source", "kind", "turn"])
    op.drop_index("ix_ops_activities_source_kind_started", "ops_activities")
