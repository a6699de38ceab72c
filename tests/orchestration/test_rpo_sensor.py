"""The alarm that needs no run: ages by a clock that the test sets, evaluations as Dagster gets them."""

import json
from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.models import Config
from ops_pipelines.orchestration.build import build_definitions
from ops_pipelines.recovery.verify import verify
from ops_pipelines.watch.health import source_health
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock

START = datetime(2026, 11, 20, 2, 0, tzinfo=timezone.utc)


def tick(config: Config, clock: StoppedClock, cursor: str | None = None) -> dg.SensorResult:
    workspace = Workspace(config, clock)
    repository = build_definitions(config, overrides={"workspace": workspace}).get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(
            instance=instance, repository_def=repository, cursor=cursor, resources={"workspace": workspace}
        )
        result = repository.get_sensor_def("rpo_watch")(context)
    assert isinstance(result, dg.SensorResult)
    return result


def proved(config: Config) -> None:
    workspace = Workspace(config, StoppedClock(START))
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    copy_to(workspace, point, "nas")
    assert verify(workspace, point).outcome == "verified"


def test_a_source_that_was_never_backed_up_is_a_breach(config: Config) -> None:
    (evaluation,) = tick(config, StoppedClock(START)).asset_events
    assert isinstance(evaluation, dg.AssetCheckEvaluation)
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    assert evaluation.metadata["state"].value == "NEVER"


def test_a_backup_that_was_not_restored_does_not_count(config: Config) -> None:
    clock = StoppedClock(START)
    take_backup(Workspace(config, clock), "crm")
    (evaluation,) = tick(config, clock).asset_events
    assert isinstance(evaluation, dg.AssetCheckEvaluation)
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
    (evaluation,) = tick(config, clock).asset_events
    assert isinstance(evaluation, dg.AssetCheckEvaluation)
    assert evaluation.passed is (state == "OK")
    assert evaluation.metadata["state"].value == state


def test_a_state_is_written_when_it_changes_and_once_an_hour(config: Config) -> None:
    proved(config)
    clock = StoppedClock(START + timedelta(minutes=10))
    first = tick(config, clock)
    clock.at += timedelta(minutes=1)
    assert tick(config, clock, first.cursor).asset_events == []
    clock.at += timedelta(hours=1)
    assert len(tick(config, clock, first.cursor).asset_events) == 1
    assert json.loads(first.cursor or "") == {"crm": "OK 2026-11-20T02"}
