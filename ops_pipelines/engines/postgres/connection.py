"""Talk to a PostgreSQL server: connection strings without their secrets, and sessions with limits."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from ops_pipelines import limits
from ops_pipelines.engines import gone
from ops_pipelines.engines.postgres import poolers, wire
from ops_pipelines.engines.postgres.address import SECRETS, parameters
from ops_pipelines.errors import SourceError

_SOCKET_DIRECTORIES = ("/var/run/postgresql", "/run/postgresql", "/tmp")
# The text of a value must not depend on who asks: these are what pg_dump sets for its own session.
_SESSION = """
set search_path = ''; set datestyle = iso; set intervalstyle = postgres; set timezone = 'UTC';
set extra_float_digits = 1; set bytea_output = hex; set lc_monetary = 'C'; set xmloption = content;
set row_security = off; set synchronize_seqscans = off; set jit = off;
-- A role or a database may have these set, and then names and strings would read differently.
set quote_all_identifiers = off; set standard_conforming_strings = on; set escape_string_warning = off;
set transform_null_equals = off; set array_nulls = on; set xmlbinary = base64;
"""
# The longest that the server takes for a limit.
_MOST_MS = 2**31 - 1
KEPT_ALIVE = {"tcp_keepalives_idle": "60", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "6"}
"""Settings by which a server notices that the network has forgotten a session: it would keep its locks for the two
hours that a system waits by itself. Not `tcp_user_timeout`, which ends a dump whose reader is slow."""
# The same on our side, where little is sent: what has no acknowledgement for as long is lost.
_KEPT_ALIVE_HERE = {
    "keepalives": "1", "keepalives_idle": "60", "keepalives_interval": "10", "keepalives_count": "6",
    "tcp_user_timeout": "120000",
}  # fmt: skip
_SPACE, _ESCAPED = re.compile(r"([\s\\])"), r"\\\1"
# Our own limits bound every statement; the server's would cut a long snapshot. By the first version that has each.
_HURRY = {
    "statement_timeout": 0, "lock_timeout": 0, "idle_in_transaction_session_timeout": 0, "idle_session_timeout": 140000,
    "transaction_timeout": 170000,
}  # fmt: skip


class Server:
    """One database on one server, as named by a URL in any spelling or a `key=value` string.

    Args:
        conninfo: the connection string, which may hold a password.
        connect: time allowed connecting to the server.
    Raises:
        SourceError: it cannot be read, or asks for something that is not understood.
    """

    def __init__(self, conninfo: str, *, connect: timedelta) -> None:
        found = parameters(conninfo)
        self._connect, self._longest_hold = connect, timedelta(0)
        self._parameters: dict[str, Any] = {**_default_socket(found), **found}
        self._parameters.setdefault("connect_timeout", str(max(2, int(connect.total_seconds()))))
        self._parameters.setdefault("application_name", "ops_pipelines")
        for name, value in _KEPT_ALIVE_HERE.items():
            self._parameters.setdefault(name, value)  # last: a string that begins with host= or dbname= is known by it

    @property
    def database(self) -> str:
        """The database's name, as far as the string says; libpq falls back to the user's name."""
        return str(self._parameters.get("dbname") or self._parameters.get("user") or "")

    @property
    def parameters(self) -> dict[str, Any]:
        """Every connection parameter, secrets included."""
        return dict(self._parameters)

    def at(self, **changes: str) -> "Server":
        """The same server with some parameters changed, another database for instance."""
        changed = object.__new__(Server)
        changed._connect, changed._longest_hold = self._connect, self._longest_hold
        changed._parameters = {**self._parameters, **changes}
        return changed

    def holding(self, longest: timedelta) -> "Server":
        """The same database, where a session keeps its locks no longer than this while it says nothing.

        Whatever becomes of us and of the network, the server ends it.
        """
        changed = self.at()
        changed._longest_hold = longest
        return changed

    def without_timeouts(self, version: int) -> dict[str, str]:
        """Settings of a server of this version that let everything take its time: our own limits bound all of it."""
        settings = {name: "0" for name, since in _HURRY.items() if version >= since}
        longest_ms = round(self._longest_hold.total_seconds() * 1000)
        return settings | {"idle_in_transaction_session_timeout": str(min(longest_ms, _MOST_MS))}

    def with_settings(self, settings: Mapping[str, str]) -> "Server":
        """The same database, with settings for every session, which go before what is set there for all."""
        # In these options a space ends a word, unless it is escaped.
        words = [f"-c {name}={_SPACE.sub(_ESCAPED, value)}" for name, value in settings.items()]
        return self.at(options=" ".join([str(self._parameters.get("options") or ""), *words]).strip())

    def url(self) -> str:
        """The whole connection string, secrets included. Never print it."""
        return make_conninfo("", **self._parameters)

    def argument(self) -> str:
        """The connection string for a command line: without its secrets, which `environment` has."""
        return make_conninfo("", **{key: value for key, value in self._parameters.items() if key not in SECRETS})

    def shown(self) -> str:
        """The connection string for a human: what was given or found, without secrets and what we set for ourselves."""
        left_out = (*SECRETS, "connect_timeout", "application_name", *_KEPT_ALIVE_HERE)
        return make_conninfo("", **{key: value for key, value in self._parameters.items() if key not in left_out})

    def environment(self) -> dict[str, str]:
        """What goes into a client's environment beside `argument`: the password, and what libpq reads in ours."""
        inherited = {name: value for name, value in os.environ.items() if name.startswith("PG")}
        password = self._parameters.get("password")
        return inherited | ({"PGPASSWORD": str(password)} if password else {})

    def advice(self, error: psycopg.Error) -> str:
        """What to do when it could not be opened."""
        if isinstance(error, psycopg.errors.ConnectionTimeout):
            return limits.advice(self._connect) or _advice("")
        return _advice(str(error))

    def __str__(self) -> str:
        host = self._parameters.get("host") or self._parameters.get("service") or "localhost"
        return f"{self.database} on {host}:{self._parameters.get('port', 5432)}"


def _default_socket(parameters: dict[str, Any]) -> dict[str, str]:
    """psycopg's own libpq looks for sockets in /tmp; distributions put them elsewhere."""
    if any(parameters.get(key) for key in ("host", "hostaddr", "service")) or os.environ.get("PGHOST"):
        return {}
    port = parameters.get("port", 5432)
    for directory in _SOCKET_DIRECTORIES:
        if (Path(directory) / f".s.PGSQL.{port}").exists():
            return {"host": directory}
    return {}


NOT_FOUND = ("42883", "42P01", "42704")
"""Undefined function, table, object: a function that names others without schemas, under an empty search_path."""


# What the server says when it, the database or the role has no connection left.
_FULL = ("too many connections", "too many clients", "remaining connection slots")
_ADVICE = {
    "40001": "the standby gave way to its primary: raise max_standby_streaming_delay there, or dump the primary",
    "57P01": gone.NEXT,
    "57P02": gone.NEXT,
    "57P03": gone.NEXT,
}


class StatementFailed(SourceError):
    """The server refused a statement, went away, or took too long.

    Args:
        why: what the server said.
        sqlstate: the error's code in PostgreSQL; empty where the server did not answer.
        next: what to do about it, where that is known.
    """

    def __init__(self, why: str, sqlstate: str, *, next: str = "") -> None:
        super().__init__("a query failed", why=why, next=next)
        self.sqlstate = sqlstate


class Session:
    """One connection whose every statement is bounded, even when the server freezes."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], server: Server, limit: timedelta) -> None:
        self._connection, self._server = connection, server
        self._limit = limit
        self._aborted = self._advice = ""
        # SQL_ASCII means bytes that nobody knows the encoding of: Latin-1 carries them there and back.
        unknown = connection.info.parameter_status("server_encoding") == "SQL_ASCII"
        self.codec = "latin-1" if unknown else "utf-8"
        if unknown:
            self.rows("set client_encoding = SQL_ASCII")

    def rows(
        self, sql: str, parameters: Sequence[Any] = (), *, limit: timedelta | None = None
    ) -> list[tuple[Any, ...]]:
        """Every row of a statement; an empty list for one that returns none.

        Raises:
            StatementFailed: the server refused it, went away, or took longer than the limit.
        """
        return self.labelled(sql, parameters, limit=limit)[1]

    def labelled(
        self, sql: str, parameters: Sequence[Any] = (), *, limit: timedelta | None = None
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The names of a statement's columns, and its rows; raises as `rows` does."""
        try:
            with self.bounded(limit):
                cursor = self._connection.execute(sql.encode(self.codec), parameters or None)
                rows = cursor.fetchall() if cursor.description else []
                labels = [column.name for column in cursor.description or ()]
                return labels, rows if self.codec == "utf-8" else [tuple(map(self._text, row)) for row in rows]
        except psycopg.Error as error:
            raise self.failure(error) from None

    @contextmanager
    def bounded(self, limit: timedelta | None = None) -> Iterator[None]:
        """Whatever waits for the server in the block is woken after the limit; its error is for `failure`."""
        allowed = self._limit if limit is None else limit
        with wire.after(allowed, lambda: self.abort(f"no answer within {limits.describe(allowed)}", limit=allowed)):
            yield

    def failure(self, error: psycopg.Error) -> StatementFailed:
        """The same error for a human: why we gave up, where it was we who did."""
        advice = self._advice or (gone.NEXT if self.lost else _ADVICE.get(error.sqlstate or "", ""))
        return StatementFailed(self._aborted or str(error).strip(), error.sqlstate or "", next=advice)

    def value(self, sql: str, parameters: Sequence[Any] = (), *, limit: timedelta | None = None) -> Any:
        """The first column of the first row."""
        return self.rows(sql, parameters, limit=limit)[0][0]

    @property
    def direct(self) -> bool:
        """Whether no pooler is in between, which would refuse what is said at the start of a session."""
        return int(self.value("select pg_catalog.pg_backend_pid()")) == self._connection.info.backend_pid

    @property
    def without_timeouts(self) -> dict[str, str]:
        """What `Server.without_timeouts` says of this one."""
        return self._server.without_timeouts(self._connection.info.server_version)

    def take_time(self) -> None:
        """Lift every limit that was set for a database, a role or the server, but for ours.

        By statements that take no time themselves: the limits hold for them, too.
        """
        self.rows("; ".join(f"set {name} = {value}" for name, value in self.without_timeouts.items()))

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Let what fails in the block fail alone, and let go of the locks that it took.

        Outside a transaction every statement stands alone anyway.
        """
        if self._connection.info.transaction_status is not TransactionStatus.INTRANS:
            yield
            return
        self.rows("savepoint apart")
        try:
            yield
        finally:
            if not self.closed:
                self.rows("rollback to savepoint apart; release savepoint apart")

    @property
    def closed(self) -> bool:
        """Whether the connection is gone, and every further statement fails."""
        return bool(self._aborted) or self._connection.closed

    @property
    def lost(self) -> bool:
        """Whether the connection is gone, and not by us."""
        return self._connection.closed and not self._aborted

    def _text(self, value: Any) -> Any:
        return value.decode(self.codec) if isinstance(value, bytes) else value

    def abort(self, reason: str, *, limit: timedelta | None = None) -> None:
        """Wake whoever waits in this session, from any thread; its statement fails with `reason`.

        Args:
            limit: the one that was reached.
        """
        if not self._aborted:  # the first reason is the true one
            self._aborted, self._advice = reason, "" if limit is None else limits.advice(limit)
        wire.cut(self._connection)


@contextmanager
def session(
    server: Server, *, limit: timedelta, snapshot: str | None = None, settings: bool = True
) -> Iterator[Session]:
    """A session for the length of the block.

    Args:
        limit: the longest any statement may take, unless it is given its own.
        snapshot: an exported snapshot to see the data through; otherwise autocommit.
        settings: pin what the text of a value depends on.
    Raises:
        SourceError: the server cannot be reached, or refuses us.
        SafetyRefusal: settings were wanted, and a pooler would give them to other sessions.
    """
    try:
        # Said at the start, not by a statement: a pooler would hand that to whoever comes next.
        parameters = {**server.parameters, "client_encoding": "UTF8"}
        connection = psycopg.connect(**parameters, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise SourceError(
            f"PostgreSQL database {server} cannot be opened",
            why=_first_lines(str(error)),
            safe="nothing was changed; existing backups are untouched",
            next=server.advice(error),
        ) from None
    try:
        opened = Session(connection, server, limit)
        if settings:
            with opened.bounded():
                poolers.refuse_shared(connection, server.parameters, shown=server.shown(), limit=limit)
            opened.take_time()
            opened.rows(_SESSION)
            opened.rows("; ".join(f"set {name} = {value}" for name, value in KEPT_ALIVE.items()))
        if snapshot is not None:
            opened.rows("begin isolation level repeatable read read only")
            opened.rows(f"set transaction snapshot '{snapshot}'")
        yield opened
    finally:
        connection.close()


def _first_lines(message: str) -> str:
    return " ".join(line.strip() for line in message.strip().splitlines()[:3])


def _advice(message: str) -> str:
    if any(each in message for each in _FULL):
        return "let fewer connections be open: lower jobs in ops.yaml, or raise the limit that the server names"
    if "password" in message or "authentication" in message:
        return "check user and password in the source's url, then: ops backup"
    if "does not exist" in message:
        return "check the database and user names in the source's url, then: ops backup"
    return "check that the server runs and can be reached from here, then: ops backup"
