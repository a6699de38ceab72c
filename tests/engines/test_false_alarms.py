"""Healthy databases that a stricter look than the dump's own would call bad: each is verified."""

from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.verify import verify
from tests.conftest import MakeWorkspace, TestServer


def test_what_a_server_notes_on_columns_for_itself_condemns_nothing(
    pg: TestServer, make_workspace: MakeWorkspace
) -> None:
    """PostgreSQL 15.20 and 17.12 keep a `pg_attver` among the options of every column, and dump none."""
    name = pg.new_database()
    pg.sql(
        "create table places (id int primary key, city text)",
        "alter table places alter column city set (n_distinct = 7)",
        "insert into places values (1, 'Brno')",
        database=name,
    )
    workspace = make_workspace(pg.url(name), copies=[]).workspace
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    verdict = verify(workspace, point)
    assert verdict.outcome == "verified", verdict.reason
