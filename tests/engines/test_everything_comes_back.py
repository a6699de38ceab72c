"""Anything a PostgreSQL server can hold comes back, and the comparison that says so is not blind."""

import difflib
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.base import Contents
from ops_pipelines.engines.postgres import contents
from ops_pipelines.recovery.compare import compare
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.verdict import Verdict
from tests.conftest import Made, MakeWorkspace, TestServer, start_server
from tests.engines.conftest import quoted

FORMATS = ("custom", "directory", "sql")


@pytest.mark.parametrize("form", FORMATS)
def test_everything_comes_back(pg: TestServer, everything: str, form: str, make_workspace: MakeWorkspace) -> None:
    made = make_workspace(pg.url(everything), format=form)
    verdict = verify(made.workspace, _backup(made))
    assert (verdict.outcome, _failed(verdict), verdict.warnings) == ("verified", [], [])


def _backup(made: Made) -> RestorePoint:
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    return point


def _failed(verdict: Verdict) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in verdict.failed]


def _schema_text(server: TestServer, database: str) -> list[str]:
    """What pg_dump itself says of a database's schema, without its random token."""
    at = server.superuser.at(dbname=database)
    argv = [server.programs.path("pg_dump"), "--schema-only", f"--dbname={at.argument()}"]
    printed = subprocess.run(argv, env=at.environment(), capture_output=True, check=True).stdout.decode()
    return [line for line in printed.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def test_pg_dump_itself_finds_no_difference(pg: TestServer, everything: str, make_workspace: MakeWorkspace) -> None:
    made = make_workspace(pg.url(everything))
    recovered = restore_to(made.workspace, _backup(made), "a restored 'copy'")
    assert [
        f"{check.name}: {check.detail}" for check in recovered.checks if not check.passed and not check.attention
    ] == []
    there, here = _schema_text(pg, everything), _schema_text(pg, "a restored 'copy'")
    assert "\n".join(difflib.unified_diff(there, here, n=0, lineterm="")) == ""
    assert pg.sql("select datacl is not null from pg_database where datname = 'a restored ''copy'''") == [(True,)]


BARE = {
    "empty": "",
    "latin1": "template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'",
    "sql_ascii": "template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'",
    "utf8_locale": "template template0 encoding 'UTF8' lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8'",
    "icu": "template template0 locale_provider icu icu_locale 'en-US' lc_collate 'C' lc_ctype 'C'",
    "builtin": "template template0 locale_provider builtin builtin_locale 'C.UTF-8' lc_collate 'C' lc_ctype 'C'",
}
_NAMES = ("plain", "with space", 'it\'s = "odd"', "postgresql://x/y", "-dash", "naïve")


def _locales(server: TestServer) -> set[str]:
    """Which of them a server can make: there is a builtin provider since 17, and the embedded server has no ICU."""
    missing = {"builtin"} if server.major < 17 else set()
    if server.sql("select count(*) <= 10 from pg_collation where collprovider = 'i'") == [(True,)]:
        missing |= {"icu"}
    return set(BARE) - missing


@pytest.mark.parametrize("kind", BARE)
@pytest.mark.daily(5)
def test_a_database_of_any_encoding_comes_back(pg: TestServer, kind: str, make_workspace: MakeWorkspace) -> None:
    if kind not in _locales(pg):
        pytest.skip(f"PostgreSQL {pg.major} here has no {kind} locale")
    name = _NAMES[list(BARE).index(kind)]
    pg.sql(f"create database {quoted(name)} {BARE[kind]}")
    if kind != "empty":
        pg.sql('create table "naïve" (t text)', "insert into \"naïve\" values ('é'), ('ä')", database=name)
        pg.sql("comment on table \"naïve\" is 'öh'", f"comment on database {quoted(name)} is 'äh'", database=name)
    if kind == "sql_ascii":
        pg.sql("set client_encoding = sql_ascii", "insert into \"naïve\" values (E'\\xff\\xfe')", database=name)
    made = make_workspace(pg.url(name))
    verdict = verify(made.workspace, _backup(made))
    assert (verdict.outcome, _failed(verdict), verdict.warnings) == ("verified", [], [])
    assert any(check.name == "schema" and check.passed for check in verdict.checks)


def test_what_a_new_database_has_and_the_source_dropped_stays_away(
    pg: TestServer, make_workspace: MakeWorkspace
) -> None:
    name = pg.new_database()
    pg.sql("drop schema public", "drop extension plpgsql", database=name)
    made = make_workspace(pg.url(name))
    verdict = verify(made.workspace, _backup(made))
    assert (verdict.outcome, _failed(verdict), verdict.warnings) == ("verified", [], [])


def test_a_backup_restores_on_a_server_that_lacks_its_roles(
    pg18: TestServer, tmp_path: Path, make_workspace: MakeWorkspace
) -> None:
    name = pg18.new_database()
    pg18.sql("create role somebody", database=name)
    pg18.sql("create table t (a int)", "insert into t values (1)", "alter table t owner to somebody", database=name)
    made = make_workspace(pg18.url(name))
    point = _backup(made)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with start_server(18, elsewhere) as other:
        recovered = restore_to(made.workspace, point, other.url("back"))
        assert other.sql("select count(*) from t", database="back") == [(1,)]
    # The data is back; that the owner is not is said, by name.
    assert any('role "somebody" does not exist' in warning for warning in recovered.warnings)
    [failed] = [check for check in recovered.checks if not check.passed and not check.attention]
    assert (failed.name, "relation public.t is defined differently" in failed.detail) == ("schema", True)


# A change to the source after its dump, and the name that the comparison must give it.
CHANGES = {
    "index dropped": ("drop index constrained_brin", "index public.constrained_brin is missing"),
    "index changed": (
        "drop index constrained_hash; create index constrained_hash on constrained using hash (other)",
        "index public.constrained_hash is defined differently",
    ),
    "constraint dropped": (
        "alter table constrained drop constraint no_overlap_here",
        "public.constrained.no_overlap_here",
    ),
    "constraint validated": (
        'alter table constrained drop constraint "not valid yet", add constraint "not valid yet" check (other > -99)',
        '"not valid yet" is defined differently',
    ),
    "domain check dropped": ("alter domain email drop constraint has_at", "email.has_at is missing"),
    "trigger disabled": ('alter table made disable trigger "keep it"', 'trigger public.made."keep it"'),
    "policy changed": ('alter policy "own rows" on secret_rows using (true)', 'policy public.secret_rows."own rows"'),
    "row security off": ("alter table secret_rows no force row level security", "relation public.secret_rows"),
    "function body": (
        "create or replace function concat_state(text, text) returns text language sql immutable as $$ select $1 $$",
        "function public.concat_state",
    ),
    "default changed": ("alter table child alter name set default 'd'", "column public.child.name"),
    "default dropped": ("alter table child alter name drop default", "column public.child.name"),
    "comment changed": ('comment on table "All ""Values""" is \'other\'', 'relation public."All ""Values"""'),
    "comment on index": ('comment on index "An Expression" is null', 'index public."An Expression"'),
    "grant revoked": ('revoke select on "All ""Values""" from "wr.iter"', 'relation public."All ""Values"""'),
    "column grant": (
        'revoke update ("order") on "All ""Values""" from reader',
        'column public."All ""Values"""."order"',
    ),
    "default privileges": (
        'alter default privileges in schema "Odd Schema" grant insert on tables to reader',
        "default privileges",
    ),
    "row changed": (
        "alter table duplicates replica identity full; "
        "update duplicates set b = 'other' where ctid = (select min(ctid) from duplicates)",
        "public.duplicates has different content",
    ),
    "row swapped for its twin": (
        "alter table secret_rows replica identity full; update secret_rows set id = 3 - id",
        "public.secret_rows has different content",
    ),
    "row added": ("insert into duplicates values (1, 'same')", "public.duplicates has 1011 rows"),
    "row of a partition": (
        "delete from events_rest_h1 where id = (select min(id) from events_rest_h1)",
        "public.events_rest_h1 has",
    ),
    "NaN for infinity": ('update "All ""Values""" set f4 = \'NaN\' where f4 = \'infinity\'', "has different content"),
    "minus zero": ('update "All ""Values""" set f8 = 0 where f8 = 0', "has different content"),
    "trailing zero": ('update "All ""Values""" set n = 0.1 where n = 0.1', "has different content"),
    "null for empty": ('update "All ""Values""" set "UPPER" = null where "UPPER" = \'\'', "has different content"),
    "sequence moved back": ("select setval('events_id_seq', 3)", "public.events_id_seq stands at 3"),
    "descending sequence moved back": ("select setval('going_down', 10)", "public.going_down stands at -10"),
    "sequence redefined": ("alter sequence going_down cache 6", "sequence public.going_down"),
    "enum label": ("alter type mood rename value 'happy' to 'glad'", "type public.mood is defined differently"),
    "composite type": (
        "alter type pair rename attribute left_one to other_one",
        "column public.pair.left_one is missing",
    ),
    "view text": ("create or replace view view_2 as select a + 0 as a from view_1", "relation public.view_2"),
    "view option": ('alter view "A View" reset (security_barrier)', 'relation public."A View"'),
    "rule": ("alter table made enable rule also_log", "rule public.made.also_log"),
    "owner": ("alter table duplicates owner to reader", "relation public.duplicates"),
    "column type": ("alter table attachments alter id type bigint", "column public.attachments.id"),
    "column added": (
        "alter table no_columns add now_one int",
        "column public.no_columns.now_one was not in the source",
    ),
    "partition detached": ("alter table event_notes detach partition event_notes_0", "relation public.event_notes_0"),
    "large object changed": ("select lo_put(1002, 8500000, 'x')", "large objects has different content"),
    "large object added": ("select lo_create(2000)", "large objects has 6 rows"),
    "large object granted": ("grant update on large object 1001 to reader", "large object 1001"),
    "publication": ("alter publication \"some\" set (publish = 'delete')", "publication"),
    "publication filter": (
        'alter publication "some" set table made, constrained (id, code) where (id > 4)',
        "publication",
    ),
    "event trigger": ('alter event trigger "watch ddl" disable', "event trigger"),
    "extension dropped": ("drop extension btree_gist cascade", "extension btree_gist is missing"),
    "server option": ("alter server far options (set host 'elsewhere.invalid')", "foreign server far"),
    "foreign table": ("alter foreign table far_table options (set table_name 'U')", "relation public.far_table"),
    "text search": (
        'alter text search configuration "my search" drop mapping for asciiword',
        "text search configuration",
    ),
    "operator": ("drop operator === (pair, pair)", "operator"),
    "aggregate": (
        "create or replace aggregate glue(text) (sfunc = concat_state, stype = text, initcond = 'x')",
        "function public.glue",
    ),
    "cast": ("drop cast (mood as int)", "cast"),
    "operator family": (
        "alter operator family int_reversed using btree add operator 1 > (int8, int8)",
        "operator family",
    ),
    "statistics": ('alter statistics "Odd Schema"."my stats" set statistics 51', "statistics"),
    "database setting": ("alter database :db set work_mem = '8MB'", "setting (all).work_mem"),
    "replica identity": ("alter table constrained replica identity default", "relation public.constrained"),
}


@pytest.fixture(scope="module")
def held(pg: TestServer, everything: str) -> Contents:
    """The fingerprint before anything changed, of a copy as the tests change it: its settings are not copied."""
    name = pg.new_database(options=f"template {quoted(everything)}")
    return _contents(pg, name)


def _contents(server: TestServer, database: str) -> Contents:
    return contents.take(server.superuser.at(dbname=database), level="full", jobs=1, limit=timedelta(minutes=2))


@pytest.mark.parametrize("pg", [18], indirect=True)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.daily(26)
def test_a_change_of_the_source_is_named(pg: TestServer, everything: str, held: Contents, change: str) -> None:
    sql, named = CHANGES[change]
    name = pg.new_database(options=f"template {quoted(everything)}")
    try:
        pg.sql(*sql.replace(":db", name).split("; "), database=name)
        now = _contents(pg, name)
    finally:
        pg.sql(f"drop database {name}")
    differences = "\n".join(check.detail for check in compare(held, now) if not check.passed)
    assert named in differences


def test_an_unchanged_source_is_not_accused(pg: TestServer, everything: str, held: Contents) -> None:
    name = pg.new_database(options=f"template {quoted(everything)}")
    assert [check.detail for check in compare(held, _contents(pg, name)) if not check.passed] == []
