"""The MongoDB engine: dump through our own reader or mongodump, restore through our own loader or mongorestore.

One part: `dump.tar`, mongodump's directory layout (`layout`).
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from pymongo.database import Database

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
    RestoreFailed,
    Way,
)
from ops_pipelines.engines.mongodb import assertions, by_tools, contents, dumper, server, settled, tools
from ops_pipelines.engines.mongodb.accounts import Accounts
from ops_pipelines.engines.mongodb.accounts_loader import drop_accounts, load_accounts
from ops_pipelines.engines.mongodb.connection import (
    Document,
    Server,
    connected,
    identity,
    is_name,
    place_of,
    same_database,
)
from ops_pipelines.engines.mongodb.documents import TornDocument
from ops_pipelines.engines.mongodb.layout import read_layout
from ops_pipelines.engines.mongodb.legacy import adopt
from ops_pipelines.engines.mongodb.loader import load
from ops_pipelines.engines.mongodb.namespaces import describe, names_of
from ops_pipelines.engines.mongodb.scan import Deadline
from ops_pipelines.engines.mongodb.settings import MongoDBSource
from ops_pipelines.engines.places import Place
from ops_pipelines.engines.reserved import refusal
from ops_pipelines.engines.selection import pick_names
from ops_pipelines.errors import Inconclusive, OpsError, SafetyRefusal, SourceError
from ops_pipelines.streams import Progress, silent
from ops_pipelines.text import shell

_NOT_OURS = ("admin", "config", "local")
_NAME_LENGTH = 63


class MongoDBEngine:
    """One MongoDB database.

    Args:
        name: the source's name, for errors.
        source: its configuration.
    """

    def __init__(self, name: str, source: MongoDBSource) -> None:
        self._name = name
        self._source = source
        self._limits = process.Limits(stall=source.limits.stall, total=source.limits.total)

    def probe(self) -> Probe:
        """Reach the source and look. Raises SourceError."""
        with connected(self.server()) as database:
            settled.existing(database)
            size = int(database.command("dbStats").get("dataSize", 0))
            return Probe(server_version=str(dumper.describe_server(database)["server_version"]), size_bytes=size)

    def server(self) -> Server:
        """The source's server; its password is resolved now and not kept."""
        return self._server(self._source.url.reveal(purpose=f"source {self._name}, url"))

    def dump(self, sink: PartSink, *, progress: Progress = silent) -> Dumped:
        """Dump and fingerprint the source; see `Engine.dump`."""
        if self._source.tool == "mongodump":
            dumped = by_tools.dump(self.server(), self._source, sink, self._limits)
        else:
            dumped = dumper.dump(self.server(), self._source, sink, progress)
        return replace(dumped, identity=identity(self.server()).named())

    @contextmanager
    def scratch(self, directory: Path, facts: Mapping[str, JsonValue]) -> Iterator[str]:
        """A disposable server inside `directory`; see `Engine.scratch`."""
        if self._source.verify.server is not None:
            with self._verify_database(directory) as url:
                yield url
            return
        program = server.choose(str(facts.get("server_version") or ""), self._source.bin_dirs)
        with server.scratch_server(program, directory, database=str(facts["database"])) as url:
            yield url

    @contextmanager
    def _verify_database(self, directory: Path) -> Iterator[str]:
        """A database of our own on the server that was lent to us, dropped afterwards."""
        name = verify_databases.new_name()
        verify_databases.note(directory, self._name, name)
        with stopping.ending(lambda: self.drop_verify_database(name)):
            yield self._lent().at(name).url()

    def drop_verify_database(self, name: str, /) -> None:
        """Drop a database that we made on the lent server; see `VerifyServerUser`."""
        if not verify_databases.is_ours(name):
            raise SafetyRefusal(f"{name} is none that a verification made", safe="nothing was changed")
        with connected(self._lent().at(name)) as database:
            database.client.drop_database(name)

    def _lent(self) -> Server:
        given = self._source.verify.server
        if given is None:
            raise SourceError(f"source {self._name} has no verify.server any more")
        return self._server(given.url.reveal(purpose=f"source {self._name}, verify.server.url"))

    def locate(self, name_or_url: str) -> str:
        """The URL of a target; a bare name is a database on the source's server."""
        return self._locate(name_or_url).url()

    def _locate(self, name_or_url: str) -> Server:
        return self._server(name_or_url) if is_address(name_or_url) else self.server().at(name_or_url)

    def _server(self, url: str) -> Server:
        return Server(url, connect=self._source.limits.connect, stall=self._source.limits.stall)

    def exists(self, name_or_url: str) -> bool:
        """Whether a database of that name has any collection: without one there is none."""
        with connected(self._locate(name_or_url)) as database:
            return bool(database.list_collection_names())

    def is_source(self, name_or_url: str) -> bool:
        """Whether a target is this very source, however it is spelled."""
        if not can_be(name_or_url, "mongodb") or not (is_address(name_or_url) or is_name(name_or_url)):
            return False  # a target of another kind
        return same_database(self._locate(name_or_url), self.server())

    def place(self, name_or_url: str | None = None) -> Place | None:
        """Where the source or a target lies by its spelling; see `Engine.place`."""
        if name_or_url is None:
            return place_of(self.server())
        if not can_be(name_or_url, "mongodb") or not (is_address(name_or_url) or is_name(name_or_url)):
            return None
        return place_of(self._locate(name_or_url))

    def address(self, name_or_url: str, facts: Mapping[str, JsonValue] = NOTHING) -> str:
        """The mongosh command that opens a target, without its password."""
        where = self._locate(name_or_url)
        return f"mongosh {shell(f'mongodb://{where.hosts}/{where.database}')}"

    def readiness(self, name_or_url: str, facts: Mapping[str, JsonValue], plain_bytes: int) -> Readiness:
        """Reachability and version; see `Engine.readiness`."""
        if refused := refusal(name_or_url, self._locate(name_or_url).database, _NOT_OURS, source=self._name):
            return Readiness([refused], 0)
        problems: list[OpsError] = []
        try:
            with connected(self._locate(name_or_url)) as database:
                here = str(dumper.describe_server(database)["server_version"])
        except SourceError as error:
            problems.append(error)
        else:
            dumped = str(facts.get("server_version") or "")
            if _major(here) < _major(dumped):
                problems.append(
                    SourceError(
                        f"the target's server is MongoDB {here}, the backup was taken from {dumped}",
                        why="an older server does not know everything a newer one has",
                        next=f"restore to a server of MongoDB {dumped} or newer: --to URL",
                    )
                )
        return Readiness(problems, plain_bytes)

    def pick(self, held: Contents, facts: Mapping[str, JsonValue], only: Sequence[str]) -> Sequence[str]:
        """The collections and views a selection means; see `Engine.pick`."""
        if held.level == "off":
            return list(only)
        names = [key.split(" ", 1)[1] for key in held.objects if key.startswith(("collection ", "view "))]
        return pick_names(only, names, "collections")

    def beside(self, suffix: str) -> str:
        """The name of a database beside the source; see `InPlaceRestorer`."""
        return self.server().database[: _NAME_LENGTH - len(suffix)] + suffix

    def empty(self, facts: Mapping[str, JsonValue]) -> str:
        """Drop the source's collections; see `InPlaceRestorer`."""
        source = self.server()
        with connected(source) as database:
            database.client.drop_database(source.database)
        return source.url()

    def discard(self, beside: str) -> None:
        """Drop a database that is not wanted any more; see `InPlaceRestorer`."""
        where = self._locate(beside)
        with connected(where) as database:
            database.client.drop_database(where.database)
            drop_accounts(database)

    def create_target(self, name_or_url: str, facts: Mapping[str, JsonValue]) -> Created:
        """A database that is not there yet, or is empty; MongoDB makes it with its first collection."""
        wanted = self._locate(name_or_url)
        if self.is_source(name_or_url):
            raise SafetyRefusal(
                f"{wanted} is the source {self._name} itself",
                safe="nothing was changed",
                next=f"restore beside it: ops restore {self._name} --to {self.server().database}_restored",
            )
        if refused := refusal(name_or_url, wanted.database, _NOT_OURS, source=self._name):
            raise refused
        with connected(wanted) as database:
            found = sorted(database.list_collection_names())
        if found:
            raise SafetyRefusal(
                f"{wanted} is not empty",
                why=f"it has {len(found)} collections ({', '.join(found[:3])}…)",
                safe="nothing was changed",
                next="name a database that does not exist; it is created for you",
            )
        return Created(wanted.url())

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
        """Load the part into `target`; see `Engine.restore`."""
        seconds: dict[str, float] = {}
        began = time.monotonic()
        saved = parts.save("dump", work, progress)
        seconds["decrypt"] = round(time.monotonic() - began, 3)
        name, where = str(facts["database"]), self._server(target)
        try:
            layout = read_layout(saved, name)
        except TornDocument as error:
            raise RestoreFailed(f"{error.what}: {error.why}") from None
        with_tool = self._source.tool == "mongodump" and not only
        program = tools.find("mongorestore", self._source.bin_dirs) if with_tool else None
        if only:
            layout = layout.only(only)
        with _reached(where, self._limits) as database:
            warnings = _differences(database, facts)
            if program is None:
                deadline = Deadline(self._limits.total)
                load(
                    database,
                    layout,
                    jobs=self._source.jobs,
                    deadline=deadline,
                    disposable=server.is_scratch(where),
                    seconds=seconds,
                )
            else:
                began = time.monotonic()
                by_tools.load(program, saved, where, name, jobs=self._source.jobs, limits=self._limits)
                seconds["load"] = round(time.monotonic() - began, 3)
            if layout.accounts is not None:
                warnings += self._restore_accounts(
                    database, layout.accounts.moved(name, where.database), where, globals_too
                )
        saved.unlink()
        return Restored(seconds=seconds, warnings=warnings, names=names_of(layout.collections) if only else None)

    @staticmethod
    def _restore_accounts(
        database: "Database[Document]", accounts: Accounts, where: Server, globals_too: bool
    ) -> list[str]:
        """Where everything is ours, or where a human wants them; never on a server that was lent for a proof."""
        if verify_databases.is_ours(where.database):
            return ["users and roles were not restored and are not verified: the server is lent to us, and not ours"]
        if not globals_too:
            return ["users and roles are in the backup and were not restored: --globals restores them"]
        return load_accounts(database, accounts, disposable=server.is_scratch(where))

    def contents(
        self, target: str, level: Level, *, way: Way | None = None, notes: Mapping[str, JsonValue] = NOTHING
    ) -> Contents:
        """The fingerprint of `target`."""
        where, limit = self._server(target), self._source.limits.total
        scratch = server.is_scratch(where)
        seed = way.seed if way is not None else 0
        return contents.take(where, level=level, jobs=self._source.jobs, limit=limit, with_accounts=scratch, seed=seed)

    def assertions(self, target: str, held: Contents, *, notes: Mapping[str, JsonValue] = NOTHING) -> Iterator[Finding]:
        """Collections and indexes agree, files are whole; see `Engine.assertions`."""
        with connected(self._server(target), stall=self._source.limits.total) as database:
            yield from assertions.assertions(database, describe(database))

    def ask(self, target: str, question: object) -> object:
        """The first field of the first document an aggregation yields, `_id` aside; None when it yields none."""
        assert isinstance(question, Mapping)
        with connected(self._server(target)) as database:
            found = database[str(question["collection"])].aggregate([dict(stage) for stage in question["pipeline"]])
            first: Mapping[str, Any] = next(iter(found), {})
            return next((_plain(value) for key, value in first.items() if key != "_id"), None)

    def adopt(self, legacy: Legacy, sink: PartSink) -> Dumped:
        """A dump made by mongodump before us, a folder or an archive; see `Engine.adopt`."""
        return adopt(legacy, sink, source=self._name, database=self.server().database, level=self._source.fingerprint)


@contextmanager
def _reached(where: Server, limits: process.Limits) -> Iterator["Database[Document]"]:
    """The target, for a restore: what goes wrong with the server itself says nothing about the backup."""
    try:
        # It is silent while it builds an index: only the total limit can be held to.
        with connected(where, stall=limits.total) as database:
            yield database
    except SourceError as error:
        raise Inconclusive(
            error.what, why=error.why, safe="the backup is not marked bad", next="read the cause above; then try again"
        ) from None


def _differences(database: "Database[Document]", facts: Mapping[str, JsonValue]) -> list[str]:
    """What a reader of a verdict should know about the server it was given on."""
    ours = dumper.describe_server(database)
    if "SecantusDB" in str(ours["server"]):
        return [
            f"restored into {ours['server']}, which stands in for MongoDB: documents, options and indexes are proved, "
            "that a MongoDB server takes them is not"
        ]
    dumped, here = str(facts.get("server_version") or "unknown"), str(ours["server_version"])
    if dumped.split(".", maxsplit=1)[0] != here.split(".", maxsplit=1)[0]:
        return [f"dumped from MongoDB {dumped}, restored into MongoDB {here}"]
    return []


def _major(version: str) -> int:
    """The first number of a version; 0 where it has none."""
    found = re.match(r"\d+", version)
    return int(found[0]) if found else 0


def _plain(value: object) -> object:
    """Numbers of BSON as Python's."""
    to_decimal = getattr(value, "to_decimal", None)
    return to_decimal() if to_decimal is not None else value
