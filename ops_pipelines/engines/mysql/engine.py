"""The MySQL and MariaDB engine: dump and fingerprint one instant, restore with the standard client.

Parts of a restore point: `dump.sql`, and `accounts.sql` where it is asked for.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import JsonValue

from ops_pipelines import process
from ops_pipelines.config.sources import MySQLSource
from ops_pipelines.engines import lodging
from ops_pipelines.engines.address import can_be, is_address
from ops_pipelines.engines.base import (
    Contents,
    Dumped,
    Finding,
    Legacy,
    Level,
    PartReader,
    PartSink,
    Probe,
    Readiness,
    Restored,
    TableFacts,
)
from ops_pipelines.engines.mysql import accounts, archive, assertions, clients, contents, database, definitions
from ops_pipelines.engines.mysql.clients import MARIADB, MYSQL, Program, Series
from ops_pipelines.engines.mysql.connection import (
    Server,
    Session,
    options_for_programs,
    parse,
    place_of,
    session,
)
from ops_pipelines.engines.mysql.definitions import Table
from ops_pipelines.engines.mysql.examine import hides_routines
from ops_pipelines.engines.mysql.instant import Instant, position, standing_still
from ops_pipelines.engines.mysql.restore import load
from ops_pipelines.engines.mysql.server import scratch_server
from ops_pipelines.engines.places import Place
from ops_pipelines.engines.sampling import new_seed
from ops_pipelines.engines.selection import pick_names
from ops_pipelines.errors import Inconclusive, OpsError, SafetyRefusal, SourceError, ToolMissing
from ops_pipelines.process import CommandFailed, CommandTimedOut
from ops_pipelines.streams import Progress, silent

_OLDEST: Mapping[str, Series] = {MARIADB: (10, 3), MYSQL: (5, 7)}
_NAME_LENGTH = 64
_HISTORY_SINCE: Series = (10, 11)
_SERVER_IN_DUMP = re.compile(rb"^-- Server version\s+(\S+)", re.MULTILINE)
_HOME_IN_DUMP = re.compile(rb"^-- Host: .*?Database: (.*?)\s*$", re.MULTILINE)


class MySQLEngine:
    """One MySQL or MariaDB database.

    Args:
        name: the source's name, for errors.
        source: its configuration.
    """

    def __init__(self, name: str, source: MySQLSource) -> None:
        self._name = name
        self._source = source
        self._limits = process.Limits(stall=source.limits.stall, total=source.limits.total)

    def probe(self) -> Probe:
        """Reach the source and look. Raises SourceError."""
        with session(self.server(), limit=self._source.limits.stall) as opened:
            size = sum(table.size_bytes for table in definitions.read_tables(opened))
            return Probe(server_version=str(opened.value("select version()")), size_bytes=size)

    def server(self) -> Server:
        """The source's server; its password is resolved now and not kept."""
        url = self._source.url.reveal(purpose=f"source {self._name}, url")
        server = parse(url, connect=self._source.limits.connect)
        if not server.database:
            raise SourceError(
                f"source {self._name}: its url names no database",
                next="write it like mysql://user:…@host:3306/database",
            )
        return server

    def dump(self, sink: PartSink, *, progress: Progress = silent) -> Dumped:
        """Dump and fingerprint one instant of the source; see `Engine.dump`."""
        server, limits = self.server(), self._source.limits
        with session(server, limit=limits.stall) as opened:
            facts = database.describe(opened)
            program = self._program(facts)
            seen = _Seen.of(opened)
            _refuse_what_the_client_cannot_name(server.database, seen, program)
            facts |= {
                "client_version": program.version,
                "client_product": program.product,
                "definers": list(definitions.definers(opened)),
                "events": sum(name.startswith("event ") for name in seen.objects),
            }
            keeps_history = program.has("dump-history") and _series(facts) >= _HISTORY_SINCE
            warnings = _warnings(seen, opened, server.database, keeps_history=keeps_history)
            counters = contents.read_counters(opened, seen.tables)
            if self._source.accounts:
                sink.write("accounts.sql", "globals", accounts.dump(server, program, limits.stall))
            with ExitStack() as sessions:
                jobs = self._source.jobs if self._source.fingerprint != "off" else 0
                readers = [sessions.enter_context(session(server, limit=limits.total)) for _ in range(jobs)]
                locker = sessions.enter_context(session(server, limit=limits.stall))
                unsteady = [table for table in seen.tables if table.holds_rows and not table.transactional]
                contents.in_snapshot(readers)
                before = self._fingerprint(readers, seen, unsteady, keeps_history)
                contents.out_of_snapshot(readers)
                instant = sessions.enter_context(standing_still(locker, seen.tables))
                contents.in_snapshot(readers)
                facts |= position(locker)
                if not instant.shared:
                    warnings.append(_NO_LOCK)
                    readers = []
                elif instant.by_tables:
                    warnings.append(_LOCKED_BY_TABLES)
                steady = [table for table in seen.tables if table not in unsteady]
                with self._beside(readers, seen, steady, keeps_history) as fingerprint:
                    try:
                        self._dump_data(sink, server, program, seen, instant, progress, keeps_history)
                    except CommandTimedOut:
                        raise
                    except CommandFailed:
                        # It stumbles over what a migration did; that is the better answer where it is the true one.
                        _refuse_changed(opened, seen)
                        raise
                    tables, migrations = fingerprint()
                contents.in_snapshot(readers)
                after = self._fingerprint(readers, seen, unsteady, keeps_history)
            _refuse_changed(opened, seen)
        moved = sorted(name for name, facts_then in before.items() if after.get(name) != facts_then)
        if not readers:
            held = contents.off(str(facts["product"]), _series(facts))
        else:
            if moved:
                warnings.append(
                    f"written to while they were dumped, so their rows are not compared: {', '.join(moved)}"
                )
            held = Contents(
                level=self._source.fingerprint,
                dialect=contents.dialect(str(facts["product"]), _series(facts)),
                objects=seen.objects,
                tables=tables | after,
                unsteady=moved,
                counters=counters,
                migrations=migrations,
                seed=seen.seed if self._source.fingerprint == "sample" else 0,
            )
        return Dumped(snapshot_at=instant.at, contents=held, facts=facts, warnings=warnings)

    def _program(self, facts: Mapping[str, JsonValue]) -> Program:
        product, series = str(facts["product"]), _series(facts)
        if series < _OLDEST[product]:
            oldest = ".".join(map(str, _OLDEST[product]))
            raise SourceError(
                f"source {self._name}: {product} {oldest} or newer is needed, the server is {facts['server_version']}"
            )
        return clients.for_dump(product, series, self._source.bin_dirs)

    def _fingerprint(
        self, readers: Sequence[Session], seen: "_Seen", tables: Sequence[Table], history: bool
    ) -> dict[str, TableFacts]:
        if not readers:
            return {}
        level = self._source.fingerprint
        asked = contents.questions(tables, seen.columns, level, seed=seen.seed, history=history)
        return contents.answer(asked, readers, level)

    @contextmanager
    def _beside(
        self, readers: Sequence[Session], seen: "_Seen", tables: Sequence[Table], history: bool
    ) -> Iterator[Callable[[], tuple[dict[str, TableFacts], dict[str, str]]]]:
        """Fingerprint beside the dump; the block gets a function that waits for the result.

        When the block fails, the fingerprint's sessions are cut, so that nobody waits for a frozen server.
        """

        def work() -> tuple[dict[str, TableFacts], dict[str, str]]:
            if not readers:
                return {}, {}
            migrations = contents.read_migrations(readers[0], seen.tables)
            facts = self._fingerprint(readers, seen, tables, history)
            # The dump may go on for long: until then a migration would have to wait for tables we have done with.
            contents.out_of_snapshot(readers)
            return facts, migrations

        with ThreadPoolExecutor(max_workers=1) as beside:
            future = beside.submit(work)
            try:
                yield future.result
            except BaseException:
                for opened in readers:
                    opened.abort("the dump beside it failed")
                raise

    def _dump_data(
        self,
        sink: PartSink,
        server: Server,
        program: Program,
        seen: "_Seen",
        instant: Instant,
        progress: Progress,
        history: bool,
    ) -> None:
        with options_for_programs(server) as options:
            argv: list[str | Path] = [
                program.path, options, "--single-transaction", "--quick", "--routines", "--triggers", "--events",
                "--hex-blob", "--default-character-set=utf8mb4",
                # Under LOCK TABLES a column whose default is a sequence's next value could not be loaded.
                "--skip-add-locks", "--max-allowed-packet=1G", "--no-tablespaces",
                *_where_known(program, history=history), "--", server.database,
            ]  # fmt: skip
            with process.running(argv, limits=self._limits) as command:
                expected = sum(table.size_bytes for table in seen.tables)
                watched = archive.Watched(command, begun=instant.let_go, progress=progress, expected_bytes=expected)
                sink.stream("dump.sql", "dump", watched)
                command.finish()
        archive.check(
            watched, (table.name for table in seen.tables if table.kind in ("BASE TABLE", "SYSTEM VERSIONED"))
        )

    @contextmanager
    def scratch(self, directory: Path, facts: Mapping[str, JsonValue]) -> Iterator[str]:
        """A disposable server, or a database on `verify.server`, of the dump's series; see `Engine.scratch`."""
        if self._source.verify.server is not None:
            with self._lodging(directory, facts) as url:
                yield url
            return
        try:
            program = clients.for_server(str(facts["product"]), _series(facts), self._source.bin_dirs)
        except ToolMissing as error:
            raise Inconclusive(error.what, why=error.why, safe="the backup is not condemned", next=error.next) from None
        with scratch_server(program, directory, facts) as server:
            target = database.create(server.at(str(facts["database"])), facts)
            definers = facts.get("definers")
            database.create_definers(server, definers if isinstance(definers, list) else [], target.database)
            yield target.url()

    @contextmanager
    def _lodging(self, directory: Path, facts: Mapping[str, JsonValue]) -> Iterator[str]:
        """A database of our own on the server that was lent to us, dropped afterwards."""
        target = self._lent().at(lodging.new_name())
        lodging.note(directory, self._name, target.database)
        try:
            database.create(target, facts)
            definers = facts.get("definers")
            database.create_definers(target.at(""), definers if isinstance(definers, list) else [], target.database)
            yield target.url()
        finally:
            self.evict(target.database)

    def evict(self, name: str, /) -> None:
        """Drop a database that we made on the lent server; see `Lodger`."""
        if not lodging.is_ours(name):
            raise SafetyRefusal(f"{name} is none that a verification made", safe="nothing was changed")
        database.drop(self._lent().at(name))

    def _lent(self) -> Server:
        given = self._source.verify.server
        if given is None:
            raise SourceError(f"source {self._name} has no verify.server any more")
        return parse(
            given.url.reveal(purpose=f"source {self._name}, verify.server.url"), connect=self._source.limits.connect
        )

    @staticmethod
    def reap(directory: Path) -> None:
        """A killed server holds nothing outside its directory."""

    def locate(self, name_or_url: str) -> str:
        """The URL of a target; a bare name is a database on the source's server."""
        return self._locate(name_or_url).url()

    def exists(self, name_or_url: str) -> bool:
        """Whether there is a database of that name."""
        return database.exists(self._locate(name_or_url))

    def is_source(self, name_or_url: str) -> bool:
        """Whether a target is this very source, however it is spelled."""
        if not can_be(name_or_url, "mysql"):
            return False
        return database.same(self._locate(name_or_url), self.server())

    def place(self, name_or_url: str | None = None) -> Place | None:
        """Where the source or a target lies by its spelling; see `Engine.place`."""
        if name_or_url is None:
            return place_of(self.server())
        return place_of(self._locate(name_or_url)) if can_be(name_or_url, "mysql") else None

    def address(self, name_or_url: str) -> str:
        """The mariadb command that opens a target; it asks for the password."""
        where = self._locate(name_or_url)
        at = ["--socket", where.socket] if where.socket else ["--host", where.host, "--port", str(where.port)]
        return shlex.join(["mariadb", *at, "--user", where.user, "--password", where.database])

    def readiness(self, name_or_url: str, facts: Mapping[str, JsonValue], plain_bytes: int) -> Readiness:
        """Programs, reachability, version and product; see `Engine.readiness`."""
        problems: list[OpsError] = []
        try:
            series = clients.series_of(str(facts["client_version"]))
            clients.for_restore(str(facts["client_product"]), series, self._source.bin_dirs)
        except ToolMissing as error:
            problems.append(error)
        try:
            with session(self._locate(name_or_url).at(""), limit=self._source.limits.stall) as opened:
                product, version = database.product_of(opened), str(opened.value("select version()"))
                read_only = opened.variables("read_only").get("read_only") == "ON"
        except SourceError as error:
            problems.append(error)
        else:
            if product == facts["product"] and clients.series_of(version) < _series(facts):
                problems.append(
                    SourceError(
                        f"the target's server is {product} {version}, the backup was taken from "
                        f"{facts['server_version']}",
                        why="an older server does not know everything a newer one dumps",
                        next="restore to a server of that series or a newer one: --to URL",
                    )
                )
            if read_only:
                problems.append(SourceError("the target's server is read-only", next="name the primary server"))
        # Under another name the dump is written a second time before it is loaded.
        return Readiness(problems, plain_bytes * 2)

    def pick(self, held: Contents, facts: Mapping[str, JsonValue], only: Sequence[str]) -> Sequence[str]:
        """The tables, views and sequences a selection means; see `Engine.pick`."""
        if held.level == "off":
            return list(only)
        kinds = ("table ", "view ", "sequence ")
        return pick_names(only, [key.split(" ", 1)[1] for key in held.objects if key.startswith(kinds)], "tables")

    def beside(self, suffix: str) -> str:
        """The name of a database beside the source; see `Emptier`."""
        return self.server().database[: _NAME_LENGTH - len(suffix)] + suffix

    def empty(self, facts: Mapping[str, JsonValue]) -> str:
        """Drop the source's database and make it anew; see `Emptier`."""
        source = self.server()
        database.drop(source)
        return database.create(source, facts).url()

    def discard(self, beside: str) -> None:
        """Drop a database that is not wanted any more; see `Emptier`."""
        database.drop(self._locate(beside))

    def create_target(self, name_or_url: str, facts: Mapping[str, JsonValue]) -> str:
        """A new database beside the source, or the one a URL names; see `Engine.create_target`."""
        wanted = self._locate(name_or_url)
        if self.is_source(name_or_url):
            raise SafetyRefusal(
                f"{wanted} is the source {self._name} itself",
                safe="nothing was changed",
                next=f"restore beside it: ops restore {self._name} --to {self.server().database}_restored",
            )
        return database.create(wanted, facts).url()

    def _locate(self, name_or_url: str) -> Server:
        if is_address(name_or_url):
            return parse(name_or_url, connect=self._source.limits.connect)
        return self.server().at(name_or_url)

    def restore(
        self,
        parts: PartReader,
        facts: Mapping[str, JsonValue],
        target: str,
        *,
        work: Path,
        globals_too: bool,
        progress: Progress = silent,
        only: Sequence[str] = (),
    ) -> Restored:
        """Load the parts into `target`; see `Engine.restore`."""
        product = str(facts["client_product"])
        program = clients.for_restore(product, clients.series_of(str(facts["client_version"])), self._source.bin_dirs)
        server = parse(target, connect=self._source.limits.connect)
        restored = load(
            parts,
            str(facts["database"]),
            server,
            program,
            work=work,
            limits=self._limits,
            ours=globals_too,
            progress=progress,
            only=only,
        )
        more = [] if globals_too or only else _beside_warnings(facts)
        with session(server, limit=self._source.limits.stall) as opened:
            version = str(opened.value("select version()"))
        if clients.series_of(version) != _series(facts):
            more.append(
                f"restored on {version}, the source was {facts['server_version']}: definitions are not compared"
            )
        return replace(restored, warnings=[*restored.warnings, *more])

    def contents(self, target: str, level: Level, *, seed: int = 0) -> Contents:
        """The fingerprint of `target`."""
        server, limit = parse(target, connect=self._source.limits.connect), self._source.limits.total
        with ExitStack() as sessions:
            opened = sessions.enter_context(session(server, limit=limit))
            product, series = database.product_of(opened), clients.series_of(str(opened.value("select version()")))
            if level == "off":
                return contents.off(product, series)
            seen = replace(_Seen.of(opened), seed=seed)
            readers = [sessions.enter_context(session(server, limit=limit)) for _ in range(self._source.jobs)]
            contents.in_snapshot(readers)
            return Contents(
                level=level,
                dialect=contents.dialect(product, series),
                objects=seen.objects,
                tables=contents.answer(contents.questions(seen.tables, seen.columns, level, seed=seed), readers, level),
                counters=contents.read_counters(opened, seen.tables),
                migrations=contents.read_migrations(opened, seen.tables),
                seed=seed,
            )

    def assertions(self, target: str, held: Contents) -> Iterator[Finding]:
        """Tables and indexes whole, no orphans; see `Engine.assertions`."""
        server = parse(target, connect=self._source.limits.connect)
        with session(server, limit=self._source.limits.total) as opened:
            yield from assertions.assertions(opened, definitions.read_tables(opened))

    def ask(self, target: str, question: object) -> object:
        """The first value a query yields, in a read-only transaction."""
        server = parse(target, connect=self._source.limits.connect)
        with session(server, limit=self._source.limits.total, settings=False) as opened:
            opened.rows("set time_zone = '+00:00'")
            opened.rows("start transaction read only")
            rows = opened.rows(str(question))
            return rows[0][0] if rows else None

    def adopt(self, legacy: Legacy, sink: PartSink) -> Dumped:
        """A dump made by mysqldump or mariadb-dump before us; see `Engine.adopt`."""
        if legacy.stream is None:
            raise SourceError(f"{legacy.name} is a folder, not a dump of mysqldump or mariadb-dump")
        watched = archive.Watched(legacy.stream, progress=silent, expected_bytes=0)
        sink.stream("dump.sql", "dump", watched)
        version, home = _SERVER_IN_DUMP.search(watched.head), _HOME_IN_DUMP.search(watched.head)
        if version is None or home is None:
            raise SourceError(
                f"{legacy.name} is no dump of mysqldump or mariadb-dump",
                why="it does not begin like one (-- Server version)",
            )
        archive.check(watched, ())
        if len(watched.databases) > 1 or not (home[1] or watched.databases):
            found = ", ".join(sorted(name.decode(errors="replace") for name in watched.databases))
            raise SourceError(
                f"{legacy.name} holds several databases: {found or 'none named'}",
                why="a restore point is one database",
                next="dump each database by itself: mariadb-dump … DATABASE",
            )
        name = next(iter(watched.databases), home[1]).decode(errors="replace").replace("``", "`")
        server_version = version[1].decode(errors="replace")
        product = MARIADB if MARIADB.encode() in watched.head[:4096] else MYSQL
        facts: dict[str, JsonValue] = {
            "product": product,
            "server_version": server_version,
            "database": name,
            "client_product": product,
            "client_version": server_version,
            "adopted_from": legacy.name,
        }
        held = contents.off(product, clients.series_of(server_version))
        return Dumped(snapshot_at=legacy.taken_at, contents=held, facts=facts)

    def by_hand(self, facts: Mapping[str, JsonValue]) -> Sequence[str]:
        """Restore commands for the plain parts, after `age -d` and `zstd -d`."""
        client = "mariadb" if facts["client_product"] == MARIADB else "mysql"
        commands = [f"{client} -e {shlex.quote(database.statement(facts))}"]
        load_data = f"{client} --default-character-set=utf8mb4 --max-allowed-packet=1G"
        commands.append(f"{load_data} --database={shlex.quote(str(facts['database']))} < dump.sql")
        if self._source.accounts:
            commands.append(f"{client} --force < accounts.sql  # accounts that are there already stay as they are")
        return commands


@dataclass(frozen=True)
class _Seen:
    """What a database consists of, and the seed of the sample that is taken of it."""

    tables: list[Table]
    objects: dict[str, str]
    columns: contents.Columns
    seed: int = field(default_factory=new_seed)

    @classmethod
    def of(cls, opened: Session) -> "_Seen":
        tables = definitions.read_tables(opened)
        return cls(tables, definitions.read_objects(opened, tables), contents.read_columns(opened))


_NO_LOCK = (
    "the account may neither FLUSH TABLES WITH READ LOCK (RELOAD) nor LOCK TABLES, so the contents could not be "
    "recorded at the dump's instant: the fingerprint is off; grant RELOAD"
)


_LOCKED_BY_TABLES = (
    "the account may not FLUSH TABLES WITH READ LOCK (RELOAD): LOCK TABLES kept writers out instead, which may roll "
    "back a transaction of theirs as a deadlock, and a binlog position is only about the dump's instant; grant RELOAD"
)


def _refuse_what_the_client_cannot_name(name: str, seen: _Seen, program: Program) -> None:
    """The dump clients escape a database's name twice as soon as they dump its events."""
    events = [each.removeprefix("event ") for each in seen.objects if each.startswith("event ")]
    if events and any(character in name for character in "'\"\\"):
        raise SourceError(
            f"database {name} cannot be dumped with its {len(events)} events",
            why=f"{program.path.name} does not find the events of a database whose name holds a quote or a backslash",
            safe="nothing was changed; earlier backups are untouched",
            next="move the events to a database of a plainer name, or this database's contents to one",
        )


def _warnings(seen: _Seen, opened: Session, name: str, *, keeps_history: bool) -> list[str]:
    """What a human should know about a dump of this database."""
    found = []
    if hides_routines(opened, name):
        found.append("procedures and functions are not shown to this account: if there are any, they are not in here")
    outside = sorted(
        f"{table.name} ({table.engine})" for table in seen.tables if table.holds_rows and not table.transactional
    )
    if outside:
        found.append(f"not transactional, so not part of the dump's instant: {', '.join(outside)}")
    versioned = sorted(table.name for table in seen.tables if table.versioned)
    if versioned and not keeps_history:
        found.append(f"history of system-versioned tables is not dumped (needs 10.11): {', '.join(versioned)}")
    floats = sorted({name for name, columns in seen.columns.items() if any(each.kind == "float" for each in columns)})
    if floats:
        found.append(f"FLOAT columns are dumped with six digits, as the dump client does: {', '.join(floats)}")
    return found


def _beside_warnings(facts: Mapping[str, JsonValue]) -> list[str]:
    if facts.get("events"):
        return [f"{facts['events']} events came back enabled as they were: the restored database runs them, too"]
    return []


def _where_known(program: Program, *, history: bool) -> list[str]:
    """Options that only some clients have."""
    found = ["--dump-history"] if history else []
    found += ["--set-gtid-purged=OFF"] if program.has("set-gtid-purged") else []
    return found + (["--column-statistics=0"] if program.has("column-statistics") else [])


def _refuse_changed(opened: Session, seen: _Seen) -> None:
    """Raises SourceError when anything is defined otherwise than it was seen."""
    then, now = seen.objects, _Seen.of(opened).objects
    changed = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    if changed:
        raise SourceError(
            "the definitions of the source changed while it was dumped",
            why=f"other than at the start: {', '.join(changed[:5])}",
            safe="the dump was thrown away; earlier backups are untouched",
            next="when the migration is over: ops backup",
        )


def _series(facts: Mapping[str, JsonValue]) -> Series:
    return clients.series_of(str(facts["server_version"]))
