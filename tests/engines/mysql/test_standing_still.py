"""The moment nobody writes is short, whoever is in its way, and a definition that changes during a dump ends it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.mysql import instant
from ops_pipelines.engines.mysql.connection import session
from ops_pipelines.errors import OpsError, SourceError
from ops_pipelines.workspace import Workspace
from tests.conftest import Made
from tests.engines.mysql.conftest import TestServer, wait_until, wrapped_client

Protect = Callable[..., Made]
# Holds the dump, or its beginning, for as long as the file is there.
_WAIT = 'touch "$HELD"; while [ -e "$HELD" ]; do sleep 0.02; done'
_IN_THE_MIDDLE = f'"$REAL" "$@" | {{ head -c 1000000; {_WAIT}; cat; }}'
_BEFORE_IT_BEGINS = f'{_WAIT}; exec "$REAL" "$@"'


@pytest.fixture
def two(mariadb: TestServer) -> str:
    """A database whose large table is dumped before its small one."""
    name = mariadb.new_database()
    mariadb.sql(
        "create table big (id int primary key, a char(200), b char(200))",
        "insert into big select seq, repeat('a', 200), repeat('b', 200) from seq_1_to_10000",
        "create table small (id int primary key, v varchar(20))",
        "insert into small select seq, concat('row ', seq) from seq_1_to_100",
        "create view named as select v from small",
        database=name,
    )
    return name


@contextmanager
def backing_up(workspace: Workspace) -> Iterator[list[OpsError]]:
    """A backup beside the block; afterwards the list has its error, if it failed."""
    failures: list[OpsError] = []

    def work() -> None:
        try:
            take_backup(workspace, "crm")
        except OpsError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield failures
    finally:
        thread.join()


@pytest.mark.parametrize(
    ("migration", "told"),
    [
        ("alter table small add column x int", "small"),
        ("truncate table small", "definition has changed"),
        ("drop table small", "small"),
        ("rename table small to tiny", "small"),
        ("create table newer (a int)", "table newer"),
        ("create or replace view named as select id from small", "view named"),
    ],
)
def test_a_migration_during_the_dump_ends_it_and_is_named(
    mariadb: TestServer, two: str, protect: Protect, tmp_path: Path, migration: str, told: str
) -> None:
    held = tmp_path / "held"
    folder = wrapped_client(tmp_path, _IN_THE_MIDDLE, HELD=held)
    workspace = protect(mariadb.url(two), copies=[], bin_dirs=[str(folder)]).workspace
    with backing_up(workspace) as failures:
        wait_until(held.exists)
        try:
            mariadb.sql(migration, database=two)
        finally:
            held.unlink()
    assert not workspace.catalogue("crm").points
    assert told in str(failures[0]), failures[0]


def test_writers_are_let_go_when_the_client_does_not_begin(
    mariadb: TestServer, two: str, protect: Protect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instant, "_LONGEST_LOCK", timedelta(seconds=1))
    held = tmp_path / "held"
    folder = wrapped_client(tmp_path, _BEFORE_IT_BEGINS, HELD=held)
    workspace = protect(mariadb.url(two), copies=[], bin_dirs=[str(folder)]).workspace
    with backing_up(workspace) as failures:
        wait_until(held.exists)
        try:
            mariadb.sql("insert into small values (101, 'waited')", database=two)
        finally:
            held.unlink()
    assert "did not begin" in str(failures[0])
    assert not workspace.catalogue("crm").points


@pytest.mark.parametrize(
    ("rights", "in_the_way"),
    [
        ("reload on *.*", ["update small set v = v where sleep(1) = 0"]),
        ("lock tables on *.*", ["start transaction", "update small set v = 'x'", "do sleep(100)"]),
    ],
    ids=["statement", "open_transaction"],
)
def test_a_long_writer_is_not_waited_for_for_long_and_nobody_waits_behind_us(
    mariadb: TestServer,
    two: str,
    protect: Protect,
    monkeypatch: pytest.MonkeyPatch,
    rights: str,
    in_the_way: list[str],
) -> None:
    monkeypatch.setattr(instant, "_PATIENCE_S", 1)
    monkeypatch.setattr(instant, "_TRIES", 2)
    account = mariadb.account(f"select, show view, trigger, event on {two}.*", rights)
    workspace = protect(account.at(two).url(), copies=[]).workspace
    with session(mariadb.root.at(two), limit=timedelta(minutes=2), settings=False) as other:
        number = other.value("select connection_id()")

        def write() -> None:
            with pytest.raises(SourceError, match="query failed"):
                for statement in in_the_way:
                    other.rows(statement)

        def at_work() -> bool:
            said = mariadb.sql(f"select info from information_schema.processlist where id = {number}")
            return "sleep(1" in str(said[0][0])

        thread = threading.Thread(target=write)
        thread.start()
        wait_until(at_work)
        with pytest.raises(SourceError, match="writers could not be blocked") as caught:
            take_backup(workspace, "crm")
        mariadb.sql("insert into big values (0, 'not', 'held up')", database=two)
        assert at_work()
        mariadb.sql(f"kill {number}")
        thread.join()
    assert "PROCESSLIST" in caught.value.next
    assert not workspace.catalogue("crm").points


def test_a_long_reader_is_in_nobodys_way(mariadb: TestServer, two: str, protect: Protect) -> None:
    workspace = protect(mariadb.url(two), copies=[]).workspace
    with session(mariadb.root.at(two), limit=timedelta(minutes=2), settings=False) as other:
        number = other.value("select connection_id()")

        def read() -> None:
            with pytest.raises(SourceError, match="query failed"):
                other.rows("select sleep(100) from small")

        thread = threading.Thread(target=read)
        thread.start()
        wait_until(lambda: mariadb.sql("select 1 from information_schema.processlist where state = 'User sleep'") != [])
        take_backup(workspace, "crm")
        mariadb.sql(f"kill {number}")
        thread.join()
    assert workspace.catalogue("crm").newest is not None


@pytest.mark.parametrize("moment", ["at connect", "under the lock"])
def test_a_server_that_freezes_holds_no_backup(
    mariadb: TestServer, two: str, protect: Protect, tmp_path: Path, moment: str
) -> None:
    server = mariadb.process()
    folder = wrapped_client(tmp_path, f'kill -STOP {server.pid}; exec "$REAL" "$@"')
    limits = {"stall": "2s", "connect": "2s"}
    workspace = protect(mariadb.url(two), copies=[], bin_dirs=[str(folder)], limits=limits).workspace
    try:
        if moment == "at connect":
            server.suspend()
        with pytest.raises(OpsError):
            take_backup(workspace, "crm")
    finally:
        server.resume()
    assert not workspace.catalogue("crm").points
    mariadb.sql("insert into small values (101, 'no lock is left')", database=two)
