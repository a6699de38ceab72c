"""Can this cadence hold this RPO? Arithmetic on cron lines; nothing here runs anything.

A backup protects from the start of its dump, and counts once verified. After one missed run the
newest verified backup is two intervals plus one whole run old, so `2 × interval + run ≤ rpo`. The
run is allowed as much as the RTO: a restore is its longest step.
"""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim

from ops_pipelines.clock import UTC
from ops_pipelines.config.models import Config
from ops_pipelines.settings.common import Settings

_LOOKED_AT = timedelta(days=400)
_STEP = timedelta(hours=1)
_HOURS_A_DAY = 24
# Dagster looks for changes of the clock at these hours; elsewhere it takes lines of once a day as they are.
_SET_AT = (1, 2, 3)
_SOME_DAY = datetime(2026, 1, 1)
_QUIET_FROM, _QUIET_TO, _QUIET_STEP = timedelta(hours=3), timedelta(hours=6, minutes=30), timedelta(minutes=5)


@cache
def longest_interval(cron: str, timezone: str) -> timedelta:
    """The longest time between two ticks of `cron` in a year and a month from a fixed start."""
    zone, begin = ZoneInfo(timezone), datetime(2026, 1, 1, tzinfo=UTC)
    return max(_longest(cron, zone, *span) for span in _different(cron, zone, begin, begin + _LOOKED_AT))


def _different(cron: str, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Spans in which a cron line does all that it ever does between two moments.

    One that is the same every day does that in one day, and wherever the clock is set.
    """
    if cron.split()[2:] != ["*", "*", "*"]:
        yield begin, end
        return
    day = timedelta(days=1)
    yield begin, begin + day
    for number in range((end - begin) // day):
        each = begin + number * day
        if each.astimezone(zone).utcoffset() != (each + day).astimezone(zone).utcoffset():
            yield each - day, each + 2 * day


def _longest(cron: str, zone: ZoneInfo, begin: datetime, end: datetime) -> timedelta:
    """The longest pause around one moment of every hour.

    No longer one can slip through, and a cron line of every minute is not walked minute by minute.
    """
    moment, longest = begin, timedelta(0)
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


def cadence_warning(settings: Settings, timezone: str) -> str:
    """What it means to the RPO that a source is not proved after every backup; empty where it is."""
    if settings.verify.auto:
        return ""
    rpo = f"{settings.rpo.total_seconds() / 3600:.3g}h"
    always = "set verify: {auto: true}"
    if settings.verify.every is None:
        return f"nothing is verified unless somebody runs ops verify: rpo {rpo} cannot hold without it; {always}"
    pause = longest_interval(settings.verify.every, timezone)
    oldest = pause + longest_interval(settings.every, timezone) + settings.rto
    hours = f"{math.ceil(oldest.total_seconds() / 3600)}h"
    consequence = f"verified at {settings.verify.every!r} only: the newest verified backup gets up to {hours} old"
    if oldest <= settings.rpo:
        return f"{consequence}, within rpo {rpo}"
    return f"{consequence}, and rpo {rpo} is broken between verifications; {always}, or rpo: {hours}"


def ticks(cron: str, timezone: str, begin: datetime, end: datetime) -> list[datetime]:
    """The moments at which Dagster starts what has this cron line, after `begin` and up to `end`, in UTC."""
    return list(takewhile(lambda each: each <= end, _ticking(cron, timezone, begin)))


def next_tick(cron: str, timezone: str, after: datetime) -> datetime:
    """The first of these moments after a time."""
    return next(_ticking(cron, timezone, after))


def _ticking(cron: str, timezone: str, begin: datetime) -> Iterator[datetime]:
    """Where summer time ends Dagster takes the later of two equal times, and where it begins the end of the missing
    hour. What runs in every hour runs in each that really passes.
    """
    zone = ZoneInfo(timezone)
    local = begin.astimezone(zone)
    if len(CronSim(cron, local).hours) == _HOURS_A_DAY:
        moments = (tick.astimezone(UTC) for tick in CronSim(cron, local))
    else:
        # By the clock on the wall, as if it were never set. An hour back: it may show this hour twice.
        wall = CronSim(cron, local.replace(tzinfo=UTC, fold=0) - _STEP)
        moments = (_as_dagster(cron, tick.replace(tzinfo=zone)) for tick in wall)
    last = begin
    for moment in moments:
        if moment > last:
            last = moment
            yield moment


def _as_dagster(cron: str, shown: datetime) -> datetime:
    """What a clock on the wall shows, as a moment in UTC."""
    moment = shown.astimezone(UTC)
    at_night = shown.hour in _SET_AT
    if moment.astimezone(shown.tzinfo).replace(tzinfo=None) != shown.replace(tzinfo=None):
        return shown.replace(minute=0).astimezone(UTC) if at_night else moment
    once_a_day = all(field.isdecimal() for field in cron.split()[:2])
    return shown.replace(fold=1).astimezone(UTC) if at_night or not once_a_day else moment


def quiet_moment(config: Config) -> str:
    """The daily cron line of the moment between 3:00 and 6:30 that lies the longest after a backup of any source.

    Retention waits while the newest backup is not verified: next to a backup it would wait every day.
    """
    zone = ZoneInfo(config.timezone)
    crons = {source.every for source in config.sources.values()}

    def pause(moment: datetime) -> timedelta:
        # A source that is backed up at this very minute was not backed up before it.
        later = moment.replace(tzinfo=zone) + timedelta(seconds=1)
        return min(later - next(CronSim(cron, later, reverse=True)) for cron in crons)

    moments = [
        _SOME_DAY + _QUIET_FROM + step * _QUIET_STEP for step in range((_QUIET_TO - _QUIET_FROM) // _QUIET_STEP + 1)
    ]
    best = max(moments, key=pause)
    return f"{best.minute} {best.hour} * * *"


def day_of(config: Config, moment: datetime) -> str:
    """The day that a moment falls in, in the configured time zone: the key of its partition in Dagster."""
    return f"{moment.astimezone(ZoneInfo(config.timezone)):%Y-%m-%d}"
