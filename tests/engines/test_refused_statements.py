"""What a server refuses of a dump is judged by what it costs: the backup is as good as its source was."""

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.restore import Recovered, restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.verdict import Check
from tests.conftest import PASSWORD, MakeWorkspace, TestServer
from tests.oracle import texts

_MAPPING = f"create user mapping for current_user server far options (user 'boss', password $${PASSWORD}$$)"
_FORMATS = ("custom", "directory", "sql")


def _notable(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.detail for check in checks if not check.passed and check.attention}


def _proved(
    server: TestServer, name: str, make_workspace: MakeWorkspace, **source: object
) -> tuple[dict[str, str], Recovered]:
    """Back up, verify, restore beside; what the verification found notable, and the restore."""
    workspace = make_workspace(server.url(name), copies=[], **source).workspace
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert isinstance(point, RestorePoint)
    verdict = verify(workspace, point)
    assert (verdict.outcome, verdict.failed) == ("verified", []), verdict.reason
    recovered = restore_to(workspace, point, f"{name}_back")
    assert recovered.good, [check for check in recovered.checks if not check.passed]
    return _notable(list(verdict.checks)), recovered


def _difference(server: TestServer, name: str) -> list[str]:
    """The lines by which the restored database's dump differs."""
    there, here = (texts.postgres(server.programs, server.superuser.at(dbname=each)) for each in (name, f"{name}_back"))
    return [line for line in there if line not in here and line.strip()] + [line for line in here if line not in there]


@pytest.mark.parametrize("form", _FORMATS)
@pytest.mark.daily(3)
def test_a_key_that_the_sources_own_rows_violate_is_left_out_and_named(
    pg: TestServer, form: str, make_workspace: MakeWorkspace
) -> None:
    name = pg.new_database()
    pg.sql(
        "create table parents (id int primary key)",
        "create table children (parent int constraint has_parent references parents)",
        "create table others (parent int references parents)",
        "insert into parents values (1)",
        "set session_replication_role = replica; insert into children values (1), (7)",
        f"alter database {name} set work_mem = '7MB'",
        database=name,
    )
    notable, recovered = _proved(pg, name, make_workspace, format=form)
    assert "violate" in notable["source"] and "has_parent" in notable["source"]
    assert "has_parent" in _notable(recovered.checks)["source"]
    assert all("has_parent" in line or line == "ALTER TABLE ONLY public.children" or "Name: children" in line
               for line in _difference(pg, name)), _difference(pg, name)  # fmt: skip
    assert pg.sql("show work_mem", database=f"{name}_back") == [("7MB",)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_rows_that_a_check_refuses_come_back_before_it(
    pg: TestServer, jobs: int, make_workspace: MakeWorkspace
) -> None:
    name = pg.new_database()
    pg.sql(
        "create table zones (name text primary key)",
        "create function known(text) returns boolean language sql stable as"
        " 'select exists (select from public.zones where name = $1)'",
        "create function small(int) returns boolean language sql immutable as 'select $1 < 100'",
        "create table clients (id int primary key, zone text constraint in_zone check (known(zone)))",
        "comment on constraint in_zone on clients is 'it looks elsewhere'",
        "create table items (n int constraint is_small check (small(n)), made int constraint old check (made > 0))",
        "create table more (x int) inherits (items)",
        "create table visits (client int references clients)",
        "create function never() returns trigger language plpgsql as $$ begin raise 'fired'; end $$",
        "insert into zones values ('a')",
        "insert into clients values (1, 'a')",
        "insert into visits values (1)",
        "insert into items values (1, 1), (99, 1)",
        "insert into more values (98, 1, 1)",
        "create trigger never before insert on clients for each row execute function never()",
        "create or replace function small(int) returns boolean language sql immutable as 'select $1 < 10'",
        database=name,
    )
    notable, recovered = _proved(pg, name, make_workspace, jobs=jobs)
    for told in (notable["checks"], _notable(recovered.checks)["checks"]):
        assert "clients.in_zone" in told and "NOT VALID now: public.items.is_small;" in told
        assert "--section=pre-data" in told
    changed = [line for line in _difference(pg, name) if "is_small" not in line]
    assert changed == ["ALTER TABLE public.items"], "what nobody violates is as it was"
    assert pg.sql("select n from items order by n", database=f"{name}_back") == [(1,), (98,), (99,)]


def test_rows_that_a_check_refuses_in_a_script_condemn_it_with_the_way_out(
    pg18: TestServer, make_workspace: MakeWorkspace
) -> None:
    name = pg18.new_database()
    pg18.sql(
        "create function small(int) returns boolean language sql immutable as 'select $1 < 100'",
        "create table items (n int check (small(n)))",
        "insert into items values (99)",
        "create or replace function small(int) returns boolean language sql immutable as 'select $1 < 10'",
        database=name,
    )
    workspace = make_workspace(pg18.url(name), copies=[], format="sql").workspace
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert isinstance(point, RestorePoint)
    verdict = verify(workspace, point)
    assert verdict.outcome == "bad" and "format custom or directory" in verdict.reason


def test_a_view_over_a_server_that_cannot_be_reached_is_left_without_rows(
    pg: TestServer, make_workspace: MakeWorkspace
) -> None:
    if not pg.sql("select 1 from pg_available_extensions where name = 'postgres_fdw'"):
        pytest.skip("this server has no postgres_fdw")
    name, far = pg.new_database(), pg.new_database()
    pg.sql("create table readings (v int)", "insert into readings values (1), (2)", database=far)
    at = f"host '127.0.0.1', port '{pg.port}', dbname '{far}'"
    pg.sql(
        "create extension postgres_fdw",
        f"create server far foreign data wrapper postgres_fdw options ({at})",
        _MAPPING,
        "create foreign table readings (v int) server far",
        "create materialized view latest as select * from readings",
        "create table own as select 1 as a",
        f"alter database {name} set work_mem = '7MB'",
        database=name,
    )
    pg.sql(f"drop database {far}")
    notable, recovered = _proved(pg, name, make_workspace)
    assert "latest" in notable["materialized views"]
    assert "latest" in _notable(recovered.checks)["materialized views"]
    assert pg.sql("select a from own", database=f"{name}_back") == [(1,)]
    assert pg.sql("show work_mem", database=f"{name}_back") == [("7MB",)], "settings come, whatever was refused"
    assert all("latest" in line for line in _difference(pg, name)), "nothing but the REFRESH of it"


def test_a_scratch_server_never_dials_out(pg: TestServer, make_workspace: MakeWorkspace) -> None:
    if not pg.sql("select 1 from pg_available_extensions where name = 'postgres_fdw'"):
        pytest.skip("this server has no postgres_fdw")
    name, far = pg.new_database(), pg.new_database()
    pg.sql("create table calls (v int)", database=far)
    at = f"host '127.0.0.1', port '{pg.port}', dbname '{far}'"
    pg.sql(
        "create extension postgres_fdw",
        f"create server far foreign data wrapper postgres_fdw options ({at})",
        _MAPPING,
        "create foreign table calls (v int) server far",
        "create function called() returns int language sql as 'insert into public.calls values (1) returning v'",
        "create materialized view calling as select called()",
        database=name,
    )
    before = pg.sql("select count(*) from calls", database=far)
    workspace = make_workspace(pg.url(name), copies=[]).workspace
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    verdict = verify(workspace, point)
    assert verdict.outcome == "verified", verdict.reason
    assert pg.sql("select count(*) from calls", database=far) == before


def test_privileges_that_an_extension_refuses_are_a_named_difference(
    pg_debian: TestServer, make_workspace: MakeWorkspace
) -> None:
    if not pg_debian.sql("select 1 from pg_available_extensions where name = 'periods'"):
        pytest.skip("this server has no periods")
    name = pg_debian.new_database()
    pg_debian.sql(
        "create extension periods cascade",
        "create table emp (id int primary key, name text)",
        "select periods.add_system_time_period('emp')",
        "select periods.add_system_versioning('emp')",
        "insert into emp values (1, 'a'), (2, 'b')",
        "update emp set name = 'c' where id = 1",
        database=name,
    )
    notable, recovered = _proved(pg_debian, name, make_workspace)
    assert "emp_history" in notable["privileges"]
    assert "emp_history" in _notable(recovered.checks)["privileges"]
    assert all("emp_" in line for line in _difference(pg_debian, name)), _difference(pg_debian, name)
