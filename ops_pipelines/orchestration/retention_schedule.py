"""The daily schedule of retention: in the early morning, as long after the last backup as the cadences allow."""

import dagster as dg

from ops_pipelines.config.cadence import quiet_moment
from ops_pipelines.config.models import Config
from ops_pipelines.orchestration import names


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
