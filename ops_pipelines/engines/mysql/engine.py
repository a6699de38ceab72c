"""The MySQL and MariaDB engine: dump and fingerprint one instant, restore with the standard client.

Parts of a restore point: `dump.sql`, and `accounts.sql` where it is asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from ops_pipelines import process, stopping
from ops_pipelines.engines import verify_databases
from ops_pipelines.engines.address import can_be, is_address
from ops_pipelines.engines.base import (
    NOTHING,
    Contents,
    Created,
    Dumped,
    Finding,
    Legacy,
    Level,
    PartReader,
    PartSink,
    Probe,
    Readiness,
    Restored,
    Way,
)
from ops_pipelines.engines.mysql import (
    assertions,
    clients,
    contents,
    database,
    definitions,
    events,
    reload,
    rights,
)
from ops_pipelines.engines.mysql.clients import Program, Series
from ops_pipelines.engines.mysql.connection import (
    Server,
    Session,
    parse,
    place_of,
    session,
)
from ops_pipelines.engines.mysql.dump import Dump, Seen
from ops_pipelines.engines.mysql.kind import client_name
from ops_pipelines.engines.mysql.legacy import adopt
from ops_pipelines.engines.mysql.restore import key_rules, load, load_definitions, may_set
from ops_pipelines.engines.mysql.server import scratch_server
from ops_pipelines.engines.mysql.settings import MySQLSource
from ops_pipelines.engines.places import Place
from ops_pipelines.engines.reserved import refusal
from ops_pipelines.engines.selection import pick_names
from ops_pipelines.errors import Inconclusive, OpsError, SafetyRefusal, SourceError, ToolMissing
from ops_pipelines.streams import Progress, silent
from ops_pipelines.text import shell

_NAME_LENGTH = 64
_RESERVED = ("mysql", "information_schema", "performance_schema", "sys", "ndbinfo")


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
        return Dump(self._name, self._source, self.server(), progress).take(sink)

    @contextmanager
    def scratch(self, directory: Path, facts: Mapping[str, JsonValue]) -> Iterator[str]:
        """A disposable server, or a database on `verify.server`, of the dump's series; see `Engine.scratch`."""
        if self._source.verify.server is not None:
            with self._verify_database(directory, facts) as url:
                yield url
            return
        try:
            program = clients.for_server(str(facts["product"]), _series(facts), self._source.bin_dirs)
        except ToolMissing as error:
            raise Inconclusive(
                error.what, why=error.why, safe="the backup is not marked bad", next=error.next
            ) from None
        with scratch_server(program, directory, facts) as server:
            target = database.create(server.at(str(facts["database"])), facts)
            database.create_definers(server, facts.get("definers"), target.database)
            yield target.url()

    @contextmanager
    def _verify_database(self, directory: Path, facts: Mapping[str, JsonValue]) -> Iterator[str]:
        """A database of our own on the server that was lent to us, dropped afterwards."""
        target = self._lent().at(verify_databases.new_name())
        verify_databases.note(directory, self._name, target.database)
        with stopping.ending(lambda: self.drop_verify_database(target.database)):
            database.create(target, facts)
            database.create_definers(target.at(""), facts.get("definers"), target.database)
            yield target.url()

    def drop_verify_database(self, name: str, /) -> None:
        """Drop a database that we made on the lent server, and what was made for it; see `VerifyServerUser`."""
        if not verify_databases.is_ours(name):
            raise SafetyRefusal(f"{name} is none that a verification made", safe="nothing was changed")
        database.drop(self._lent().at(name))
        database.drop(self._lent().at(reload.companion(name)))
        database.take_back(self._lent().at(""), name)

    def _lent(self) -> Server:
        given = self._source.verify.server
        if given is None:
            raise SourceError(f"source {self._name} has no verify.server any more")
        return parse(
            given.url.reveal(purpose=f"source {self._name}, verify.server.url"), connect=self._source.limits.connect
        )

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

    def address(self, name_or_url: str, facts: Mapping[str, JsonValue] = NOTHING) -> str:
        """The client's command that opens a target; it asks for the password."""
        where = self._locate(name_or_url)
        at = ["--socket", where.socket] if where.socket else ["--host", where.host, "--port", str(where.port)]
        return shell(
            *[client_name(facts) if facts else "mariadb", *at, "--user", where.user, "--password", where.database]
        )

    def readiness(self, name_or_url: str, facts: Mapping[str, JsonValue], plain_bytes: int) -> Readiness:
        """Programs, reachability, version and product; see `Engine.readiness`."""
        if refused := refusal(name_or_url, self._locate(name_or_url).database, _RESERVED, source=self._name):
            return Readiness([refused], 0)
        problems: list[OpsError] = []
        try:
            self._client(facts)
        except ToolMissing as error:
            problems.append(error)
        try:
            with session(self._locate(name_or_url).at(""), limit=self._source.limits.stall) as opened:
                product, version = database.product_of(opened), str(opened.value("select version()"))
                read_only = opened.variables("read_only").get("read_only") == "ON"
                keys = _demanded_keys(opened, facts)
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
            problems += keys
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
        """The name of a database beside the source; see `InPlaceRestorer`."""
        return self.server().database[: _NAME_LENGTH - len(suffix)] + suffix

    def empty(self, facts: Mapping[str, JsonValue]) -> str:
        """Drop the source's database and make it anew; see `InPlaceRestorer`."""
        source = self.server()
        database.drop(source)
        return database.create(source, facts).url()

    def discard(self, beside: str) -> None:
        """Drop a database that is not wanted any more; see `InPlaceRestorer`."""
        database.drop(self._locate(beside))

    def create_target(self, name_or_url: str, facts: Mapping[str, JsonValue]) -> Created:
        """A new database beside the source, or the one a URL names; see `Engine.create_target`."""
        wanted = self._locate(name_or_url)
        if self.is_source(name_or_url):
            raise SafetyRefusal(
                f"{wanted} is the source {self._name} itself",
                safe="nothing was changed",
                next=f"restore beside it: ops restore {self._name} --to {self.server().database}_restored",
            )
        if refused := refusal(name_or_url, wanted.database, _RESERVED, source=self._name):
            raise refused
        return Created(database.create(wanted, facts).url())

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
        fresh: bool = False,
    ) -> Restored:
        """Load the parts into `target`; see `Engine.restore`."""
        server = parse(target, connect=self._source.limits.connect)
        disabled: set[str] = set()  # on a lent server: events that were enabled in the backup
        restored = load(
            parts,
            str(facts["database"]),
            server,
            self._client(facts),
            work=work,
            limits=self._limits,
            jobs=self._source.jobs,
            ours=globals_too,
            lent=globals_too and verify_databases.is_ours(server.database),
            disabled_events=disabled,
            progress=progress,
            only=only,
        )
        more = [] if globals_too or only else _beside_warnings(facts)
        held = Contents.model_validate_json(parts.data("contents"))
        with session(server, limit=self._source.limits.stall) as opened:
            version = str(opened.value("select version()"))
            late = events.passed(opened, {} if only else held.objects)
        if clients.series_of(version) != _series(facts):
            more.append(
                f"restored on {version}, the source was {facts['server_version']}: definitions are not compared"
            )
        return replace(
            restored,
            warnings=[*restored.warnings, *more],
            findings=[*restored.findings, *late.findings],
            excused=late.excused,
            notes={"disabled_events": [*sorted(disabled | late.disabled)]},
        )

    def _client(self, facts: Mapping[str, JsonValue]) -> Program:
        """The program that reads the dump. Raises ToolMissing."""
        series = clients.series_of(str(facts["client_version"]))
        return clients.for_restore(str(facts["client_product"]), series, self._source.bin_dirs)

    def contents(
        self, target: str, level: Level, *, way: Way | None = None, notes: Mapping[str, JsonValue] = NOTHING
    ) -> Contents:
        """The fingerprint of `target`."""
        server, limit = parse(target, connect=self._source.limits.connect), self._source.limits.total
        seed = way.seed if way is not None else 0
        with ExitStack() as sessions:
            opened = sessions.enter_context(session(server, limit=limit))
            product, series = database.product_of(opened), clients.series_of(str(opened.value("select version()")))
            if level == "off":
                return contents.off(product, series)
            seen = replace(Seen.of(opened), seed=seed)
            readers = [sessions.enter_context(session(server, limit=limit)) for _ in range(self._source.jobs)]
            contents.in_snapshot(readers)
            asked = contents.questions(product, seen.tables, seen.columns, level, seed=seed)
            return Contents(
                level=level,
                dialect=contents.dialect(product, series),
                objects=definitions.enabled(seen.objects, _disabled_events(notes)),
                tables=contents.answer(asked, readers, level).tables,
                counters=contents.read_counters(opened, seen.tables),
                migrations=contents.read_migrations(opened, seen.tables),
                seed=seed,
            )

    def reloaded(self, target: str, definitions: Mapping[str, str]) -> Mapping[str, str]:
        """What the server prints for the source's definitions; see `Reloader`."""
        server, limit = parse(target, connect=self._source.limits.connect), self._source.limits.stall
        with session(server, limit=limit) as opened, session(server, limit=limit) as aside:
            return reload.reloaded(opened, aside, definitions)

    def script(self, parts: PartReader, _facts: Mapping[str, JsonValue], work: Path) -> Path:
        """The dump, which is a script; see `Scripted`."""
        return parts.save("dump", work)

    def restore_definitions(
        self, parts: PartReader, facts: Mapping[str, JsonValue], target: str, *, work: Path
    ) -> None:
        """Load the dump without its rows; see `Reloader`."""
        load_definitions(
            parts,
            str(facts["database"]),
            parse(target, connect=self._source.limits.connect),
            self._client(facts),
            work=work,
            limits=self._limits,
        )

    def assertions(self, target: str, held: Contents, *, notes: Mapping[str, JsonValue] = NOTHING) -> Iterator[Finding]:
        """Tables and indexes whole, no orphans; see `Engine.assertions`."""
        server = parse(target, connect=self._source.limits.connect)
        with session(server, limit=self._source.limits.total) as opened:
            yield from assertions.assertions(opened, definitions.read_tables(opened))

    def ask(self, target: str, question: object) -> object:
        """The first value a query yields, in a read-only transaction."""
        server = parse(target, connect=self._source.limits.connect)
        with session(server, limit=self._source.limits.total, settings=False) as opened:
            opened.take_time()
            opened.rows("set time_zone = '+00:00'")
            opened.rows("start transaction read only")
            rows = opened.rows(str(question))
            return rows[0][0] if rows else None

    def adopt(self, legacy: Legacy, sink: PartSink) -> Dumped:
        """A dump made by mysqldump or mariadb-dump before us; see `Engine.adopt`."""
        return adopt(legacy, sink, source=self._name, database=self.server().database)


def _demanded_keys(opened: Session, facts: Mapping[str, JsonValue]) -> list[OpsError]:
    """A server that refuses a table without a primary key, or gives it one, and does not let us prevent that."""
    keyless = facts.get("keyless")
    rules = [rule for rule in key_rules(opened) if not may_set(opened, rule)]
    forced = opened.variables("innodb_force_primary_key").get("innodb_force_primary_key") == "ON"
    rules += ["innodb_force_primary_key"] if forced else []
    if not isinstance(keyless, list) or not keyless or not rules:
        return []
    account = rights.account(opened)
    cure = f"SET GLOBAL {rules[0]} = OFF;" if forced else f"GRANT SESSION_VARIABLES_ADMIN ON *.* TO {account};"
    return [
        SourceError(
            f"the target's server has {' and '.join(rules)} on, and {account} may not switch it off",
            why=f"the backup has tables without a primary key: {', '.join(map(str, keyless[:5]))}",
            safe="nothing was changed",
            next=f"as an administrator of that server: {cure}",
        )
    ]


def _beside_warnings(facts: Mapping[str, JsonValue]) -> list[str]:
    if facts.get("events"):
        return [f"{facts['events']} events came back enabled as they were: the restored database runs them, too"]
    return []


def _series(facts: Mapping[str, JsonValue]) -> Series:
    return clients.series_of(str(facts["server_version"]))


def _disabled_events(notes: Mapping[str, JsonValue]) -> set[str]:
    """The events that a restore has disabled although they were enabled in the backup."""
    found = notes.get("disabled_events")
    return set(map(str, found)) if isinstance(found, list) else set()
