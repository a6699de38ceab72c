"""Start a run of one of our jobs where Dagster runs: a backup, a proof, a restore beside, a drill, the report."""

from collections.abc import Mapping, Sequence
from typing import Any

from ops_pipelines.errors import OpsError
from ops_pipelines.naming import DAY_TAG, DRILL_STEP, RESTORE_STEP, SOURCE_TAG
from ops_pipelines.operate.project import LIMIT_S, MOST_BYTES, Project
from ops_pipelines.probes.graphql import as_expected, ask

OPERATOR_TAG = "ops/operator"
"""Of a run: who pressed the button."""
_LAUNCH = """mutation ($run: ExecutionParams!) { launchRun(executionParams: $run) {
  __typename
  ... on LaunchRunSuccess { run { runId } }
  ... on RunConfigValidationInvalid { errors { message } }
  ... on Error { message }
} }"""
_UNDER_WAY = """query ($filter: RunsFilter!) { runsOrError(filter: $filter, limit: 1) {
  ... on Runs { results { runId } }
} }"""
_NOT_ENDED = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED")


class NotLaunched(OpsError):
    """Dagster answered, and did not take the run."""


def start_backup(project: Project, source: str, *, day: str, operator: str) -> str:
    """Dump, copy, prove and report one source.

    Args:
        day: the partition, as `day_of` tells it.
        operator: who asked for it.
    Returns:
        The run's id; of the backup that is under way already, where one is: a second one would only wait for it.
    Raises:
        DagsterSilent, NotLaunched.
    """
    job = project.named.backup_job
    if (running := _under_way(project, job, source)) is not None:
        return running
    return _launch(project, job, project.chain(source), {}, {SOURCE_TAG: source, DAY_TAG: day, OPERATOR_TAG: operator})


def start_verification(project: Project, source: str, *, backup: str, day: str, operator: str) -> str:
    """Restore one backup into a throwaway server and compare.

    Args:
        backup: the id of a restore point.
        day: of that restore point.
        operator: who asked for it.
    Returns:
        The run's id.
    Raises:
        DagsterSilent, NotLaunched.
    """
    named = project.named
    config = {"ops": {named.verify_step(source): {"config": {"backup_id": backup}}}}
    tags = {SOURCE_TAG: source, DAY_TAG: day, OPERATOR_TAG: operator}
    return _launch(project, named.backup_job, [named.verified_path(source), named.report_path], config, tags)


def start_restore(
    project: Project, source: str, *, backup: str, to: str, only: Sequence[str] = (), operator: str
) -> str:
    """Restore one backup into a new database or folder beside what is protected, and compare.

    Args:
        backup: the id of a restore point.
        to: the name of the database, or the path of the folder or file, on the machine where Dagster runs.
        only: nothing but these tables, collections or paths.
        operator: who asked for it.
    Returns:
        The run's id.
    Raises:
        DagsterSilent, NotLaunched.
    """
    asked = {"source": source, "to": to, "backup": backup, "only": list(only)}
    config = {"ops": {project.named.name(RESTORE_STEP): {"config": asked}}}
    return _launch(project, project.named.restore_job, (), config, {SOURCE_TAG: source, OPERATOR_TAG: operator})


def start_drill(project: Project, *, scenario: str, operator: str) -> str:
    """Play a disaster on every application, away from production.

    Returns:
        The run's id; of the drill that is under way already, where one is.
    Raises:
        DagsterSilent, NotLaunched.
    """
    job = project.named.drill_job
    if (running := _under_way(project, job)) is not None:
        return running
    config = {"ops": {project.named.name(DRILL_STEP): {"config": {"scenario": scenario}}}}
    return _launch(project, job, (), config, {OPERATOR_TAG: operator})


def start_report(project: Project, *, operator: str) -> str:
    """Write the report anew. Returns the run's id. Raises DagsterSilent, NotLaunched."""
    return _launch(project, project.named.report_job, (), {}, {OPERATOR_TAG: operator})


def _launch(
    project: Project, job: str, assets: Sequence[Sequence[str]], config: Mapping[str, object], tags: Mapping[str, str]
) -> str:
    run = {
        "selector": project.selector(job, assets),
        "runConfigData": config,
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
    }
    data = _asked(project, _LAUNCH, run=run)
    with as_expected(project.url):
        answer = data["launchRun"]
        if answer["__typename"] == "LaunchRunSuccess":
            return str(answer["run"]["runId"])
        said = [each["message"] for each in answer.get("errors", [])] or [answer.get("message")]
        why = f"{answer['__typename']}: {str(said[0] or 'it gave no reason').strip().partition(chr(10))[0]}"
    raise NotLaunched(
        f"Dagster did not start a run of {job}",
        why=why,
        safe="nothing was started",
        next="see Dagster's Deployment page: was the code location loaded from this ops.yaml?",
    )


def _under_way(project: Project, job: str, source: str = "") -> str | None:
    tags = [{"key": SOURCE_TAG, "value": source}] if source else []
    wanted = {"pipelineName": job, "statuses": _NOT_ENDED, **({"tags": tags} if tags else {})}
    data = _asked(project, _UNDER_WAY, filter=wanted)
    with as_expected(project.url):
        found = data["runsOrError"]["results"]
        return str(found[0]["runId"]) if found else None


def _asked(project: Project, query: str, **variables: object) -> Any:
    return ask(project.url, query, variables=variables, limit_s=LIMIT_S, most_bytes=MOST_BYTES)
