"""`verify.server` for MariaDB: proof on a lent server, and a killed proof or restore that is found again."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.mysql import clients
from ops_pipelines.engines.mysql.server import private_server
from ops_pipelines.errors import SafetyRefusal
from ops_pipelines.recovery.leftovers import leftovers, remove
from ops_pipelines.recovery.verify import verify
from ops_pipelines.sweeping import sweep
from tests.conftest import Made
from tests.engines.mysql.conftest import CANARY, TestServer, start_server, wait_until
from tests.recovery.test_leftovers import kill_restore
from tests.recovery.test_lent_server import EVERY, lend, newest, open_scratch
from tests.stops import stopped_at_each_line

ROOT = Path(__file__).parents[3]
ROWS = 60_000


@pytest.fixture(scope="module")
def lent(mariadb: TestServer) -> Iterator[TestServer]:
    """A server that nobody minds."""
    with (
        tempfile.TemporaryDirectory(prefix="ops-lent-") as directory,
        private_server(
            clients.for_server(clients.MARIADB, (10, 3)), Path(directory), user="lent", password=CANARY, settings={}
        ) as server,
    ):
        yield TestServer(Path(directory), server)


def databases(server: TestServer, like: str) -> set[str]:
    return {name for (name,) in server.sql(f"show databases like '{like}'")}


def test_a_lent_server_proves_and_a_killed_proof_or_restore_leaves_nothing_for_long(
    mariadb: TestServer, lent: TestServer, protect: Callable[..., Made]
) -> None:
    name = mariadb.new_database()
    mariadb.sql(
        "create table t (id int primary key, v varchar(64))",
        f"insert into t select seq, md5(seq) from seq_1_to_{ROWS}",
        "create view v as select count(*) from t",
        database=name,
    )
    made = protect(mariadb.url(name), copies=[])
    take_backup(made.workspace, "crm")
    with pytest.raises(SafetyRefusal, match="is the server of source crm"):
        verify(lend(made, mariadb.url("mysql")), newest(made.workspace))
    workspace = lend(made, lent.url("mysql"))
    lent.sql("create database verify_0123456789abcdef")  # looks like ours, and is not
    others = {"verify_0123456789abcdef"}
    verdict = verify(workspace, newest(workspace))
    assert (verdict.outcome, verdict.failed, databases(lent, "verify%")) == ("verified", [], others)

    argv = [sys.executable, "-m", "tests.faults.worker", "verify", str(made.path / "ops.yaml")]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL) as worker:
        wait_until(lambda: len(databases(lent, "verify%")) > len(others))
        worker.send_signal(signal.SIGKILL)
    assert databases(lent, "verify%") > others
    sweep(workspace)
    assert databases(lent, "verify%") == others

    to = f"{name}_left"
    kill_restore(made, to, lambda: bool(databases(mariadb, to)))
    [left] = leftovers(workspace.config, workspace.places)
    mariadb.sql("create table if not exists orders (id int)", database=to)
    with pytest.raises(SafetyRefusal, match="was not removed"):
        remove(workspace, left)
    mariadb.sql("drop table orders", database=to)
    remove(workspace, left)
    assert (databases(mariadb, to), databases(mariadb, name)) == (set(), {name})


@pytest.mark.parametrize("kind", ["mariadb", "mysqld"])
def test_a_killed_proof_leaves_no_account_behind(
    request: pytest.FixtureRequest, protect: Callable[..., Made], kind: str
) -> None:
    server: TestServer = request.getfixturevalue(kind)
    name = server.new_database()
    server.sql(
        "create table t (id int primary key, v varchar(64))",
        "insert into t values (1, 'a')",
        *["insert into t select id + (select max(id) from t), uuid() from t"] * 16,
        "create definer = nobody_here@localhost view v as select id from t",
        "create definer = known_here@localhost view w as select id from t",
        database=name,
    )
    made = protect(server.url(name), copies=[], **server.source())
    take_backup(made.workspace, "crm")
    with start_server(server.product, (8, 0), server.bin_dirs) as lent:
        lent.sql("create user known_here@localhost")
        workspace = lend(made, lent.url("mysql"))
        before = _accounts(lent)
        assert verify(workspace, newest(workspace)).outcome == "verified"
        assert _accounts(lent) == before
        argv = [sys.executable, "-m", "tests.faults.worker", "verify", str(made.path / "ops.yaml")]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL) as worker:
            wait_until(lambda: len(lent.sql("select 1 from mysql.db where db like 'verify%'")) == 2)
            worker.send_signal(signal.SIGKILL)
        assert _accounts(lent) != before
        sweep(workspace)
        assert _accounts(lent) == before
        assert databases(lent, "verify%") == set()


def test_a_proof_that_is_stopped_at_any_line_drops_its_database_and_accounts(
    mariadb: TestServer, lent: TestServer, protect: Callable[..., Made], tmp_path: Path
) -> None:
    name = mariadb.new_database()
    mariadb.sql(
        "create table t (id int primary key)",
        "create definer = nobody_here@localhost view v as select id from t",
        database=name,
    )
    made = protect(mariadb.url(name), copies=[])
    take_backup(made.workspace, "crm")
    workspace = lend(made, lent.url("mysql"))
    databases_before, accounts_before = databases(lent, "verify%"), _accounts(lent)

    def left() -> list[object]:
        accounts = _accounts(lent)
        return [*(databases(lent, "verify%") - databases_before), *([accounts] * (accounts != accounts_before))]

    files = ["engine.py", "verify_databases.py", "database.py"]
    assert stopped_at_each_line(open_scratch(workspace, tmp_path), files, left, every=EVERY) > 60


def _accounts(server: TestServer) -> list[list[tuple[object, ...]]]:
    """Who has an account, and who has rights on which database."""
    return [
        server.sql("select user, host from mysql.user order by 1, 2"),
        server.sql("select host, db, user from mysql.db order by 1, 2, 3"),
    ]


def test_no_event_runs_in_a_proof_and_nothing_is_left_outside_its_database(
    mariadb: TestServer, lent: TestServer, protect: Callable[..., Made]
) -> None:
    name = mariadb.new_database()
    mariadb.sql(
        "create table t (id int primary key)",
        "insert into t select seq from seq_1_to_500",
        "create event eats on schedule every 1 second do delete from t limit 100",
        "create event writes on schedule every 1 second comment 'it''s' do insert into witness.log values (2)",
        "create event sleeps on schedule every 1 second disable do delete from t",
        "create definer = nobody_here@localhost view v as select id from t",
        database=name,
    )
    made = protect(mariadb.url(name), copies=[], accounts=True)
    take_backup(made.workspace, "crm")
    lent.sql(
        "create database witness",
        "create table witness.log (a int)",
        "create event witness.beats on schedule every 1 second do insert into witness.log values (1)",
        "set global event_scheduler = on",
    )
    accounts = lent.sql("select user, host from mysql.user")
    grants = lent.sql("select host, db, user from mysql.db")
    try:
        wait_until(lambda: bool(lent.sql("select 1 from witness.log where a = 1 limit 1")))
        workspace = lend(made, lent.url("mysql"))
        verdict = verify(workspace, newest(workspace))
        beats = lent.sql("select count(*) from witness.log where a = 1")[0][0]
        wait_until(lambda: lent.sql("select count(*) from witness.log where a = 1")[0][0] > beats)
        foreign = lent.sql("select count(*) from witness.log where a = 2")
    finally:
        lent.sql("set global event_scheduler = off", "drop database witness")
    assert (verdict.outcome, verdict.failed) == ("verified", [])
    assert foreign == [(0,)]
    assert lent.sql("select user, host from mysql.user") == accounts
    assert lent.sql("select host, db, user from mysql.db") == grants
