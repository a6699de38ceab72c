"""Dagster after a clock that was ahead: it goes on, and does not wait until that time comes."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.sensor import get_elapsed

from ops_pipelines.orchestration.history import purge_runs
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.set_back import reset_future_ticks
from tests.clocks.conftest import Notes

NOW = datetime.now(timezone.utc)
AHEAD = (NOW + timedelta(days=3650)).timestamp()


def state(name: str, kind: InstigatorType, data: SensorInstigatorData | ScheduleInstigatorData) -> InstigatorState:
    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="ops"), "ops")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "ops"), name)
    return InstigatorState(origin, kind, InstigatorStatus.DECLARED_IN_CODE, data)


def test_schedules_and_sensors_go_on_after_a_clock_that_was_ahead() -> None:
    with dg.DagsterInstance.local_temp() as instance:
        watch = SensorInstigatorData(last_tick_timestamp=AHEAD, last_tick_start_timestamp=AHEAD, cursor="here")
        instance.add_instigator_state(state("rpo_watch", InstigatorType.SENSOR, watch))
        backup = state("backup_1", InstigatorType.SCHEDULE, ScheduleInstigatorData("0 2 * * *", None, AHEAD))
        instance.add_instigator_state(backup)
        for timestamp in (NOW.timestamp() - 60, AHEAD):
            instance.create_tick(
                TickData(backup.instigator_origin_id, "backup_1", backup.instigator_type, TickStatus.SUCCESS, timestamp,
                         run_ids=[], selector_id=backup.selector_id)
            )  # fmt: skip
        fine = SensorInstigatorData(last_tick_timestamp=NOW.timestamp() - 30, cursor="there")
        instance.add_instigator_state(state("run_watch", InstigatorType.SENSOR, fine))

        assert reset_future_ticks(instance, NOW) == ["backup_1", "rpo_watch"]

        found = {each.instigator_name: each for each in instance.all_instigator_state()}
        assert get_elapsed(found["rpo_watch"]) is None, "it is due"
        assert found["rpo_watch"].instigator_data.cursor == "here"  # type: ignore[union-attr]
        assert found["backup_1"].instigator_data == ScheduleInstigatorData("0 2 * * *", NOW.timestamp())
        assert instance.get_ticks(backup.instigator_origin_id, backup.selector_id) == []
        assert found["run_watch"].instigator_data == fine
        assert reset_future_ticks(instance, NOW) == []


def test_a_clock_that_has_just_jumped_makes_no_run_old_enough_to_be_purged(tmp_path: Path) -> None:
    @dg.job
    def noop() -> None:
        pass

    notes = Notes(tmp_path)
    notes.clock.at = NOW + timedelta(days=3650)
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            assert noop.execute_in_process(instance=instance).success
        assert purge_runs(instance, Installation(notes.workspace), older_than=timedelta(days=90)) == 0
        assert len(instance.get_runs()) == 2
