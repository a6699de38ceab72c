"""Runs of commands as Dagster records its own: under the same code location, repository and job, so that the timeline,
the history of the job and the pages of assets show them.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import dagster as dg

from ops_pipelines import text
from ops_pipelines.ledger.holder import anywhere
from ops_pipelines.naming import SOURCE_TAG
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.dagster_internals import (
    JobFailureData,
    LoadableTargetOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
    RunFailureReason,
    StepMaterializationData,
)
from ops_pipelines.redact import redact

Result = dg.AssetMaterialization | dg.AssetCheckEvaluation
"""What was found of one asset that was made or renewed, or of one of its checks."""
LOCATION = "ops_pipelines"
"""The code location in `workspace.yaml`."""


def by_command(source: str = "") -> dict[str, str]:
    """The tags of a run that a command makes.

    Args:
        source: the one it is about; empty for several.
    """
    # A daemon that finds such a run dead must not start it again somewhere else.
    found = {names.PROCESS_TAG: anywhere(), "ops/launched_by": "cli", "dagster/max_retries": "0"}
    return {**found, **({SOURCE_TAG: source} if source else {})}


def origin(job: str) -> RemoteJobOrigin:
    """Where a job stands in Dagster's workspace."""
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name="ops_pipelines.definitions")
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, LOCATION)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job)


@contextmanager
def belonging_to(instance: dg.DagsterInstance, job: str) -> Iterator[None]:
    """Runs that are executed here and now in the block belong to this job of our code location.

    Dagster records a run that a process executes by itself without saying where its job stands.
    """
    usual = instance.create_run_for_job
    instance.create_run_for_job = partial(usual, remote_job_origin=origin(job))  # type: ignore[method-assign]
    try:
        yield
    finally:
        instance.create_run_for_job = usual  # type: ignore[method-assign]


@dataclass(frozen=True)
class Work:
    """What a command has done without Dagster.

    Attributes:
        source: the one it is about; empty for several.
        failure: why it failed; empty when it did not.
        asked: what the command was given, as the job's step takes it.
        results: of each asset that it has made or renewed, and of its checks, what it found.
    """

    source: str
    started: datetime
    ended: datetime
    failure: str = ""
    asked: Mapping[str, object] = field(default_factory=dict)
    results: Sequence[Result] = ()


def record(instance: dg.DagsterInstance, job: dg.JobDefinition, work: Work) -> str:
    """Record it as a run of this job, at the time when it was done; returns the run's id."""
    steps = {node.name: {"config": dict(work.asked)} for node in job.nodes if work.asked}
    run = instance.create_run_for_job(
        job,
        run_config={"ops": steps} if steps else {},
        tags={**job.run_tags, **by_command(work.source), names.RECORDED_TAG: "afterwards"},
        asset_selection={each.asset_key for each in work.results} or None,
        remote_job_origin=origin(job.name),
    )
    began, ended = work.started.timestamp(), work.ended.timestamp()

    def say(kind: dg.DagsterEventType, words: str, at: float, about: object = None) -> None:
        event = dg.DagsterEvent(kind.value, job.name, message=words, event_specific_data=about)  # type: ignore[arg-type]
        instance.report_dagster_event(event, run.run_id, timestamp=at)

    say(dg.DagsterEventType.RUN_START, "done by a command, without Dagster", began)
    for each in work.results:
        asset = each.asset_key.to_user_string()
        if isinstance(each, dg.AssetCheckEvaluation):
            say(dg.DagsterEventType.ASSET_CHECK_EVALUATION, f"Checked {asset}: {each.check_name}", ended, each)
        else:
            made = StepMaterializationData(each)
            say(dg.DagsterEventType.ASSET_MATERIALIZATION, f"Materialized {asset}", ended, made)
    if work.failure:
        why = text.lines(redact(work.failure))
        failed = JobFailureData(error=None, failure_reason=RunFailureReason.STEP_FAILURE)
        say(dg.DagsterEventType.RUN_FAILURE, why, ended, failed)
    else:
        say(dg.DagsterEventType.RUN_SUCCESS, "done", ended)
    return run.run_id
