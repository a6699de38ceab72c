"""Plain dump texts of databases, without what is random in them, and how two databases differ by them.

A restored database is judged here by what `pg_dump`, `mariadb-dump` and `mysqldump` print, not by our fingerprint.
Rows are compared as a set with repetitions: a table has no order. A server may print a definition in other words
after one reload (`varchar = ANY (…)`, a character set beside its collation): where definitions differ, the source is
reloaded by those tools alone, and what they make of it is the measure.
"""

import difflib
import re
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from ops_pipelines.engines.mysql import clients as mysql_clients
from ops_pipelines.engines.mysql.clients import MYSQL, series_of
from ops_pipelines.engines.mysql.connection import Server as MysqlServer
from ops_pipelines.engines.mysql.connection import identifier, options_for_programs
from ops_pipelines.engines.mysql.connection import session as mysql_session
from ops_pipelines.engines.postgres.clients import Programs
from ops_pipelines.engines.postgres.connection import Server as PostgresServer
from ops_pipelines.engines.postgres.connection import session as postgres_session

_LIMIT = timedelta(minutes=5)
# What differs between two dumps of the same database: tokens, times, names of programs and databases.
_RANDOM = re.compile(
    r"\\(un)?restrict |-- (Dumped (from|by) |Started on |Completed on |Dump completed|Host: |Server version"
    r"|(MariaDB|MySQL) dump )"
)
_NAME = r'(?:"(?:[^"]|"")*"|[^\s".,()]+)'
_COPY = re.compile(rf"COPY ({_NAME}(?:\.{_NAME})?) (?:\((.*)\))? ?FROM stdin;$")
# A dump names its database where a routine was made under other defaults; loaded elsewhere, that is another one.
_ALTER_DATABASE = re.compile(rb"^ALTER DATABASE `(?:[^`]|``)+`", re.MULTILINE)
_INSERT = re.compile(r"INSERT INTO `(?:[^`]|``)+`")


def postgres(programs: Programs, server: PostgresServer) -> list[str]:
    """The lines that `pg_dump` prints of the database which this address names, rows sorted within their table."""
    printed = _printed(_pg_dump(programs, server), server.environment())
    # Not every byte that a database holds is UTF-8, and none may be taken for another.
    return _postgres_lines(printed.decode(errors="surrogateescape"))


def postgres_difference(programs: Programs, source: PostgresServer, restored: PostgresServer) -> str:
    """How a restored database differs from its source; empty when it does not.

    Args:
        programs: of the source's version.
        source, restored: addresses of the two databases, as superusers.
    """
    there, here = postgres(programs, source), postgres(programs, restored)
    if there == here:
        return ""
    return _judged(there, postgres(programs, _postgres_reload(programs, source)), here, _copy_rows)


def mysql(server: MysqlServer, bin_dirs: tuple[Path, ...] = ()) -> list[str]:
    """The lines that the dump client prints of the database which this address names, one row a line, rows sorted."""
    with options_for_programs(server) as options:
        printed = _printed(_mysql_dump(server, options, bin_dirs), None)
    return _mysql_lines(_nameless(printed, server.database).decode(errors="surrogateescape"))


def mysql_difference(source: MysqlServer, restored: MysqlServer, bin_dirs: tuple[Path, ...] = ()) -> str:
    """How a restored database differs from its source; empty when it does not."""
    there, here = mysql(source, bin_dirs), mysql(restored, bin_dirs)
    if there == here:
        return ""
    with _mysql_reload(source, bin_dirs) as reloaded:
        return _judged(there, mysql(reloaded, bin_dirs), here, _insert_rows)


def _judged(source: list[str], reloaded: list[str], restored: list[str], rows: Callable[[list[str]], list[str]]) -> str:
    """Rows must be the source's own; definitions may read as the reloaded ones do."""
    return _diff(rows(source), rows(restored)) or _diff(reloaded, restored)


def _diff(there: list[str], here: list[str]) -> str:
    return "\n".join(difflib.unified_diff(there, here, "source", "restored", n=0, lineterm=""))


def _printed(argv: list[str | Path], environment: dict[str, str] | None) -> bytes:
    done = subprocess.run(argv, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def _nameless(dumped: bytes, database: str) -> bytes:
    """A dump that does not name its database: a view and a sequence's next value are written with it now and then."""
    qualified = f"{identifier(database)}.".encode()
    lines = _ALTER_DATABASE.sub(b"ALTER DATABASE", dumped).split(b"\n")
    return b"\n".join(line if line.startswith(b"INSERT INTO") else line.replace(qualified, b"") for line in lines)


def _postgres_lines(text: str) -> list[str]:
    lines: list[str] = []
    # Rows by table: pg_dump names the root for partitions whose hash is another after a reload.
    tables: dict[str, list[str]] = {}
    rows: list[str] | None = None
    order: list[int] = []
    for line in text.split("\n"):
        if rows is not None:
            if line == "\\.":
                rows = None
            else:
                values = line.split("\t")
                rows.append("\t".join(values[place] for place in order) if order else line)
        elif begins := _COPY.match(line):
            # A table that inherits has its parent's new columns elsewhere after a reload: columns stand by their name.
            columns = re.findall(_NAME, begins[2] or "")
            order = sorted(range(len(columns)), key=lambda place: columns[place])
            rows = tables.setdefault(f"COPY {begins[1]} ({', '.join(sorted(columns))}) FROM stdin;", [])
        elif not _RANDOM.match(line):
            lines.append(line)
    assert rows is None, "the dump ends within the rows of a table"
    for table in sorted(tables):
        lines += [table, *sorted(tables[table]), "\\."]
    return lines


def _mysql_lines(text: str) -> list[str]:
    lines: list[str] = []
    table, rows = "", list[str]()
    for line in text.split("\n"):
        found = _INSERT.match(line)
        if rows and (found is None or found[0] != table):
            lines += sorted(rows)
            rows = []
        if found is not None:
            table = found[0]
            rows.append(line)
        elif not _RANDOM.match(line):
            lines.append(line)
    return lines + sorted(rows)


def _copy_rows(lines: list[str]) -> list[str]:
    kept, inside = [], False
    for line in lines:
        inside = inside or _COPY.match(line) is not None
        if inside:
            kept.append(line)
        inside = inside and line != "\\."
    return kept


def _insert_rows(lines: list[str]) -> list[str]:
    return [line for line in lines if _INSERT.match(line)]


def _pg_dump(programs: Programs, server: PostgresServer) -> list[str | Path]:
    return [programs.path("pg_dump"), f"--dbname={server.argument()}"]


def _postgres_reload(programs: Programs, source: PostgresServer) -> PostgresServer:
    """The source, dumped and loaded once by PostgreSQL's own programs. It stays: the server is a test's own."""
    name = f"oracle_{secrets.token_hex(4)}"
    with postgres_session(source.at(dbname="postgres"), limit=_LIMIT, settings=False) as opened:
        [(made,)] = opened.rows(
            f"select format('create database {name} template template0 encoding %L lc_collate %L lc_ctype %L',"
            f" pg_encoding_to_char(encoding), datcollate, datctype) from pg_database where datname = {_quoted(source)}"
        )
        opened.rows(made)
    reloaded = source.at(dbname=name)
    dumped = subprocess.run(
        _pg_dump(programs, source), env=source.environment(), stdout=subprocess.PIPE, check=True
    ).stdout
    argv: list[str | Path] = [
        programs.path("psql"),
        "-XqAt",
        "--set=ON_ERROR_STOP=1",
        f"--dbname={reloaded.argument()}",
    ]
    done = subprocess.run(argv, input=dumped, env=reloaded.environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return reloaded


def _quoted(server: PostgresServer) -> str:
    return "'" + server.database.replace("'", "''") + "'"


def _mysql_dump(server: MysqlServer, options: str, bin_dirs: tuple[Path, ...]) -> list[str | Path]:
    product, version = _mysql_product(server)
    program = mysql_clients.for_dump(product, series_of(version), bin_dirs)
    argv: list[str | Path] = [program.path, options, "--default-character-set=utf8mb4", "--skip-comments", "--hex-blob"]
    argv += ["--skip-extended-insert", "--complete-insert", "--routines", "--triggers", "--events"]
    # A table whose default is a sequence's next value cannot be filled while it alone is locked.
    argv += ["--single-transaction", "--no-tablespaces", "--skip-add-locks"]
    if product == MYSQL:
        argv += ["--set-gtid-purged=OFF", "--skip-column-statistics"]
    elif program.has("dump-history"):
        argv.append("--dump-history")
    return [*argv, "--", server.database]


def _mysql_product(server: MysqlServer) -> tuple[str, str]:
    with mysql_session(server, limit=_LIMIT, settings=False) as opened:
        [(version,)] = opened.rows("select version()")
    return (mysql_clients.MARIADB if "MariaDB" in version else MYSQL), version


@contextmanager
def _mysql_reload(source: MysqlServer, bin_dirs: tuple[Path, ...]) -> Iterator[MysqlServer]:
    """The source, dumped and loaded once by its own product's programs, for the length of the block."""
    name = f"oracle_{secrets.token_hex(4)}"
    product, version = _mysql_product(source)
    client = mysql_clients.for_restore(product, series_of(version), bin_dirs)
    with mysql_session(source, limit=_LIMIT, settings=False) as opened:
        [(characters, collation)] = opened.rows("select @@character_set_database, @@collation_database")
        opened.rows(f"create database {name} character set {characters} collate {collation}")
    reloaded = source.at(name)
    try:
        with options_for_programs(source) as options:
            dumped = _nameless(_printed(_mysql_dump(source, options, bin_dirs), None), source.database)
            argv: list[str | Path] = [client.path, options, "--default-character-set=utf8mb4", f"--database={name}"]
            done = subprocess.run(argv, input=dumped, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        yield reloaded
    finally:
        with mysql_session(source.at(""), limit=_LIMIT, settings=False) as opened:
            opened.rows(f"drop database {identifier(name)}")
