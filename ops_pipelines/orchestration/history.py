"""Dagster's own past: old runs are purged. What may go is decided in `backup`.

Dagster keeps every event of every run for ever: a thousand rows a day and source. Its `retention:` covers ticks only.
"""

from collections import defaultdict
from datetime import date, datetime, timedelta, timezone

import dagster as dg

from ops_pipelines.backup.history import PastRun, forgettable
from ops_pipelines.config.execution import CeleryExecution
from ops_pipelines.naming import SOURCE_TAG
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.patience import in_one_process
from ops_pipelines.orchestration.room import forget_runless, give_back, remove_files
from ops_pipelines.queues import forget_results

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_PAGE = 500
_QUIET = timedelta(days=7)
_PARTITION = ("dagster/partition", "dagster/partition")
_Good = dict[tuple[date | None, date | None], list[frozenset[dg.AssetKey]]]
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


class PurgeConfig(dg.Config):
    """How many days of history are kept whatever they say: of runs, and of what sensors write without one."""

    older_than_days: int = 90
    runless_days: int = 7


def build_history_job(installation: Installation) -> tuple[dg.JobDefinition, dg.ScheduleDefinition]:
    """The job that purges old runs, and its weekly schedule, running by default."""
    called = installation.names

    @dg.op(
        name=called.name("purge"),
        description="Deletes runs that neither the catalogue nor anybody else needs any more.",
    )
    def purge(context: dg.OpExecutionContext, config: PurgeConfig) -> None:
        instance = context.instance
        with installation.step():
            deleted = purge_runs(instance, installation, older_than=timedelta(days=config.older_than_days))
            before = _now(instance, installation) - timedelta(days=config.runless_days)
            events = forget_runless(instance, installation.noted_keys, before)
            give_back(instance)
            if isinstance(installation.config.execution, CeleryExecution):
                forget_results(installation.config)
        context.log.info(f"{deleted} runs and {events} events without a run deleted")

    @dg.job(
        name=called.history_job,
        description="Old runs leave Dagster's database; no backup is touched.",
        executor_def=in_one_process,
    )
    def purge_history() -> None:
        purge()

    schedule = dg.ScheduleDefinition(
        name=called.name("purge_history_weekly"),
        job=purge_history,
        cron_schedule="50 6 * * 0",
        execution_timezone=installation.config.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return purge_history, schedule


def purge_runs(instance: dg.DagsterInstance, installation: Installation, *, older_than: timedelta) -> int:
    """Delete the runs that may be forgotten, with what they printed; returns how many."""
    filters = dg.RunsFilter(statuses=_ENDED, updated_before=_now(instance, installation) - older_than)
    facts: list[PastRun] = []
    later: _Good = defaultdict(list)
    cursor: str | None = None
    while page := instance.get_run_records(filters=filters, limit=_PAGE, cursor=cursor):
        cursor = page[-1].dagster_run.run_id
        ours = [record for record in page if installation.owns(record.dagster_run)]
        facts += [_facts(instance, installation, record, later) for record in ours]
    workspace = installation.workspace
    doomed = forgettable(workspace.config, workspace.catalogue, facts, before=workspace.clock.now() - older_than)
    for run_id in doomed:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
        remove_files(instance, run_id)
    return len(doomed)


def _now(instance: dg.DagsterInstance, installation: Installation) -> datetime:
    """The time it is, but no later than a week after anything ended: a clock that has just jumped makes nothing old."""
    ended = instance.get_run_records(dg.RunsFilter(statuses=_ENDED), limit=1, order_by="update_timestamp")
    moments = [record.update_timestamp for record in ended]
    latest = [each.replace(tzinfo=each.tzinfo or timezone.utc) + _QUIET for each in moments]
    return min([installation.workspace.clock.now(), *latest])


def _facts(instance: dg.DagsterInstance, installation: Installation, record: dg.RunRecord, later: _Good) -> PastRun:
    """What must be known of a run. Runs come newest first; `later` has what those before it did well, by day."""
    run = record.dagster_run
    pair = next((each for each in (_PARTITION, _RANGE) if each[0] in run.tags), None)
    days = [date.fromisoformat(run.tags[name][:10]) for name in pair] if pair else [None, None]
    assets = frozenset(run.asset_selection or ())
    done_again = bool(assets and pair) and any(assets <= each for each in later[days[0], days[1]])
    if run.is_success and not done_again:
        later[days[0], days[1]].append(assets)
    return PastRun(
        id=run.run_id,
        sources=_sources(installation, run),
        first_day=days[0],
        last_day=days[1],
        ended_at=record.update_timestamp.replace(tzinfo=record.update_timestamp.tzinfo or timezone.utc),
        newest_good=_newest_good(instance, run) == run.run_id,
        done_again=done_again,
    )


def _sources(installation: Installation, run: dg.DagsterRun) -> frozenset[str]:
    """What a run was about; everything, when it does not say."""
    config = installation.config
    named = {installation.names.source_of(key) for key in run.asset_selection or ()}
    if (tag := run.tags.get(SOURCE_TAG)) in config.sources:
        named |= set(config.group_of(str(tag)))
    return frozenset(named or config.sources)


def _newest_good(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """The newest run of the same job about the same source that ended well."""
    tags = {SOURCE_TAG: run.tags[SOURCE_TAG]} if SOURCE_TAG in run.tags else {}
    good = dg.RunsFilter(job_name=run.job_name, tags=tags, statuses=[dg.DagsterRunStatus.SUCCESS])
    found = instance.get_runs(filters=good, limit=1)
    return found[0].run_id if found else None
