"""Take one dump of a PostgreSQL database: still, instant, dump and fingerprint side by side, looked at again.

While pg_dump reads definitions and sequences, which takes seconds and comes first, somebody may change them. Then it is
all taken again, a few times; what still changes is recorded as not known. Rows are safe from the start.
"""

import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

from psycopg.conninfo import make_conninfo

from ops_pipelines import process
from ops_pipelines.clock import human_duration
from ops_pipelines.engines import gone
from ops_pipelines.engines.base import Contents, Dumped, PartSink
from ops_pipelines.engines.postgres import contents, database, locks
from ops_pipelines.engines.postgres.clients import Programs
from ops_pipelines.engines.postgres.connection import KEPT_ALIVE, Server, Session, session
from ops_pipelines.engines.postgres.dumping import dump_data
from ops_pipelines.engines.postgres.settings import PostgresSource
from ops_pipelines.engines.postgres.witness import GaveWay, Witness
from ops_pipelines.errors import SourceError
from ops_pipelines.limits import Deadline
from ops_pipelines.streams import Progress

_DOUBTED = 4
# What pg_dump says, which we run in English: of its first session, and of the workers of a directory dump.
_LOCKS = ("LOCK TABLE", "could not obtain lock on relation")
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0


class _Moved(Exception):
    """Definitions changed while they were read."""


class _InTheWay(Exception):
    """Somebody who changes definitions waits for us, or pg_dump for somebody."""


def _lost_a_lock(error: process.CommandFailed) -> bool:
    """Whether pg_dump failed because somebody waits for us to let go of a table."""
    return any(each in error.why for each in _LOCKS)


def _met_a_change(fingerprint: "_Fingerprint") -> bool:
    """Whether somebody was changing what pg_dump read when it failed."""
    try:
        return bool(fingerprint.doubts())
    except GaveWay:
        return True
    except SourceError:
        return False  # the server does not answer any more


def _too_much(server: Server, wait: timedelta) -> SourceError:
    return SourceError(
        f"the definitions in {server} change while they are read",
        why=f"for {human_duration(wait)} one migration after the other waited for our locks, and pg_dump behind it",
        safe="nothing was dumped, and no lock of ours remains",
        next="let the migration end, then: ops backup (format: directory locks again for every table, custom does not)",
    )


class Taking:
    """One dump under way.

    Args:
        source: its configuration.
        server: the source.
        programs: of a version that can dump it.
        limits: of those programs.
        sink: gets the parts, once nothing can move any more.
    """

    def __init__(
        self,
        source: PostgresSource,
        server: Server,
        programs: Programs,
        limits: process.Limits,
        sink: PartSink,
        progress: Progress,
    ) -> None:
        self._source, self._server, self._programs = source, server, programs
        self._limits, self._sink, self._progress = limits, sink, progress
        self._committed = False

    def dumped(self) -> Dumped:
        """Take it. Raises SourceError, CommandFailed."""
        limits = self._source.limits
        patient_until = time.monotonic() + limits.lock.total_seconds()
        moved = 0
        with Deadline(limits.total, grace=limits.lock) as deadline:
            for attempt in itertools.count(1):
                try:
                    last = time.monotonic() > patient_until
                    return self._attempt(deadline, last=last, doubtful=moved >= _DOUBTED)
                except _Moved:
                    moved += 1
                except _InTheWay:
                    pass  # whoever waits for us goes first, as often as it takes
                time.sleep(min(_LONGEST_PAUSE_S, _PAUSE_S * attempt))
        raise AssertionError("an attempt after the wait returns or raises")

    def _attempt(self, deadline: Deadline, *, last: bool, doubtful: bool) -> Dumped:
        limits = self._source.limits
        server = self._server.holding(limits.lock + limits.total)
        with ExitStack() as sessions:
            opened = sessions.enter_context(session(server, limit=limits.stall))
            beside = sessions.enter_context(session(server, limit=limits.stall))
            for each in (opened, beside):
                deadline.wake(each)
            witness = Witness(beside, wanted=self._source.fingerprint != "off")
            snapshot_at = locks.hold_still(opened, server, witness, wait=limits.lock)
            snapshot = str(opened.value("select pg_export_snapshot()"))
            facts = database.describe(opened) | {
                "client_version": self._programs.version,
                "format": self._source.format,
            }
            identity = database.identity(opened)
            tables = contents.count_tables(opened)
            expected = int(opened.value("select pg_database_size(current_database())"))
            # The programs' sessions, as ours; a pooler would refuse what is asked of it at the start.
            aside = server.with_settings(KEPT_ALIVE | opened.without_timeouts) if opened.direct else server
            small = {"database": database.settings_script(opened)}
            witness.watch(int(opened.value("select pg_backend_pid()")))
            with _Fingerprint(self._source, server, opened, snapshot, witness, deadline) as fingerprint:
                doubts: list[str] = []

                def settle() -> None:
                    try:
                        doubts.extend(fingerprint.doubts())
                    except GaveWay:
                        raise (_too_much(server, limits.lock) if last else _InTheWay()) from None
                    if doubts and not (last or doubtful):
                        raise _Moved
                    witness.end()
                    small["globals"] = self._roles(aside, str(facts["database"]), deadline)

                def commit() -> None:
                    self._committed = True
                    for role, script in small.items():
                        self._sink.write(f"{role}.sql", role, script)

                programs_limits = process.Limits(stall=self._limits.stall, total=deadline.left())
                try:
                    dump_data(
                        self._source, database.as_dumped(aside, facts), self._programs, programs_limits, self._sink,
                        snapshot=snapshot, tables=tables, settle=settle, commit=commit, progress=self._progress,
                        expected_bytes=expected,
                    )  # fmt: skip
                except process.CommandTimedOut:
                    raise
                except process.CommandFailed as error:
                    settled = "globals" in small
                    if self._committed or not (_lost_a_lock(error) or (not settled and _met_a_change(fingerprint))):
                        raise gone.advised(error) from None
                    if last:
                        raise _too_much(server, limits.lock) from None
                    raise _InTheWay from None
                held = contents.doubting(fingerprint.result(), doubts)
                held = held.model_copy(update={"gaps": (*held.gaps, *contents.passed_over(beside))})
        warnings = database.warnings(facts)
        return Dumped(snapshot_at=snapshot_at, contents=held, facts=facts, warnings=warnings, identity=identity)

    def _roles(self, server: Server, name: str, deadline: Deadline) -> bytes:
        passwords = [] if self._source.role_passwords else ["--no-role-passwords"]
        printed = process.run(
            # pg_dumpall takes a name with a "=" in it for a connection string: give it one.
            [
                self._programs.path("pg_dumpall"), "--globals-only", *passwords, "--no-password",
                f"--dbname={server.argument()}", f"--database={make_conninfo('', dbname=name)}",
            ],
            env=server.environment(),
            # It prints at its end: nothing is seen of it until then.
            limits=process.Limits(stall=self._limits.stall, total=min(self._limits.stall, deadline.left())),
        )  # fmt: skip
        return printed.stdout


class _Fingerprint:
    """The fingerprint, taken beside the dump; leaving the block with an error cuts its sessions."""

    def __init__(
        self,
        source: PostgresSource,
        server: Server,
        opened: Session,
        snapshot: str,
        witness: Witness,
        deadline: Deadline,
    ) -> None:
        self._source, self._server, self._opened = source, server, opened
        self._snapshot, self._witness, self._deadline = snapshot, witness, deadline
        self._sessions = [opened]
        self._beside = ThreadPoolExecutor(max_workers=1)

    def __enter__(self) -> "_Fingerprint":
        self._objects = self._beside.submit(self._read_objects)
        self._contents = self._beside.submit(self._read)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is not None:
            # Nobody waits for a frozen server.
            for each in self._sessions:
                each.abort("the dump beside it failed")
        self._beside.shutdown()

    def _read_objects(self) -> contents.Objects:
        return contents.Objects({}, {}) if self._source.fingerprint == "off" else contents.read_objects(self._opened)

    def _read(self) -> Contents:
        return contents.read(
            self._opened,
            self._server,
            self._objects.result(),
            self._witness.counters,
            level=self._source.fingerprint,
            jobs=self._source.jobs,
            limit=self._source.limits.total,
            snapshot=self._snapshot,
            register=self._register,
        )

    def _register(self, opened: Session) -> None:
        self._sessions.append(opened)
        self._deadline.wake(opened)

    def doubts(self) -> Sequence[str]:
        """Wait for the definitions; what changed since the tables were locked."""
        try:
            objects = self._objects.result()
        except SourceError:
            self._witness.check()
            raise
        return self._witness.doubts(objects)

    def result(self) -> Contents:
        """Wait for the rows."""
        return self._contents.result()
