"""Writers during the dump, killed and frozen processes, clients that lie, passwords: on a real MariaDB server."""

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.mysql.connection import QueryFailed, session
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.verify import verify
from tests.conftest import Made
from tests.engines.mysql.conftest import CANARY, TestServer, wait_until, wrapped_client
from tests.sample import files_holding

Protect = Callable[..., Made]
REPOSITORY = Path(__file__).parents[3]
DEADLOCK = 1213
_BIG = (
    "create table big (id int auto_increment primary key, a char(200), b char(200))",
    "insert into big (a, b) select md5(seq), md5(seq * 7) from seq_1_to_150000",
    "create table small (id int primary key, v varchar(20))",
    "insert into small select seq, concat('row ', seq) from seq_1_to_100",
)


@pytest.fixture(scope="module")
def big(mariadb: TestServer) -> str:
    """A database whose dump takes long enough to be disturbed."""
    name = mariadb.new_database()
    mariadb.sql(*_BIG, database=name)
    return name


def clients_of(parent: int) -> list[psutil.Process]:
    return [each for each in psutil.Process(parent).children(recursive=True) if "mariadb-dump" in each.name()]


@contextmanager
def writers(mariadb: TestServer, database: str, count: int = 3) -> Iterator[None]:
    """Sessions that move money between two tables, add and remove rows, in transactions over both."""
    stop, failures = threading.Event(), []

    def write(seed: int) -> None:
        chance = random.Random(seed)
        with session(mariadb.root.at(database), limit=timedelta(minutes=1), settings=False) as opened:
            while not stop.is_set():
                one, two = chance.randint(1, 200), chance.randint(1, 200)
                try:
                    opened.rows("start transaction")
                    opened.rows("update debit set amount = amount - 1 where id = %s", [one])
                    opened.rows("update credit set amount = amount + 1 where id = %s", [two])
                    opened.rows("insert into log (what) values (%s)", [f"{one} to {two} 👋"])
                    opened.rows("delete from log order by id limit 1")
                    opened.rows("commit")
                except QueryFailed as error:
                    if error.code != DEADLOCK:  # which any application has to live with
                        failures.append(f"{error.what}: {error.why}")
                        return

    threads = [threading.Thread(target=write, args=[seed]) for seed in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures


@pytest.mark.parametrize("right", ["reload", "lock tables"])
@pytest.mark.daily(1)
def test_dump_and_fingerprint_show_one_instant_while_others_write(
    mariadb: TestServer, protect: Protect, right: str
) -> None:
    name = mariadb.new_database()
    mariadb.sql(
        "create table debit (id int primary key, amount bigint)",
        "create table credit (id int primary key, amount bigint)",
        "create table log (id bigint auto_increment primary key, what varchar(40)) character set utf8mb4",
        "insert into debit select seq, 1000000 from seq_1_to_200",
        "insert into credit select seq, 0 from seq_1_to_200",
        "insert into log (what) select 'before' from seq_1_to_5000",
        "create table ballast (id int primary key, text varchar(200))",
        "insert into ballast select seq, repeat(md5(seq), 5) from seq_1_to_40000",
        database=name,
    )
    balance = "select (select sum(amount) from debit) + (select sum(amount) from credit)"
    checks = [{"name": "balance", "sql": balance, "equals": 200_000_000}]
    rights = [f"select, show view, trigger, event on {name}.*", "binlog monitor on *.*"]
    account = mariadb.account(*rights, f"{right} on {'*' if right == 'reload' else name}.*")
    workspace = protect(account.at(name).url(), copies=[], checks=checks).workspace
    with writers(mariadb, name):
        for _round in range(5):
            take_backup(workspace, "crm")
    positions = set()
    for point in workspace.catalogue("crm").points:
        verdict = verify(workspace, point)
        assert verdict.outcome == "verified", verdict.reason
        assert "content" in {check.name for check in verdict.checks}, "compared, not let off"
        positions.add(point.manifest.engine["binlog_position"])
        assert any("LOCK TABLES" in warning for warning in point.manifest.warnings) == (right == "lock tables")
    assert len(positions) == 5, "writers were at work between all of them"


def test_a_long_transaction_of_somebody_else_is_not_waited_for_for_ever(
    mariadb: TestServer, big: str, protect: Protect
) -> None:
    workspace = protect(mariadb.url(big), copies=[], limits={"stall": "60s"}).workspace
    with session(mariadb.root.at(big), limit=timedelta(minutes=2), settings=False) as other:
        other.rows("start transaction")
        other.rows("update small set v = 'held' where id = 1")
        take_backup(workspace, "crm")
        other.rows("rollback")
    point = workspace.catalogue("crm").newest
    assert point is not None
    assert verify(workspace, point).outcome == "verified"


def test_a_killed_dump_client_publishes_nothing(mariadb: TestServer, big: str, protect: Protect) -> None:
    workspace = protect(mariadb.url(big), copies=[]).workspace
    failures: list[OpsError] = []

    def back_up() -> None:
        try:
            take_backup(workspace, "crm")
        except OpsError as error:
            failures.append(error)

    thread = threading.Thread(target=back_up)
    thread.start()
    wait_until(lambda: bool(clients_of(os.getpid())) or not thread.is_alive())
    for process in clients_of(os.getpid()):
        process.kill()
    thread.join()
    assert [failure for failure in failures if "SIGKILL" in str(failure) or "incomplete" in str(failure)]
    assert not workspace.catalogue("crm").points


@pytest.mark.parametrize("after_bytes", [0, 200_000, 3_000_000])
def test_a_killed_worker_leaves_nothing_and_the_next_one_works(
    mariadb: TestServer, big: str, protect: Protect, after_bytes: int
) -> None:
    made = protect(mariadb.url(big), copies=[])
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.worker", "backup", made.path / "ops.yaml"],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    staging = made.path / "base" / "restore-points" / ".staging"
    staged = staging.rglob
    wait_until(
        lambda: bool(clients_of(worker.pid)) and sum(path.stat().st_size for path in staged("dump*")) >= after_bytes
    )
    clients = clients_of(worker.pid)
    worker.kill()
    worker.wait()
    wait_until(lambda: not any(client.is_running() for client in clients))
    assert not made.workspace.catalogue("crm").points
    manifest = take_backup(made.workspace, "crm")
    assert [point.id for point in made.workspace.catalogue("crm").points] == [manifest.id]
    assert not [path for path in staging.iterdir() if path.is_dir()]
    assert [row.status for row in made.workspace.ledger.recent(kind="dump")] == ["succeeded", "failed"]


def test_a_frozen_server_cannot_hold_a_backup(mariadb: TestServer, big: str, protect: Protect) -> None:
    workspace = protect(mariadb.url(big), copies=[], limits={"stall": "3s", "connect": "3s"}).workspace
    server = mariadb.process()
    frozen = threading.Event()

    def freeze() -> None:
        wait_until(lambda: bool(clients_of(os.getpid())))
        server.suspend()
        frozen.set()

    thread = threading.Thread(target=freeze)
    thread.start()
    try:
        with pytest.raises(OpsError):
            take_backup(workspace, "crm")
        assert frozen.is_set()
    finally:
        thread.join()
        server.resume()
    assert not workspace.catalogue("crm").points
    assert not clients_of(os.getpid())
    take_backup(workspace, "crm")


_LIES = {
    "nothing at all": "exit 0",
    "cut off": '"$REAL" "$@" | head -c 20000; exit 0',
    "no trailer": '"$REAL" "$@" | sed "/^-- Dump completed/d"; exit 0',
    "killed": '"$REAL" "$@" | head -c 20000; kill -9 $$',
    "failing": 'echo "mariadb-dump: Got error: 2013" >&2; exit 2',
    "without a table": '"$REAL" "$@" --ignore-table="$DB.small"',
}


@pytest.mark.parametrize("lie", _LIES)
def test_a_dump_client_that_lies_is_found_out(
    mariadb: TestServer, big: str, protect: Protect, tmp_path: Path, lie: str
) -> None:
    folder = wrapped_client(tmp_path, _LIES[lie], DB=big)
    workspace = protect(mariadb.url(big), copies=[], bin_dirs=[str(folder)]).workspace
    with pytest.raises(OpsError):
        take_backup(workspace, "crm")
    assert not workspace.catalogue("crm").points


def test_no_command_line_ever_shows_the_password(mariadb: TestServer, big: str, protect: Protect) -> None:
    made = protect(mariadb.url(big), copies=[])
    seen: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for process in psutil.process_iter(["cmdline"]):
                words = " ".join(process.info["cmdline"] or [])
                if "mariadb" in words:
                    seen.append(words)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        take_backup(made.workspace, "crm")
        point = made.workspace.catalogue("crm").newest
        assert point is not None
        assert verify(made.workspace, point).outcome == "verified"
    finally:
        done.set()
        thread.join()
    assert any("mariadb-dump" in words for words in seen)
    assert not [words for words in seen if CANARY in words]
    assert files_holding(made.path, CANARY, ignoring="url") == []


def test_an_account_that_may_not_lock_is_told_and_nothing_is_claimed(
    mariadb: TestServer, big: str, protect: Protect
) -> None:
    account = mariadb.account(f"select, show view, trigger, event on {big}.*")
    workspace = protect(account.at(big).url(), copies=[]).workspace
    manifest = take_backup(workspace, "crm")
    assert manifest.contents.level == "off"
    assert any("RELOAD" in gap.cure for gap in manifest.contents.gaps), manifest.contents.gaps


def test_an_account_that_is_shown_no_routines_is_told_that_they_are_not_in_the_dump(
    mariadb: TestServer, big: str, protect: Protect
) -> None:
    account = mariadb.account(f"select, show view, trigger, event, lock tables on {big}.*")
    workspace = protect(account.at(big).url(), copies=[]).workspace
    told = "procedures and functions"
    assert [each for each in take_backup(workspace, "crm").contents.gaps if told in each.what]
    mariadb.sql(f"grant select on mysql.proc to {account.user}@localhost")
    assert not [each for each in take_backup(workspace, "crm").contents.gaps if told in each.what]


def test_the_source_is_known_by_name_and_url_and_nothing_else_is_taken_for_it(
    mariadb: TestServer, big: str, protect: Protect
) -> None:
    workspace = protect(mariadb.url(big), copies=[]).workspace
    engine = workspace.config.engine("crm")
    assert engine.is_source(big)
    assert engine.is_source(mariadb.url(big))
    assert not engine.is_source(mariadb.url(big).replace(f"/{big}", "/another_one"))
    for foreign in ("postgresql://localhost/x", "mongodb://localhost/x", "file:///tmp/x", "host=localhost dbname=x"):
        assert not engine.is_source(foreign)
