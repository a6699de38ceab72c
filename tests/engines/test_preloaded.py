"""Extensions whose library the source's server loads at its start: a scratch server loads it too, and runs no jobs."""

from collections.abc import Iterator

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.base import Contents
from ops_pipelines.engines.postgres.refusals import Refusal, judge
from ops_pipelines.engines.postgres.selection import Entry
from ops_pipelines.errors import Inconclusive
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from tests.conftest import Made, MakeWorkspace, TestServer, start_server

_CRON = (
    "create table ticks (at timestamptz)",
    "insert into ticks values (now())",
    "create extension pg_cron",
    "select cron.schedule('often', '* * * * *', 'insert into ticks values (now())')",
)


@pytest.fixture(scope="module")
def preloading(pg_debian: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """A server that loads what of these libraries this machine has."""
    wanted = [name for name in ("pg_cron", "pgaudit", "pglogical") if _has(pg_debian, name)]
    settings = {"shared_preload_libraries": ",".join(wanted), "cron.database_name": "jobs", "wal_level": "logical"}
    with start_server(pg_debian.major, tmp_path_factory.mktemp("preloading"), settings) as server:
        yield server


def _has(server: TestServer, name: str) -> bool:
    return bool(server.sql(f"select 1 from pg_available_extensions where name = '{name}'"))


def _backup(made: Made) -> RestorePoint:
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    return point


def test_jobs_of_a_database_are_verified_and_none_runs(preloading: TestServer, make_workspace: MakeWorkspace) -> None:
    if not _has(preloading, "pg_cron"):
        pytest.skip("this server has no pg_cron")
    preloading.sql("create database jobs")
    preloading.sql(*_CRON, database="jobs")
    made = make_workspace(preloading.url("jobs"), copies=[])
    point = _backup(made)
    verdict = verify(made.workspace, point)
    assert (verdict.outcome, verdict.failed) == ("verified", []), verdict.reason


@pytest.mark.parametrize("name", ["pgaudit", "pglogical"])
def test_an_extension_with_a_library_is_verified(
    preloading: TestServer, name: str, make_workspace: MakeWorkspace
) -> None:
    if not _has(preloading, name):
        pytest.skip(f"this server has no {name}")
    database = preloading.new_database()
    preloading.sql(f"create extension {name}", "create table t as select 1 as i", database=database)
    made = make_workspace(preloading.url(database), copies=[])
    point = _backup(made)
    verdict = verify(made.workspace, point)
    assert (verdict.outcome, verdict.failed) == ("verified", []), verdict.reason


def test_an_extension_that_this_machine_lacks_is_named_with_its_package() -> None:
    refused = Refusal("pgaudit must be loaded via shared_preload_libraries", Entry(2, "EXTENSION", "- pgaudit ", ()))
    with pytest.raises(Inconclusive, match=r"without pgaudit .*postgresql-17-pgaudit"):
        judge([refused], {}, Contents(level="off"), ours=True, major=17, again=lambda statement: "")
