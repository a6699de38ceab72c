"""Everything of Dagster that we use and that is not its public interface, in one place.

A release of Dagster may move any of it: `tests/orchestration/test_internals.py` says what we count on.
"""

from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events import JobFailureData, RunFailureReason, StepMaterializationData
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, ScheduleInstigatorData, SensorInstigatorData
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.tags import RUN_KEY_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._grpc.server import DagsterApiServer
from dagster._utils.interrupts import pop_captured_interrupt

AssetJob = UnresolvedAssetJobDefinition
CheckStatus = AssetCheckExecutionRecordStatus

__all__ = [
    "RUNLESS_RUN_ID",
    "RUN_KEY_TAG",
    "ActiveExecution",
    "AssetCheckExecutionRecord",
    "AssetCheckExecutionsTable",
    "AssetJob",
    "BulkActionStatus",
    "BulkActionsFilter",
    "CheckStatus",
    "DagsterApiServer",
    "DagsterExecutionInterruptedError",
    "InProcessExecutor",
    "InstigatorState",
    "JobFailureData",
    "LoadableTargetOrigin",
    "ManagedGrpcPythonEnvCodeLocationOrigin",
    "PartitionBackfill",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "RetryMode",
    "RunFailureReason",
    "ScheduleInstigatorData",
    "SensorInstigatorData",
    "SqlEventLogStorage",
    "SqlEventLogStorageTable",
    "SqliteEventLogStorage",
    "StepMaterializationData",
    "pop_captured_interrupt",
]
