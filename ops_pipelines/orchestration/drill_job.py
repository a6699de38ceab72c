"""The job `dr_drill` and its schedules, weekly and monthly; run config says what is played."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from ops_pipelines.config.drills import Scenario
from ops_pipelines.config.models import Config
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.assets.drill import DRILL_OP
from ops_pipelines.outside.monitors import LONGEST_DRILL

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


@dataclass(frozen=True)
class DrillJob:
    """What drills add to the definitions; empty where none are configured."""

    jobs: "Sequence[UnresolvedAssetJobDefinition]" = ()
    schedules: Sequence[dg.ScheduleDefinition] = ()


def build_drill_job(config: Config) -> DrillJob:
    """The job that schedule and UI share."""
    if (drills := config.drilled) is None:
        return DrillJob()
    job = dg.define_asset_job(
        names.DRILL_JOB,
        selection=dg.AssetSelection.assets(*map(names.drill_key, config.sources)),
        description="Plays a disaster: recovers whole applications away from production, and signs a report.",
        # Backups go first.
        tags={names.PRIORITY_TAG: "-1", "dagster/max_runtime": f"{LONGEST_DRILL.total_seconds():.0f}"},
    )
    schedules = [_schedule(config, job, "dr_drill_weekly", drills.every, config.scenario)]
    if drills.random_restore is not None:
        schedules.append(_schedule(config, job, "dr_random_restore", drills.random_restore, "random_restore_point"))
    return DrillJob([job], schedules)


def _schedule(
    config: Config, job: "UnresolvedAssetJobDefinition", name: str, cron: str, scenario: Scenario
) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=cron,
        run_config={"ops": {DRILL_OP: {"config": {"scenario": scenario}}}},
        execution_timezone=config.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Plays {scenario} at {cron} ({config.timezone}).",
    )
