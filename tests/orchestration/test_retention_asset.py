"""The `retention` asset and the `three_two_one` check as Dagster runs and shows them."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.cadence import quiet_moment
from ops_pipelines.config.load import load_config
from ops_pipelines.config.models import Config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.build import build_definitions
from ops_pipelines.orchestration.jobs import chain_selection
from ops_pipelines.orchestration.launch import run_assets
from ops_pipelines.workspace import open_workspace
from tests.sample import write_config
from tests.unit.histories import made, publish

NOW = datetime.now(timezone.utc)
TODAY = f"{NOW:%Y-%m-%d}"
KEEP = {"last": 2, "daily": 0, "weekly": 0, "monthly": 0, "min_verified": 1}


@pytest.fixture
def kept(tmp_path: Path, crm: Server) -> Config:
    """The CRM with a policy, and five verified restore points of which two are to stay."""
    config = load_config(write_config(tmp_path, crm, source=f"    keep: {json.dumps(KEEP)}"))
    for hours in range(5):
        # Numbers come from the ids here, in the order of their seconds; all are of today.
        backup_id = f"{NOW - timedelta(seconds=hours):%Y%m%dT%H%M%SZ}-000{hours}"
        point = made(NOW - timedelta(hours=hours + 1), "verified", backup_id=backup_id)
        publish(point, open_workspace(config).local)
    return config


def evaluations(instance: dg.DagsterInstance, run_id: str) -> dict[str, dg.AssetCheckEvaluation]:
    events = (entry.dagster_event for entry in instance.all_logs(run_id) if entry.dagster_event is not None)
    found = (
        each.asset_check_evaluation_data
        for each in events
        if each.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    )
    return {each.check_name: each for each in found}


def prune_as_scheduled(config: Config, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    repository = build_definitions(config).get_repository_def()
    job = repository.get_job(repository.get_schedule_def("retention_daily").job_name)
    return job.execute_in_process(instance=instance, raise_on_error=False)


def test_the_daily_schedule_deletes_what_is_not_kept_and_shows_every_decision(
    kept: Config, instance: dg.DagsterInstance
) -> None:
    result = prune_as_scheduled(kept, instance)
    assert result.success
    assert len(open_workspace(kept).local.ids("crm")) == 2
    (event,) = result.get_asset_materialization_events()
    metadata = event.step_materialization_data.materialization.metadata
    assert (metadata["deleted"].value, metadata["kept"].value) == (3, 2)
    decisions = metadata["decisions"]
    assert isinstance(decisions, dg.TableMetadataValue)
    assert [record.data["decision"] for record in decisions.records] == ["deleted"] * 3 + ["kept"] * 2
    assert evaluations(instance, result.run_id)[names.PRUNED_CHECK].passed
    rows = open_workspace(kept).ledger.recent(kind="prune")
    assert {row.run_id for row in rows} == {result.run_id}


def test_a_refused_source_deletes_nothing_and_turns_the_check_yellow_with_the_reason(
    kept: Config, instance: dg.DagsterInstance
) -> None:
    take_backup(open_workspace(kept), "crm")
    result = prune_as_scheduled(kept, instance)
    assert result.success
    assert len(open_workspace(kept).local.ids("crm")) == 6
    check = evaluations(instance, result.run_id)[names.PRUNED_CHECK]
    assert not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    assert "is not verified" in str(check.metadata["problems"].value)


def test_a_copy_that_cannot_be_deleted_turns_the_check_red(kept: Config, instance: dg.DagsterInstance) -> None:
    local = open_workspace(kept).local
    (local.directory("crm", local.ids("crm")[0]) / "manifest.json").write_text("{}", encoding="utf-8")
    result = prune_as_scheduled(kept, instance)
    check = evaluations(instance, result.run_id)[names.PRUNED_CHECK]
    assert not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
    assert len(local.ids("crm")) == 5


def test_a_dry_run_in_the_ui_deletes_nothing(kept: Config, instance: dg.DagsterInstance) -> None:
    repository = build_definitions(kept).get_repository_def()
    job = repository.get_job(repository.get_schedule_def("retention_daily").job_name)
    config = {"ops": {"retention": {"config": {"dry_run": True}}}}
    assert job.execute_in_process(instance=instance, run_config=config).success
    assert len(open_workspace(kept).local.ids("crm")) == 5


def test_a_run_of_the_chain_judges_3_2_1_by_the_copies_it_made(config: Config, instance: dg.DagsterInstance) -> None:
    selection = chain_selection(config, "crm")
    result = run_assets(config, instance, source="crm", day=TODAY, selection=selection)
    assert result.success, result.failures
    check = evaluations(instance, result.run_id)[names.THREE_TWO_ONE_CHECK]
    assert check.passed
    assert check.metadata["copies"].value == "crm itself, local, nas"


def test_a_missing_copy_warns_and_says_what_to_add(tmp_path: Path, crm: Server, instance: dg.DagsterInstance) -> None:
    config = load_config(write_config(tmp_path, crm, copies="[]"))
    result = run_assets(config, instance, source="crm", day=TODAY, selection=chain_selection(config, "crm"))
    assert result.success, result.failures
    check = evaluations(instance, result.run_id)[names.THREE_TWO_ONE_CHECK]
    assert not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    assert "1 off-site: no copy is" in str(check.metadata["missing"].value)
    assert "offsite: true" in str(check.metadata["next"].value)


@pytest.mark.parametrize(
    ("every", "moment"),
    [
        ("0 2,8,14,20 * * *", "30 6 * * *"),
        ("0 * * * *", "55 3 * * *"),
        ("30 6 * * *", "25 6 * * *"),
        ("0 */12 * * *", "30 6 * * *"),
    ],
)
def test_retention_runs_as_long_after_a_backup_as_the_morning_allows(
    tmp_path: Path, crm: Server, every: str, moment: str
) -> None:
    config = load_config(write_config(tmp_path, crm, source=f'    every: "{every}"\n    accept_risk: true'))
    assert quiet_moment(config) == moment
