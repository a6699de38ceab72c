"""What was done by commands stands in Dagster's UI: in the history of its job, in the timeline, on pages of assets."""

from datetime import timedelta
from typing import Any

import pytest

from ops_pipelines.engines.postgres.connection import Server, session
from tests.end_to_end.conftest import Dagster, Shell

_REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "ops_pipelines"}
_JOB = """query ($job: PipelineSelector!) { pipelineOrError(params: $job) { ... on Pipeline { runs { runId status
  startTime endTime tags { key value } repositoryOrigin { repositoryName repositoryLocationName } } } } }"""
_ASSETS = """{ assetNodes { assetKey { path } assetMaterializations(limit: 1) {
  partition metadataEntries { label } }
  assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } } } }"""
_LAUNCH = """mutation ($job: JobOrPipelineSelector!, $config: RunConfigData!) {
  launchRun(executionParams: {selector: $job, runConfigData: $config}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_RUN = "query ($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"
_LOADED = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"


def runs_of(dagster: Dagster, job: str) -> list[dict[str, Any]]:
    """The history of a job as its page shows it."""
    given = {**_REPOSITORY, "pipelineName": job}
    found: list[dict[str, Any]] = dagster.ask(_JOB, job=given)["pipelineOrError"]["runs"]
    return found


def restored(dagster: Dagster, **asked: str) -> str:
    """Launch the job `restore` as its Launchpad does; returns how the run ended."""
    given = {"ops": {"restore_step": {"config": asked}}}
    done = dagster.ask(_LAUNCH, job={**_REPOSITORY, "jobName": "restore"}, config=given)["launchRun"]
    assert done["__typename"] == "LaunchRunSuccess", done
    run = done["run"]["runId"]

    def status(_data: object) -> str | None:
        found = dagster.ask(_RUN, run=run)["runOrError"]["status"]
        return found if found in ("SUCCESS", "FAILURE", "CANCELED") else None

    return str(dagster.wait("{ version }", status))


def labels(shown: list[dict[str, Any]]) -> set[str]:
    """What a materialization says."""
    return {each["label"] for each in shown[0]["metadataEntries"]}


@pytest.mark.timeout(600)  # nine commands, then three runs in a daemon, beside other tests
def test_a_day_of_commands_is_seen_in_the_history_of_jobs_and_on_the_pages_of_assets(
    shell: Shell, crm: Server, request: Any
) -> None:
    config = shell.folder / "ops.yaml"
    config.write_text(config.read_text("utf-8").replace("defaults: {", "defaults: {keep: {last: 1}, "), "utf-8")
    taken = shell.json("backup")["runs"]
    shell.ops("verify", "crm")
    shell.ops("backup", "crm", "--no-verify")
    shell.ops("copy", "crm", "--to", "nas")
    shell.ops("restore", "crm", "--to", "crm_beside", "--backup", taken[0]["backup_id"])
    shell.ops("restore", "crm", "--to", "crm_beside", expect=3)
    shell.ops("verify", "crm")
    shell.ops("prune", "--apply")
    shell.ops("drill", "random_restore_point")

    dagster: Dagster = request.getfixturevalue("dagster")
    dagster.wait(_LOADED, lambda data: data["repositoriesOrError"]["nodes"])
    seen = {job: runs_of(dagster, job) for job in ("backup", "restore", "prune", "dr_drill")}
    assert len(seen["backup"]) == len(taken) + 4, "all sources, two proofs, a backup, a copy"
    assert [len(seen[job]) for job in ("restore", "prune", "dr_drill")] == [1, 1, 1], "who is refused has done nothing"
    for run in [each for runs in seen.values() for each in runs]:
        assert run["status"] == "SUCCESS" and run["endTime"] > run["startTime"], run
        assert run["repositoryOrigin"] == _REPOSITORY

    nodes = dagster.ask(_ASSETS)["assetNodes"]
    shown = {"/".join(node["assetKey"]["path"]): node["assetMaterializations"] for node in nodes}
    assert {name for name, found in shown.items() if not found} <= {"backup_health"}, "the daemon writes that one"
    checks = {check["name"]: check for node in nodes for check in node["assetChecksOrError"].get("checks", [])}
    assert checks["pruned"]["executionForLatestMaterialization"] == {"status": "SUCCEEDED"}
    assert shown["crm/offsite_nas"][0]["partition"] == shown["crm/dump"][0]["partition"]
    assert "restore_by_hand" in labels(shown["crm/offsite_nas"]) and "decisions" in labels(shown["retention"])

    assert restored(dagster, source="crm", to="crm_again") == "SUCCESS"
    with session(crm.at(dbname="crm_again"), limit=timedelta(seconds=60), settings=False) as opened:
        assert opened.rows("select count(*) from contacts") == [(2000,)]
    assert restored(dagster, source="crm", to="crm") == "FAILURE", "what is protected is never a target"
    assert restored(dagster, source="crm", to="") == "FAILURE", "nor is it by running a replacement's record again"
