"""Numbers that only grow, for each source: which restore point, and which verdict, is the later one."""

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import Number


def last_number(ledger: Ledger, source: str, series: str) -> int:
    """The number that was given last; 0 when this ledger gave none. Raises LedgerError."""
    with ledger.session() as session:
        found = session.scalar(select(Number.last).where(Number.source == source, Number.series == series))
    return found or 0


def next_number(ledger: Ledger, source: str, series: str, *, above: int = 0) -> int:
    """A number that nobody got yet.

    Args:
        series: `point` or `verdict`.
        above: the highest one that is known to be in use, in case this ledger was lost.
    Raises:
        LedgerError: it cannot be written down, so it is not given.
    """
    mine = (Number.source == source, Number.series == series)
    with ledger.session() as session:
        try:
            with session.begin_nested():
                session.execute(insert(Number).values(source=source, series=series, last=0))
        except IntegrityError:
            pass
        # The writing comes first: it holds the row until the end of the transaction.
        session.execute(update(Number).where(*mine).values(last=Number.last + 1))
        last = session.scalar(select(Number.last).where(*mine)) or 0
        if last <= above:
            last = above + 1
            session.execute(update(Number).where(*mine).values(last=last))
    return last
