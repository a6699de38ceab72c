"""Drills as Dagster runs them: launched with run config as its UI does, by the real daemon, with what it then shows."""

import shutil
from pathlib import Path
from typing import Any

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.workspace import Workspace
from tests.end_to_end.conftest import Dagster, Shell, crm, dagster, shell  # noqa: F401
from tests.sample import write_config
from tests.watch.receivers import Webhook

_LAUNCH = """mutation ($config: RunConfigData!, $keys: [AssetKeyInput!]) { launchRun(executionParams: {
  runConfigData: $config, selector: { assetSelection: $keys,
  repositoryName: "__repository__", repositoryLocationName: "ops_pipelines", jobName: "dr_drill"}})
  { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_RUN = '{ runOrError(runId: "%s") { ... on Run { status tags { key value } } } }'
_DRILL = """{ assetNodeOrError(assetKey: {path: ["crm", "drill"]}) { ... on AssetNode {
  pools internalFreshnessPolicy { ... on TimeWindowFreshnessPolicy { failWindowSeconds } }
  assetMaterializations { runId metadataEntries { label ... on MarkdownMetadataEntry { mdStr }
    ... on FloatMetadataEntry { floatValue } ... on TextMetadataEntry { text }
    ... on PathMetadataEntry { path } } } } } }"""
_SCHEDULE = """{ scheduleOrError(scheduleSelector: {repositoryName: "__repository__", scheduleName: "dr_drill_weekly",
  repositoryLocationName: "ops_pipelines"}) { ... on Schedule { cronSchedule scheduleState { status } } } }"""


def play(
    dagster: Dagster,  # noqa: F811
    source: str | None = None,
    **config: Any,
) -> tuple[str, str, dict[str, str]]:
    """Launch a drill and wait for its end; returns the run, its status and its tags.

    Args:
        source: the only one whose asset is selected.
    """
    given = {"ops": {"dr_drill_step": {"config": config}}}
    keys = [{"path": [source, "drill"]}] if source else None
    launched = dagster.ask(_LAUNCH, config=given, keys=keys)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]

    def ended(data: Any) -> Any:
        return data["runOrError"] if data["runOrError"]["status"] in ("SUCCESS", "FAILURE", "CANCELED") else None

    run = dagster.wait(_RUN % run_id, ended)
    return run_id, run["status"], {each["key"]: each["value"] for each in run["tags"]}


def test_a_drill_launched_in_the_ui_is_a_run_with_its_report_and_a_failed_one_is_told(
    shell: Shell,  # noqa: F811
    crm: Server,  # noqa: F811
    channel: Webhook,
    request: Any,
) -> None:
    write_config(shell.folder, crm, top="drills: {}\nalerts: {channels: {slack: {file: hook}}}")
    (shell.folder / "hook").write_text(channel.url, encoding="utf-8")
    workspace = Workspace(load_config(shell.folder / "ops.yaml", environ={}))
    taken = take_backup(workspace, "crm")
    point = workspace.catalogue("crm").find(taken.id)
    assert point is not None
    copy_to(workspace, point, "nas")

    running: Dagster = request.getfixturevalue("dagster")  # it loads the configuration that is there now
    schedule = running.ask(_SCHEDULE)["scheduleOrError"]
    assert schedule == {"cronSchedule": "0 4 * * 0", "scheduleState": {"status": "RUNNING"}}
    run_id, status, tags = play(running, "crm", scenario="total_loss")
    assert (status, tags["dagster/priority"]) == ("SUCCESS", "-1")
    drill = running.ask(_DRILL)["assetNodeOrError"]
    assert drill["pools"] == ["dr_drill"]
    assert drill["internalFreshnessPolicy"] == {"failWindowSeconds": 35 * 86400}
    (shown,) = drill["assetMaterializations"]
    facts = {each["label"]: each for each in shown["metadataEntries"]}
    assert shown["runId"] == run_id and facts["rto_s"]["floatValue"] > 0 and "lost_minutes" in facts
    assert "## Recovery time" in facts["report"]["mdStr"] and run_id in facts["report"]["mdStr"]
    assert (Path(facts["path"]["path"]) / "report.html").is_file()
    assert facts["started_by"]["text"] == "somebody in Dagster's UI"

    shutil.rmtree(shell.folder / "nas" / "crm")
    _run_id, status, _tags = play(running, scenario="total_loss")
    assert status == "FAILURE"
    assert len(running.ask(_DRILL)["assetNodeOrError"]["assetMaterializations"]) == 1
    told = "FAIL crm: drill overdue or failed"
    running.wait("{ version }", lambda _data: watch_once(workspace) and any(told in text for text in channel.texts))
