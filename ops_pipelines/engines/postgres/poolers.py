"""Notice a connection pooler that shares its server connections, before anything is set in one of them.

Transaction pooling (pgbouncer, Supavisor and others) gives every transaction whatever server connection is free: what
we set is lost for us and found by the application, and a snapshot cannot be held. A pooler that keeps one connection
for a whole session does no harm.

The server's process id tells the two apart. A pooler invents the id that it sends at the start, so another one is the
first sign; and with a second connection inside a transaction, a shared connection shows itself: the second one gets
ours, or we get another. All that is asked is read-only and leaves nothing behind.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import psycopg

from ops_pipelines.engines.postgres.wire import Connection, after, cut
from ops_pipelines.errors import SafetyRefusal

_ROUNDS = 5
_PID = "select pg_catalog.pg_backend_pid()"
# Asked of the server behind the pooler; who may not see the socket's directory gets none.
_DIRECT = """
select pg_catalog.host(pg_catalog.inet_server_addr()), pg_catalog.inet_server_port(),
       pg_catalog.current_setting('port'),
       (select setting from pg_catalog.pg_settings where name = 'unix_socket_directories')
"""


def refuse_shared(connection: Connection, parameters: Mapping[str, Any], *, shown: str, limit: timedelta) -> None:
    """Refuse a connection that a pooler shares between sessions.

    Args:
        connection: newly opened, nothing has been asked through it.
        parameters: what it was opened with.
        shown: the same for a human, without secrets.
        limit: how long a second connection may take; the caller watches the first.
    Raises:
        SafetyRefusal: it is shared; `next` names the server's direct address.
    """
    try:
        if _pid(connection) == connection.info.backend_pid or not _shared(connection, parameters, limit):
            return
        direct = _direct(connection, parameters)
    except psycopg.Error:
        return  # the server is at fault, and the next statement says how
    raise SafetyRefusal(
        f"{shown} is a connection pooler that shares its connections between sessions",
        why="settings of a dump would reach the application's sessions, and a snapshot needs one session to itself",
        safe="nothing was set there and nothing was dumped; existing backups are untouched",
        next=f"give the source's url the server's own address: {direct}",
    )


def _shared(connection: Connection, parameters: Mapping[str, Any], limit: timedelta) -> bool:
    """Whether two sessions of ours are seen in one server connection, or one of ours in two."""
    try:
        with (
            psycopg.connect(**parameters, autocommit=True, prepare_threshold=None) as other,
            after(limit, lambda: cut(other)),
        ):
            for _round in range(_ROUNDS):
                before = _pid(connection)
                try:
                    other.execute("begin read only")
                    if _pid(other) == before or _pid(connection) != before:
                        return True
                    other.execute("rollback")
                except psycopg.errors.ProtocolViolation:
                    return True  # statement pooling knows no transactions
    except psycopg.OperationalError:
        return False  # no second connection is to be had: nothing is known
    return False


def _pid(connection: Connection) -> int:
    row = connection.execute(_PID).fetchone()
    assert row is not None
    return int(row[0])


def _direct(connection: Connection, parameters: Mapping[str, Any]) -> str:
    """Where the server itself listens, as far as its hosting's habits or the server say."""
    host, port = str(parameters.get("host", "")), str(parameters.get("port", ""))
    if "-pooler." in host or host.endswith("-pooler"):
        return f"host {host.replace('-pooler', '', 1)}"
    if port == "6543":
        return f"host {host}, port 5432"
    row = connection.execute(_DIRECT).fetchone()
    assert row is not None
    address, its_port, setting, sockets = row
    if address is not None:
        return f"host {address}, port {its_port}"
    directory = str(sockets or "").split(",")[0].strip()
    return f"host {directory or '(the directory of its socket)'}, port {setting}"
