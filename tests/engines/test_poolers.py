"""A connection pooler between us and the source: noticed before anything is set in a session that others share."""

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.postgres.server import unprivileged
from ops_pipelines.errors import SafetyRefusal
from ops_pipelines.process import Limits, running
from ops_pipelines.recovery.verify import verify
from tests.conftest import PASSWORD, MakeWorkspace, TestServer

_LIMITS = Limits(stall=timedelta(minutes=5), total=timedelta(minutes=5))
_SETTINGS = (
    "select jsonb_object_agg(name, setting) from pg_settings"
    " where source = 'session' and name not in ('application_name', 'client_encoding')"
)


@pytest.fixture
def shop(pg: TestServer) -> str:
    """A database with a table; returns its name."""
    name = pg.new_database()
    pg.sql("create table t as select i from generate_series(1, 100) i", database=name)
    return name


@contextmanager
def _pgbouncer(pg: TestServer, directory: Path, mode: str, *settings: str) -> Iterator[int]:
    """A pgbouncer in front of a server; yields its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    password = PASSWORD.replace("'", "''")
    configuration = directory / "pgbouncer.ini"
    lines = [
        "[databases]",
        f"* = host=127.0.0.1 port={pg.port} user=boss password='{password}'",
        "[pgbouncer]",
        "listen_addr = 127.0.0.1",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = any",
        f"pool_mode = {mode}",
        *settings,
    ]
    configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for path in (directory, configuration, *directory.parents[:3]):
        path.chmod(0o755)
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
    assert program is not None
    with running([*unprivileged(), program, configuration], limits=_LIMITS, stdout=2) as process:
        while True:
            try:
                psycopg.connect(host="127.0.0.1", port=port, dbname="postgres", user="boss", connect_timeout=5).close()
                break
            except psycopg.OperationalError:
                assert not process.exited(), process.stderr()
        yield port


@pytest.mark.parametrize(
    "settings", [(), ("default_pool_size = 1",), ("server_round_robin = 1",)], ids=["stock", "one", "round_robin"]
)
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_shares_its_connections_is_refused_and_nothing_reaches_the_application(
    mode: str, settings: tuple[str, ...], pg: TestServer, shop: str, tmp_path: Path, make_workspace: MakeWorkspace
) -> None:
    with _pgbouncer(pg, tmp_path, mode, *settings) as port:
        where = f"host=127.0.0.1 port={port} user=boss dbname={shop}"
        with psycopg.connect(where, autocommit=True, prepare_threshold=None) as application:
            assert application.execute(_SETTINGS).fetchall() == [(None,)]
        made = make_workspace(where)
        with pytest.raises(SafetyRefusal) as refused:
            take_backup(made.workspace, "crm")
        assert "connection pooler" in refused.value.what
        assert f"host 127.0.0.1, port {pg.port}" in refused.value.next
        for _each in range(4):
            with psycopg.connect(where, autocommit=True, prepare_threshold=None) as application:
                assert application.execute(_SETTINGS).fetchall() == [(None,)]
                assert application.execute("select count(*) from t").fetchone() == (100,)


def test_a_pooler_that_keeps_a_connection_for_a_session_can_be_the_way(
    pg: TestServer, shop: str, tmp_path: Path, make_workspace: MakeWorkspace
) -> None:
    with _pgbouncer(pg, tmp_path, "session") as port:
        made = make_workspace(f"host=127.0.0.1 port={port} user=boss dbname={shop}")
        take_backup(made.workspace, "crm")
    verdict = verify(made.workspace, made.workspace.catalogue("crm").points[0])
    assert (verdict.outcome, verdict.reason) == ("verified", verdict.reason)
