"""The job `dr_drill` and its schedules, weekly and monthly; run config says what is played."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from ops_pipelines.config.drills import Scenario
from ops_pipelines.naming import DRILL_STEP
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.dagster_internals import AssetJob
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.jobs import asset_job
from ops_pipelines.outside.monitors import LONGEST_DRILL


@dataclass(frozen=True)
class DrillJob:
    """What drills add to the definitions; empty where none are configured."""

    jobs: Sequence[AssetJob] = ()
    schedules: Sequence[dg.ScheduleDefinition] = ()


def build_drill_job(installation: Installation) -> DrillJob:
    """The job that schedule and UI share."""
    config, called = installation.config, installation.names
    if (drills := config.drilled) is None:
        return DrillJob()
    job = asset_job(
        called.drill_job,
        *map(called.drill, config.sources),
        description="Simulates a disaster: recovers whole applications away from production, and signs a report.",
        # Backups go first.
        tags={names.PRIORITY_TAG: "-1", "dagster/max_runtime": f"{LONGEST_DRILL.total_seconds():.0f}"},
    )
    schedules = [_schedule(installation, job, "dr_drill_weekly", drills.every, config.scenario)]
    if drills.random_restore is not None:
        schedules.append(
            _schedule(installation, job, "dr_random_restore", drills.random_restore, "random_restore_point")
        )
    return DrillJob([job], schedules)


def _schedule(
    installation: Installation, job: AssetJob, name: str, cron: str, scenario: Scenario
) -> dg.ScheduleDefinition:
    timezone = installation.config.timezone
    return dg.ScheduleDefinition(
        name=installation.names.name(name),
        job=job,
        cron_schedule=cron,
        run_config={"ops": {installation.names.name(DRILL_STEP): {"config": {"scenario": scenario}}}},
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Plays {scenario} at {cron} ({timezone}).",
    )
