"""What a restored database must satisfy beyond equality, on real servers: what is bad, what needs a look."""

import re
from datetime import timedelta

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.base import Finding
from ops_pipelines.engines.postgres.assertions import assertions
from ops_pipelines.engines.postgres.connection import session
from ops_pipelines.recovery.assertions import run_check
from ops_pipelines.recovery.compare import compare
from ops_pipelines.recovery.verify import verify
from ops_pipelines.settings.checks import SqlCheck
from ops_pipelines.vault.verdict import Check, Verdict
from tests.conftest import MakeWorkspace, TestServer

_SHOP = (
    "create table customers (id serial primary key, name text, created_at timestamptz default now())",
    "insert into customers (name) select 'c' || i from generate_series(1, 200) i",
    "create table orders (id bigint generated always as identity primary key, customer_id int, at date)",
    "insert into orders (customer_id) select 1 + i % 200 from generate_series(1, 500) i",
    "create table alembic_version (version_num varchar(32) primary key)",
    "insert into alembic_version values ('9f3c1a')",
)


def proved(server: TestServer, make_workspace: MakeWorkspace, *more: str) -> tuple[str, Verdict]:
    """Back up a shop, restore it, assert."""
    name = server.new_database()
    server.sql(*_SHOP, *more, database=name)
    workspace = make_workspace(server.url(name), copies=[]).workspace
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    return name, verify(workspace, point)


def check(verdict: Verdict, name: str) -> Check:
    return next(each for each in verdict.checks if each.name == name)


def test_a_sound_database_satisfies_everything(pg: TestServer, make_workspace: MakeWorkspace) -> None:
    _name, verdict = proved(pg, make_workspace)
    assert verdict.outcome == "verified"
    assert not verdict.notable
    assert check(verdict, "sequences").detail == "2 at or past their columns"
    assert check(verdict, "migrations").detail == "alembic public.alembic_version: 9f3c1a"
    assert check(verdict, "amcheck").detail == "3 B-trees have every row of their tables"
    assert "public.customers.created_at" in check(verdict, "newest row").detail


@pytest.mark.parametrize(
    ("statements", "name", "said"),
    [
        (
            ["insert into customers (id, name) values (5000, 'by hand')"],
            "sequences",
            "public.customers.id (at 200, the column has 5000)",
        ),
        (
            [
                "insert into orders (customer_id) values (999), (998)",
                "alter table orders add constraint fk foreign key (customer_id) references customers not valid",
            ],
            "orphans",
            "fk on public.orders: 2 rows",
        ),
        (
            ["alter table orders add constraint positive check (customer_id < 100) not valid"],
            "constraints",
            "positive on public.orders",
        ),
    ],
)
def test_what_the_source_has_wrong_needs_a_look_but_does_not_condemn_the_backup(
    pg18: TestServer, make_workspace: MakeWorkspace, statements: list[str], name: str, said: str
) -> None:
    _name, verdict = proved(pg18, make_workspace, *statements)
    assert verdict.outcome == "verified"
    (notable,) = verdict.notable if name != "orphans" else [check(verdict, name)]
    assert notable.name == name
    assert said in notable.detail
    assert re.search(r"needs? a look", verdict.reason)


@pytest.mark.parametrize(
    ("command", "outcome", "said"),
    [
        (
            ["sh", "-c", 'case "$OPS_TARGET" in *dbname=*) echo all is well;; *) exit 9;; esac'],
            "verified",
            "all is well",
        ),
        (["sh", "-c", "echo the invoices are gone >&2; exit 3"], "bad", "exited with status 3: the invoices are gone"),
        (["/no/such/program"], "bad", "No such file or directory"),
    ],
)
def test_a_program_of_the_users_own_has_a_say(
    pg18: TestServer, make_workspace: MakeWorkspace, command: list[str], outcome: str, said: str
) -> None:
    name = pg18.new_database()
    pg18.sql(*_SHOP, database=name)
    commands = [{"name": "smoke", "command": command}]
    workspace = make_workspace(pg18.url(name), copies=[], commands=commands).workspace
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    verdict = verify(workspace, point)
    assert verdict.outcome == outcome
    assert said in check(verdict, "check smoke").detail


def test_a_broken_index_is_found(pg18: TestServer) -> None:
    name = pg18.new_database()
    pg18.sql(*_SHOP, database=name)
    # As a collation upgrade or a lost page would: the heap has a row that the index does not.
    pg18.sql(
        "create index names on customers (name)",
        "update pg_index set indisready = false where indexrelid = 'names'::regclass",
        "insert into customers (name) values ('not indexed')",
        "update pg_index set indisready = true where indexrelid = 'names'::regclass",
        database=name,
    )
    server = pg18.superuser.at(dbname=name)
    found = {each.name: each for each in assertions(server, jobs=2, limit=timedelta(minutes=1), disposable=True)}
    assert not found["amcheck"].passed
    assert 'lacks matching index tuple within index "names"' in found["amcheck"].detail


def test_of_larger_indexes_the_order_is_looked_at(pg18: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    name = pg18.new_database()
    ordered = "create or replace function ordered(int, int) returns int language sql immutable as 'select {}($1, $2)'"
    pg18.sql(
        *_SHOP,
        ordered.format("btint4cmp"),
        """create operator class turned for type int using btree as
           operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 ordered(int, int)""",
        "create table numbers as select i::int as n from generate_series(1, 500) i",
        "create index turning on numbers (n turned)",
        database=name,
    )
    monkeypatch.setattr("ops_pipelines.engines.postgres.assertions._LOOKED_UP_BYTES", 20_000)

    def amcheck() -> Finding:
        server = pg18.superuser.at(dbname=name)
        every = assertions(server, jobs=2, limit=timedelta(minutes=1), disposable=True)
        return next(each for each in every if each.name == "amcheck")

    assert amcheck().passed
    assert amcheck().detail == "1 B-trees have every row of their tables, 3 larger ones are in order"
    pg18.sql(ordered.format("- btint4cmp"), database=name)
    assert not amcheck().passed
    assert 'invariant violated for index "turning"' in amcheck().detail


def test_a_reverted_migration_is_named(pg18: TestServer) -> None:
    from ops_pipelines.engines.postgres import contents  # noqa: PLC0415

    name = pg18.new_database()
    pg18.sql(*_SHOP, database=name)
    server = pg18.superuser.at(dbname=name)
    held = contents.take(server, level="counts", jobs=1, limit=timedelta(minutes=1))
    with session(server, limit=timedelta(minutes=1), settings=False) as opened:
        opened.rows("update alembic_version set version_num = '1b2c3d'")
    restored = contents.take(server, level="counts", jobs=1, limit=timedelta(minutes=1))
    failed = [each for each in compare(held, restored) if not each.passed]
    assert [each.name for each in failed] == ["migrations"]
    assert failed[0].detail == "alembic public.alembic_version is at 1b2c3d, the source was at 9f3c1a"


def test_a_newest_row_that_is_too_old_fails_or_asks_for_a_look(pg18: TestServer, make_workspace: MakeWorkspace) -> None:
    name = pg18.new_database()
    pg18.sql(*_SHOP, "update customers set created_at = now() - interval '3 days'", database=name)
    checks = [
        {"name": "fresh", "newest": "public.customers.created_at", "max_age": "4d"},
        {"name": "slow", "newest": "customers.created_at", "max_age": "48h", "attention": True},
    ]
    workspace = make_workspace(pg18.url(name), copies=[], checks=checks).workspace
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    verdict = verify(workspace, point)
    assert (verdict.outcome, [each.name for each in verdict.notable]) == ("verified", ["check slow"])
    assert "was 3d 0h old, more than 2d 0h" in check(verdict, "check slow").detail
    fatal = SqlCheck.model_validate({**checks[1], "attention": False})
    answer = run_check(workspace.config.engine("crm"), pg18.url(name), fatal, as_of=point.started_at)
    assert (answer.passed, answer.attention) == (False, False)
