"""The digest of a table's rows: any change of a value is another digest, whatever the values look like."""

from itertools import combinations
from typing import Literal

import pytest

from ops_pipelines.engines.base import Contents, Way
from ops_pipelines.engines.postgres import digests
from ops_pipelines.engines.postgres.engine import PostgresEngine
from ops_pipelines.engines.postgres.settings import PostgresSource
from ops_pipelines.recovery.compare import compare, uncompared
from tests.conftest import TestServer

_WIDE = ", ".join(f"c{at} text" for at in range(250))
# Tables of the same columns whose rows differ, though they would read alike if they were only written side by side.
_ALIKE = {
    "a int, b text, c text": [
        "(1, null, 'x')", "(1, 'x', null)", "(1, '', 'x')", "(1, 'x', '')", r"(1, e'x\x1f', '')", r"(1, e'\x1fx', '')",
        r"(1, e'x\x1f1\x1fy', '')", r"(1, 'x', e'1\x1fy')", "(1, null, null)", "(1, '', '')", "(1, '-1', null)",
        "(null, '1', 'x')", "(1, 'x', ' ')", "(1, 'X', 'x')",
    ],
    "a int, b int not null, c bool": [
        "(1, 2, null)", "(null, 1, null)", "(null, 2, true)", "(2, 1, null)", "(null, 12, true)", "(1, 2, true)",
    ],
    "a varchar, b pair, c text": [
        "('x', null, 'y')", "('x', row(null, null), 'y')", "('x', null, null)", "(null, null, 'y')",
        "('x', row('', null), 'y')", "('x', row(null, ''), 'y')",
    ],
    "a char(3), b jsonb, c text[]": [
        "('a', '{}', '{}')", "('a', null, '{}')", "('a', '{}', null)", "('a', '{\"x\": null}', '{}')",
        "('a', '{}', '{null}')", "('a', '{}', '{\"null\"}')", "('', '{}', '{}')", r"('a', '{}', array[e'\x1f'])",
    ],
    "a bytea, b numeric, c timestamptz": [
        "('', 1.0, '2026-01-01Z')", "('', 1.00, '2026-01-01Z')", "(null, 1.0, '2026-01-01Z')",
        "('', 1.0, '2026-01-01T00:00:00.000001Z')", "('', 'NaN', 'infinity')", "('', 'NaN', '-infinity')",
    ],
    _WIDE: [
        "(null, 'x')", "('x', null)", "('', 'x')", f"({'null, ' * 59} 'x')", f"({'null, ' * 60} 'x')",
        f"({'null, ' * 249} 'x')",
    ],
}  # fmt: skip


def engine_on(server: TestServer, database: str) -> tuple[PostgresEngine, str]:
    url = server.url(database)
    return PostgresEngine("crm", PostgresSource.model_validate({"kind": "postgres", "url": url})), url


@pytest.mark.parametrize("columns", list(_ALIKE), ids=lambda columns: columns[:30])
def test_rows_that_differ_have_different_digests(pg: TestServer, columns: str) -> None:
    rows = _ALIKE[columns]
    database = pg.new_database()
    pg.sql("create type pair as (v text, w text)", database=database)
    for at, row in enumerate(rows):
        pg.sql(f"create table t{at} ({columns})", f"insert into t{at} values {row}", database=database)
    engine, url = engine_on(pg, database)
    found = {name: table.digest for name, table in engine.contents(url, "full").tables.items()}
    same = [
        (rows[one], rows[other])
        for one, other in combinations(range(len(rows)), 2)
        if found[f"public.t{one}"] == found[f"public.t{other}"]
    ]
    assert same == []


@pytest.mark.parametrize("level", ["sample", "full"])
def test_a_cast_that_somebody_wrote_is_not_run_as_whoever_takes_the_backup(
    pg: TestServer, level: Literal["sample", "full"]
) -> None:
    """The owner of a type may say how it is cast to text, by a function of his."""
    database = pg.new_database()
    pg.sql(
        "create type pair as (a int, b text)",
        "create function told(pair) returns text language plpgsql as $$ begin raise exception 'I was run'; end $$",
        "create cast (pair as text) with function told(pair)",
        "create table t (id pair primary key, other pair, mood pair[])",
        "insert into t select row(i, 'x')::pair, case when i % 2 = 0 then row(i, null)::pair end,"
        " array[row(i, 'y')::pair] from generate_series(1, 11000) i",
        database=database,
    )
    engine, url = engine_on(pg, database)
    held = engine.contents(url, level)
    assert held.gaps == () and held.tables["public.t"].digested in ((None,) if level == "full" else range(50, 300))
    pg.sql("update t set other = null", database=database)
    found = engine.contents(url, level, way=held.way)
    assert [each.name for each in compare(held, found) if not each.passed] == ["content"]


def test_values_that_change_places_between_rows_are_found_and_an_order_of_rows_or_columns_is_none(
    pg: TestServer,
) -> None:
    database = pg.new_database()
    pg.sql(
        "create table held (id int, name text, mail text)",
        "insert into held values (1, 'Ada', 'ada@example.com'), (2, 'Bob', 'bob@example.com'), (3, null, '')",
        "create table swapped as select id, case id when 1 then 'Bob' when 2 then 'Ada' end as name, mail from held",
        "create table turned (mail text, id int, name text)",
        "insert into turned select mail, id, name from held order by id desc",
        database=database,
    )
    engine, url = engine_on(pg, database)
    found = {name: table.digest for name, table in engine.contents(url, "full").tables.items()}
    assert found["public.swapped"] != found["public.held"]
    assert found["public.turned"] == found["public.held"]


def test_a_fingerprint_of_an_earlier_version_is_compared_in_its_own_way(pg: TestServer) -> None:
    """They had whole rows written, and named no way."""
    database = pg.new_database()
    pg.sql("create table t (id int, v text)", "insert into t values (1, 'x'), (2, null)", database=database)
    [(digest,)] = pg.sql(
        """select sum(hashtextextended(row(id, v)::text collate "C", 0))::text from t""", database=database
    )
    engine, url = engine_on(pg, database)
    held = engine.contents(url, "full", way=Way())
    assert (held.digests, held.tables["public.t"].digest) == (digests.BY_ROW, digest)
    old = Contents.model_validate(held.model_dump(exclude={"digests"}))
    assert all(each.passed for each in compare(old, engine.contents(url, "full", way=old.way)))
    pg.sql("update t set v = '' where id = 2", database=database)
    assert [each.name for each in compare(old, engine.contents(url, "full", way=old.way)) if not each.passed] == [
        "content"
    ]


def test_rows_that_a_later_version_digested_are_not_compared_and_that_is_a_gap(pg: TestServer) -> None:
    database = pg.new_database()
    pg.sql("create table t (id int)", "insert into t values (1)", database=database)
    engine, url = engine_on(pg, database)
    held = engine.contents(url, "full").model_copy(update={"digests": "later"})
    found = engine.contents(url, "full", way=held.way)
    assert all(each.passed for each in compare(held, found))
    [gap] = uncompared(held, found)
    assert str(gap) == "content: rows were digested as 'later', here as 'columns' (to close this gap: ops backup)"
