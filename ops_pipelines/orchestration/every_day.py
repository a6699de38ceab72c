"""What is done once a day across all sources, each by a job of its own: the report, and retention."""

from dataclasses import dataclass

import dagster as dg

from ops_pipelines.config.cadence import quiet_moment
from ops_pipelines.orchestration.dagster_internals import AssetJob
from ops_pipelines.orchestration.execution import executor
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.jobs import asset_job
from ops_pipelines.orchestration.patience import in_one_process


@dataclass(frozen=True)
class Daily:
    """A job over one asset, and the schedule that starts it every day."""

    job: AssetJob
    schedule: dg.ScheduleDefinition


def build_daily(installation: Installation) -> list[Daily]:
    """All of them, running by default."""
    called, config = installation.names, installation.config
    return [
        # A failed run writes no report: this job does, whatever happened in the night.
        _daily(installation, called.report_job, "report_daily", "0 7 * * *", "Writes the backup report", called.report),
        _daily(
            installation, called.retention_job, "retention_daily", quiet_moment(config),
            "Deletes what keep: no longer needs", called.retention, *map(called.retention_at, config.other_sites),
            executor=executor(config, called, in_turn=False),
        ),
    ]  # fmt: skip


def _daily(
    installation: Installation,
    job_name: str,
    name: str,
    cron: str,
    does: str,
    *keys: dg.AssetKey,
    executor: dg.ExecutorDefinition = in_one_process,
) -> Daily:
    job = asset_job(job_name, *keys, description=f"{does}.", tags={}, executor=executor)
    schedule = dg.ScheduleDefinition(
        name=installation.names.name(name),
        job=job,
        cron_schedule=cron,
        execution_timezone=installation.config.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"{does}, every morning.",
    )
    return Daily(job, schedule)
