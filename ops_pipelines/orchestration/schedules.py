"""The schedules: one per distinct cron line, one run per source and what belongs to it, running by default."""

from collections import defaultdict

import dagster as dg

from ops_pipelines.clock import SystemClock
from ops_pipelines.config.cadence import day_of
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.dagster_internals import AssetJob
from ops_pipelines.orchestration.execution import run_tags
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.jobs import group_selection


def build_schedules(installation: Installation, job: AssetJob) -> list[dg.ScheduleDefinition]:
    """Every schedule the configuration asks for."""
    config, called = installation.config, installation.names
    together: dict[str, list[str]] = defaultdict(list)  # two spellings of one time have one name
    for name in (each for each in config.heads if config.sources[each].taken_by is None):
        together[called.schedule("backup", config.sources[name].every)].append(name)
    backups = [
        _schedule(installation, name, config.sources[members[0]].every, members, job)
        for name, members in sorted(together.items())
    ]
    return [*backups, *_proof_schedules(installation, job)]


def _proof_schedules(installation: Installation, job: AssetJob) -> list[dg.ScheduleDefinition]:
    """Of sources that are not proved after every backup: their newest backup, at times of its own."""
    together: dict[str, list[str]] = defaultdict(list)
    crons: dict[str, str] = {}
    for source, each in installation.config.sources.items():
        if not each.verify.auto and each.verify.every is not None:
            name = installation.names.schedule("verify", each.verify.every)
            together[name].append(source)
            crons.setdefault(name, each.verify.every)
    return [
        _proof_schedule(installation, name, crons[name], members, job) for name, members in sorted(together.items())
    ]


def _proof_schedule(
    installation: Installation, name: str, cron: str, members: list[str], job: AssetJob
) -> dg.ScheduleDefinition:
    config, called, workspace = installation.config, installation.names, installation.workspace

    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone=config.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Verifies the newest backup of {', '.join(members)} at {cron} ({config.timezone}).",
    )
    def verify(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        with installation.sensing(name):
            newest = {member: workspace.catalogue(member).newest for member in members}
        requests = [
            dg.RunRequest(
                run_key=f"verify:{member}:{context.scheduled_execution_time.isoformat()}",
                partition_key=day_of(config, min(point.started_at, workspace.clock.now())),
                asset_selection=[called.verified(member), called.report],
                tags=run_tags(config, member),
            )
            for member, point in newest.items()
            if point is not None
        ]
        return requests or dg.SkipReason("there is no backup yet")

    return verify


def _schedule(
    installation: Installation, name: str, cron: str, members: list[str], job: AssetJob
) -> dg.ScheduleDefinition:
    config = installation.config
    all_members = [each for member in members for each in config.group_of(member)]

    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone=config.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Backs up {', '.join(all_members)} at {cron} ({config.timezone}).",
    )
    def backup(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        tick = context.scheduled_execution_time
        day = day_of(config, tick)
        if day != day_of(config, SystemClock().now()):
            return dg.SkipReason(f"missed {tick.isoformat()}: a past day cannot be dumped any more")
        return [
            dg.RunRequest(
                run_key=f"{member}:{tick.isoformat()}",
                partition_key=day,
                asset_selection=group_selection(config, member, installation.names),
                tags={**run_tags(config, member), names.PRIORITY_TAG: names.LIVE},
            )
            for member in members
        ]

    return backup
