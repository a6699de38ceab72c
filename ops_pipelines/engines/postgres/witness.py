"""A session that sees whether definitions or sequences changed while a dump was begun.

pg_dump and the fingerprint read definitions by functions of the server that show what is there now, whatever the
snapshot; sequences know no snapshot at all. So they are read three times: by the witness after the tables are locked,
in the snapshot, and by the witness again when pg_dump has read them. What was not the same each time is in doubt.
Until then the witness keeps views from being dropped and sequences from being restarted; for seconds, and no longer
than until somebody who only reads has to wait for it.
"""

import threading
import time
from collections.abc import Mapping

from ops_pipelines.engines.postgres.connection import Session, StatementFailed
from ops_pipelines.engines.postgres.contents import Objects, read_counters, read_objects

_WAIT_MS = 2000
_BATCH = 200
_REFUSED = "42501"
_LOOK_EVERY_S = 0.3
_ENDED_WITHIN_S = 5.0
# Whoever reads and waits for somebody who waits for us. It may be our own pg_dump, which would wait for ever.
_IN_THE_WAY = """
select exists (select from pg_catalog.pg_locks w, unnest(pg_catalog.pg_blocking_pids(w.pid)) b
                where not w.granted and w.mode = 'AccessShareLock'
                  and pg_backend_pid() = any(pg_catalog.pg_blocking_pids(b)))
"""
# Sessions of this dump: the one that holds the tables, and those of our user and name that began after the witness.
_OURS = """
select a.pid from pg_catalog.pg_stat_activity a
 where a.datname = current_database() and a.usename = current_user and a.pid <> pg_backend_pid()
   and a.application_name = current_setting('application_name')
   and (a.pid = %s or a.backend_start > (select w.backend_start from pg_catalog.pg_stat_activity w
                                          where w.pid = pg_backend_pid()))
   and exists (select from pg_catalog.pg_locks l
                where l.pid = a.pid and l.locktype = 'relation' and l.relation >= 16384)
"""
_VIEWS = r"""
select format('%I.%I', n.nspname, c.relname)
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind = 'v' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
   and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') order by c.oid
"""


class GaveWay(Exception):
    """The witness let go before it could look again."""


class Witness:
    """Looks at a database before and after.

    Args:
        opened: a session of its own, without a transaction.
        wanted: whether anybody wants to know; otherwise it keeps things in place, and does not look.
    """

    def __init__(self, opened: Session, *, wanted: bool) -> None:
        self._opened, self._wanted = opened, wanted
        self._objects = Objects({}, {})
        self.counters: Mapping[str, int] = {}
        self._over = threading.Event()
        self._holder = 0
        self._failure: GaveWay | StatementFailed | None = None
        self._watch = threading.Thread(target=self._give_way, daemon=True)

    def begin(self) -> None:
        """Begin anew, and keep sequences from being restarted. Raises StatementFailed, also for one that is locked."""
        self.let_go()
        self._opened.rows("begin read only")
        self._opened.rows(f"set local lock_timeout = {_WAIT_MS}")
        # Reading where a sequence stands locks it against ALTER until the transaction ends, not against use.
        self.counters = read_counters(self._opened)

    def look(self) -> None:
        """Keep views where they are, and look. Raises StatementFailed, also for one that is locked."""
        names = [name for (name,) in self._opened.rows(_VIEWS)]
        for start in range(0, len(names), _BATCH):
            self._lock(names[start : start + _BATCH])
        if self._wanted:
            self._objects = read_objects(self._opened)

    def watch(self, holder: int) -> None:
        """Begin to give way to readers; ends with `doubts`.

        Args:
            holder: process id of the session that holds the tables.
        """
        self._holder = holder
        self._watch.start()

    def _give_way(self) -> None:
        try:
            while not self._over.wait(_LOOK_EVERY_S):
                if self._opened.value(_IN_THE_WAY):
                    self._failure = GaveWay()
                    self._end_the_dump()
                    self._opened.rows("rollback")
                    return
        except StatementFailed as error:
            self._failure = error

    def _end_the_dump(self) -> None:
        """End every session that holds tables for this dump.

        They go before the witness does: whoever it makes room for may want those tables next, while they wait for what
        he has just got. That would be a deadlock, which the server ends by cancelling either.
        """
        until = time.monotonic() + _ENDED_WITHIN_S
        while (ours := self._opened.rows(_OURS, [self._holder])) and time.monotonic() < until:
            for (pid,) in ours:
                self._opened.rows("select pg_terminate_backend(%s)", [pid])
            time.sleep(_LOOK_EVERY_S / 10)
            self._opened.rows("select pg_stat_clear_snapshot()")

    def _lock(self, names: list[str]) -> None:
        """A view whose owner may not read what it shows cannot be locked; it takes no other along."""
        self._opened.rows("savepoint views")
        try:
            self._opened.rows(f"lock table {', '.join(names)} in access share mode nowait")
        except StatementFailed as error:
            if error.sqlstate != _REFUSED:
                raise
            self._opened.rows("rollback to savepoint views")
            for name in names if len(names) > 1 else []:
                self._lock([name])

    def doubts(self, held: Objects) -> list[str]:
        """What was not the same before and after, of what the snapshot has: objects, sequences and kinds of objects.

        Raises:
            GaveWay: it could not stay to see.
            StatementFailed: the server does not answer.
        """
        self._over.set()
        self._watch.join()
        self.check()
        if not self._wanted:
            return []
        before, after = self._objects, read_objects(self._opened)
        moved = [
            name for name, text in held.found.items() if before.found.get(name) != text or after.found.get(name) != text
        ]
        failed = [kind for kind in held.unread if kind not in before.unread or kind not in after.unread]
        return sorted([*moved, *failed, *self._set_back()])

    def check(self) -> None:
        """Raise what made it leave: GaveWay, StatementFailed."""
        if self._failure is not None:
            raise self._failure

    def _set_back(self) -> list[str]:
        """Sequences that stand before where they stood: pg_dump may have read either."""
        after = read_counters(self._opened)
        return [f"sequence {name}" for name, stood in self.counters.items() if after.get(name, stood - 1) < stood]

    def let_go(self) -> None:
        """Let go of everything; it can begin anew."""
        self._opened.rows("rollback")

    def end(self) -> None:
        """Let go of everything, for good."""
        self._over.set()
        if self._watch.is_alive():
            self._watch.join()
        self.let_go()
