"""Lock, then look: every table is locked before the snapshot is taken that a dump is made of.

An ALTER that rewrites a table, and TRUNCATE, are not seen by a snapshot older than them: the table is empty there. So
each table is locked in ACCESS SHARE, which lets everybody read and write, and only then is the snapshot taken. What was
rewritten before that is seen as it is now, and what wants to rewrite afterwards waits until the dump is done.

The application comes first. Tables are locked without waiting, all in one transaction; where one cannot be had, all of
them are let go, and that one is waited for alone and briefly. So we never hold one table while we wait for another,
which is what makes deadlocks, and what waits for a table of ours goes first.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from ops_pipelines.clock import UTC, human_duration
from ops_pipelines.engines.postgres.connection import Server, Session, StatementFailed
from ops_pipelines.engines.postgres.witness import Witness
from ops_pipelines.errors import SourceError
from ops_pipelines.text import shell

_BATCH = 200
_WAIT_MS = 2000
_PAUSE_S = 0.5
_NAMED = 5
_BLOCKED = "55P03"
_FULL = "53200"
# Gone, renamed, or something else by now: the list is read again.
_CHANGED = ("42P01", "3F000", "42809")

# What pg_dump locks. Members of extensions are its business only where their data is dumped.
_LOCKED = """
 c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
"""
_READABLE = """
 (has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'))
"""
_MEMBER = """
 exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid
            and d.deptype = 'e')
"""
_TABLES = f"""
select c.oid::bigint, format('%I.%I', n.nspname, c.relname)
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where {_LOCKED} and {_READABLE} order by c.oid
"""
_UNREADABLE = f"""
select format('%I.%I', n.nspname, c.relname), quote_ident(n.nspname)
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where ({_LOCKED} or c.relkind = 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
   and not {_READABLE} and not {_MEMBER} order by c.oid
"""
# In the new snapshot: a table that was made or swapped in meanwhile, which we do not hold.
_NOT_HELD = f"""
select count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where {_LOCKED} and {_READABLE}
   and c.oid not in (select l.relation from pg_catalog.pg_locks l
                      where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.granted)
"""
# Whoever has, or waits for, a lock that shuts out readers. pg_dump looks into views and sequences, too.
_BLOCKERS = """
select l.relation::bigint, format('%I.%I', n.nspname, c.relname), c.relkind in ('r', 'p'),
       upper(regexp_replace(l.mode, '(?<=[a-z])(?=[A-Z])|Lock$', ' ', 'g')), l.granted, l.pid,
       a.usename, a.application_name, a.state,
       to_char(a.query_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
       to_char(coalesce(a.xact_start, p.prepared) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'), p.gid
  from pg_catalog.pg_locks l
  join pg_catalog.pg_class c on c.oid = l.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_stat_activity a on a.pid = l.pid
  left join pg_catalog.pg_locks x on l.pid is null and x.pid is null and x.locktype = 'transactionid'
       and x.virtualtransaction = l.virtualtransaction
  left join pg_catalog.pg_prepared_xacts p on p.transaction = x.transactionid
 where l.locktype = 'relation'
   and (l.mode = 'AccessExclusiveLock' or c.relkind = 'S' and l.mode = 'ShareRowExclusiveLock')
   and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
   and l.pid is distinct from pg_backend_pid() and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
   and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
 order by l.granted desc, c.relkind in ('r', 'p') desc, l.relation
"""


class Blocker(NamedTuple):
    """Who keeps readers away from a relation; what the role may not see of others is None."""

    oid: int
    relation: str
    lockable: bool
    mode: str
    granted: bool
    pid: int | None
    user: str | None
    application: str | None
    state: str | None
    query_start: str | None
    started: str | None
    prepared: str | None

    def describe(self) -> str:
        """Who it is and since when, in a sentence."""
        doing = f"{'holds' if self.granted else 'waits for'} {self.mode.strip()}"
        if self.prepared is not None:
            return f"the prepared transaction {self.prepared!r} of {self.started} UTC {doing}"
        if self.state is None:
            return f"pid {self.pid} {doing}; more is shown to members of pg_read_all_stats only"
        return (
            f"pid {self.pid} (application {self.application!r}, user {self.user}) {doing}: "
            f"its transaction began {self.started} UTC, its query {self.query_start} UTC, state {self.state}"
        )


def hold_still(opened: Session, server: Server, witness: Witness, *, wait: timedelta) -> datetime:
    """Begin a transaction that has every table locked in ACCESS SHARE, and a snapshot taken after that.

    Args:
        opened: a session without a transaction; afterwards in REPEATABLE READ, to its end.
        server: where it is, for advice.
        witness: looks before anything is locked, and between the locks and the snapshot.
        wait: how long to try while others hold a table.
    Returns:
        A moment that the snapshot is not older than.
    Raises:
        SourceError: a table may not be read, stayed locked, or there are more than the server has locks for.
    """
    deadline = time.monotonic() + wait.total_seconds()
    first: int | None = None
    while True:
        blockers = _attempt(opened, witness, first)
        if isinstance(blockers, datetime):
            return blockers
        opened.rows("rollback")  # of an attempt that got as far as its snapshot
        witness.let_go()
        if time.monotonic() > deadline:
            raise _still_locked(blockers, server, wait)
        first = next((each.oid for each in blockers if each.lockable), None)
        time.sleep(_PAUSE_S if blockers else _PAUSE_S / 10)


def _attempt(opened: Session, witness: Witness, first: int | None) -> list[Blocker] | datetime:
    """Lock everything and take the snapshot; when, or who stands in the way (nobody, when it was a change).

    Args:
        first: the table to wait for, before anything is held.
    """
    _refuse_unreadable(opened)
    names: dict[int, str] = dict(opened.rows(_TABLES))
    # LOCK takes no snapshot, so the transaction's is taken by the first query after it.
    opened.rows("begin isolation level repeatable read read only")
    try:
        if first in names:
            opened.rows(f"set local lock_timeout = {_WAIT_MS}")
            opened.rows(f"lock table only {names.pop(first)} in access share mode")
            opened.rows("set local lock_timeout = 0")
        witness.begin()
        for batch in _batches(list(names.values())):
            opened.rows(f"lock table {', '.join(f'only {name}' for name in batch)} in access share mode nowait")
        witness.look()
    except StatementFailed as error:
        if error.sqlstate == _FULL:
            raise _too_many(error, len(names)) from None
        if error.sqlstate not in (_BLOCKED, *_CHANGED):
            raise
        opened.rows("rollback")
        return _blockers(opened)
    at = datetime.now(UTC)
    if opened.value(_NOT_HELD):
        return []
    return [each for each in _blockers(opened) if not each.lockable] or at


def _batches(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]


def _blockers(opened: Session) -> list[Blocker]:
    return [Blocker(*row) for row in opened.rows(_BLOCKERS)]


def _refuse_unreadable(opened: Session) -> None:
    closed = opened.rows(_UNREADABLE)
    if not closed:
        return
    role = str(opened.value("select quote_ident(current_user)"))
    schemas = ", ".join(sorted({schema for _name, schema in closed}))
    more = f" and {len(closed) - _NAMED} more" if len(closed) > _NAMED else ""
    raise SourceError(
        f"the role {role} may not read {', '.join(name for name, _schema in closed[:_NAMED])}{more}",
        why="pg_dump reads every table and sequence, or makes no dump",
        safe="nothing was dumped; existing backups are untouched",
        next=f"as a superuser: GRANT USAGE ON SCHEMA {schemas} TO {role}; "
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schemas} TO {role}; "
        f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schemas} TO {role}; "
        f"or, from PostgreSQL 14: GRANT pg_read_all_data TO {role};",
    )


def _still_locked(blockers: Sequence[Blocker], server: Server, wait: timedelta) -> SourceError:
    if not blockers:
        return SourceError(
            "the tables cannot be held still",
            why=f"for {human_duration(wait)} tables were made, renamed or locked faster than they could be listed",
            safe="nothing was dumped, and no lock of ours remains",
            next="let the migration end, then: ops backup",
        )
    worst = blockers[0]
    others = sorted({each.relation for each in blockers} - {worst.relation})
    also = f", and {', '.join(others[:_NAMED])}" if others else ""
    # Whoever prepared it chose its name, and a superuser will paste this.
    prepared = worst.prepared and worst.prepared.replace("'", "''")
    end = f"rollback prepared '{prepared}'" if prepared else f"select pg_terminate_backend({worst.pid})"
    return SourceError(
        f"{worst.relation}{also} stayed locked in {worst.mode.strip()} for {human_duration(wait)}",
        why=worst.describe(),
        safe="nothing was dumped; no other session waited for us longer than a few seconds",
        next=f"let it end, or end it: psql {shell(server.shown())} -c {shell(end)}",
    )


def _too_many(error: StatementFailed, tables: int) -> SourceError:
    return SourceError(
        f"the server has no room for locks on {tables} tables",
        why=error.why,
        safe="nothing was dumped; existing backups are untouched",
        next=f"alter system set max_locks_per_transaction = {max(128, tables)}; and restart the server",
    )
