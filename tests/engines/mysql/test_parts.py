"""Parts of a database, and the source replaced: what belongs to a table comes with it, nothing is dropped unproved."""

from collections.abc import Callable

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import OpsError, SafetyRefusal, SourceError
from ops_pipelines.recovery.replace import replace_source
from ops_pipelines.recovery.restore import Recovered, restore_to
from ops_pipelines.vault.catalogue import RestorePoint
from tests.conftest import Made
from tests.engines.mysql.conftest import TestServer

SHOP = (
    "create table companies (id int primary key auto_increment, name varchar(50), key by_name (name))",
    "create table `or``ders` (id int primary key, company int, note text,"
    " constraint buyer foreign key (company) references companies (id))",  # older servers misquote what they name
    "insert into companies (name) values ('one'), ('two')",
    # Text that looks like the mark of another section.
    "insert into `or``ders` values (1, 1, '\n--\n-- Table structure for table `companies`\n--\n')",
    "insert into `or``ders` values (2, 2, ''), (3, 2, '')",
    "create trigger stamped before insert on companies for each row set new.name = trim(new.name)",
    "create view named as select name from companies",
    "create function two() returns int deterministic return 2",
)


@pytest.fixture
def shop(mariadb: TestServer, protect: Callable[..., Made]) -> Made:
    """A backed up shop."""
    name = mariadb.new_database()
    mariadb.sql(*SHOP, database=name)
    made = protect(mariadb.url(name))
    take_backup(made.workspace, "crm")
    return made


def point(made: Made) -> RestorePoint:
    return made.workspace.catalogue("crm").points[0]


def database(made: Made) -> str:
    return str(point(made).manifest.engine["database"])


def failed(recovered: Recovered) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in recovered.checks if not check.passed]


def tables(server: TestServer, name: str) -> set[str]:
    return {table for (table,) in server.sql(f"show tables in `{name}`")}


def test_one_table_comes_back_with_its_rows_indexes_and_triggers(mariadb: TestServer, shop: Made) -> None:
    target = f"{database(shop)}_one"
    recovered = restore_to(shop.workspace, point(shop), target, only=["companies"])
    assert (failed(recovered), tables(mariadb, target)) == ([], {"companies"})
    mariadb.sql("insert into companies (name) values (' three ')", database=target)
    assert mariadb.sql("select name from companies where id = 3", database=target) == [("three",)]
    assert mariadb.sql(f"show function status where db = '{target}'") == []


def test_text_that_looks_like_a_section_is_text(mariadb: TestServer, shop: Made) -> None:
    target = f"{database(shop)}_odd"
    recovered = restore_to(shop.workspace, point(shop), target, only=["or`ders"])
    assert (failed(recovered), tables(mariadb, target)) == ([], {"or`ders"})
    assert mariadb.sql("select count(*) from `or``ders`", database=target) == [(3,)]


def test_what_is_not_there_is_told_with_what_is_close(mariadb: TestServer, shop: Made) -> None:
    with pytest.raises(SourceError, match="'company' matches nothing") as caught:
        restore_to(shop.workspace, point(shop), f"{database(shop)}_none", only=["company"])
    assert "companies" in caught.value.why
    assert mariadb.sql(f"show databases like '{database(shop)}_none'") == []


def test_the_source_is_replaced_after_a_verified_safety_point(mariadb: TestServer, shop: Made) -> None:
    name = database(shop)
    mariadb.sql("update companies set name = 'oops'", "create table newer (id int)", database=name)
    replaced = replace_source(shop.workspace, point(shop), take_safety=lambda: take_backup(shop.workspace, "crm").id)
    assert mariadb.sql("select name from companies order by id", database=name) == [("one",), ("two",)]
    assert tables(mariadb, name) == {"companies", "or`ders", "named"}
    assert mariadb.sql("select two()", "select name from named limit 1", database=name) == [("one",)]
    safety = shop.workspace.catalogue("crm").find(replaced.safety)
    assert safety is not None and safety.verified
    assert mariadb.sql(f"show databases like '{name}\\_restore%'") == []


def test_nothing_is_dropped_when_the_safety_point_cannot_be_taken(mariadb: TestServer, shop: Made) -> None:
    def refuse() -> str:
        raise OpsError("the disk is full")

    mariadb.sql("update companies set name = 'now'", database=database(shop))
    with pytest.raises(SafetyRefusal, match="no safety restore point") as caught:
        replace_source(shop.workspace, point(shop), take_safety=refuse)
    assert "is untouched" in caught.value.safe
    assert mariadb.sql("select distinct name from companies", database=database(shop)) == [("now",)]
