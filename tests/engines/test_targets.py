"""What is asked of a target before the first byte, and how the database itself comes back."""

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from tests.conftest import Made, MakeWorkspace, TestServer, start_server

_DATABASE = (
    "select pg_get_userbyid(datdba), datconnlimit, datacl::text, shobj_description(oid, 'pg_database')"
    " from pg_database where datname = '{}'"
)


def _backup(made: Made) -> RestorePoint:
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    return point


@pytest.mark.parametrize("to", ["template1", "template0", "postgres", "/etc/foo", "./foo", "~/foo", "../foo"])
def test_a_target_that_nobody_can_mean_is_refused(pg18: TestServer, to: str, make_workspace: MakeWorkspace) -> None:
    name = pg18.new_database()
    pg18.sql("create table t (i int)", database=name)
    made = make_workspace(pg18.url(name), copies=[])
    point = _backup(made)
    before = pg18.sql("select datname from pg_database order by 1")
    for target in [to] if "/" in to else [to, pg18.url(to)]:
        with pytest.raises(SafetyRefusal) as caught:
            restore_to(made.workspace, point, target)
        assert caught.value.exit_status == 3
        assert "ops restore crm --to crm_restored" in caught.value.next
    assert pg18.sql("select datname from pg_database order by 1") == before
    assert pg18.sql("select count(*) from pg_class where relname = 't'", database="template1") == [(0,)]


def test_a_database_called_postgres_can_go_to_the_postgres_of_another_server(
    pg18: TestServer, make_workspace: MakeWorkspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with start_server(18, tmp_path_factory.mktemp("first")) as first:
        first.sql("create table t as select 1 as i")
        point = _backup(made := make_workspace(first.url("postgres"), copies=[]))
    with start_server(18, tmp_path_factory.mktemp("second")) as second:
        restore_to(made.workspace, point, second.url("postgres"))
        assert second.sql("select i from t") == [(1,)]


def test_owner_limit_and_rights_of_the_database_come_back(pg: TestServer, make_workspace: MakeWorkspace) -> None:
    name = pg.new_database()
    pg.sql("drop role if exists app", "create role app")
    pg.sql(
        f"alter database {name} owner to app",
        f"alter database {name} connection limit 20",
        f"revoke all on database {name} from public",
        f"comment on database {name} is 'the shop'",
        "create table t (i int)",
        database=name,
    )
    made = make_workspace(pg.url(name), copies=[])
    point = _backup(made)
    verdict = verify(made.workspace, point)
    assert verdict.outcome == "verified", verdict.reason
    assert restore_to(made.workspace, point, f"{name}_back").good
    assert pg.sql(_DATABASE.format(f"{name}_back")) == pg.sql(_DATABASE.format(name))
    pg.sql(f"drop database {name} with (force)", f"drop database {name}_back with (force)", "drop role app")


def test_an_extension_that_cannot_be_created_is_named_before_the_first_byte(
    pg: TestServer, make_workspace: MakeWorkspace
) -> None:
    name = pg.new_database()
    pg.sql("create extension pg_stat_statements", "create extension hstore", "create table t (i int)", database=name)
    pg.sql("drop role if exists tenant", "create role tenant login createdb createrole password 'tenant secret'")
    made = make_workspace(pg.url(name), copies=[])
    point = _backup(made)
    target = pg.superuser.at(dbname=f"{name}_back", user="tenant", password="tenant secret").url()
    with pytest.raises(OpsError, match="pg_stat_statements may be created by a superuser only") as caught:
        restore_to(made.workspace, point, target)
    assert "CREATE EXTENSION" in caught.value.next
    assert "hstore" not in str(caught.value), "a trusted one may be created by whoever owns the database"
    assert pg.sql(f"select 1 from pg_database where datname = '{name}_back'") == []
    pg.sql(f"create database {name}_back template template0 owner tenant")
    pg.sql("create extension pg_stat_statements", database=f"{name}_back")
    restore_to(made.workspace, point, target)
    assert pg.sql("select count(*) from t", database=f"{name}_back") == [(0,)]
    pg.sql(f"drop database {name}_back with (force)", "drop role tenant")


def test_what_keeps_a_target_from_being_made_is_said_before_the_first_byte(
    pg18: TestServer, make_workspace: MakeWorkspace
) -> None:
    name = pg18.new_database()
    role = f"nobody_{name}"
    pg18.sql(f"create role {role} login password 'x'")
    made = make_workspace(pg18.url(name))
    facts = take_backup(made.workspace, "crm").engine
    engine = made.workspace.config.engine("crm")
    (may_not,) = engine.readiness(pg18.url(f"{name}_back", user=role, password="x"), facts, 0).problems
    assert may_not.what == f"{role} may not create the database {name}_back"
    assert f"ALTER ROLE {role} CREATEDB" in may_not.next
    (too_small,) = engine.readiness(pg18.url(f"{name}_back"), facts, 2**60).problems
    assert too_small.what.startswith("the target's disk is too small: ")
    assert "the data alone needs 1048576.0 TiB" in too_small.why
