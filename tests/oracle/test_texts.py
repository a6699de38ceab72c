"""The judge itself: it lets pass what one reload by the database's own tools makes, and nothing else."""

import pytest

from tests.conftest import TestServer
from tests.engines.mysql.conftest import TestServer as MysqlServer
from tests.engines.mysql.conftest import mariadb  # noqa: F401 (a fixture)
from tests.oracle import texts

_SHOP = (
    "create table t (id int primary key, s varchar(20) default 'a' check (s in ('a', 'b')))",
    "insert into t values (2, 'b'), (1, 'a'), (3, null)",
    "create view v as select id from t where s in ('a', 'b')",
)
_CHANGES = (
    "update t set s = 'a' where id = 2",
    "delete from t where id = 3",
    "alter table t alter s set default 'b'",
    "create or replace view v as select id from t where s in ('a')",
    "create index i on t (s)",
)


def _postgres_difference(server: TestServer, source: str, restored: str) -> str:
    at = server.superuser
    return texts.postgres_difference(server.programs, at.at(dbname=source), at.at(dbname=restored))


def test_rows_in_another_order_and_definitions_in_other_words_are_no_difference(pg: TestServer) -> None:
    source, restored = pg.new_database(), pg.new_database()
    pg.sql(*_SHOP, database=source)
    # What the server prints of these after one reload; the rows the other way round.
    words = "s::text = any (array['a'::varchar::text, 'b'::varchar::text])"
    again = (
        f"create table t (id int primary key, s varchar(20) default 'a' constraint t_s_check check ({words}))",
        "insert into t values (3, null), (1, 'a'), (2, 'b')",
        f"create view v as select id from t where {words}",
    )
    pg.sql(*again, database=restored)
    assert texts.postgres(pg.programs, pg.superuser.at(dbname=source)) != texts.postgres(
        pg.programs, pg.superuser.at(dbname=restored)
    )
    assert _postgres_difference(pg, source, restored) == ""


@pytest.mark.parametrize("change", _CHANGES)
def test_a_change_is_a_difference(pg18: TestServer, change: str) -> None:
    source, restored = pg18.new_database(), pg18.new_database()
    for name in (source, restored):
        pg18.sql(*_SHOP, database=name)
    pg18.sql(change, database=restored)
    assert _postgres_difference(pg18, source, restored)


@pytest.mark.parametrize("change", ["", *_CHANGES])
def test_a_change_is_a_difference_on_mariadb(mariadb: MysqlServer, change: str) -> None:  # noqa: F811 (the fixture)
    source, restored = mariadb.new_database(), mariadb.new_database()
    for name in (source, restored):
        mariadb.sql(*_SHOP, database=name)
    if change:
        mariadb.sql(change, database=restored)
    assert bool(texts.mysql_difference(mariadb.root.at(source), mariadb.root.at(restored))) == bool(change)
