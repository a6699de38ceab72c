"""Since when each source is watched."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select

from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import Since
from ops_pipelines.ledger.upsert import insert_into


def watched_since(ledger: Ledger, sources: Collection[str], now: datetime) -> dict[str, datetime]:
    """When each was first looked at; now, for one that never was. Those that are no source any more are forgotten.

    Raises LedgerError.
    """
    with ledger.session() as session:
        found = {row.source: row.at for row in session.scalars(select(Since))}
        if gone := found.keys() - set(sources):
            session.execute(delete(Since).where(Since.source.in_(gone)))
        if new := [name for name in sources if name not in found]:
            rows = [{"source": name, "at": now} for name in new]
            session.execute(
                insert_into(session, Since).values(rows).on_conflict_do_nothing()
            )  # another process may be first
    return {name: found.get(name, now) for name in sources}
