"""A standby can be the source: what only its primary may read is left out, as pg_dump does."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.engines.postgres.server import unprivileged
from ops_pipelines.errors import OpsError
from ops_pipelines.process import Limits, running
from ops_pipelines.recovery.verify import verify
from tests.conftest import MakeWorkspace, TestServer, start_server
from tests.faults.conftest import meanwhile
from tests.servers.between import between

_LIMITS = Limits(stall=timedelta(minutes=2), total=timedelta(minutes=2))


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """A server without tablespaces: a standby on the same machine would share their directories."""
    with start_server(18, tmp_path_factory.mktemp("primary")) as server:
        yield server


@contextmanager
def standby_of(primary: TestServer, directory: Path) -> Iterator[Server]:
    """A standby in a directory, for the length of the block; its superuser is the primary's."""
    at, data = primary.superuser, directory / "standby"
    argv = [primary.programs.path("pg_basebackup"), "-D", data, "-R", "-X", "stream", "-c", "fast", "--no-sync"]
    subprocess.run([*argv, f"--dbname={at.argument()}"], env=at.environment(), check=True, capture_output=True)
    argv = [*unprivileged(), primary.programs.path("postgres"), "-D", data, "-c", "listen_addresses="]
    argv += ["-c", f"unix_socket_directories={directory}", "-c", "port=5433", "-c", "fsync=off", "-c", "hot_standby=on"]
    argv += ["-c", "max_connections=60"]
    with running(argv, limits=_LIMITS, stdout=2) as process:
        deadline = time.monotonic() + 60
        while "accept read-only connections" not in process.stderr():
            assert not process.exited() and time.monotonic() < deadline, process.stderr()
            time.sleep(0.02)
        yield at.at(host=str(directory), port="5433")


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
    with standby_of(primary, tmp_path) as standby:
        made = make_workspace(standby.at(dbname=name).url(), format=form)
        manifest = take_backup(made.workspace, "crm")
    assert (manifest.contents.tables, manifest.contents.rows) == (3, 1001)  # t, fleeting and the large objects
    verdict = verify(made.workspace, made.workspace.catalogue("crm").points[0])
    assert (verdict.outcome, verdict.warnings) == ("verified", []), verdict.reason


def test_a_standby_is_no_target_and_the_primary_is_named(
    primary: TestServer, tmp_path: Path, make_workspace: MakeWorkspace
) -> None:
    name = primary.new_database()
    made = make_workspace(primary.url(name))
    manifest = take_backup(made.workspace, "crm")
    engine = made.workspace.config.engine("crm")
    with standby_of(primary, tmp_path) as standby:
        (problem,) = engine.readiness(standby.at(dbname="back").url(), manifest.engine, 0).problems
    assert problem.what == "the target's server is a standby"
    assert problem.next == "name its primary"


def test_a_standby_that_is_promoted_while_it_is_dumped_gives_a_proved_backup_or_none(
    primary: TestServer, make_workspace: MakeWorkspace
) -> None:
    name = primary.new_database()
    primary.sql(
        "create table t (id bigint primary key, body text)",
        "insert into t select i, md5(i::text) from generate_series(1, 20000) i",
        "create sequence counted",
        database=name,
    )
    # A socket's path is short: not below pytest's directory.
    with TemporaryDirectory(prefix="ops-standby-") as folder, standby_of(primary, Path(folder)) as standby:
        target = f"unix:{folder}/.s.PGSQL.5433"
        with between(target) as proxy:
            made = make_workspace(standby.at(dbname=name, host="127.0.0.1", port=str(proxy.port)).url())
            take_backup(made.workspace, "crm")
            proxy.suffer("slow", after_bytes=proxy.answered_bytes // 2)  # so that it is in the middle of it
            failed: list[OpsError] = []

            def dump() -> None:
                try:
                    take_backup(made.workspace, "crm")
                except OpsError as error:
                    failed.append(error)

            with meanwhile(dump):
                assert proxy.met.wait(60)
                with session(standby, limit=timedelta(minutes=1), settings=False) as opened:
                    assert opened.value("select pg_promote(true, 60)")
                proxy.heal()
            assert all(each.safe and each.next for each in failed)
            points = made.workspace.catalogue("crm").points
            assert len(points) == 2 - len(failed), failed
            take_backup(made.workspace, "crm")
    for point in made.workspace.catalogue("crm").points:
        verdict = verify(made.workspace, point)
        assert (verdict.outcome, verdict.gaps) == ("verified", []), verdict.reason
