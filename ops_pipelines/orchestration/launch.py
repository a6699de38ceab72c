"""Run part of the shared job here and now, recorded in the instance so that the UI shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from ops_pipelines.config.models import Config
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.build import build_definitions


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


def run_assets(
    config: Config,
    instance: dg.DagsterInstance,
    *,
    source: str,
    day: str,
    selection: Sequence[dg.AssetKey],
    run_config: Mapping[str, object] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> RunResult:
    """Materialize some assets of one source for one day.

    Args:
        day: the partition key.
        overrides: as in `build_definitions`.
    """
    job = build_definitions(config, overrides=overrides).resolve_job_def(names.BACKUP_JOB)
    result = job.execute_in_process(
        instance=instance,
        partition_key=day,
        asset_selection=list(selection),
        run_config=dict(run_config or {}),
        tags={names.SOURCE_TAG: source, "ops/launched_by": "cli"},
        raise_on_error=False,
    )
    facts: dict[str, object] = {}
    for event in result.get_asset_materialization_events():
        facts |= {key: entry.value for key, entry in event.step_materialization_data.materialization.metadata.items()}
    failures = [_sentence(event) for event in result.all_events if event.is_step_failure]
    return RunResult(result.run_id, result.success, failures, facts)


def _sentence(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    if data.error is None:
        return event.message or "the step failed"
    cause = data.error.cause
    return str(cause.message if cause is not None else data.error.message).strip()
