"""Run part of the shared job here and now, recorded in the instance so that the UI shows it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import dagster as dg

from ops_pipelines.clock import UTC
from ops_pipelines.config.models import Config
from ops_pipelines.ledger.ledger import LedgerError
from ops_pipelines.naming import SOURCE_TAG
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.build import definitions_of
from ops_pipelines.orchestration.checks.rpo import evaluation, unanswered
from ops_pipelines.orchestration.dagster_internals import JobFailureData, RunFailureReason
from ops_pipelines.orchestration.dead import end_dead_runs, free_places
from ops_pipelines.orchestration.installation import Installation, LogWatcher, Watcher
from ops_pipelines.orchestration.patience import waiting_patiently
from ops_pipelines.orchestration.recorded import belonging_to, by_command
from ops_pipelines.orchestration.set_back import reset_future_ticks
from ops_pipelines.sweeping import sweep
from ops_pipelines.watch.health import source_health
from ops_pipelines.watch.report import renew_report
from ops_pipelines.workspace import Workspace


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        failures: every failed step, in words.
        facts: the metadata of its materializations as plain values, later steps last.
    """

    run_id: str
    success: bool
    failures: Sequence[str]
    facts: Mapping[str, object]


def _nobody(_said: str) -> None:
    return


def run_assets(
    config: Config,
    instance: dg.DagsterInstance,
    *,
    source: str,
    day: str,
    selection: Sequence[dg.AssetKey],
    run_config: Mapping[str, object] | None = None,
    workspace: Workspace | None = None,
    watcher: Watcher | None = None,
    tell: Callable[[str], None] = _nobody,
) -> RunResult:
    """Materialize some assets of one source for one day; what killed runs left is cleared away first.

    Args:
        day: the partition key.
        workspace: where the work is done, instead of one opened on the configuration.
        watcher: who watches the progress of steps, instead of the run's log.
        tell: is told which run this one has to wait for.
    Raises:
        KeyboardInterrupt: it was stopped.
    """
    _clear_away(config, instance)
    installation = Installation(workspace or Workspace(config), watcher=watcher or LogWatcher())
    job = definitions_of(installation).resolve_job_def(names.PLAIN.backup_job)
    for other in _before_us(instance, job.get_subset(asset_selection=set(selection))):
        tell(f"waiting for {other} to end")
    with waiting_patiently(), belonging_to(instance, names.PLAIN.backup_job):
        result = job.execute_in_process(
            instance=instance,
            partition_key=day,
            asset_selection=list(selection),
            run_config=dict(run_config or {}),
            tags=by_command(source),
            raise_on_error=False,
        )
    _publish_current_state(config, instance, source)
    if any(_stopped(event) for event in result.all_events):
        raise KeyboardInterrupt
    facts: dict[str, object] = {}
    for event in result.get_asset_materialization_events():
        facts |= {key: entry.value for key, entry in event.step_materialization_data.materialization.metadata.items()}
    failures = [_sentence(event) for event in result.all_events if event.is_step_failure]
    return RunResult(result.run_id, result.success, failures, facts)


def _clear_away(config: Config, instance: dg.DagsterInstance) -> None:
    """What killed runs left: scratch servers, open rows, runs without a process, places in pools; times to come."""
    workspace = Workspace(config)
    try:
        sweep(workspace, stores=False)
        end_dead_runs(instance, workspace.ledger)
    except LedgerError:
        pass  # the run's first step says so, with what to do
    free_places(instance)
    reset_future_ticks(instance, workspace.clock.now())


def _publish_current_state(config: Config, instance: dg.DagsterInstance, source: str) -> None:
    """The report, and the `rpo` check that a failed run has planned and not come to: no daemon may be here to do it."""
    workspace = Workspace(config)
    renew_report(workspace)
    if unanswered(instance, names.PLAIN, [source]):
        instance.report_runless_asset_event(evaluation(names.PLAIN, source_health(workspace, source)))


def _before_us(instance: dg.DagsterInstance, job: dg.JobDefinition) -> Iterator[str]:
    """The runs that hold a pool of this job, in words."""
    pools = {pool for node in job.nodes for pool in node.definition.pools}
    storage = instance.event_log_storage
    for info in storage.get_concurrency_infos(sorted(pools & storage.get_concurrency_keys())).values():
        holders = info.active_run_ids | info.assigned_run_ids
        for run_id in sorted(holders) if len(holders) >= info.slot_count else ():
            record = instance.get_run_record_by_id(run_id)
            if record is None:
                continue
            about = record.dagster_run.tags.get(SOURCE_TAG, record.dagster_run.job_name)
            since = datetime.fromtimestamp(record.start_time or record.create_timestamp.timestamp(), UTC)
            yield f"the run {run_id[:8]} of {about}, which works since {since:%H:%M:%S} UTC"


def _stopped(event: dg.DagsterEvent) -> bool:
    """Whether the event says that somebody interrupted the run."""
    if event.event_type is not dg.DagsterEventType.RUN_FAILURE:
        return False
    return cast("JobFailureData", event.event_specific_data).failure_reason is RunFailureReason.UNEXPECTED_TERMINATION


def _sentence(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    if data.error is None:
        return event.message or "the step failed"
    cause = data.error.cause
    return str(cause.message if cause is not None else data.error.message).strip()
