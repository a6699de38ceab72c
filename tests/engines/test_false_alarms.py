"""Healthy databases that a stricter look than the dump's own would call bad: each is verified."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.workspace import Workspace
from tests.conftest import DEBIAN, MakeWorkspace, TestServer, start_server
from tests.oracle import texts


def proved(workspace: Workspace) -> tuple[RestorePoint, Verdict]:
    """Take a backup and verify it."""
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    return point, verify(workspace, point)


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
    _point, verdict = proved(workspace)
    assert verdict.outcome == "verified", verdict.reason


@pytest.fixture
def german(tmp_path: Path) -> Iterator[TestServer]:
    """A server where money is written the German way."""
    locales, directory = tmp_path / "locales", tmp_path / "server"
    locales.mkdir()
    directory.mkdir()
    subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", locales / "de_DE.UTF-8"], check=True)
    with start_server(DEBIAN, directory, {"lc_monetary": "de_DE.UTF-8"}, env={"LOCPATH": str(locales)}) as server:
        yield server


def test_money_comes_back_whatever_the_locale_of_the_server(german: TestServer, make_workspace: MakeWorkspace) -> None:
    name = german.new_database()
    german.sql(
        "create table bills (id int primary key, due money default 12.5::money,"
        " check (due > (-1.5e9)::numeric::money))",
        "insert into bills values (1, 1234.56), (2, -7.5), (3, null)",
        "update bills set due = 1234567.89::numeric::money * -1 where id = 2",
        database=name,
    )
    assert german.sql("select due::text like '%,56%' from bills where id = 1", database=name) == [(True,)]
    workspace = make_workspace(german.url(name), copies=[]).workspace
    point, verdict = proved(workspace)
    assert verdict.outcome == "verified", verdict.reason
    restore_to(workspace, point, f"{name}_back")
    at = german.superuser
    assert texts.postgres_difference(german.programs, at.at(dbname=name), at.at(dbname=f"{name}_back")) == ""


def test_what_a_role_has_set_for_names_and_strings_changes_nothing(
    pg: TestServer, make_workspace: MakeWorkspace
) -> None:
    name = pg.new_database()
    pg.sql(
        "create table t (id int primary key, s varchar(9) default E'back\\\\slash' check (s in ('a', E'b\\\\')))",
        f"alter database {name} set standard_conforming_strings = off",
        f"alter database {name} set quote_all_identifiers = on",
        f"alter database {name} set search_path = public, pg_catalog",
        database=name,
    )
    workspace = make_workspace(pg.url(name), copies=[]).workspace
    point, verdict = proved(workspace)
    assert verdict.outcome == "verified", verdict.reason
    recovered = restore_to(workspace, point, f"{name}_back")
    assert [check.detail for check in recovered.checks if not check.passed and not check.attention] == []
    assert pg.sql("show search_path", database=f"{name}_back") == [("public, pg_catalog",)]


def test_an_operator_that_another_one_only_names_is_not_missed(pg: TestServer, make_workspace: MakeWorkspace) -> None:
    name = pg.new_database()
    pg.sql(
        "create function same(boolean, boolean) returns boolean language sql immutable return $1 = $2",
        "create operator public.!== (leftarg = boolean, rightarg = boolean, function = same,"
        " negator = operator(public.!&&&))",
        "drop operator public.!== (boolean, boolean)",
        "create operator public.==! (leftarg = boolean, rightarg = boolean, function = same,"
        " negator = operator(public.!&&!))",
        database=name,
    )
    assert pg.sql("select count(*) from pg_operator where oprcode = 0", database=name) == [(2,)]
    workspace = make_workspace(pg.url(name), copies=[]).workspace
    _point, verdict = proved(workspace)
    assert verdict.outcome == "verified", verdict.reason


def test_rights_and_words_that_no_dump_carries_are_not_missed(pg: TestServer, make_workspace: MakeWorkspace) -> None:
    name = pg.new_database()
    pg.sql(
        "revoke select on information_schema.tables from public",
        "comment on extension plpgsql is 'our own words'",
        database=name,
    )
    workspace = make_workspace(pg.url(name), copies=[]).workspace
    _point, verdict = proved(workspace)
    assert verdict.outcome == "verified", verdict.reason


def test_a_role_with_the_rights_of_a_backup_alone_leaves_nothing_out(
    pg: TestServer, make_workspace: MakeWorkspace
) -> None:
    name = pg.new_database()
    pg.sql(
        "create table t (id int primary key)",
        f"create role {name}_backup login password 'w' in role pg_read_all_data",
        database=name,
    )
    workspace = make_workspace(pg.url(name, user=f"{name}_backup", password="w"), copies=[]).workspace
    _point, verdict = proved(workspace)
    assert verdict.words == "verified", verdict.gaps or verdict.reason


def test_rows_that_a_restore_hashes_into_other_partitions_are_the_same_rows(
    pg: TestServer, make_workspace: MakeWorkspace
) -> None:
    """An enum's hash is of its OID, which is another one after every restore."""
    name = pg.new_database()
    pg.sql(
        "create type colour as enum ('red', 'green', 'blue', 'black', 'white')",
        "create table cars (id int, paint colour, sold date) partition by hash (paint)",
        "create table cars_0 partition of cars for values with (modulus 4, remainder 0) partition by range (sold)",
        "create table cars_0_old partition of cars_0 for values from (minvalue) to ('2026-01-01')",
        "create table cars_0_new partition of cars_0 for values from ('2026-01-01') to (maxvalue)",
        *(
            f"create table cars_{part} partition of cars for values with (modulus 4, remainder {part})"
            for part in range(1, 4)
        ),
        "insert into cars select i, (enum_range(null::colour))[1 + i % 5], date '2025-12-01' + i % 60"
        " from generate_series(1, 200) i",
        database=name,
    )
    workspace = make_workspace(pg.url(name), copies=[]).workspace
    point, verdict = proved(workspace)
    assert verdict.words == "verified", verdict.reason
    assert point.manifest.contents.rows == 200
