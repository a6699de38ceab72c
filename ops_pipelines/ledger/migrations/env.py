"""Alembic's entry point: run the migrations on the connection the ledger hands over."""

from alembic import context

from ops_pipelines.ledger.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
