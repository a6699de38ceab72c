"""A standby can be the source: what only its primary may read is left out, as pg_dump does."""

import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.postgres.server import unprivileged
from ops_pipelines.process import Limits, running
from ops_pipelines.recovery.verify import verify
from tests.conftest import MakeWorkspace, TestServer, start_server

_LIMITS = Limits(stall=timedelta(minutes=2), total=timedelta(minutes=2))


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """A server without tablespaces: a standby on the same machine would share their directories."""
    with start_server(18, tmp_path_factory.mktemp("primary")) as server:
        yield server


@pytest.mark.parametrize("form", ["custom", "directory"])
def test_a_standby_can_be_the_source(
    form: str, primary: TestServer, tmp_path: Path, make_workspace: MakeWorkspace
) -> None:
    name = primary.new_database()
    primary.sql(
        "create table t (id serial, a int)",
        "insert into t (a) select generate_series(1, 1000)",
        "create unlogged table fleeting (id serial, a int)",
        "insert into fleeting (a) values (1)",
        "select lo_from_bytea(9, 'large')",
        database=name,
    )
    standby = tmp_path / "standby"
    at = primary.superuser
    argv = [primary.programs.path("pg_basebackup"), "-D", standby, "-R", "-X", "stream", "-c", "fast", "--no-sync"]
    subprocess.run([*argv, f"--dbname={at.argument()}"], env=at.environment(), check=True, capture_output=True)
    argv = [*unprivileged(), primary.programs.path("postgres"), "-D", standby, "-c", "listen_addresses="]
    argv += ["-c", f"unix_socket_directories={tmp_path}", "-c", "port=5433", "-c", "fsync=off", "-c", "hot_standby=on"]
    argv += ["-c", "max_connections=60"]
    with running(argv, limits=_LIMITS, stdout=2) as process:
        url = primary.superuser.at(dbname=name, host=str(tmp_path), port="5433").url()
        made = make_workspace(url, format=form)
        deadline = time.monotonic() + 60
        while "accept read-only connections" not in process.stderr():
            assert not process.exited() and time.monotonic() < deadline, process.stderr()
            time.sleep(0.02)
        manifest = take_backup(made.workspace, "crm")
    assert (manifest.contents.tables, manifest.contents.rows) == (3, 1001)  # t, fleeting and the large objects
    verdict = verify(made.workspace, made.workspace.catalogue("crm").points[0])
    assert (verdict.outcome, verdict.warnings) == ("verified", []), verdict.reason
