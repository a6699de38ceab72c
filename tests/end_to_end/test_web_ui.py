"""Dagster as a user sees it: a run launched by the daemon, a green graph, a red one that says why."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from playwright.sync_api import Page, expect

from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.workspace import Workspace
from tests.browser import chromium
from tests.end_to_end.conftest import Dagster, Shell
from tests.sample import StoppedClock, flip_byte

_BACKFILL = """
mutation ($keys: [AssetKeyInput!]!, $days: [String!]!) {
  launchPartitionBackfill(backfillParams: {assetSelection: $keys, partitionNames: $days}) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }
"""
_RUNS = "{ runsOrError(limit: 5) { ... on Runs { results { runId status } } } }"
_DAYS = '{ assetNodeOrError(assetKey: {path: ["crm", "dump"]}) { ... on AssetNode { partitionKeys } } }'
_SEEN = """{ assetNodeOrError(assetKey: {path: ["crm", "verified"]}) { ... on AssetNode {
  assetObservations(limit: 1) { partition metadataEntries { label
    ... on MarkdownMetadataEntry { mdStr } ... on TextMetadataEntry { text } } } } } }"""
_CHECK = """{ assetCheckExecutions(assetKey: {path: ["crm", "verified"]}, checkName: "rpo", limit: 1) {
  evaluation { success metadataEntries { label ... on TextMetadataEntry { text } } } } }"""


@pytest.fixture
def page() -> Iterator[Page]:
    """A page in headless Chromium."""
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 1500, "height": 900})


def materialize(dagster: Dagster, *assets: str) -> str:
    """Launch an asset backfill of today from the UI's own mutation; returns how its run ended."""
    before = {run["runId"] for run in dagster.ask(_RUNS)["runsOrError"]["results"]}
    today = dagster.ask(_DAYS)["assetNodeOrError"]["partitionKeys"][-1]
    keys = [{"path": ["crm", name]} for name in assets]
    launched = dagster.ask(_BACKFILL, keys=keys, days=[today])["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def ended(data: dict[str, dict[str, list[dict[str, str]]]]) -> str | None:
        new = [run["status"] for run in data["runsOrError"]["results"] if run["runId"] not in before]
        return new[0] if new and new[0] in ("SUCCESS", "FAILURE", "CANCELED") else None

    return str(dagster.wait(_RUNS, ended))


def rpo_says(dagster: Dagster, word: str) -> bool:
    """Wait until the sensor has written an `rpo` evaluation that says so."""

    def said(data: dict[str, list[dict[str, dict[str, list[dict[str, str]]]]]]) -> bool:
        rows = data["assetCheckExecutions"]
        entries = rows[0]["evaluation"]["metadataEntries"] if rows and rows[0]["evaluation"] else []
        return any(word in entry.get("text", "") for entry in entries)

    return bool(dagster.wait(_CHECK, said))


def test_the_graph_is_green_after_a_run_and_red_after_a_flipped_byte(
    shell: Shell, dagster: Dagster, page: Page
) -> None:
    assert rpo_says(dagster, "never backed up"), "the alarm fires before anything ever ran"
    assert materialize(dagster, "dump", "offsite_nas", "verified") == "SUCCESS"
    assert rpo_says(dagster, "verified; ")
    page.goto(f"{dagster.url}/locations/ops_pipelines/asset-groups/crm/lineage")
    expect(page.get_by_text("100% filled")).to_have_count(3, timeout=30_000)
    expect(page.get_by_text("4 / 4 Passed")).to_be_visible(timeout=30_000)

    (part,) = (shell.folder / "nas").glob("crm/*/dump.pgc.zst.age")
    flip_byte(part)
    assert materialize(dagster, "verified") == "FAILURE"
    assert rpo_says(dagster, "is bad: checksum: dump.pgc.zst.age")
    (seen,) = dagster.ask(_SEEN)["assetNodeOrError"]["assetObservations"]
    said = {each["label"]: each.get("mdStr") or each.get("text") for each in seen["metadataEntries"]}
    assert "checksum: dump.pgc.zst.age" in said["failed"] and "ops copy crm --to nas" in said["failed"]
    assert (said["store"], seen["partition"]) == ("nas", dagster.ask(_DAYS)["assetNodeOrError"]["partitionKeys"][-1])
    page.reload()
    expect(page.get_by_text("4 / 4 Passed")).to_have_count(0, timeout=30_000)
    expect(page.get_by_text(re.compile("[0-3] / 4 Passed"))).to_be_visible(timeout=30_000)
    expect(page.get_by_text("0% filled (1 failed)")).to_be_visible(timeout=30_000)
    page.goto(f"{dagster.url}/assets/crm/verified?view=checks&checkDetail=rpo")
    expect(page.get_by_text("checksum: dump.pgc.zst.age")).to_be_visible(timeout=30_000)


def test_a_run_of_the_command_line_shows_in_the_web_ui(shell: Shell, dagster: Dagster) -> None:
    (run,) = shell.json("backup")["runs"]
    shown = dagster.ask(_RUNS)["runsOrError"]["results"]
    assert {"runId": run["run_id"], "status": "SUCCESS"} in shown


def test_schedules_and_sensors_run_without_a_hand(dagster: Dagster) -> None:
    selector = '(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "ops_pipelines"})'
    query = f"""{{ schedulesOrError{selector} {{ ... on Schedules {{ results {{ name scheduleState {{ status }} }} }} }}
                   sensorsOrError{selector} {{ ... on Sensors {{ results {{ name sensorState {{ status }} }} }} }} }}"""
    data = dagster.wait(query, lambda data: data if data["schedulesOrError"].get("results") else None)
    schedules, sensors = data["schedulesOrError"]["results"], data["sensorsOrError"]["results"]
    assert {each["scheduleState"]["status"] for each in schedules} == {"RUNNING"}
    assert {each["sensorState"]["status"] for each in sensors} == {"RUNNING"}


@pytest.fixture
def past_days(shell: Shell) -> list[str]:
    """Two days before today, each with a restore point that nobody has proved."""
    config = load_config(shell.folder / "ops.yaml", environ={})
    noon = datetime.now(timezone.utc).replace(hour=12)
    days = [noon - timedelta(days=2), noon - timedelta(days=1)]
    for day in days:
        take_backup(Workspace(config, clock=StoppedClock(day)), "crm")
    return [f"{day:%Y-%m-%d}" for day in days]


def test_a_backfill_over_past_days_proves_their_backups(shell: Shell, past_days: list[str], dagster: Dagster) -> None:
    keys = [{"path": ["crm", "verified"]}]
    launched = dagster.ask(_BACKFILL, keys=keys, days=past_days)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def ended(data: dict[str, dict[str, list[dict[str, str]]]]) -> list[str] | None:
        found = [run["status"] for run in data["runsOrError"]["results"]]
        return found if len(found) == 2 and {*found} <= {"SUCCESS", "FAILURE", "CANCELED"} else None

    assert dagster.wait(_RUNS, ended) == ["SUCCESS", "SUCCESS"]
    points = shell.json("list", "crm")["crm"]["restore_points"]
    assert [point["verdict"]["outcome"] for point in points] == ["verified", "verified"]
