"""The daily job of retention: in the early morning, as long after the last backup as the cadences allow."""

import dagster as dg

from ops_pipelines.config.cadence import quiet_moment
from ops_pipelines.orchestration.dagster_internals import AssetJob
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.jobs import asset_job


def build_retention_schedule(installation: Installation) -> tuple[AssetJob, dg.ScheduleDefinition]:
    """Prunes every source once a day, running by default."""
    called = installation.names
    job = asset_job(called.retention_job, called.retention, description="Deletes what keep: no longer needs.", tags={})
    schedule = dg.ScheduleDefinition(
        name=called.name("retention_daily"),
        job=job,
        cron_schedule=quiet_moment(installation.config),
        execution_timezone=installation.config.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Deletes what keep: no longer needs, every morning.",
    )
    return job, schedule
