"""How things develop: success rates of the last week, what restores took, how fast a source grows."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from pydantic import BaseModel, ConfigDict

from ops_pipelines.errors import OpsError
from ops_pipelines.ledger import tallies
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint

TARGET = 0.99
"""The share of attempts that should succeed."""
_RATE_DAYS, _RESTORES = 7, 7
_DAY = timedelta(days=1)


class Trends(BaseModel):
    """How one source develops.

    Attributes:
        backup_success_7d: share of dumps that succeeded, 0 to 1, of those that ended in 7 UTC days; None without any.
        verify_success_7d: the same of verifications that ended as verified.
        restores_s: seconds the last good restores took, oldest first.
        growth_bytes_per_day: what the source usually grows by before compression; None before three days are known.
    """

    model_config = ConfigDict(frozen=True)

    backup_success_7d: float | None = None
    verify_success_7d: float | None = None
    restores_s: Sequence[float] = ()
    growth_bytes_per_day: int | None = None


def trends_of(name: str, catalogue: Catalogue, ledger: Callable[[], Ledger], now: datetime) -> Trends:
    """How a source develops; what only the ledger knows is left out when it cannot be read."""
    try:
        with ledger().session() as session:
            counted = tallies.last_days(session, now, days=_RATE_DAYS, source=name)
    except OpsError:
        counted = []
    good = [each for point in catalogue.points for each in point.verdicts if each.outcome == "verified"]
    last = sorted(good, key=lambda each: each.number)[-_RESTORES:]
    return Trends(
        backup_success_7d=_share([each for each in counted if each.kind == "dump"]),
        verify_success_7d=_share([each for each in counted if each.kind == "verify"]),
        restores_s=[round(each.took_s, 3) for each in last],
        growth_bytes_per_day=_growth(daily(catalogue.points)),
    )


def daily(points: Sequence[RestorePoint]) -> list[RestorePoint]:
    """The newest restore point and those about a day apart before it, oldest first."""
    picked: list[RestorePoint] = []
    for point in reversed(points):
        if not picked or picked[-1].started_at - point.started_at >= _DAY * 0.95:
            picked.append(point)
    return picked[::-1]


def growth_by_day(days: Sequence[RestorePoint]) -> list[int]:
    """By how many bytes each is larger than the one before, before compression."""
    return [later.manifest.plain_bytes - earlier.manifest.plain_bytes for earlier, later in pairwise(days)]


def _growth(days: Sequence[RestorePoint]) -> int | None:
    grown = growth_by_day(days)
    return round(median(grown)) if len(grown) > 1 else None


def _share(counted: Sequence[tallies.Count]) -> float | None:
    attempts = sum(each.attempts for each in counted)
    well = sum(each.attempts for each in counted if each.outcome in tallies.WELL)
    return well / attempts if attempts else None
