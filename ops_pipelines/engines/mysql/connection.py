"""Talk to a MySQL or MariaDB server: URLs without their secrets, and sessions with limits."""

import os
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pymysql

from ops_pipelines import limits
from ops_pipelines.engines import gone
from ops_pipelines.engines.mysql import greeting
from ops_pipelines.engines.mysql.address import OFF, PREFERRED, REQUIRED, VERIFIED, read
from ops_pipelines.engines.mysql.clients import MARIADB, MYSQL
from ops_pipelines.engines.places import Place, place
from ops_pipelines.errors import SourceError

_SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")
# Our own limits bound every statement; the server's would cut a long snapshot. Not every server has each.
_UNLIMITED = {
    "wait_timeout": "604800", "net_write_timeout": "86400", "net_read_timeout": "86400",
    "idle_transaction_timeout": "0", "idle_readonly_transaction_timeout": "0", "information_schema_stats_expiry": "0",
}  # fmt: skip
ALL_ROWS = 2**64 - 1
"""`sql_select_limit` as it is unless somebody set it."""
# Each product passes over what is in the other's comments.
_UNHURRIED = f"""
set session /*M!100101 max_statement_time = 0, */ /*!50708 max_execution_time = 0, */ sql_select_limit = {ALL_ROWS},
 sql_big_selects = 1, sql_safe_updates = 0, completion_type = 'NO_CHAIN'
"""
# No memory, disk, files, threads or connections; a lock that was waited for in vain; interrupted, killed, gone.
_UNWELL = {
    0, 3, 5, 9, 23, 24, 28, 1021, 1026, 1037, 1038, 1040, 1041, 1053, 1114, 1135, 1203, 1205, 1206, 1317, 1836, 1927,
    1969, 2002, 2003, 2006, 2013, 2014, 2055, 3024, 4031,
}  # fmt: skip

# The server ended the session, or went away.
_GONE = (1053, 1927, 2006, 2013)
# The server, and the account, have no connection left.
_FULL = (1040, 1203, 1226)


class QueryFailed(SourceError):
    """The server refused a statement, or never answered it.

    Attributes:
        code: its error number, 0 when it never answered.
    """

    def __init__(self, what: str, *, code: int, why: str, safe: str = "", next: str = "") -> None:
        super().__init__(what, why=why, safe=safe, next=next)
        self.code = code

    @property
    def in_trouble(self) -> bool:
        """Whether the server is in trouble, gone or out of something: then nothing is known of what was asked about."""
        return self.code in _UNWELL

    def raise_if_server_trouble(self) -> None:
        """Raise it again where it says nothing about what was asked, so that nobody takes it for an answer."""
        if self.in_trouble:
            raise self


@dataclass(frozen=True)
class Tls:
    """How a connection is encrypted.

    Attributes:
        verify: check the server's certificate and name.
        required: false takes a server that does not encrypt as well.
    """

    ca: str = ""
    cert: str = ""
    key: str = ""
    verify: bool = False
    required: bool = True

    def context(self) -> ssl.SSLContext:
        """The same for Python. Raises SourceError when a file cannot be read."""
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
            if self.cert:
                context.load_cert_chain(self.cert, self.key or None)
        except OSError as error:
            raise SourceError(
                "the TLS files of the MySQL URL cannot be used", why=str(error), next="check ssl_ca, ssl_cert, ssl_key"
            ) from None
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


@dataclass(frozen=True)
class Server:
    """One database on one server; `database` may be empty. Made from a URL by `parse`."""

    user: str
    password: str = field(repr=False)
    host: str
    port: int
    socket: str
    database: str
    tls: Tls | None
    connect: timedelta

    def at(self, database: str) -> "Server":
        """The same server, another database."""
        return replace(self, database=database)

    def url(self) -> str:
        """The whole URL, secrets included. Never print it."""
        query = {"socket": self.socket} if self.socket else {}
        if self.tls is None:
            query |= {} if self.socket else {"ssl": "false"}
        else:
            files = {"ssl_ca": self.tls.ca, "ssl_cert": self.tls.cert, "ssl_key": self.tls.key}
            query |= {
                "ssl": "true" if self.tls.required else "preferred",
                "ssl_verify": str(self.tls.verify).lower(),
                **{k: v for k, v in files.items() if v},
            }
        host = f"[{self.host}]" if ":" in self.host else self.host
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"mysql://{login}@{host}:{self.port}/{quote(self.database, safe='')}?{urlencode(query, quote_via=quote)}"

    def option_file(self, product: str = "") -> str:
        """The connection as an option file for programs.

        Args:
            product: whose they are; of either, when omitted, and they warn about what is the other's.
        """
        options = {"user": self.user, "password": self.password}
        options |= (
            {"protocol": "socket", "socket": self.socket}
            if self.socket
            else {"protocol": "tcp", "host": self.host, "port": str(self.port)}
        )
        tls = self.tls
        verify = tls is not None and tls.verify
        if tls is not None:
            files = {"ssl-ca": tls.ca, "ssl-cert": tls.cert, "ssl-key": tls.key}
            options |= {name: path for name, path in files.items() if path}
            mode = "VERIFY_IDENTITY" if verify else "REQUIRED" if tls.required else "PREFERRED"
            theirs = {MYSQL: {"loose-ssl-mode": mode}, MARIADB: {"loose-ssl": "1"}}
        elif not self.socket:
            # Without TLS a password is sent encrypted with the server's own key, which has to be asked for.
            theirs = {
                MYSQL: {"loose-ssl-mode": "DISABLED", "loose-get-server-public-key": "1"},
                MARIADB: {"loose-ssl": "0"},
            }
        else:
            theirs = {MYSQL: {}, MARIADB: {}}
        # MariaDB's newer clients verify unless they are told not to.
        theirs[MARIADB]["loose-ssl-verify-server-cert"] = str(int(verify))
        for each in (product,) if product else (MYSQL, MARIADB):
            options |= theirs[each]
        return "[client]\n" + "".join(f"{name}={_quoted_option(value)}\n" for name, value in options.items())

    def __str__(self) -> str:
        return f"{self.database or 'no database'} on {self.socket or f'{self.host}:{self.port}'}"


def place_of(server: Server) -> Place:
    """Where a database lies by its spelling; servers that fold names take two of different case for one."""
    hosts = [] if server.socket else [(server.host, server.port)]
    sockets = [(server.socket, server.port)] if server.socket else []
    return place("mysql", server.database.lower(), hosts=hosts, sockets=sockets)


def parse(url: str, *, connect: timedelta) -> Server:
    """The server a URL names.

    Args:
        url: `mysql://user:password@host:3306/database?socket=…&ssl-ca=…` in any spelling; see `address`.
        connect: time allowed connecting to the server.
    Raises:
        SourceError: it cannot be read, or asks for something that is not understood.
    """
    spoken = read(url)
    wire, asked = spoken.socket, spoken.encryption
    if not wire and spoken.port is None and spoken.host in ("", "localhost"):
        # As every client of MySQL does: "localhost" is the socket, where there is one.
        wire = next((path for path in _SOCKETS if Path(path).exists()), "")
    # As MySQL's own clients do: who says nothing takes TLS where it is offered, but for a socket.
    level = asked.level if asked.level is not None else OFF if wire else PREFERRED
    tls = None
    if level:
        files = {"ca": asked.ca, "cert": asked.cert, "key": asked.key}
        tls = Tls(**files, verify=level >= VERIFIED, required=level >= REQUIRED)
    return Server(
        user=spoken.user,
        password=spoken.password,
        host=spoken.host or "127.0.0.1",
        port=spoken.port or 3306,
        socket=wire,
        database=spoken.database,
        tls=tls,
        connect=connect,
    )


def _quoted_option(value: str) -> str:
    escaped = (
        value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return f'"{escaped}"'


def _whole_seconds(span: timedelta) -> int:
    return max(2, int(span.total_seconds()))


@contextmanager
def options_for_programs(server: Server, product: str = "") -> Iterator[str]:
    """The argument that gives a program this connection through an anonymous file of ours, for the block.

    Args:
        product: as in `Server.option_file`.
    """
    descriptor = os.memfd_create("options")
    try:
        os.fchmod(descriptor, 0o600)  # the programs pass over files that others could have written
        os.write(descriptor, server.option_file(product).encode())
        yield f"--defaults-file=/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


class Session:
    """One connection whose every statement is bounded, even when the server freezes."""

    def __init__(self, connection: "pymysql.Connection[Any]", limit: timedelta) -> None:
        self._connection = connection
        self._limit = limit
        self._aborted = self._advice = ""

    def rows(
        self, sql: str, parameters: Sequence[Any] = (), *, limit: timedelta | None = None
    ) -> list[tuple[Any, ...]]:
        """Every row of a statement; an empty list for one that returns none.

        Raises:
            QueryFailed: the server refused it, went away, or took longer than the limit.
        """
        return self._asked(sql, parameters, limit)[1]

    def named(self, sql: str) -> list[dict[str, Any]]:
        """The same with names, for statements whose columns differ between products."""
        columns, rows = self._asked(sql, (), None)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def certificate(self) -> bytes | None:
        """The certificate that the server showed, in DER; None without TLS."""
        wire = self._connection._sock  # type: ignore[attr-defined]
        return wire.getpeercert(binary_form=True) if isinstance(wire, ssl.SSLSocket) else None

    def _asked(
        self, sql: str, parameters: Sequence[Any], limit: timedelta | None
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        allowed = self._limit if limit is None else limit
        timer = threading.Timer(
            min(allowed.total_seconds(), threading.TIMEOUT_MAX),
            self.abort,
            [f"no answer within {limits.describe(allowed)}"],
            {"limit": allowed},
        )
        timer.daemon = True
        timer.start()
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, parameters or None)
                return [column[0] for column in cursor.description or ()], list(cursor.fetchall())
        except (pymysql.MySQLError, OSError) as error:
            numbered = isinstance(error, pymysql.MySQLError) and error.args and isinstance(error.args[0], int)
            code = error.args[0] if numbered else 0
            advice = self._advice or (gone.NEXT if code in _GONE and not self._aborted else "")
            raise QueryFailed("a query failed", code=code, why=self._aborted or message(error), next=advice) from None
        finally:
            timer.cancel()

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first column of the first row."""
        return self.rows(sql, parameters)[0][0]

    def take_time(self) -> None:
        """Lift what cuts a statement or its answer short, whoever set it; before anything that takes time itself."""
        self.rows(_UNHURRIED)

    def variables(self, *names: str) -> dict[str, str]:
        """Those of these system variables that the server has."""
        listed = ", ".join(f"'{name}'" for name in names)
        return {str(name): str(value) for name, value in self.rows(f"show variables where variable_name in ({listed})")}

    def abort(self, reason: str, *, limit: timedelta | None = None) -> None:
        """Wake whoever waits in this session, from any thread; its statement fails with `reason`.

        Args:
            limit: the one that was reached.
        """
        if not self._aborted:  # the first reason is the true one
            self._aborted, self._advice = reason, "" if limit is None else limits.advice(limit)
        wire = self._connection._sock  # type: ignore[attr-defined]
        if wire is not None:
            with suppress(OSError):  # closed already: nobody is waiting
                wire.shutdown(socket.SHUT_RDWR)


@contextmanager
def session(server: Server, *, limit: timedelta, settings: bool = True) -> Iterator[Session]:
    """A session for the length of the block, in autocommit.

    Args:
        limit: the longest any statement may take, unless it is given its own.
        settings: pin what the text of a value and of a definition depends on.
    Raises:
        SourceError: the server cannot be reached, or refuses us.
    """
    cut = threading.Event()
    try:
        connection: pymysql.Connection[Any] = pymysql.connect(
            defer_connect=True,
            host=server.host,
            port=server.port,
            unix_socket=server.socket or None,
            user=server.user,
            password=server.password,
            database=server.database or None,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=_whole_seconds(server.connect),
            # The handshake reads, too: a frozen server accepts connections and says nothing.
            read_timeout=_whole_seconds(min(server.connect, limit)),
            # The driver's own way to take TLS where there is some is to be told nothing.
            ssl=server.tls.context() if server.tls is not None and server.tls.required else None,
            ssl_disabled=server.tls is None,
            program_name="ops_pipelines",
        )
        with greeting.bounded(connection, server.connect, cut):
            connection.connect()
    except (pymysql.MySQLError, OSError) as error:
        raise SourceError(
            f"MySQL database {server} cannot be opened",
            why=f"no whole greeting within {limits.describe(server.connect)}" if cut.is_set() else message(error),
            safe="nothing was changed; existing backups are untouched",
            next=limits.advice(server.connect) if cut.is_set() else _advice(error, server.connect),
        ) from None
    connection._read_timeout = None  # type: ignore[attr-defined]  # from here on the session's own timer counts
    opened = Session(connection, limit)
    try:
        if settings:
            _pin(opened, limit)
        yield opened
    finally:
        with suppress(pymysql.MySQLError, OSError):
            connection._force_close()  # type: ignore[attr-defined]  # a polite goodbye would wait for a frozen server


def _pin(opened: Session, limit: timedelta) -> None:
    opened.take_time()
    wanted = {**_UNLIMITED, "max_statement_time": str(_whole_seconds(limit))}
    known = opened.variables(*wanted)
    opened.rows(
        "set session time_zone = '+00:00', sql_mode = '', sql_quote_show_create = 1"
        + "".join(f", {name} = {wanted[name]}" for name in known)
    )


def message(error: BaseException) -> str:
    """What a driver's error says, without its tuple."""
    said = [str(each) for each in error.args if each and not isinstance(each, int)]
    return " ".join((said[-1] if said else str(error) or type(error).__name__).split())


def _advice(error: BaseException, connect: timedelta) -> str:
    code = error.args[0] if error.args else 0
    if "timed out" in message(error) and (slow := limits.advice(connect)):
        return slow
    if code in _FULL:
        return "let fewer connections be open: lower jobs in ops.yaml, or raise the limit that the server names"
    if code in (1044, 1045, 1698):
        return "check user, password and privileges in the source's url, then: ops backup"
    if "[SSL" in message(error):
        return "check the server's TLS; ssl-mode=DISABLED in the source's url does without, on a trusted network"
    if code == 1049:
        return "check the database's name in the source's url, then: ops backup"
    return "check that the server runs and can be reached from here, then: ops backup"


def identifier(name: str) -> str:
    """A name as SQL writes it."""
    return "`" + name.replace("`", "``") + "`"
