"""Room that Dagster's storage gives back: the file of a deleted run, events without a run, empty pages of SQLite.

Dagster itself deletes rows alone. On SQLite every run has a file of its own, which stays at its size, and what sensors
write without a run (checks each hour, observations each minute) is deleted by nobody.
"""

import sqlite3
from collections.abc import Collection
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from ops_pipelines.orchestration.dagster_internals import (
    RUNLESS_RUN_ID,
    AssetCheckExecutionsTable,
    SqlEventLogStorage,
    SqlEventLogStorageTable,
    SqliteEventLogStorage,
)

_EMPTY_FROM_BYTES, _EMPTY_FROM_SHARE = 2**20, 0.1
_BUSY_S = 60.0


def remove_files(instance: dg.DagsterInstance, run_id: str) -> None:
    """Remove what a deleted run leaves on this machine's disk: its events' file, and the directory of its output."""
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage) and run_id:
        for suffix in ("", "-wal", "-shm"):
            Path(storage.path_for_shard(run_id) + suffix).unlink(missing_ok=True)


def forget_runless(instance: dg.DagsterInstance, keys: Collection[dg.AssetKey], before: datetime) -> int:
    """Delete what was written about assets without a run before a time, but the newest of each; returns how much."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    events, checks = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
    newest = sa.select(sa.func.max(events.id)).group_by(events.dagster_event_type, events.asset_key, events.partition)
    named = [key.to_string() for key in keys]
    old = sa.and_(
        events.run_id == RUNLESS_RUN_ID, events.timestamp < before.replace(tzinfo=None), events.asset_key.in_(named)
    )
    newest_checks = sa.select(sa.func.max(checks.id)).group_by(checks.asset_key, checks.check_name)
    stale = checks.evaluation_event_timestamp < before.replace(tzinfo=None)
    with ExitStack() as opened:
        index = opened.enter_context(storage.index_connection())
        index.execute(
            AssetCheckExecutionsTable.delete().where(
                checks.run_id == RUNLESS_RUN_ID, stale, checks.asset_key.in_(named), checks.id.not_in(newest_checks)
            )
        )
        gone = index.execute(SqlEventLogStorageTable.delete().where(old, events.id.not_in(newest))).rowcount
    if isinstance(storage, SqliteEventLogStorage):
        # There they are a second time, in a file for the run that they have not.
        with storage.run_connection(RUNLESS_RUN_ID) as apart:
            apart.execute(SqlEventLogStorageTable.delete().where(old, events.id.not_in(newest)))
    return int(gone)


def give_back(instance: dg.DagsterInstance) -> None:
    """Make SQLite's own files as small as what is in them, where much of one is empty. Writers wait meanwhile."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        return
    runs = Path(storage.path_for_shard("index")).parent
    shared = (runs / "index.db", runs / ".db", runs.parent / "runs.db", runs.parents[1] / "schedules" / "schedules.db")
    for path in shared:
        if path.is_file():
            _vacuum(path)


def _vacuum(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)) as opened:
        (pages,), (empty,), (size,) = (
            opened.execute(f"pragma {name}").fetchone() for name in ("page_count", "freelist_count", "page_size")
        )
        if empty * size > _EMPTY_FROM_BYTES and empty > pages * _EMPTY_FROM_SHARE:
            opened.execute("vacuum")
            opened.execute("pragma wal_checkpoint(truncate)")
