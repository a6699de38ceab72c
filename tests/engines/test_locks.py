"""What migrations do while a backup begins: its rows are there, or it says who stood in the way."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.postgres.connection import Session, session
from ops_pipelines.errors import SourceError
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from tests.conftest import Made, MakeWorkspace, TestServer
from tests.oracle import texts

_MINUTE = timedelta(minutes=1)
_WAITING = """
select count(*) from pg_stat_activity where datname = %s and wait_event_type = 'Lock' and query ilike %s
"""


@pytest.fixture
def shop(pg: TestServer) -> str:
    """A database with 5,000 rows."""
    name = pg.new_database()
    pg.sql(
        "create table big (id serial primary key, c varchar(20))",
        "insert into big (c) select 'row ' || i from generate_series(1, 5000) i",
        "create view seen as select c from big",
        database=name,
    )
    return name


@contextmanager
def _migration(pg: TestServer, database: str, *statements: str) -> Iterator[Session]:
    """Statements in a transaction that stays open."""
    with session(
        pg.superuser.at(dbname=database, application_name="migration"), limit=_MINUTE, settings=False
    ) as opened:
        for statement in ("begin", *statements):
            opened.rows(statement)
        yield opened


def _await_waiting(pg: TestServer, database: str, query: str) -> None:
    with session(pg.superuser, limit=_MINUTE) as opened:
        while not opened.value(_WAITING, [database, query]):
            pass


def _assert_all_there(pg: TestServer, made: Made, database: str, rows: int) -> None:
    point = made.workspace.catalogue("crm").points[0]
    assert point.manifest.contents.rows == rows
    verdict = verify(made.workspace, point)
    assert (verdict.outcome, verdict.reason) == ("verified", verdict.reason)
    restore_to(made.workspace, point, f"{database}_back")
    at = pg.superuser
    assert texts.postgres_difference(pg.programs, at.at(dbname=database), at.at(dbname=f"{database}_back")) == ""


REWRITES = {
    "a column gets another type": ("drop view seen", "alter table big alter c type text"),
    "a table is emptied and filled": (
        "truncate big",
        "insert into big select i, 'new' from generate_series(1, 5000) i",
    ),
    "a table is swapped": (
        "create table fresh (like big including all)",
        "insert into fresh select id, 'fresh' from big",
        "drop table big cascade",
        "alter table fresh rename to big",
    ),
}


@pytest.mark.parametrize("form", ["custom", "directory"])
@pytest.mark.parametrize("rewrite", REWRITES)
@pytest.mark.daily(5)
def test_a_migration_that_commits_while_the_backup_begins_costs_no_row(
    rewrite: str, form: str, pg: TestServer, shop: str, make_workspace: MakeWorkspace
) -> None:
    made = make_workspace(pg.url(shop), format=form)
    with _migration(pg, shop, *REWRITES[rewrite]) as migration, ThreadPoolExecutor(max_workers=1) as beside:
        taken = beside.submit(take_backup, made.workspace, "crm")
        _await_waiting(pg, shop, "lock table only%big%")
        migration.rows("commit")
        taken.result()
    _assert_all_there(pg, made, shop, 5000)


def test_a_table_that_stays_locked_is_named_with_who_locks_it(
    pg: TestServer, shop: str, make_workspace: MakeWorkspace
) -> None:
    made = make_workspace(pg.url(shop), limits={"lock": "1s"})
    with _migration(pg, shop, "lock table big in access exclusive mode") as migration:
        pid = migration.value("select pg_backend_pid()")
        error = _refused(made)
        assert "public.big stayed locked in ACCESS EXCLUSIVE" in error.what
        assert f"pid {pid} (application 'migration', user boss)" in error.why
        assert "state idle in transaction" in error.why
        # What it advises works as typed.
        command = error.next.split(": ", 1)[1].replace("psql", str(pg.programs.path("psql")), 1)
        subprocess.run(command, shell=True, env=pg.superuser.environment(), check=True, capture_output=True)
    take_backup(made.workspace, "crm")
    _assert_all_there(pg, made, shop, 5000)


def test_a_view_that_stays_locked_is_named(pg: TestServer, shop: str, make_workspace: MakeWorkspace) -> None:
    made = make_workspace(pg.url(shop), limits={"lock": "1s"})
    with _migration(pg, shop, "drop view seen"):
        assert "public.seen stayed locked in ACCESS EXCLUSIVE" in _refused(made).what


def _refused(made: Made) -> SourceError:
    with pytest.raises(SourceError) as refused:
        take_backup(made.workspace, "crm")
    assert made.workspace.catalogue("crm").points == ()
    return refused.value


def test_tables_that_the_role_may_not_read_are_named_with_the_grant(
    pg: TestServer, shop: str, make_workspace: MakeWorkspace
) -> None:
    pg.sql(f"drop role if exists reader_{pg.major}", f"create role reader_{pg.major} login password 'reads'")
    made = make_workspace(pg.url(shop, user=f"reader_{pg.major}", password="reads"))
    error = _refused(made)
    assert "may not read public.big" in error.what
    grants = error.next.removeprefix("as a superuser: ").split("; or, ")[0]
    pg.sql(*grants.split("; "), database=shop)
    assert take_backup(made.workspace, "crm").contents.rows == 5000
