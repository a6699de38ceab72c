"""Insert a row, or change the one that is there, in one statement: each database has its own word for it."""

from importlib import import_module
from typing import Any

from sqlalchemy.orm import Session


def insert_into(session: Session, model: type) -> Any:
    """An INSERT for this session's database that takes `on_conflict_do_update` or `…_do_nothing`.

    PostgreSQL's half of SQLAlchemy is imported only where the ledger is in PostgreSQL: it costs every command 50 ms.
    """
    dialect = import_module(f"sqlalchemy.dialects.{session.get_bind().dialect.name}")
    return dialect.insert(model)
