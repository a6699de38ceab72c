"""Where a PostgreSQL restore goes: its place, whether it can take one, and putting it where the source was."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from psycopg import sql
from pydantic import JsonValue

from ops_pipelines.clock import human_size
from ops_pipelines.engines import verify_databases
from ops_pipelines.engines.base import Readiness
from ops_pipelines.engines.places import Place, place
from ops_pipelines.engines.postgres import extensions
from ops_pipelines.engines.postgres.connection import Server, Session, session
from ops_pipelines.engines.postgres.server import CLUSTER_NAME
from ops_pipelines.engines.reserved import refusal
from ops_pipelines.errors import OpsError, SafetyRefusal, SourceError

KIND = "postgres"
_LIMIT = timedelta(minutes=5)
_BETWEEN_CUTS_S = 0.05
_NAME_BYTES = 63
_RESERVED = ("postgres", "template0", "template1", "rdsadmin", "cloudsqladmin", "azure_maintenance", "azure_sys")
_OTHERS = """
select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()
"""
# What is loaded into a database may set these for it, and would be in the way of what is loaded after that.
_STAYS = """
select name, setting from pg_settings
 where name in ('default_transaction_read_only', 'default_transaction_deferrable', 'default_transaction_isolation')
"""
_DATABASE = "select quote_ident(rolname) from pg_database d join pg_roles r on r.oid = d.datdba where datname = %s"


def place_of(server: Server) -> Place | None:
    """Where a database lies by its spelling; None for a `service=`, which only libpq can look up."""
    given = server.parameters
    if given.get("service"):
        return None
    names = str(given.get("hostaddr") or given.get("host") or os.environ.get("PGHOST") or "localhost").split(",")
    ports = str(given.get("port") or os.environ.get("PGPORT") or 5432).split(",")
    listed = [(name, int(ports[at] if at < len(ports) else ports[0])) for at, name in enumerate(names)]
    return place(
        KIND,
        server.database,
        hosts=[(name, port) for name, port in listed if not name.startswith(("/", "@"))],
        sockets=[(f"{name}/.s.PGSQL.{port}", port) for name, port in listed if name.startswith(("/", "@"))],
    )


@contextmanager
def maintenance(server: Server) -> Iterator[Session]:
    """A session beside the database named: that one may be gone, or be about to be renamed. Raises SourceError."""
    for name in ("postgres", "template1"):
        try:
            with session(server.at(dbname=name), limit=_LIMIT, settings=False) as opened:
                opened.value("select 1")
        except SourceError as error:
            if "does not exist" not in error.why and "permission denied" not in error.why:
                raise
        else:
            with session(server.at(dbname=name), limit=_LIMIT, settings=False) as opened:
                opened.take_time()
                yield opened
            return
    with session(server, limit=_LIMIT, settings=False) as opened:
        opened.take_time()
        yield opened


def is_disposable(target: Server) -> bool:
    """Whether a database is a proof's own: on a scratch server, or made by us on one that was lent. Raises SourceError.

    Only there definitions may be changed to look closer; a user's target is only read.
    """
    if verify_databases.is_ours(target.database):
        return True
    with session(target, limit=_LIMIT, settings=False) as opened:
        return str(opened.value("show cluster_name")) == CLUSTER_NAME


def without_settings(target: Server) -> Server:
    """The same database, for programs: no limit that was set for it hurries them, nor do settings that they load.

    Where we may say so it speaks English, and no event trigger of it fires.
    """
    with session(target, limit=_LIMIT, settings=False) as opened:
        version, powerful = opened.rows(
            "select current_setting('server_version_num')::int, current_setting('is_superuser')"
        )[0]
        wanted = opened.without_timeouts | dict(opened.rows(_STAYS)) if opened.direct else {}
    if powerful == "on":
        wanted |= {"lc_messages": "C", **({"event_triggers": "off"} if version >= 170000 else {})}
    return target.with_settings(wanted)


def readiness(target: Server, facts: Mapping[str, JsonValue], plain_bytes: int, tools: OpsError | None) -> Readiness:
    """See `Engine.readiness`.

    Args:
        tools: what is wrong with the client programs.
    """
    # A directory archive is unpacked beside its tar.
    work = plain_bytes * 2 if facts["format"] == "directory" else plain_bytes
    problems = [] if tools is None else [tools]
    lacking: list[OpsError] = []
    try:
        with maintenance(target) as opened:
            problems += _problems(opened, target, facts, plain_bytes)
            lacking += _lacking(opened, target, facts)
    except SourceError as error:
        problems.append(
            SourceError(f"the target {target} cannot be reached", why=error.why or error.what, next=error.next)
        )
    return Readiness(problems, work, lacking)


def _lacking(opened: Session, target: Server, facts: Mapping[str, JsonValue]) -> Iterator[OpsError]:
    """Extensions that the target has not, and that could not be created there."""
    names = facts.get("extensions")
    if isinstance(names, list) and opened.rows("select 1 from pg_database where datname = %s", [target.database]):
        with session(target, limit=_LIMIT, settings=False) as inside:
            there = {name for (name,) in inside.rows("select extname from pg_extension")}
        names = [name for name in names if name not in there]
    yield from extensions.refused(opened, target, names, int(opened.value("show server_version_num")) // 10000)


def _problems(opened: Session, target: Server, facts: Mapping[str, JsonValue], plain_bytes: int) -> Iterator[OpsError]:
    there, dumped = int(opened.value("show server_version_num")) // 10000, str(facts["server_version"])
    if there < int(dumped.split(".", maxsplit=1)[0].split(maxsplit=1)[0]):
        yield SourceError(
            f"the target's server is PostgreSQL {there}, the backup was taken from {dumped}",
            why="an older server does not know everything a newer one dumps",
            next=f"restore to a server of PostgreSQL {dumped.split('.', maxsplit=1)[0]} or newer: --to URL",
        )
    if opened.value("select pg_is_in_recovery()"):
        yield SourceError("the target's server is a standby", why="nobody can write to it", next="name its primary")
        return
    exists = opened.rows("select 1 from pg_database where datname = %s", [target.database])
    may, who = opened.rows(
        "select rolsuper or rolcreatedb, quote_ident(rolname) from pg_roles where rolname = current_user"
    )[0]
    if not exists and not may:
        yield SourceError(
            f"{who} may not create the database {target.database}",
            next=f"as a superuser: ALTER ROLE {who} CREATEDB; or create an empty {target.database} that it owns",
        )
    rows = opened.rows("select setting from pg_settings where name = 'data_directory'")
    where = place_of(target)
    if rows and rows[0][0] and where is not None and where.is_here and Path(rows[0][0]).is_dir():
        room = os.statvfs(rows[0][0])
        free = room.f_bavail * room.f_frsize
        if free < plain_bytes:
            yield SourceError(
                f"the target's disk is too small: {human_size(free)} free in {rows[0][0]}",
                why=f"the data alone needs {human_size(plain_bytes)}, its indexes come on top",
                next="make room there, or restore to a larger server: --to URL",
            )


def with_suffix(name: str, suffix: str) -> str:
    """A longer name that the server will not cut."""
    return name.encode()[: _NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix


def swap(source: Server, beside: Server, suffix: str) -> str:
    """Rename the source away and the restored database into its place, in one transaction.

    Clients of the source are disconnected; whoever comes back while it happens waits, and finds the new one. Until
    the commit nothing has changed: a kill at any moment leaves the source as it was.

    Returns:
        The name the former source has now; empty when there was none.
    Raises:
        SourceError: it was not done; the source is as it was.
    """
    kept = with_suffix(source.database, suffix)
    ours, theirs, away = (sql.Identifier(name).as_string(None) for name in (source.database, beside.database, kept))
    with maintenance(source) as opened, maintenance(source) as cutter:
        owner = opened.rows(_DATABASE, [source.database])
        opened.rows("begin")
        with _disconnecting(cutter, source.database, beside.database):
            if owner:
                opened.rows(f"alter database {theirs} owner to {owner[0][0]}")
                opened.rows(f"alter database {ours} rename to {away}")
            opened.rows(f"alter database {theirs} rename to {ours}")
        opened.rows("commit")
    return f"database {kept}" if owner else ""


@contextmanager
def _disconnecting(cutter: Session, *databases: str) -> Iterator[None]:
    """During the block nobody stays connected. A rename waits five seconds for the last one to leave."""
    done = threading.Event()

    def cut() -> None:
        while not done.is_set():
            for name in databases:
                try:
                    cutter.rows(_OTHERS, [name])
                except SourceError:
                    return  # we may not: the rename says who is in the way
            done.wait(_BETWEEN_CUTS_S)

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def exists(target: Server) -> bool:
    """Whether the database is there. Raises SourceError."""
    with maintenance(target) as opened:
        return bool(opened.rows("select 1 from pg_database where datname = %s", [target.database]))


def drop(server: Server) -> None:
    """Drop a database that we made, whoever is connected to it. Raises SourceError."""
    with maintenance(server) as opened:
        name = sql.Identifier(server.database).as_string(None)
        opened.rows(f"drop database if exists {name} with (force)")


def reserved(name_or_url: str, target: Server, facts: Mapping[str, JsonValue], source: str) -> SafetyRefusal | None:
    """The refusal of a target that belongs to its server; `postgres` may be what the source itself is called."""
    own = [name for name in _RESERVED if name != facts.get("database")]
    return refusal(name_or_url, target.database, own, source=source)


def not_over(wanted: Server, name: str, source: Server) -> SafetyRefusal:
    """The refusal of a target that is the source itself."""
    return SafetyRefusal(
        f"{wanted} is the source {name} itself",
        safe="nothing was changed",
        next=f"restore beside it: ops restore {name} --to {source.database}_restored; "
        "to replace it: ops restore … --into-production",
    )
