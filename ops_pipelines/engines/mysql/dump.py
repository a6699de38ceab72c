"""Take a dump and a fingerprint of one instant of a MySQL or MariaDB database."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import JsonValue

from ops_pipelines import process
from ops_pipelines.engines import gone
from ops_pipelines.engines.base import Contents, Dumped, PartSink
from ops_pipelines.engines.mysql import accounts, archive, clients, contents, database, definitions, gaps, races, rights
from ops_pipelines.engines.mysql.clients import MARIADB, MYSQL, Program, Series
from ops_pipelines.engines.mysql.connection import (
    ALL_ROWS,
    QueryFailed,
    Server,
    Session,
    options_for_programs,
    session,
)
from ops_pipelines.engines.mysql.definitions import Table
from ops_pipelines.engines.mysql.instant import Instant, position, writers_blocked
from ops_pipelines.engines.mysql.settings import MySQLSource
from ops_pipelines.engines.sampling import new_seed
from ops_pipelines.errors import SourceError
from ops_pipelines.limits import Deadline
from ops_pipelines.process import CommandFailed, CommandTimedOut
from ops_pipelines.proof import Gap
from ops_pipelines.streams import Progress

_OLDEST: Mapping[str, Series] = {MARIADB: (10, 3), MYSQL: (5, 7)}
_NARROWS = {"sql_select_limit": str(ALL_ROWS), "system_versioning_asof": "DEFAULT"}
_HISTORY_SINCE: Series = (10, 11)


@dataclass(frozen=True)
class Seen:
    """What a database consists of, and the seed of the sample that is taken of it."""

    product: str
    tables: list[Table]
    objects: dict[str, str]
    columns: contents.Columns
    broken: dict[str, QueryFailed]
    seed: int = field(default_factory=new_seed)

    @classmethod
    def of(cls, opened: Session) -> "Seen":
        """Look at the database of a session."""
        every = definitions.read_tables(opened)
        broken = definitions.broken_views(opened, every)
        tables = [table for table in every if table.name not in broken]
        objects = definitions.read_objects(opened, tables)
        return cls(database.product_of(opened), tables, objects, contents.read_columns(opened), broken)

    def precise(self, table: str) -> bool:
        """Whether a system-versioned table counts its versions by transaction, not by time."""
        return any(each.is_period and each.kind == "bigint" for each in self.columns.get(table, []))


class Dump:
    """One dump of a source: made for one `take`.

    Args:
        name: the source's name, for errors.
        source: its configuration.
        server: where it is.
    """

    def __init__(self, name: str, source: MySQLSource, server: Server, progress: Progress) -> None:
        self._name, self._source, self._server, self._progress = name, source, server, progress
        self._warnings: list[str] = []
        self._gaps: list[Gap] = []

    def take(self, sink: PartSink) -> Dumped:
        """Dump and fingerprint one instant; see `Engine.dump`."""
        limits = self._source.limits
        with (
            Deadline(limits.total, grace=limits.lock) as self._deadline,
            session(self._server, limit=limits.stall) as opened,
        ):
            self._deadline.wake(opened)
            facts = self._look(opened)
            identity = database.identity(opened)
            counters = contents.read_counters(opened, self._seen.tables)
            if self._source.accounts:
                sink.write("accounts.sql", "globals", accounts.dump(self._server, limits.stall))
            at, held = self._at_one_instant(sink, opened, facts)
            after = self._refuse_changed(opened)
            self._gaps += races.unknown(self._before, after, rights.account(opened))
        held = held.model_copy(update={"gaps": tuple(self._gaps)})
        if held.level != "off":
            held = held.model_copy(update={"counters": counters})
        return Dumped(snapshot_at=at, contents=held, facts=facts, warnings=self._warnings, identity=identity)

    def _look(self, opened: Session) -> dict[str, JsonValue]:
        """What a restore must know; refuses what cannot become a backup before its first byte."""
        _refuse_narrowed(self._server, self._source.limits.stall)
        facts = database.describe(opened)
        self._program = self._program_for(facts)
        self._before = races.look(opened)
        self._seen = Seen.of(opened)
        self._history = self._program.has("dump-history") and _series(facts) >= _HISTORY_SINCE
        self._gaps += gaps.found(opened, self._seen.tables, self._seen.broken)
        _refuse_what_the_client_cannot_name(self._server.database, self._seen, self._program)
        precise = [table.name for table in self._seen.tables if table.versioned and self._seen.precise(table.name)]
        if precise and self._history:
            # The client refuses the whole database when it is to dump the history of such a table.
            self._history = False
            self._warnings.append(
                f"the history of system-versioned tables is left out, because {', '.join(precise)} count versions by "
                "transaction, and the dump client cannot write such a history"
            )
        self._warnings += _warnings(self._seen, history=self._history or bool(precise))
        return facts | {
            "client_version": self._program.version,
            "client_product": self._program.product,
            "definers": list(definitions.definers(opened)),
            "keyless": list(definitions.keyless(opened)),
            "events": sum(name.startswith("event ") for name in self._seen.objects),
        }

    def _at_one_instant(
        self, sink: PartSink, opened: Session, facts: dict[str, JsonValue]
    ) -> tuple[datetime, Contents]:
        """The dump and, beside it, the fingerprint; puts the binary log's position into `facts`."""
        seen, limits = self._seen, self._source.limits
        unsteady = [table for table in seen.tables if table.holds_rows and not table.transactional]
        steady = [table for table in seen.tables if table not in unsteady]
        with ExitStack() as sessions:
            jobs = self._source.jobs if self._source.fingerprint != "off" else 0
            readers = [sessions.enter_context(session(self._server, limit=limits.total)) for _ in range(jobs)]
            locker = sessions.enter_context(session(self._server, limit=limits.stall))
            for each in (*readers, locker):
                self._deadline.wake(each)
            for each in (*readers, opened):
                # An open transaction keeps migrations out. One that the network has forgotten ends by itself.
                each.rows(f"set session wait_timeout = {math.ceil((limits.total + limits.lock).total_seconds())}")
            contents.in_snapshot(readers)
            before = self._fingerprint(readers, unsteady).tables
            contents.out_of_snapshot(readers)
            instant = sessions.enter_context(writers_blocked(locker, seen.tables, stall=limits.stall))
            contents.in_snapshot(readers)
            facts |= position(locker)
            if instant.by_tables:
                self._warnings.append(_LOCKED_BY_TABLES)
            if not instant.shared and readers:
                self._gaps.append(gaps.no_lock(rights.account(opened)))
                readers = []
            with self._beside(readers, steady) as fingerprint:
                try:
                    self._dump_data(sink, instant)
                except CommandTimedOut:
                    raise
                except CommandFailed as error:
                    # It stumbles over what a migration did; that is the better answer where it is the true one.
                    self._refuse_changed(opened)
                    raise gone.advised(error) from None
                answers, migrations = fingerprint()
            contents.in_snapshot(readers)
            after = self._fingerprint(readers, unsteady).tables
        if not readers:
            return instant.at, contents.off(str(facts["product"]), _series(facts))
        moved = sorted(name for name, facts_then in before.items() if after.get(name) != facts_then)
        if moved:
            self._warnings.append(
                f"written to while they were dumped, so their rows are not compared: {', '.join(moved)}"
            )
        self._warnings += _retyped(answers.retyped)
        return instant.at, Contents(
            level=self._source.fingerprint,
            dialect=contents.dialect(str(facts["product"]), _series(facts)),
            objects=seen.objects,
            tables=answers.tables | after,
            unsteady=moved,
            migrations=migrations,
            seed=seen.seed if self._source.fingerprint == "sample" else 0,
        )

    def _program_for(self, facts: Mapping[str, JsonValue]) -> Program:
        product, series = str(facts["product"]), _series(facts)
        if series < _OLDEST[product]:
            oldest = ".".join(map(str, _OLDEST[product]))
            raise SourceError(
                f"source {self._name}: {product} {oldest} or newer is needed, the server is {facts['server_version']}"
            )
        return clients.for_dump(product, series, self._source.bin_dirs)

    def _fingerprint(self, readers: Sequence[Session], tables: Sequence[Table]) -> contents.Answers:
        if not readers:
            return contents.Answers({}, {})
        level, seen = self._source.fingerprint, self._seen
        asked = contents.questions(seen.product, tables, seen.columns, level, seed=seen.seed, history=self._history)
        return contents.answer(asked, readers, level)

    @contextmanager
    def _beside(
        self, readers: Sequence[Session], tables: Sequence[Table]
    ) -> Iterator[Callable[[], tuple[contents.Answers, dict[str, str]]]]:
        """Fingerprint beside the dump; the block gets a function that waits for the result.

        When the block fails, the fingerprint's sessions are cut, so that nobody waits for a frozen server.
        """

        def work() -> tuple[contents.Answers, dict[str, str]]:
            if not readers:
                return contents.Answers({}, {}), {}
            migrations = contents.read_migrations(readers[0], self._seen.tables)
            answers = self._fingerprint(readers, tables)
            # The dump may go on for long: until then a migration would have to wait for tables we have done with.
            contents.out_of_snapshot(readers)
            return answers, migrations

        with ThreadPoolExecutor(max_workers=1) as beside:
            future = beside.submit(work)
            try:
                yield future.result
            except BaseException:
                for opened in readers:
                    opened.abort("the dump beside it failed")
                raise

    def _dump_data(self, sink: PartSink, instant: Instant) -> None:
        program, seen, name = self._program, self._seen, self._server.database
        limits = process.Limits(stall=self._source.limits.stall, total=self._deadline.left())
        with options_for_programs(self._server, program.product) as options:
            argv: list[str | Path] = [
                program.path, options, "--single-transaction", "--quick", "--routines", "--triggers", "--events",
                "--hex-blob", "--default-character-set=utf8mb4",
                # Under LOCK TABLES a column whose default is a sequence's next value could not be loaded.
                "--skip-add-locks", "--max-allowed-packet=1G", "--no-tablespaces",
                *(f"--ignore-table={name}.{view}" for view in seen.broken),
                *_where_known(program, history=self._history), "--", name,
            ]  # fmt: skip
            with process.running(argv, limits=limits) as command:
                expected = sum(table.size_bytes for table in seen.tables)
                watched = archive.Watched(
                    command, begun=instant.release_writers, progress=self._progress, expected_bytes=expected
                )
                sink.stream("dump.sql", "dump", watched)
                command.finish()
        archive.check(
            watched, (table.name for table in seen.tables if table.kind in ("BASE TABLE", "SYSTEM VERSIONED"))
        )

    def _refuse_changed(self, opened: Session) -> races.Look:
        """Raises SourceError when anything is defined otherwise than it was seen, or was so meanwhile."""
        after = races.look(opened)
        then, now = self._seen.objects, Seen.of(opened).objects
        changed = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
        changed = changed or races.changed(self._before, after)
        if changed:
            raise SourceError(
                "the definitions of the source changed while it was dumped",
                why=f"other than at the start: {', '.join(changed[:5])}",
                safe="the dump was discarded; earlier backups are untouched",
                next="when the migration is over: ops backup",
            )
        return after


_LOCKED_BY_TABLES = (
    "the account may not FLUSH TABLES WITH READ LOCK (RELOAD): LOCK TABLES kept writers out instead, which may roll "
    "back a transaction of theirs as a deadlock, and a binlog position is only about the dump's instant; grant RELOAD"
)


def _refuse_narrowed(server: Server, limit: timedelta) -> None:
    """The dump clients cannot lift what narrows the answers of every session: they would dump no more than that."""
    with session(server, limit=limit, settings=False) as opened:
        found = opened.variables(*_NARROWS)
    for name, usual in _NARROWS.items():
        if found.get(name, usual) != usual:
            raise SourceError(
                f"the server answers every session of ours with less than it holds: {name} is {found[name]}",
                why="the dump client would dump no more of a table than that, and nobody would miss the rest",
                safe="nothing was dumped; earlier backups are untouched",
                next=f"as an administrator: SET GLOBAL {name} = DEFAULT; and take it out of my.cnf and init_connect",
            )


def _refuse_what_the_client_cannot_name(name: str, seen: Seen, program: Program) -> None:
    """The dump clients escape a database's name twice as soon as they dump its events."""
    events = [each.removeprefix("event ") for each in seen.objects if each.startswith("event ")]
    if events and any(character in name for character in "'\"\\"):
        raise SourceError(
            f"database {name} cannot be dumped with its {len(events)} events",
            why=f"{program.path.name} does not find the events of a database whose name holds a quote or a backslash",
            safe="nothing was changed; earlier backups are untouched",
            next="move the events to a database of a plainer name, or this database's contents to one",
        )


def _warnings(seen: Seen, *, history: bool) -> list[str]:
    """What a human should know about a dump of this database."""
    found = []
    outside = sorted(
        f"{table.name} ({table.engine})" for table in seen.tables if table.holds_rows and not table.transactional
    )
    if outside:
        found.append(f"not transactional, so not part of the dump's instant: {', '.join(outside)}")
    versioned = sorted(table.name for table in seen.tables if table.versioned)
    if versioned and not history:
        found.append(f"history of system-versioned tables is not dumped (needs 10.11): {', '.join(versioned)}")
    floats = sorted({name for name, columns in seen.columns.items() if any(each.kind == "float" for each in columns)})
    if floats:
        found.append(f"FLOAT columns are dumped with six digits, as the dump client does: {', '.join(floats)}")
    return found


def _retyped(rows: Mapping[str, int]) -> list[str]:
    return [
        f"{count} rows of {name} hold JSON that the dump client cannot write as it is: a decimal comes back as a "
        "double (1.50 as 1.5)"
        for name, count in sorted(rows.items())
    ]


def _where_known(program: Program, *, history: bool) -> list[str]:
    """Options that only some clients have."""
    found = ["--dump-history"] if history else []
    found += ["--set-gtid-purged=OFF"] if program.has("set-gtid-purged") else []
    # They belong to the server, not to the database.
    found += ["--skip-masking-policies"] if program.has("masking-policies") else []
    return found + (["--column-statistics=0"] if program.has("column-statistics") else [])


def _series(facts: Mapping[str, JsonValue]) -> Series:
    return clients.series_of(str(facts["server_version"]))
