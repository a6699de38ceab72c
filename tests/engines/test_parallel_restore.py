"""A restore by several sessions gives what one session gives, or is repeated by one."""

from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from tests.conftest import Made, MakeWorkspace, TestServer
from tests.oracle import texts

# Old rows violate a check of the parent that was never made valid: loaded beside it, they are refused.
_NOT_VALID = """
create table big as select i, repeat('x', 100) as t from generate_series(1, 60000) i;
create table parts (id int, v int) partition by range (id);
create table parts_1 partition of parts for values from (0) to (1000);
create table parts_2 partition of parts for values from (1000) to (100000);
insert into parts select i, -1 from generate_series(1, 5000) i;
alter table parts add constraint positive check (v > 0) not valid;
"""
# Tables of an extension whose rows are dumped, with foreign keys between them.
_QUEUES = "create extension pgq; select pgq.create_queue('q1'); select pgq.register_consumer('q1', 'c1');"


def _backup(made: Made) -> RestorePoint:
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    return point


def _made_from(server: TestServer, sql: str, make_workspace: MakeWorkspace, tmp_path: Path) -> tuple[Made, str]:
    name = server.new_database()
    (tmp_path / "made.sql").write_text(sql, encoding="utf-8")
    server.psql(name, f"--file={tmp_path / 'made.sql'}")
    return make_workspace(server.url(name), copies=[]), name


@pytest.mark.parametrize("sql", [_NOT_VALID, _QUEUES], ids=["not valid", "extension's keys"])
def test_what_only_one_session_can_load_is_verified_and_restored(
    pg: TestServer, sql: str, make_workspace: MakeWorkspace, tmp_path: Path
) -> None:
    if sql == _QUEUES and not pg.sql("select 1 from pg_available_extensions where name = 'pgq'"):
        pytest.skip("this server has no pgq")
    made, name = _made_from(pg, sql, make_workspace, tmp_path)
    point = _backup(made)
    verdict = verify(made.workspace, point)
    assert (verdict.outcome, verdict.failed) == ("verified", []), verdict.reason
    pg.new_database(f"{name}_empty")
    for target in (f"{name}_new", f"{name}_empty"):
        assert restore_to(made.workspace, point, target).good
        there, here = (pg.superuser.at(dbname=each) for each in (name, target))
        assert texts.postgres_difference(pg.programs, there, here) == ""


def test_a_database_that_was_there_before_is_never_dropped(
    pg: TestServer, make_workspace: MakeWorkspace, tmp_path: Path
) -> None:
    made, name = _made_from(pg, _NOT_VALID, make_workspace, tmp_path)
    target = pg.new_database(f"{name}_theirs")
    identity = f"select oid from pg_database where datname = '{target}'"
    before = pg.sql(identity)
    assert restore_to(made.workspace, _backup(made), target).good
    assert pg.sql(identity) == before


def test_commands_for_humans_use_one_session(pg18: TestServer, make_workspace: MakeWorkspace, tmp_path: Path) -> None:
    made, _name = _made_from(pg18, "create table t (i int)", make_workspace, tmp_path)
    [command] = [line for line in _backup(made).manifest.restore_by_hand if line.startswith("pg_restore ")]
    assert "-j" not in command
