"""A proof leaves no trace: nothing of it fires a target's event triggers, and a user's target is only read."""

from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from tests.conftest import MakeWorkspace, TestServer
from tests.oracle import texts

_AUDITED = (
    "create table audit (what text)",
    """create function noted() returns event_trigger language plpgsql as $$ begin
         insert into public.audit values (tg_event || ' ' || tg_tag); end $$""",
    """create function refused() returns event_trigger language plpgsql as $$ begin
         raise exception 'nothing is dropped here'; end $$""",
    "create table stock (id int primary key, n int)",
    "insert into stock select i, i from generate_series(1, 100) i",
    "create materialized view plenty as select * from stock where n > 50",
    "create event trigger noting on ddl_command_end execute function noted()",
    "create event trigger noting_drops on sql_drop execute function noted()",
    "create event trigger refusing on sql_drop execute function refused()",
    "alter event trigger noting enable always",
    "comment on event trigger refusing is 'nobody drops'",
)


def test_event_triggers_see_nothing_of_a_restore_and_its_proof(pg: TestServer, make_workspace: MakeWorkspace) -> None:
    for form in ("custom", "directory") if pg.major < 17 else ("custom", "directory", "sql"):
        name = pg.new_database()
        pg.sql(*_AUDITED, f"alter database {name} set work_mem = '7MB'", "drop schema if exists nothing", database=name)
        workspace = make_workspace(pg.url(name), copies=[], format=form, directory=f"ops_{form}").workspace
        take_backup(workspace, "crm")
        point = workspace.catalogue("crm").newest
        assert point is not None
        verdict = verify(workspace, point)
        assert verdict.outcome == "verified", verdict.reason
        [amcheck] = [check for check in verdict.checks if check.name == "amcheck"]
        assert "B-trees have every row" in amcheck.detail, "a scratch server is looked at closely all the same"
        recovered = restore_to(workspace, point, f"{name}_back")
        assert recovered.good, recovered.checks
        there, here = (pg.superuser.at(dbname=each) for each in (name, f"{name}_back"))
        assert texts.postgres_difference(pg.programs, there, here) == ""


def test_an_amcheck_that_the_database_has_is_used_in_a_users_target(
    pg: TestServer, make_workspace: MakeWorkspace
) -> None:
    name = pg.new_database()
    pg.sql("create extension amcheck", "create table t (id int primary key)", database=name)
    workspace = make_workspace(pg.url(name), copies=[]).workspace
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    recovered = restore_to(workspace, point, f"{name}_back")
    [amcheck] = [check for check in recovered.checks if check.name == "amcheck"]
    assert amcheck.detail == "1 B-trees have every row of their tables"
