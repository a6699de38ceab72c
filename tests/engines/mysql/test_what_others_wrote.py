"""Databases and accounts as others have them: backed up and proved, or refused by the name of what is in the way."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ops_pipelines.backup.adopt import adopt, look
from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.mysql import clients
from ops_pipelines.engines.mysql.connection import options_for_programs
from ops_pipelines.errors import OpsError, SourceError
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.verdict import Verdict
from tests.conftest import Made, MakeWorkspace
from tests.engines.mysql.conftest import TestServer, free_port, start_server
from tests.oracle import texts
from tests.oracle.rounds import mysql_round
from tests.servers import newer

Protect = Callable[..., Made]


def proved(made: Made) -> tuple[RestorePoint, Verdict]:
    """Back up, and verify."""
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    return point, verify(made.workspace, point)


def failed(verdict: Verdict) -> list[str]:
    """What a verdict holds against a backup."""
    return [f"{check.name}: {check.detail}" for check in verdict.checks if not check.passed]


def comes_back(server: TestServer, made: Made, point: RestorePoint, name: str) -> str:
    """Restore beside the source; how the restored database differs from it by the dump client's text."""
    beside = f"{name}_back"
    restored = restore_to(made.workspace, point, beside)
    assert [check.detail for check in restored.checks if not check.passed and not check.attention] == []
    return texts.mysql_difference(server.root.at(name), server.root.at(beside), server.bin_dirs)


@pytest.mark.parametrize(
    "collation", ["utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin", "latin1_general_ci", "utf8mb3_bin"]
)
@pytest.mark.daily(2)
def test_a_collation_that_reads_differently_after_a_reload_is_the_same(
    mysqld: TestServer, make_workspace: MakeWorkspace, collation: str
) -> None:
    name = mysqld.new_database(options=f"collate {collation}")
    mysqld.sql(
        "create table t (a varchar(5), b text, c varchar(5) collate utf8mb4_bin, key (a))",
        "insert into t values ('a', 'b', 'c')",
        "create view v as select a, upper(b) as b from t where c = 'c'",
        database=name,
    )
    mysql_round(mysqld, name, make_workspace)


def test_a_column_that_counts_no_longer_is_no_counter(any_server: TestServer, make_workspace: MakeWorkspace) -> None:
    name = any_server.new_database()
    any_server.sql(
        "create table t (id int primary key auto_increment) auto_increment = 77",
        "alter table t modify id int",
        "create table u (id int primary key) auto_increment = 78",
        "create table v (id int primary key auto_increment) auto_increment = 79",
        database=name,
    )
    mysql_round(any_server, name, make_workspace)


@pytest.mark.parametrize("product", [clients.MARIADB, clients.MYSQL])
@pytest.mark.daily(1)
def test_names_that_a_server_folds_are_folded_in_the_proof(make_workspace: MakeWorkspace, product: str) -> None:
    where = ((10, 3), ()) if product == clients.MARIADB else ((8, 0), newer.bin_dirs("mysql", "mysqld"))
    with start_server(product, *where, lower_case_table_names="1") as server:
        name = server.new_database()
        server.sql(
            "create table Parents (Id int primary key)",
            "create table Children (Id int, foreign key (Id) references PARENTS (ID))",
            "insert into parents values (1)",
            "insert into CHILDREN values (1)",
            "create view Both_Of_Them as select p.Id from PARENTS p join children C on C.id = P.ID",
            "create procedure Read_Them() select * from CHILDREN",
            database=name,
        )
        settings = mysql_round(server, name, make_workspace).manifest.engine["settings"]
        assert isinstance(settings, dict) and settings["lower_case_table_names"] == "1"


def test_events_whose_moment_has_passed_are_told_and_condemn_nothing(any_server: TestServer, protect: Protect) -> None:
    name = any_server.new_database()
    [(scheduler,)] = any_server.sql("select @@global.event_scheduler")
    any_server.sql(
        "set global event_scheduler = off",
        "set timestamp = unix_timestamp('2026-01-01')",  # a server makes none for a moment that has passed
        "create event once on schedule at '2026-02-01 00:00:00' do select 1",
        "create event kept on schedule at '2026-02-01 00:00:00' on completion preserve do select 1",
        "create event later on schedule at '2037-02-01 00:00:00' do select 1",
        "create event daily on schedule every 1 day do select 1",
        database=name,
    )
    try:
        made = protect(any_server.url(name), **any_server.source())
        point, verdict = proved(made)
        restored = restore_to(made.workspace, point, f"{name}_back")
    finally:
        any_server.sql(f"set global event_scheduler = {scheduler}", f"drop database {name}")
    assert (verdict.outcome, failed(verdict)[1:]) == ("verified", [])
    for checks in (verdict.checks, restored.checks):
        (told,) = [check for check in checks if not check.passed]
        assert told.attention and "dropped after it: once; disabled: kept" in told.detail
    here = any_server.sql("select event_name, status from information_schema.events where event_schema = %s"
                          " order by 1", parameters=[f"{name}_back"])  # fmt: skip
    assert here == [("daily", "ENABLED"), ("kept", "DISABLED"), ("later", "ENABLED")]


def test_json_that_no_dump_can_carry_is_told_and_condemns_nothing(mysqld: TestServer, protect: Protect) -> None:
    name = mysqld.new_database()
    mysqld.sql(
        "create table t (id int primary key, j json)",
        "insert into t values (1, json_object('price', cast(1.50 as decimal(10,2)))), (2, '{\"price\": 1.5}')",
        "insert into t values (3, cast(cast('2026-01-02 03:04:05' as datetime) as json)), (4, null)",
        database=name,
    )
    point, verdict = proved(protect(mysqld.url(name), **mysqld.source()))
    assert (verdict.outcome, failed(verdict)) == ("verified", [])
    assert any("1 rows of t hold JSON" in each for each in point.manifest.warnings), point.manifest.warnings


def test_line_ends_within_a_routine_stay_as_they_were(any_server: TestServer, protect: Protect) -> None:
    name = any_server.new_database()
    any_server.sql(
        "create procedure dos()\r\nbegin\r\n  select 'a\\r\\n', \"b\r\nc\";\r\nend",
        "create table t (a int) comment 'one\r\ntwo'",
        database=name,
    )
    made = protect(any_server.url(name), **any_server.source())
    point, verdict = proved(made)
    assert (verdict.outcome, failed(verdict), verdict.gaps) == ("verified", [], [])
    restore_to(made.workspace, point, f"{name}_back")
    body = (
        "select routine_definition from information_schema.routines where routine_name = 'dos' and routine_schema = %s"
    )
    assert any_server.sql(body, parameters=[f"{name}_back"]) == any_server.sql(body, parameters=[name])


def test_json_that_came_back_as_another_value_is_found(mysqld: TestServer, protect: Protect) -> None:
    name = mysqld.new_database()
    mysqld.sql("create table t (j json)", "insert into t values ('{\"price\": 1.5}')", database=name)
    made = protect(mysqld.url(name), **mysqld.source())
    engine = made.workspace.config.engine("crm")
    before = engine.contents(mysqld.url(name), "full").tables
    mysqld.sql("update t set j = '{\"price\": 1.6}'", database=name)
    assert engine.contents(mysqld.url(name), "full").tables != before


def test_a_table_that_the_account_may_not_read_is_refused_by_name_with_the_grant(
    any_server: TestServer, protect: Protect
) -> None:
    name = any_server.new_database()
    any_server.sql(
        "create table open_one (a int)", "create table shut_one (a int)", "insert into shut_one values (1)",
        database=name,
    )  # fmt: skip
    account = any_server.account(f"show view, trigger, event on {name}.*", f"select on {name}.open_one")
    made = protect(account.at(name).url(), **any_server.source())
    with pytest.raises(SourceError, match="shut_one") as caught:
        take_backup(made.workspace, "crm")
    assert f"GRANT SELECT ON `{name}`.*" in caught.value.next
    assert not made.workspace.catalogue("crm").points


def test_a_table_that_the_account_does_not_even_see_is_refused_where_it_can_be_known_and_else_a_gap(
    any_server: TestServer, protect: Protect
) -> None:
    name = any_server.new_database()
    any_server.sql("create table open_one (a int)", "create table `hid den` (a int)", database=name)
    account = any_server.account(f"select, trigger on {name}.open_one", f"event on {name}.*")
    # A right on the database would list the table; MySQL asks for EVENT, so take it away where it does that.
    any_server.sql(f"revoke event on {name}.* from {account.user}@localhost")
    made = protect(account.at(name).url(), **any_server.source())
    with pytest.raises(OpsError):
        take_backup(made.workspace, "crm")  # EVENT is missing: the dump client says so itself
    any_server.sql(f"grant process on *.* to {account.user}@localhost")
    with pytest.raises(OpsError, match="hid den"):
        take_backup(made.workspace, "crm")


def test_a_broken_view_is_named_and_everything_else_is_backed_up(any_server: TestServer, protect: Protect) -> None:
    name = any_server.new_database()
    any_server.sql(
        "create table t (a int primary key)",
        "insert into t values (1)",
        "create table gone (a int)",
        "create view fine as select a from t",
        "create view ghostly as select a from gone",
        "create view upon_it as select a from ghostly",
        "drop table gone",
        database=name,
    )
    made = protect(any_server.url(name), **any_server.source())
    _point, verdict = proved(made)
    assert (verdict.outcome, failed(verdict)) == ("verified", [])
    assert sorted(gap.what for gap in verdict.gaps) == ["view ghostly", "view upon_it"]
    assert all("invalid table" in gap.why and "DROP VIEW" in gap.cure for gap in verdict.gaps)


def test_a_foreign_key_whose_table_is_gone_is_named_and_the_backup_proved(
    any_server: TestServer, protect: Protect
) -> None:
    name = any_server.new_database()
    any_server.sql(
        "create table parent (id int primary key)",
        "create table child (id int, constraint to_parent foreign key (id) references parent (id))",
        "insert into parent values (1)",
        "insert into child values (1)",
        "set foreign_key_checks = 0",
        "drop table parent",
        database=name,
    )
    made = protect(any_server.url(name), **any_server.source())
    point, verdict = proved(made)
    assert verdict.outcome == "verified", verdict.checks
    assert any("child.to_parent: there is no table parent" in check.detail for check in verdict.notable)
    assert comes_back(any_server, made, point, name) == ""


@pytest.mark.parametrize("kind", ["mariadb", "mariadb11"])
def test_rows_that_a_check_of_their_own_refuses_come_back_and_are_told(
    request: pytest.FixtureRequest, protect: Protect, kind: str
) -> None:
    server: TestServer = request.getfixturevalue(kind)
    name = server.new_database()
    server.sql(
        "create table t (id int primary key, a int, constraint positive check (a > 0))",
        "set check_constraint_checks = 0",
        "insert into t values (1, 1), (2, -2)",
        "create procedure p() select 1",
        "create trigger g before insert on t for each row set new.a = new.a",
        "create view v as select a from t",
        "create sequence s",
        "create event e on schedule every 1 day do select 1",
        database=name,
    )
    made = protect(server.url(name), **server.source())
    point, verdict = proved(made)
    assert verdict.outcome == "verified", verdict.reason
    (told,) = verdict.notable
    assert "`positive` failed for" in told.detail and "check_constraint_checks = 0" in told.detail
    assert comes_back(server, made, point, name) == ""
    server.sql(f"drop database {name}", f"drop database {name}_back")


def test_versions_that_are_counted_by_transaction_are_backed_up_without_their_history_and_that_is_said(
    mariadb: TestServer, protect: Protect
) -> None:
    name = mariadb.new_database()
    mariadb.sql(
        "create table t (id int primary key, v int, s bigint unsigned generated always as row start,"
        " e bigint unsigned generated always as row end, period for system_time (s, e)) with system versioning",
        "insert into t (id, v) values (1, 1)",
        "update t set v = 2",
        database=name,
    )
    point, verdict = proved(protect(mariadb.url(name)))
    assert (verdict.outcome, failed(verdict)) == ("verified", [])
    assert any("history" in each and " t " in each for each in point.manifest.warnings), point.manifest.warnings


@pytest.mark.parametrize("rule", ["sql_require_primary_key", "sql_generate_invisible_primary_key"])
def test_a_server_that_wants_primary_keys_takes_a_restore_or_says_before_it_that_it_does_not(
    mysqld: TestServer, protect: Protect, rule: str
) -> None:
    name = mysqld.new_database()
    mysqld.sql("create table keyless (a int)", "insert into keyless values (1), (1)", database=name)
    made = protect(mysqld.url(name), **mysqld.source())
    point, verdict = proved(made)
    assert verdict.outcome == "verified"
    account = mysqld.account("all on `%`.*", "create user on *.*")
    mysqld.sql(f"set global {rule} = on")
    try:
        assert comes_back(mysqld, made, point, name) == ""
        ready = made.workspace.config.engine("crm").readiness(account.at(f"{name}_2").url(), point.manifest.engine, 1)
    finally:
        mysqld.sql(f"set global {rule} = off")
    (problem,) = ready.problems
    assert rule in problem.what and "keyless" in problem.why and "SESSION_VARIABLES_ADMIN" in problem.next


def dumped(server: TestServer, name: str, path: Path, *options: str) -> Path:
    """A dump as people make them, by the server's own client."""
    program = clients.for_dump(server.product, (8, 0), server.bin_dirs)
    with options_for_programs(server.root) as login, path.open("wb") as written:
        subprocess.run([program.path, login, *options, name], stdout=written, check=True)
    return path


def test_an_old_dump_of_a_server_with_gtids_is_restored_on_that_server(
    mysqld: TestServer, protect: Protect, tmp_path: Path
) -> None:
    assert mysqld.sql("select @@gtid_mode") == [("ON",)]
    name = mysqld.new_database()
    mysqld.sql("create table t (v varchar(40))", "insert into t values ('one')", database=name)
    path = dumped(mysqld, name, tmp_path / "full-20260203-0415.sql", "--routines", "--events")
    assert b"GTID_PURGED" in path.read_bytes()
    made = protect(mysqld.url(name), **mysqld.source())
    (candidate,) = look(made.workspace, "crm", path)
    manifest = adopt(made.workspace, "crm", candidate)
    point = made.workspace.catalogue("crm").find(manifest.id)
    assert point is not None
    assert verify(made.workspace, point).outcome == "verified"
    done = mysqld.sql("select @@global.gtid_purged")
    assert comes_back(mysqld, made, point, name) == ""
    assert mysqld.sql("select @@global.gtid_purged") == done


def test_an_old_dump_of_another_database_is_refused_until_it_is_said_that_it_is_meant(
    any_server: TestServer, protect: Protect, tmp_path: Path
) -> None:
    name, other = any_server.new_database(), any_server.new_database()
    any_server.sql("create table t (v varchar(40))", "insert into t values ('one')", database=other)
    path = dumped(any_server, other, tmp_path / "full-20260203-0415.sql")
    workspace = protect(any_server.url(name), **any_server.source()).workspace
    (candidate,) = look(workspace, "crm", path)
    assert f"database {other}" in candidate.refused and name in candidate.refused
    (meant,) = look(workspace, "crm", path, other_database=True)
    assert not meant.refused
    assert adopt(workspace, "crm", meant).engine["database"] == other


def test_accounts_roles_and_proxies_come_back_whatever_the_sql_mode(any_server: TestServer, protect: Protect) -> None:
    name = any_server.new_database()
    any_server.sql("create table t (a int)", database=name)
    of = "for" if any_server.product == clients.MARIADB else "to"
    any_server.sql(
        "drop role if exists zz_role", "create role zz_role", "grant select on *.* to zz_role",
        "create user if not exists `a'pp\\\\x`@localhost identified by 'it''s \\\\ secret'",
        "grant zz_role to `a'pp\\\\x`@localhost",
        f"set default role zz_role {of} `a'pp\\\\x`@localhost",
    )  # fmt: skip
    [(mode,)] = any_server.sql("select @@global.sql_mode")
    any_server.sql("set global sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'")
    try:
        _point, verdict = proved(protect(any_server.url(name), **any_server.source(accounts=True)))
    finally:
        any_server.sql("set global sql_mode = %s", parameters=[mode])
    assert (verdict.outcome, failed(verdict), verdict.warnings) == ("verified", [], [])


@pytest.mark.parametrize("tls", [True, False])
def test_caching_sha2_password_is_served_over_the_network(tmp_path: Path, protect: Protect, tls: bool) -> None:
    """It wants TLS, or the server's public key, where there is no socket."""
    with start_server(clients.MYSQL, (8, 0), newer.bin_dirs("mysql", "mysqld"), port=free_port()) as server:
        name = server.new_database()
        server.sql(
            "create table t (a int)",
            "create user app@'127.0.0.1' identified with caching_sha2_password by 'a secret'",
            f"grant all on {name}.* to app@'127.0.0.1'",
            "grant reload, process, show_routine on *.* to app@'127.0.0.1'",
            database=name,
        )
        options = f"?ssl-mode={'REQUIRED' if tls else 'DISABLED'}"
        url = f"mysql://app:a%20secret@127.0.0.1:{server.root.port}/{name}{options}"
        point, verdict = proved(protect(url, **server.source()))
        assert (verdict.outcome, verdict.gaps) == ("verified", [])
        assert point.manifest.contents.tables == 1
