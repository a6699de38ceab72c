"""The alarm that needs no run: ages by a clock that the test sets, evaluations as Dagster gets them."""

import json
from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.models import Config
from ops_pipelines.orchestration.build import definitions_of
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.recovery.verify import verify
from ops_pipelines.watch.health import source_health
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock

START = datetime(2026, 11, 20, 2, 0, tzinfo=timezone.utc)


def tick(config: Config, clock: StoppedClock, cursor: str | None = None) -> dg.SensorResult:
    workspace = Workspace(config, clock)
    repository = definitions_of(Installation(workspace)).get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, repository_def=repository, cursor=cursor)
        result = repository.get_sensor_def("rpo_watch")(context)
    assert isinstance(result, dg.SensorResult)
    return result


def about_crm(ticked: dg.SensorResult) -> dg.AssetCheckEvaluation:
    """The one evaluation of the source's check."""
    events = [each for each in ticked.asset_events if isinstance(each, dg.AssetCheckEvaluation)]
    (evaluation,) = (each for each in events if each.check_name == "rpo")
    return evaluation


def proved(config: Config) -> None:
    workspace = Workspace(config, StoppedClock(START))
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    copy_to(workspace, point, "nas")
    assert verify(workspace, point).outcome == "verified"


def test_a_source_that_was_never_backed_up_is_a_breach(config: Config) -> None:
    evaluation = about_crm(tick(config, StoppedClock(START)))
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    assert evaluation.metadata["state"].value == "NEVER"


def test_a_backup_that_was_not_restored_does_not_count(config: Config) -> None:
    clock = StoppedClock(START)
    take_backup(Workspace(config, clock), "crm")
    evaluation = about_crm(tick(config, clock))
    assert evaluation.metadata["cause"].value == "1 backed up, none of them verified"


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (timedelta(hours=19, minutes=59), "OK"),
        (timedelta(hours=20, minutes=1), "STALE"),
        (timedelta(hours=23, minutes=59), "STALE"),
        (timedelta(hours=24, minutes=1), "FAIL"),
    ],
)
def test_rpo_is_counted_from_the_start_of_the_dump(config: Config, age: timedelta, state: str) -> None:
    proved(config)
    clock = StoppedClock(START + age)
    assert source_health(Workspace(config, clock), "crm").state == state
    evaluation = about_crm(tick(config, clock))
    assert evaluation.passed is (state == "OK")
    assert evaluation.metadata["state"].value == state


def test_a_state_is_written_when_it_changes_and_once_an_hour(config: Config) -> None:
    proved(config)
    clock = StoppedClock(START + timedelta(minutes=10))
    first = tick(config, clock)
    clock.at += timedelta(minutes=1)
    assert tick(config, clock, first.cursor).asset_events == []
    clock.at += timedelta(hours=1)
    hourly = tick(config, clock, first.cursor)
    assert about_crm(hourly).passed
    assert not materialized(hourly), "the table is kept when something has changed, not every hour"
    assert json.loads(first.cursor or "")["crm"] == "OK 2026-11-20T02"


def materialized(ticked: dg.SensorResult) -> list[dg.AssetMaterialization]:
    return [each for each in ticked.asset_events if isinstance(each, dg.AssetMaterialization)]


def test_backup_health_is_a_table_of_every_source_told_without_a_run(config: Config) -> None:
    ticked = tick(config, StoppedClock(START))
    (table,) = materialized(ticked)
    assert table.asset_key == dg.AssetKey("backup_health")
    rows = [record.data for record in table.metadata["health"].records]  # type: ignore[union-attr]
    assert [(row["source"], row["step"], row["state"]) for row in rows] == [
        ("crm", "all", "NEVER"), ("crm", "dump", "NEVER"), ("crm", "copy nas", "NEVER"), ("crm", "verify", "NEVER"),
    ]  # fmt: skip
    assert {row["next"] for row in rows} == {"ops backup crm", "ops verify crm"}
    (check,) = (each for each in ticked.asset_events if isinstance(each, dg.AssetCheckEvaluation) and not each.passed
                and each.check_name == "all_well")  # fmt: skip
    assert "crm NEVER: never backed up" in str(check.metadata["problems"].value)
    proved(config)
    ticked = tick(config, StoppedClock(START + timedelta(minutes=1)), ticked.cursor)
    (table,) = materialized(ticked)
    assert table.metadata["states"].value == "1 OK"
    assert [row.data["state"] for row in table.metadata["health"].records] == ["OK"]  # type: ignore[union-attr]
    assert all(each.passed for each in ticked.asset_events if isinstance(each, dg.AssetCheckEvaluation))


def test_backup_health_is_looked_at_anew_by_hand(config: Config, instance: dg.DagsterInstance) -> None:
    proved(config)
    workspace = Workspace(config, StoppedClock(START + timedelta(hours=25)))
    definitions = definitions_of(Installation(workspace))
    job = definitions.resolve_job_def("backup")
    result = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("backup_health")])
    assert result.success, "what is wrong with backups is no failure of the look"
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.ERROR
    assert "crm FAIL: the recovery point is 1d 1h old" in str(check.metadata["problems"].value)
