"""What we count on in Dagster beyond its public interface: of each thing, that it is there and is what we take it for.

Another release may move it. Then this fails before a backup does: `make newest-dagster` runs it on the newest one.
"""

import inspect
import re
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg

from ops_pipelines.orchestration import dagster_internals as internals

PACKAGE = Path(internals.__file__).parents[1]


def parameters(function: object) -> set[str]:
    return set(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_they_are_imported_in_one_place() -> None:
    reached = re.compile(r"^\s*(from|import) dagster\._|^\s*from dagster_\w+\._", re.MULTILINE)
    found = [path.name for path in PACKAGE.rglob("*.py") if reached.search(path.read_text("utf-8"))]
    assert found == ["dagster_internals.py"]


def test_a_plan_waits_by_a_method_that_can_be_replaced() -> None:
    assert parameters(internals.ActiveExecution.sleep_til_ready) == {"self"}
    assert parameters(internals.pop_captured_interrupt) == set()
    assert issubclass(internals.DagsterExecutionInterruptedError, BaseException)


def test_the_executor_of_one_process_is_what_we_derive_from() -> None:
    assert {"retries", "step_dependency_config", "marker_to_close"} <= parameters(internals.InProcessExecutor)
    assert parameters(internals.InProcessExecutor.execute) == {"self", "plan_context", "execution_plan"}
    assert dg.in_process_executor.executor_creation_fn is not None


def test_ticks_of_schedules_and_sensors_can_be_set_back() -> None:
    assert {"min_interval", "cursor", "last_run_key", "sensor_type"} <= parameters(internals.SensorInstigatorData)
    assert {"cron_schedule", "start_timestamp"} <= parameters(internals.ScheduleInstigatorData)
    fields = {"last_tick_timestamp", "last_tick_start_timestamp"}
    assert fields <= set(internals.SensorInstigatorData._fields)
    assert {"start_timestamp", "last_iteration_timestamp"} <= set(internals.ScheduleInstigatorData._fields)
    assert parameters(internals.InstigatorState.with_data) == {"self", "instigator_data"}
    assert {"all_instigator_state", "get_ticks", "purge_ticks", "update_instigator_state"} <= set(
        dir(dg.DagsterInstance)
    )


def test_runs_checks_and_backfills_can_be_asked_for() -> None:
    assert {"PLANNED", "SUCCEEDED", "FAILED"} <= set(internals.CheckStatus.__members__)
    wanted = {"COMPLETED_SUCCESS", "COMPLETED", "FAILED", "COMPLETED_FAILED", "CANCELED"}
    assert wanted <= set(internals.BulkActionStatus.__members__)
    assert internals.BulkActionsFilter(created_after=datetime.now(timezone.utc)).created_after is not None
    assert "UNEXPECTED_TERMINATION" in internals.RunFailureReason.__members__
    storage = dg.DagsterInstance.ephemeral().event_log_storage
    asked = {"get_latest_asset_check_execution_by_key", "get_asset_check_execution_history", "get_concurrency_infos"}
    asked |= {"get_concurrency_keys", "free_concurrency_slots_for_run"}
    assert asked <= set(dir(storage))


def test_events_are_rows_that_can_be_deleted() -> None:
    events = {"id", "run_id", "timestamp", "asset_key", "partition", "dagster_event_type"}
    assert events <= set(internals.SqlEventLogStorageTable.c.keys())
    checks = {"id", "run_id", "asset_key", "check_name", "evaluation_event_timestamp"}
    assert checks <= set(internals.AssetCheckExecutionsTable.c.keys())
    assert {"path_for_shard", "run_connection"} <= set(dir(internals.SqliteEventLogStorage))
    assert "index_connection" in dir(internals.SqlEventLogStorage)
    assert internals.RUNLESS_RUN_ID == ""
