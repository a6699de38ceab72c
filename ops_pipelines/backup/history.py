"""Which runs of the past may be forgotten. Knows no orchestrator: it is handed facts about runs, and hands back ids.

What an orchestrator remembers colours the days of its calendar: a day that still has a restore point somewhere keeps
the last run that did all of it, and a source whose stores cannot all be read keeps everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ops_pipelines.config.models import Config
from ops_pipelines.vault.catalogue import Catalogues

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class PastRun:
    """What must be known of a run.

    Attributes:
        sources: what it was about.
        first_day: the first day of the calendar that it filled, `last_day` the last; nothing when it filled none.
        ended_at: when it ended.
        newest_good: whether no later run of its kind ended well.
        done_again: whether a later run did as much for the same days, and ended well.
    """

    id: str
    sources: frozenset[str]
    first_day: date | None
    last_day: date | None
    ended_at: datetime
    newest_good: bool
    done_again: bool = False


def forgettable(config: Config, catalogues: Catalogues, runs: Sequence[PastRun], *, before: datetime) -> list[str]:
    """The ids of those runs that nobody needs any more, in their order.

    Args:
        runs: runs that have ended.
        before: when a run must have ended.
    """
    old = [run for run in runs if run.ended_at < before and not run.newest_good]
    held = {source: _held_days(config, catalogues, source) for source in config.sources if old}
    return [run.id for run in old if not any(_holds(held[source], run) for source in run.sources if source in held)]


def _holds(days: frozenset[date] | None, run: PastRun) -> bool:
    if days is None:
        return True
    return (
        not run.done_again
        and run.first_day is not None
        and run.last_day is not None
        and any(run.first_day <= day <= run.last_day for day in days)
    )


def _held_days(config: Config, catalogues: Catalogues, source: str) -> frozenset[date] | None:
    """The days that a restore point of a source may belong to; nothing when its stores cannot all be read."""
    catalogue = catalogues(source)
    # What is missing in every store holds no day.
    if catalogue.problems or any(each.store for each in catalogue.strangers):
        return None
    zone = ZoneInfo(config.timezone)
    own = {point.started_at.astimezone(zone).date() for point in catalogue.points}
    # A run that was meant for the day before may have dumped after midnight.
    return frozenset(own | {day - _DAY for day in own})
