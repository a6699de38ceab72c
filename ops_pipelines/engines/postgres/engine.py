"""The PostgreSQL engine: dump through one exported snapshot, restore with the standard tools.

Parts of a restore point: `globals.sql` (roles), `database.sql` (settings, privileges and comment of
the database itself), and `dump.pgc`, `dump.tar` (a directory archive) or `dump.sql`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from ops_pipelines.engines.places import Place
from ops_pipelines.engines.postgres import (
    assertions,
    clients,
    contents,
    database,
    extensions,
    reload,
    selection,
    taking,
    targets,
)
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.engines.postgres.legacy import adopt
from ops_pipelines.engines.postgres.restore import Loader, as_script, load, load_definitions
from ops_pipelines.engines.postgres.server import SUPERUSER, scratch_server
from ops_pipelines.engines.postgres.settings import PostgresSource
from ops_pipelines.errors import Inconclusive, SafetyRefusal, SourceError, ToolMissing
from ops_pipelines.streams import Progress, silent
from ops_pipelines.text import shell


class PostgresEngine:
    """One PostgreSQL database.

    Args:
        name: the source's name, for errors.
        source: its configuration.
    """

    def __init__(self, name: str, source: PostgresSource) -> None:
        self._name = name
        self._source = source
        self._limits = process.Limits(stall=source.limits.stall, total=source.limits.total)

    def probe(self) -> Probe:
        """Reach the source and look. Raises SourceError."""
        with session(self.server(), limit=self._source.limits.stall) as opened:
            size = int(opened.value("select pg_database_size(current_database())"))
            return Probe(server_version=str(opened.value("show server_version")), size_bytes=size)

    def server(self) -> Server:
        """The source's server; its password is resolved now and not kept."""
        url = self._source.url.reveal(purpose=f"source {self._name}, url")
        return Server(url, connect=self._source.limits.connect)

    def dump(self, sink: PartSink, *, progress: Progress = silent) -> Dumped:
        """Dump and fingerprint one snapshot of the source; see `Engine.dump`."""
        server, limits = self.server(), self._source.limits
        with session(server, limit=limits.stall) as opened:
            version = int(opened.value("show server_version_num"))
            if version < 130000:
                raise SourceError(f"source {self._name}: PostgreSQL 13 or newer is needed, the server is {version}")
            programs = clients.for_dump(version // 10000, self._source.bin_dirs)
        return taking.Taking(self._source, server, programs, self._limits, sink, progress).dumped()

    @contextmanager
    def scratch(self, directory: Path, facts: Mapping[str, JsonValue]) -> Iterator[str]:
        """A disposable server, or a database on `verify.server`, of the dump's major version; see `Engine.scratch`."""
        if self._source.verify.server is not None:
            with self._verify_database(directory, facts) as url:
                yield url
            return
        try:
            programs = clients.for_server(_major(facts["server_version"]), self._source.bin_dirs)
        except ToolMissing as error:
            raise Inconclusive(
                error.what, why=error.why, safe="the backup is not marked bad", next=error.next
            ) from None
        superuser = str(facts.get("bootstrap_user") or SUPERUSER)
        name = self._text(facts, "database")
        preload = extensions.preloading(programs, facts.get("preload"), name)
        with scratch_server(programs, directory, superuser=superuser, settings=preload) as server:
            yield database.recreate(server, name, facts).url()

    @contextmanager
    def _verify_database(self, directory: Path, facts: Mapping[str, JsonValue]) -> Iterator[str]:
        """A database of our own on the server that was lent to us, dropped afterwards."""
        lent, name = self._lent(), verify_databases.new_name()
        with targets.maintenance(lent) as opened:
            here = int(opened.value("show server_version_num")) // 10000
        if here != _major(facts["server_version"]):
            raise Inconclusive(
                f"the verify.server is PostgreSQL {here}, the backup was taken from {facts['server_version']}",
                why="definitions are compared within one major version only",
                safe="the backup is not marked bad",
                next="name a server of the same major version",
            )
        verify_databases.note(directory, self._name, name)
        with stopping.ending(lambda: self.drop_verify_database(name)):
            yield self._new(lent, name, facts).url

    def drop_verify_database(self, name: str, /) -> None:
        """Drop a database that we made on the lent server; see `VerifyServerUser`."""
        if not verify_databases.is_ours(name):
            raise SafetyRefusal(f"{name} is none that a verification made", safe="nothing was changed")
        targets.drop(self._lent().at(dbname=name))

    def _lent(self) -> Server:
        given = self._source.verify.server
        if given is None:
            raise SourceError(f"source {self._name} has no verify.server any more")
        return Server(
            given.url.reveal(purpose=f"source {self._name}, verify.server.url"), connect=self._source.limits.connect
        )

    def create_target(self, name_or_url: str, facts: Mapping[str, JsonValue]) -> Created:
        """A new database beside the source, or the one a URL names; see `Engine.create_target`."""
        wanted = self._locate(name_or_url)
        if self.is_source(name_or_url):
            raise targets.not_over(wanted, self._name, self.server())
        if refused := targets.reserved(name_or_url, wanted, facts, self._name):
            raise refused
        return self._new(wanted, wanted.database, facts)

    def _new(self, server: Server, name: str, facts: Mapping[str, JsonValue]) -> Created:
        """An empty database."""
        target, made_now = database.create(server, name, facts)
        return Created(target.url(), fresh=made_now)

    def place(self, name_or_url: str | None = None) -> Place | None:
        """Where the source or a target lies by its spelling; see `Engine.place`."""
        if name_or_url is None:
            return targets.place_of(self.server())
        return targets.place_of(self._locate(name_or_url)) if _is_ours(name_or_url) else None

    def readiness(self, name_or_url: str, facts: Mapping[str, JsonValue], plain_bytes: int) -> Readiness:
        """Programs, version, rights and room; see `Engine.readiness`."""
        missing = None
        try:
            clients.for_restore(_major(facts["client_version"]), self._source.bin_dirs)
        except ToolMissing as error:
            missing = error
        wanted = self._locate(name_or_url)
        if refused := targets.reserved(name_or_url, wanted, facts, self._name):
            return Readiness([refused], 0)
        return targets.readiness(wanted, facts, plain_bytes, missing)

    def pick(self, held: Contents, facts: Mapping[str, JsonValue], only: Sequence[str]) -> Sequence[str]:
        """The tables and views a selection means; see `Engine.pick`."""
        if only and facts["format"] == "sql":
            raise SourceError(
                f"a backup of {self._name} in format sql can only be restored whole",
                why="a plain script has no table of contents",
                safe="nothing was restored",
                next="restore it whole into a new database and take from that what you need; format: custom has one",
            )
        return selection.pick(held, only)

    def beside(self, suffix: str) -> str:
        """The name of a database beside the source; see `Swapper`."""
        return targets.with_suffix(self.server().database, suffix)

    def former(self, suffix: str) -> Sequence[str]:
        """The database's name after a swap; see `Swapper`."""
        return [targets.with_suffix(self.server().database, suffix)]

    def swap(self, beside: str, suffix: str) -> str:
        """Rename the source away and a restored database into its place; see `Swapper`."""
        return targets.swap(self.server(), self._locate(beside), suffix)

    def discard(self, beside: str) -> None:
        """Drop a database that was restored for a swap; see `Swapper`."""
        targets.drop(self._locate(beside))

    def locate(self, name_or_url: str) -> str:
        """The URL of a target; a bare name is a database on the source's server."""
        return self._locate(name_or_url).url()

    def address(self, name_or_url: str, facts: Mapping[str, JsonValue] = NOTHING) -> str:
        """The psql command that opens a target, without its password."""
        return f"psql {shell(self._locate(name_or_url).shown())}"

    def exists(self, name_or_url: str) -> bool:
        """Whether there is a database of that name."""
        return targets.exists(self._locate(name_or_url))

    def is_source(self, name_or_url: str) -> bool:
        """Whether a target is this very source, however it is spelled; what is of another kind is not."""
        if not _is_ours(name_or_url):
            return False
        return database.same(self._locate(name_or_url), self.server())

    def _locate(self, name_or_url: str) -> Server:
        if _is_url(name_or_url):
            return Server(name_or_url, connect=self._source.limits.connect)
        return self.server().at(dbname=name_or_url)

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
        server = Server(target, connect=self._source.limits.connect)
        disposable = targets.is_disposable(server)
        loader = Loader(
            database.as_dumped(targets.without_settings(server), facts),
            clients.for_restore(_major(facts["client_version"]), self._source.bin_dirs),
            self._source.jobs,
            self._limits,
            ours=disposable,
            # A server whose libraries have workers of their own may never finish a DROP DATABASE.
            empty=(lambda: database.empty(server, facts))
            if disposable or (fresh and not facts.get("preload"))
            else None,
        )
        return load(
            loader,
            parts,
            self._text(facts, "format"),
            work=work,
            globals_too=globals_too,
            progress=progress,
            only=only,
        )

    def contents(
        self, target: str, level: Level, *, way: Way | None = None, notes: Mapping[str, JsonValue] = NOTHING
    ) -> Contents:
        """The fingerprint of `target`."""
        server = Server(target, connect=self._source.limits.connect)
        return contents.take(server, level=level, jobs=self._source.jobs, limit=self._source.limits.total, way=way)

    def reloaded(self, target: str, definitions: Mapping[str, str]) -> Mapping[str, str]:
        """What a scratch server prints for the source's own definitions; see `Reloader.reloaded`."""
        server = Server(target, connect=self._source.limits.connect)
        return reload.reloaded(server, definitions, limit=self._source.limits.total)

    def restore_definitions(
        self, parts: PartReader, facts: Mapping[str, JsonValue], target: str, *, work: Path
    ) -> None:
        """Load everything but rows into a scratch server; see `Reloader.restore_definitions`."""
        loader = Loader(
            database.as_dumped(targets.without_settings(Server(target, connect=self._source.limits.connect)), facts),
            clients.for_restore(_major(facts["client_version"]), self._source.bin_dirs),
            jobs=1,
            limits=self._limits,
            ours=True,
            empty=None,
        )
        load_definitions(loader, parts, self._text(facts, "format"), work=work)

    def script(self, parts: PartReader, facts: Mapping[str, JsonValue], work: Path) -> Path:
        """The dump as one SQL script; see `Scripted`."""
        programs = clients.for_restore(_major(facts["client_version"]), self._source.bin_dirs)
        return as_script(parts, self._text(facts, "format"), programs, self._limits, work=work)

    def assertions(self, target: str, held: Contents, *, notes: Mapping[str, JsonValue] = NOTHING) -> Iterator[Finding]:
        """Sequences, orphans, constraints, indexes; see `Engine.assertions`."""
        server = Server(target, connect=self._source.limits.connect)
        return assertions.assertions(
            server, jobs=self._source.jobs, limit=self._source.limits.total, disposable=targets.is_disposable(server)
        )

    def ask(self, target: str, question: object) -> object:
        """The first value a query yields, in a read-only transaction."""
        server = Server(target, connect=self._source.limits.connect)
        with session(server, limit=self._source.limits.total, settings=False) as opened:
            opened.take_time()
            opened.rows("begin isolation level read committed read only not deferrable")
            rows = opened.rows(str(question))
            return rows[0][0] if rows else None

    def adopt(self, legacy: Legacy, sink: PartSink) -> Dumped:
        """A dump made by pg_dump before us; see `Engine.adopt`."""
        return adopt(legacy, sink, source=self._name, database=self.server().database)

    @staticmethod
    def _text(facts: Mapping[str, JsonValue], key: str) -> str:
        return str(facts[key])


def _is_ours(name_or_url: str) -> bool:
    """Whether it can be a database of PostgreSQL at all."""
    return can_be(name_or_url, "postgres")


def _is_url(text: str) -> bool:
    return is_address(text) or "=" in text


def _major(version: JsonValue) -> int:
    return int(str(version).split(".")[0].split()[0])
