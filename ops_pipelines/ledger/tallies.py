"""Tallies: how many attempts ended how, by day and ever, without walking through history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import cache
from typing import Any

from sqlalchemy import Row, Select, bindparam, func, select
from sqlalchemy.orm import Session

from ops_pipelines.ledger.models import EVER, Activity, Tally
from ops_pipelines.ledger.upsert import insert_into

WELL = ("succeeded", "verified")
"""The outcomes that count as success."""


@dataclass(frozen=True)
class Count:
    """How many attempts of a kind at a source ended with an outcome, and the seconds they took together."""

    source: str
    kind: str
    outcome: str
    attempts: int
    seconds: float


def outcome_of(row: Activity) -> str:
    """How an ended activity ended: a verification with its verdict, where it came to one."""
    return str(row.meta.get("outcome") or row.status)


def count(session: Session, row: Activity) -> None:
    """Count an activity that ends in this transaction, once."""
    assert row.finished_at is not None
    # Always in this order: two that end at once wait for each other, and never in a circle.
    for period in (f"{row.finished_at.astimezone(timezone.utc):%Y-%m-%d}", EVER):
        values: dict[str, Any] = {
            "period": period, "source": row.source, "kind": row.kind, "outcome": outcome_of(row), "attempts": 1,
            "seconds": row.duration_s or 0.0,
        }  # fmt: skip
        new = insert_into(session, Tally).values(values)
        more = {"attempts": Tally.attempts + 1, "seconds": Tally.seconds + new.excluded.seconds}
        session.execute(new.on_conflict_do_update(index_elements=["period", "source", "kind", "outcome"], set_=more))


def ever(session: Session) -> list[Count]:
    """Everything that was ever counted."""
    query = select(Tally.source, Tally.kind, Tally.outcome, Tally.attempts, Tally.seconds).where(Tally.period == EVER)
    return _counts(session.execute(query).all())


def last_days(session: Session, now: datetime, *, days: int, source: str | None = None) -> list[Count]:
    """What ended in the last days.

    Args:
        days: whole days in UTC, today being one of them.
        source: only this one; all unless given.
    """
    today: date = now.astimezone(timezone.utc).date()
    asked = {"first": str(today - timedelta(days=days - 1)), "last": str(today), "source": source}
    return _counts(session.execute(_summed(of_one=source is not None), asked).all())


@cache
def _summed(*, of_one: bool) -> Select[tuple[str, str, str, int, float]]:
    """Built once, and asked for a thousand sources in a row."""
    query = (
        select(Tally.source, Tally.kind, Tally.outcome, func.sum(Tally.attempts), func.sum(Tally.seconds))
        .where(Tally.period.between(bindparam("first"), bindparam("last")))
        .group_by(Tally.source, Tally.kind, Tally.outcome)
    )
    return query.where(Tally.source == bindparam("source")) if of_one else query


def _counts(rows: Sequence[Row[Any]]) -> list[Count]:
    return [Count(*row) for row in rows]
