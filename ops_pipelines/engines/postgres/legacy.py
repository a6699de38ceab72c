"""Take in a dump that pg_dump made before us: plain SQL, or a custom-format archive.

Such a file knows its data and not what is around them: roles are made up from the names it mentions, the database gets
UTF-8 and the C locale, and there is no fingerprint to compare with.
"""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta

from pydantic import JsonValue

from ops_pipelines.engines.adopted import refuse_other
from ops_pipelines.engines.base import Contents, Dumped, Legacy, PartSink
from ops_pipelines.engines.postgres import archive, clients
from ops_pipelines.engines.postgres.contents import DIALECT
from ops_pipelines.engines.postgres.script import OneDatabase
from ops_pipelines.errors import SourceError
from ops_pipelines.process import CommandFailed, Limits, run
from ops_pipelines.streams import Reader

_OVERLAP = 4096
_QUICK = Limits(stall=timedelta(minutes=10), total=timedelta(minutes=10))
_ROLES = re.compile(
    rb"^(?:ALTER [^\n]* OWNER TO|GRANT [^\n]* TO|REVOKE [^\n]* FROM|ALTER DEFAULT PRIVILEGES FOR ROLE|"
    rb'CREATE POLICY [^\n]* TO|CREATE SCHEMA [^\n]* AUTHORIZATION) ("(?:[^"]|"")+"|\w+)',
    re.MULTILINE,
)
_SERVER = re.compile(r"[Dd]umped from database version:? (\S+)")
_CLIENT = re.compile(r"[Dd]umped by pg_dump version:? (\S+)")
_DATABASE = re.compile(r"^;\s+dbname: (.+)$", re.MULTILINE)
_NOT_ROLES = {b"PUBLIC", b"CURRENT_USER", b"SESSION_USER"}


def adopt(legacy: Legacy, sink: PartSink, *, source: str, database: str) -> Dumped:
    """Check a dump while it flows into `sink`; see `Engine.adopt`.

    Args:
        source: the name of the source it is for.
        database: the source's database; the name to restore the dump under, when it has none of its own.
    Raises:
        SourceError: it is not whole, no dump of a single database, or of another one than the source's.
    """
    if legacy.stream is None:
        raise SourceError(f"{legacy.name} is a folder, not a dump of pg_dump")
    watched = _Watched(legacy.stream)
    first = watched.read(65536)
    custom = first.startswith(b"PGDMP")
    if not custom and b"PostgreSQL database cluster dump" in first[:400]:
        raise SourceError(
            f"{legacy.name} was made by pg_dumpall and holds every database of its server",
            why="a restore point is one database",
            next="dump the database by itself: pg_dump --format=custom DATABASE",
        )
    if not custom and b"PostgreSQL database dump" not in first[:400]:
        raise SourceError(f"{legacy.name} is no dump of pg_dump", why="it does not begin like one")
    name = "dump.pgc" if custom else "dump.sql"
    script = OneDatabase(legacy.name, watched.again(first))
    sink.stream(name, "dump", watched.again(first) if custom else script)
    said = _listing(legacy.name, watched) if custom else bytes(watched.ends.head[:65536]).decode(errors="replace")
    if not custom:
        _whole(legacy.name, lambda: archive.check_sql(watched.ends))
    server, client = _SERVER.search(said), _CLIENT.search(said)
    if server is None or client is None:
        raise SourceError(f"{legacy.name} does not say which PostgreSQL it is from", why="its header has no version")
    named = found[1].strip() if (found := _DATABASE.search(said)) else script.database or database
    refuse_other(legacy, named, source=source, database=database)
    facts: dict[str, JsonValue] = {
        "server_version": server[1], "client_version": client[1], "format": "custom" if custom else "sql",
        "database": named, "encoding": "UTF8", "collate": "C", "ctype": "C",
        "locale_provider": "c", "locale": None, "owner": "postgres", "bootstrap_user": "postgres",
        "unlogged_tables": [],
    }  # fmt: skip
    sink.write("globals.sql", "globals", _globals(watched.roles))
    sink.write("database.sql", "database", b"-- nothing is known about the database around the tables\n")
    warnings = ["adopted: roles, encoding and locale are made up, and there is no fingerprint to compare with"]
    if script.left_out:
        warnings.append("what --create and --clean wrote was left out: it names the database it came from")
    return Dumped(legacy.taken_at, Contents(level="off", dialect=DIALECT), facts, warnings)


class _Watched:
    """A reader that remembers a dump's ends and the roles it mentions, and passes everything on."""

    def __init__(self, source: Reader) -> None:
        self.ends = archive.Ends(source)
        self.roles: set[bytes] = set()
        self._kept, self._returned = b"", b""

    def read(self, size: int = -1, /) -> bytes:
        if self._returned:
            chunk, self._returned = self._returned, b""
            return chunk
        chunk = self.ends.read(size)
        text = self._kept + chunk
        self.roles |= {found[1] for found in _ROLES.finditer(text)} - _NOT_ROLES
        self._kept = text[-_OVERLAP:]
        return chunk

    def again(self, first: bytes) -> "_Watched":
        """Read what was looked at once more."""
        self._returned = first
        return self


def _whole(name: str, check: Callable[[], None]) -> None:
    try:
        check()
    except SourceError as error:
        raise SourceError(f"{name} is {error.what.replace('the dump is ', '')}", why=error.why) from None


def _listing(name: str, watched: _Watched) -> str:
    """What the newest pg_restore reads from the archive's head; its table of contents must be whole."""
    newest = max(clients.installed(), key=lambda each: each.major, default=None)
    if newest is None:
        raise SourceError("a custom-format dump needs pg_restore", next="apt-get install postgresql-client")
    try:
        listed = run([newest.path("pg_restore"), "--list"], stdin=bytes(watched.ends.head), limits=_QUICK)
    except CommandFailed as error:
        raise SourceError("the archive's table of contents cannot be read", why=error.why) from None
    text = listed.stdout.decode(errors="replace")
    entries = [line for line in text.splitlines() if line and not line.startswith(";")]
    watched.roles |= {line.split()[-1].encode() for line in entries if not line.endswith(" ")}
    tables = sum(" TABLE DATA " in line for line in entries)
    _whole(name, lambda: archive.check_custom(watched.ends, newest, tables=tables))
    return text


def _globals(roles: Iterable[bytes]) -> bytes:
    lines = [b"-- Roles that the dump mentions; who they were is not known.\n"]
    for role in sorted(roles):
        quoted = role if role.startswith(b'"') else b'"' + role + b'"'
        lines.append(b"CREATE ROLE " + quoted + b";\n")
    return b"".join(lines)
