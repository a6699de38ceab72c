"""Private servers: started again, in deep directories, killed in the middle; and what a broken table looks like."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.mysql import assertions, clients, definitions
from ops_pipelines.engines.mysql.connection import session
from ops_pipelines.engines.mysql.server import private_server
from ops_pipelines.errors import SourceError
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.sweeping import sweep
from tests.conftest import Made
from tests.engines.mysql.conftest import TestServer, wait_until

Protect = Callable[..., Made]
REPOSITORY = Path(__file__).parents[3]
LIMIT = timedelta(minutes=1)


def test_a_server_starts_again_over_its_data_and_in_a_deep_directory() -> None:
    program = clients.for_server(clients.MARIADB, (10, 3))
    with TemporaryDirectory(prefix="ops-deep-") as top:
        directory = Path(top) / ("d" * 60) / ("e" * 60)
        directory.mkdir(parents=True, mode=0o700)
        for password in ("first pass'word", 'second "pass\\word'):
            with private_server(program, directory, user="boss", password=password) as server:
                assert len(str(directory)) > 107 > len(server.socket) > 0, "by a short name, and not by a port"
                with session(server, limit=LIMIT) as opened:
                    opened.rows("create database if not exists kept")
                    opened.rows("create table if not exists kept.t (a int)")
                    opened.rows("insert into kept.t values (1)")
                    rows = opened.value("select count(*) from kept.t")
                    logins = opened.rows("select distinct user from mysql.user where user not like 'mariadb.%'")
            assert not (directory / "login.sql").exists()
    assert (rows, logins) == (2, [("boss",)])


@pytest.mark.parametrize(("engine", "suffix"), [("MyISAM", "MYI"), ("MyISAM", "MYD"), ("Aria", "MAD")])
def test_a_table_whose_file_is_broken_is_found(mariadb: TestServer, engine: str, suffix: str) -> None:
    name = mariadb.new_database()
    mariadb.sql(
        f"create table t (id int primary key, v varchar(200)) engine = {engine}",
        "insert into t select seq, repeat(md5(seq), 3) from seq_1_to_5000",
        "flush tables",
        database=name,
    )
    with session(mariadb.root.at(name), limit=LIMIT) as opened:
        whole = [finding.passed for finding in assertions.assertions(opened, definitions.read_tables(opened))]
        opened.rows("flush tables")
        with (mariadb.directory / "data" / name / f"t.{suffix}").open("r+b") as file:
            file.seek(20_000)
            file.write(bytes(8_000))
        opened.rows("flush tables")
        found = next(iter(assertions.assertions(opened, definitions.read_tables(opened))))
    assert whole == [True, True]
    assert not found.passed and found.detail.startswith("t: "), found
    mariadb.sql(f"drop database {name}")


def of_house(made: Made) -> list[str]:
    """Processes that have anything to do with a workspace."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(str(made.path / "base") in word for word in words):
            found.append(words[0])
    return found


@pytest.mark.parametrize("moment", ["mariadb-install-db", "--init-file", "--force"], ids=["install", "start", "load"])
@pytest.mark.daily(1)
def test_a_killed_verification_leaves_nothing_after_the_next_start(
    mariadb: TestServer, protect: Protect, moment: str
) -> None:
    name = mariadb.new_database()
    mariadb.sql(
        "create table big (id int primary key, a char(200))",
        "insert into big select seq, md5(seq) from seq_1_to_100000",
        database=name,
    )
    made = protect(mariadb.url(name), copies=[])
    take_backup(made.workspace, "crm")
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.worker", "verify", made.path / "ops.yaml"],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def reached() -> bool:
        for process in psutil.Process(worker.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # a zombie is one, too
                if moment in " ".join(process.cmdline()):
                    return True
        return False

    wait_until(reached)
    worker.kill()
    worker.wait()
    wait_until(lambda: not of_house(made))
    sweep(made.workspace)
    assert not [path for path in made.workspace.places.scratch.iterdir() if path.is_dir()]
    assert not list(made.path.rglob("*.sql"))
    assert [row.status for row in made.workspace.ledger.recent(kind="verify")] == ["failed"]
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    assert verify(made.workspace, point).outcome == "verified"


@pytest.mark.parametrize("name", ["it's", 'quo"te', "back\\slash", "per%cent_", "tick`"])
@pytest.mark.daily(3)
def test_a_database_of_an_odd_name_comes_back_or_is_refused_with_the_cause(
    mariadb: TestServer, protect: Protect, name: str
) -> None:
    mariadb.new_database(name)
    try:
        mariadb.sql(
            "create table t (a int)",
            "insert into t values (1)",
            "create function two() returns int deterministic return 2",
            "create trigger g before insert on t for each row set new.a = new.a + 1",
            "create view v as select a from t",
            database=name,
        )
        workspace = protect(mariadb.url(name), copies=[]).workspace
        take_backup(workspace, "crm")
        point = workspace.catalogue("crm").newest
        assert point is not None
        assert verify(workspace, point).outcome == "verified"
        restored = restore_to(workspace, point, f"{name} 2")
        assert all(check.passed for check in restored.checks)
        mariadb.sql("create event e on schedule every 1 day do select 1", database=name)
        if set(name) & set("'\"\\"):
            with pytest.raises(SourceError, match="cannot be dumped with its 1 events") as caught:
                take_backup(workspace, "crm")
            assert "quote or a backslash" in caught.value.why
        else:
            take_backup(workspace, "crm")
    finally:
        for each in (name, f"{name} 2"):
            mariadb.sql("drop database if exists `" + each.replace("`", "``") + "`")
