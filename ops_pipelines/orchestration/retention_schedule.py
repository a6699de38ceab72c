"""The daily schedule of retention: in the early morning, as long after the last backup as the cadences allow."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from cronsim import CronSim

from ops_pipelines.config.models import Config
from ops_pipelines.orchestration import names

_FIRST, _LAST, _STEP = timedelta(hours=3), timedelta(hours=6, minutes=30), timedelta(minutes=5)
_SOME_DAY = datetime(2026, 1, 1)


def build_retention_schedule(config: Config) -> dg.ScheduleDefinition:
    """Prunes every source once a day, running by default."""
    return dg.ScheduleDefinition(
        name="retention_daily",
        target=dg.AssetSelection.assets(names.RETENTION_KEY),
        cron_schedule=quiet_moment(config),
        execution_timezone=config.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Deletes what keep: no longer needs, every morning.",
    )


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

    moments = [_SOME_DAY + _FIRST + step * _STEP for step in range((_LAST - _FIRST) // _STEP + 1)]
    best = max(moments, key=pause)
    return f"{best.minute} {best.hour} * * *"
