"""Can this cadence hold this RPO? Arithmetic on cron lines; nothing here runs anything.

A backup protects from the start of its dump, and counts once verified. After one missed run the
newest verified backup is two intervals plus one whole run old, so `2 × interval + run ≤ rpo`. The
run is allowed as much as the RTO: a restore is its longest step.
"""

from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

from ops_pipelines.clock import UTC
from ops_pipelines.config.settings import Settings

_LOOKED_AT = timedelta(days=400)
_STEP = timedelta(hours=1)


@cache
def longest_interval(cron: str, timezone: str) -> timedelta:
    """The longest time between two ticks of `cron` in a year and a month from a fixed start.

    Looks at the pause around one moment of every hour: no longer one can slip through, and a cron line
    of every minute is not walked minute by minute.
    """
    zone, moment, longest = ZoneInfo(timezone), datetime(2026, 1, 1, tzinfo=UTC), timedelta(0)
    end = moment + _LOOKED_AT
    while moment < end:
        after = next(CronSim(cron, moment.astimezone(zone)))
        before = next(CronSim(cron, after, reverse=True))
        longest = max(longest, after.astimezone(UTC) - before.astimezone(UTC))
        moment = max(after.astimezone(UTC), moment + _STEP)
    return longest


def cadence_problem(settings: Settings, timezone: str) -> str | None:
    """Why the schedule cannot hold the RPO when one run is missed, or None when it can."""
    if settings.accept_risk:
        return None
    interval = longest_interval(settings.every, timezone)
    oldest = 2 * interval + settings.rto
    if oldest <= settings.rpo:
        return None
    hours = f"{oldest.total_seconds() / 3600:.3g}h"
    return (
        f"every {settings.every!r} leaves up to {interval.total_seconds() / 3600:.3g}h between runs; after one missed "
        f"run the newest verified backup would be {hours} old, more than rpo "
        f"{settings.rpo.total_seconds() / 3600:.3g}h. Back up more often, allow a larger rpo, or set accept_risk: true"
    )
