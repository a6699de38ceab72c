"""One instant for everybody: nobody writes while the fingerprint's sessions and the dump client open their snapshots.

MySQL cannot hand a snapshot from one session to another, so all of them begin theirs while a lock keeps commits out:
the global read lock where the account may take it (RELOAD), else read locks on the database's tables (LOCK TABLES).
The dump client is known to have begun when its first table comes out of it; until then the lock is held, for seconds.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue

from ops_pipelines.clock import UTC, human_duration
from ops_pipelines.engines.mysql.connection import QueryFailed, Session, identifier
from ops_pipelines.engines.mysql.definitions import Table
from ops_pipelines.errors import SourceError

_LONGEST_LOCK = timedelta(seconds=30)
_SERVER, _TABLES = "server", "tables"
_PATIENCE_S, _TRIES = 5, 4
# The wait took too long; a transaction and our lock waited for each other.
_IN_THE_WAY, _LOCK_REFUSED = (1205, 1213), (1044, 1142, 1227)


@dataclass
class Instant:
    """A moment at which nobody writes.

    Attributes:
        shared: whether the lock could be had, so that all snapshots begun now are the same.
        by_tables: the lock is on the database's tables only, not on the server.
    """

    at: datetime
    shared: bool
    by_tables: bool
    opened: Session
    longest: timedelta
    watch: threading.Timer
    too_late: bool = False

    def release_writers(self) -> None:
        """Let writers go on: every snapshot has begun.

        Raises:
            SourceError: the lock was given up before that, to spare the writers.
        """
        self.watch.cancel()
        if self.too_late:
            raise SourceError(
                f"the dump client did not begin within {human_duration(self.longest)} while writers had to wait",
                why="the lock was given up, so dump and fingerprint would show different moments",
                next="look at the server's load, then: ops backup",
            )
        if self.shared:
            self.opened.rows("unlock tables")
            self.shared = False


@contextmanager
def writers_blocked(opened: Session, tables: Sequence[Table], *, stall: timedelta) -> Iterator[Instant]:
    """Keep writers out until `Instant.release_writers`, thirty seconds, or the end of the block, whichever comes first.

    Args:
        opened: the session that holds the lock; it must do nothing else meanwhile.
        stall: writers are not kept out longer than a dump may stand still, either.
    Raises:
        SourceError: the lock cannot be had because of a statement that does not end.
    """
    longest = min(_LONGEST_LOCK, stall)
    # Where the network forgets this session, nobody but the server itself can give the lock back.
    opened.rows(f"set session wait_timeout = {max(1, round(longest.total_seconds()))}")
    taken = _lock(opened, tables)
    shared = taken is not None
    by_tables = taken == _TABLES
    instant = Instant(datetime.now(UTC), shared, by_tables, opened, longest, threading.Timer(0, lambda: None))

    def give_up() -> None:
        instant.too_late = True
        opened.abort("the lock was held for too long")  # the server drops a lost session's locks

    if shared:
        instant.watch = threading.Timer(longest.total_seconds(), give_up)
        instant.watch.daemon = True
        instant.watch.start()
    try:
        yield instant
    finally:
        instant.watch.cancel()
        opened.abort("the dump is over")


def position(opened: Session) -> dict[str, JsonValue]:
    """Where the server's binary log stands, as far as it has one and we may know."""
    found: dict[str, JsonValue] = {}
    for statement in ("show master status", "show binary log status"):
        try:
            rows = opened.rows(statement)
        except QueryFailed as error:
            error.raise_if_server_trouble()
            continue
        if rows:
            found |= {"binlog_file": str(rows[0][0]), "binlog_position": int(rows[0][1])}
            break
    for name in ("gtid_current_pos", "gtid_binlog_pos", "gtid_executed"):
        with suppress(QueryFailed):
            found[name] = str(opened.value(f"select @@global.{name}"))
    return {name: value for name, value in found.items() if value}


def _lock(opened: Session, tables: Sequence[Table]) -> str | None:
    """Keep writers out by the first lock that the account may take; returns which."""
    opened.rows(f"set session lock_wait_timeout = {_PATIENCE_S}")
    held = [f"{identifier(table.name)} read" for table in tables if table.kind in ("BASE TABLE", "SYSTEM VERSIONED")]
    for kind, statement in ((_SERVER, "flush tables with read lock"), (_TABLES, f"lock tables {', '.join(held)}")):
        if kind == _TABLES and not held:
            return _TABLES  # nothing that could be written to
        try:
            _lock_with_retries(opened, statement)
            return kind
        except QueryFailed as error:
            if error.code not in _LOCK_REFUSED:
                raise
    return None


def _lock_with_retries(opened: Session, statement: str) -> None:
    """Writers queue up behind a waiting lock: wait a little, several times, rather than long."""
    for attempt in range(_TRIES):
        try:
            opened.rows(statement)
            return
        except QueryFailed as error:
            if error.code in _IN_THE_WAY and attempt + 1 == _TRIES:
                raise SourceError(
                    f"writers could not be blocked within {_TRIES} times {_PATIENCE_S} s",
                    why="a long statement or an open transaction of somebody else is in the way",
                    next="look at SHOW PROCESSLIST; then, at a quieter time: ops backup",
                ) from None
            if error.code not in _IN_THE_WAY:
                raise
