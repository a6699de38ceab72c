"""Anything a server can hold comes back, and the comparison that says so is not blind."""

import subprocess
from collections.abc import Callable

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.base import Contents
from ops_pipelines.engines.mysql.connection import identifier, options_for_programs
from ops_pipelines.engines.mysql.engine import MySQLEngine
from ops_pipelines.engines.mysql.settings import MySQLSource
from ops_pipelines.recovery.compare import compare
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.verdict import Verdict
from tests.conftest import Made, MakeWorkspace
from tests.engines.mysql.conftest import NAME, TestServer, with_everything
from tests.oracle.rounds import mysql_round

Protect = Callable[..., Made]


def backup(made: Made) -> RestorePoint:
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    return point


def failed(verdict: Verdict) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in verdict.checks if not check.passed]


def test_everything_reads_the_same_to_the_dump_client(any_server: TestServer, make_workspace: MakeWorkspace) -> None:
    mysql_round(any_server, with_everything(any_server), make_workspace, accounts=True)


def test_everything_comes_back(mariadb: TestServer, everything: str, protect: Protect) -> None:
    made = protect(mariadb.url(everything), accounts=True)
    point = backup(made)
    verdict = verify(made.workspace, point)
    assert (verdict.outcome, failed(verdict), verdict.warnings) == ("verified", [], [])
    who = point.manifest.identity
    assert who["schema"] == everything and ("server_uid" in who or "server_uuid" in who or "datadir" in who)
    named = " ".join(point.manifest.warnings)
    assert all(each in named for each in ("aria (Aria)", "isam (MyISAM)", "memory (MEMORY)", "FLOAT columns"))
    assert str(point.manifest.engine["gtid_binlog_pos"]).startswith("0-1-")
    assert str(point.manifest.engine["binlog_file"]).startswith("binlog.")


def test_a_restore_beside_the_source_does_not_reach_back_to_it(
    mariadb: TestServer, everything: str, protect: Protect
) -> None:
    made = protect(mariadb.url(everything))
    before = _contents(mariadb, everything)
    recovered = restore_to(made.workspace, backup(made), "a restored `copy`")
    assert [f"{check.name}: {check.detail}" for check in recovered.checks if not check.passed] == []
    assert "2 events" in " ".join(recovered.warnings)
    assert compare_all(before, _contents(mariadb, everything)) == []
    views = mariadb.sql("select view_definition from information_schema.views where table_schema = 'a restored `copy`'")
    assert not any(identifier(NAME) in text for (text,) in views)
    made_by = str(mariadb.sql("show create table uses_seq", database="a restored `copy`")[0][1])
    assert "nextval(" in made_by and identifier(NAME) not in made_by


def _contents(server: TestServer, database: str) -> Contents:
    source = MySQLSource.model_validate({"kind": "mysql", "url": server.url(database), "jobs": 1})
    return MySQLEngine("crm", source).contents(server.url(database), "full")


def compare_all(held: Contents, now: Contents) -> list[str]:
    return [check.detail for check in compare(held, now) if not check.passed]


CHANGES = {
    "row": ("update companies set name = 'company 0' where id = 9", "companies has different content"),
    "row lost": ("delete from duplicates limit 1", "duplicates has 4 rows"),
    "duplicate for another": ("update duplicates set b = 'y' limit 1", "duplicates has different content"),
    "empty for null": ("update words set b4 = '' where id = 3", "words has different content"),
    "text NULL for null": ("update words set b4 = 'NULL' where id = 3", "words has different content"),
    "trailing blank": ("update words set txt = concat(txt, ' ') where id = 1", "words has different content"),
    "case": ("update words set l1 = 'Café' where id = 1", "words has different content"),
    "swapped columns": ("update words set u3 = b4, b4 = 'žluť' where id = 1", "words has different content"),
    "one byte of a blob": ("update words set raw = 0xFFD8FFE000104A47 where id = 1", "words has different content"),
    "json": ('update words set j = \'{"k": "🙃"}\' where id = 1', "words has different content"),
    "set": ("update words set s = 'a' where id = 1", "words has different content"),
    "enum error value": ("update words set e = 'x' where id = 2", "words has different content"),
    "bit": ("update numbers set bits = b'1000000000' where bits = b'1000000001'", "numbers has different content"),
    "last digit of a double": (
        "update numbers set d = 0.10000000000000002 where id = 8",
        "numbers has different content",
    ),
    "decimal": ("update numbers set price = price + 0.0000000001 where tiny = -128", "numbers has different content"),
    "microsecond": ("update times set dt = dt + interval 1 microsecond where d > 0", "times has different content"),
    "zero date": ("update times set d = null where d = 0", "times has different content"),
    "geometry": (
        "update shapes set g = st_geomfromtext('POINT(4 3)', 4326) where id = 2",
        "shapes has different content",
    ),
    "geometry's system": (
        "update shapes set g = st_geomfromtext('POINT(3 4)') where id = 2",
        "shapes has different content",
    ),
    "invisible column": ("update contacts set hidden = hidden + 1, at = at limit 1", "contacts has different content"),
    "row of a partition": ("delete from by_range where id = 7", "by_range has 199 rows"),
    "history lost": ("delete history from versioned", "versioned (history)"),
    "history rewritten": (
        "set system_versioning_alter_history = keep; alter table versioned drop system versioning;"
        " alter table versioned add system versioning",
        "versioned",
    ),
    "myisam row": ("insert into isam (v) values ('three')", "isam has 3 rows"),
    "table dropped": ("drop table empty_one", "table empty_one is missing"),
    "table added": ("create table more (a int)", "table more was not in the source"),
    "column dropped": ("alter table duplicates drop column b", "column duplicates.b is missing"),
    "column type": ("alter table duplicates modify b varchar(11)", "column duplicates.b is defined differently"),
    "column order": ("alter table duplicates modify b varchar(10) first", "column duplicates.a is defined differently"),
    "column default": ("alter table contacts alter hidden set default 8", "column contacts.hidden"),
    "column visible": ("alter table contacts modify hidden int default 7", "column contacts.hidden"),
    "generated expression": (
        "alter table contacts modify upper_name varchar(50) as (lower(name)) virtual",
        "column contacts.upper_name",
    ),
    "index dropped": ("drop index on_gen on contacts", "index contacts.on_gen is missing"),
    "index ignored": ("alter table contacts alter index prefix not ignored", "index contacts.prefix"),
    "unique gone": ("alter table companies drop key by_name, add key by_name (name)", "index companies.by_name"),
    "fulltext": ("drop index ft on companies", "index companies.ft is missing"),
    "spatial": ("drop index sp on shapes", "index shapes.sp is missing"),
    "primary key": ("alter table by_range drop primary key", "index by_range.PRIMARY is missing"),
    "foreign key": ("alter table contacts drop foreign key fk", "constraint contacts.fk is missing"),
    "check": ("alter table contacts drop constraint sane", "constraint contacts.sane is missing"),
    "partition": ("alter table by_hash coalesce partition 1", "table by_hash is defined differently"),
    "engine": ("alter table aria engine = InnoDB", "table aria is defined differently"),
    "comment": ("alter table old_charset comment = 'new'", "table old_charset is defined differently"),
    "versioning": ("alter table versioned_still drop system versioning", "table versioned_still"),
    "period": ("alter table booking drop key room", "index booking.room is missing"),
    "charset": ("alter table old_charset convert to character set latin1", "table old_charset is defined differently"),
    "auto_increment back": (
        "alter table companies auto_increment = 51; delete from companies where id > 30; "
        "alter table companies auto_increment = 31",
        "companies.AUTO_INCREMENT stands at 31",
    ),
    "sequence back": ("alter sequence seq restart with 200", "seq stands at 200"),
    "descending sequence back": ("alter sequence down restart with -1", "down stands at 1"),
    "sequence step": ("alter sequence seq increment by 6", "sequence seq is defined differently"),
    "view": ("create or replace view z_first as select id, note as name from companies", "view z_first"),
    "view dropped": ("drop view a_second", "view a_second is missing"),
    "definer": (
        "create or replace definer = worker@localhost view haunted as select id from companies"
        " where name <> 'ghost''s `every`.'",
        "view haunted is defined differently",
    ),
    "procedure": ("drop procedure hostile", "procedure hostile is missing"),
    "function body": (
        "create or replace function twice(n int) returns int deterministic return n * 3",
        "function twice",
    ),
    "mode of a function": (
        "create or replace function joined(a text, b text) returns text deterministic return a || 'b'",
        "function joined",
    ),
    "trigger": ("drop trigger second_one", "trigger second_one is missing"),
    "trigger order": (
        "create or replace trigger before_contact before insert on contacts for each row"
        " set new.name = coalesce(new.name, 'x')",
        "trigger before_contact",
    ),
    "event": ("alter event nightly disable", "event nightly is defined differently"),
    "event comment": ("alter event nightly comment 'x'", "event nightly"),
    "database": ("alter database :db character set latin1", "database is defined differently"),
    "migration": ("update alembic_version set version_num = 'abc124'", "is at abc124, the source was at abc123"),
}


@pytest.fixture(scope="module")
def copies(mariadb: TestServer, everything: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """A function that makes another copy of everything; returns its name."""
    script = tmp_path_factory.mktemp("dump") / "dump.sql"
    with options_for_programs(mariadb.root) as options, script.open("wb") as written:
        words = [
            "--single-transaction",
            "--routines",
            "--triggers",
            "--events",
            "--hex-blob",
            "--skip-add-locks",
            "--dump-history",
        ]
        argv = ["mariadb-dump", options, *words, "--default-character-set=utf8mb4", "--", everything]
        subprocess.run(argv, stdout=written, check=True)
    text = script.read_bytes().replace(identifier(NAME).encode() + b".", b"")
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith(b"ALTER DATABASE")]
    script.write_bytes(b"".join(lines))

    def make() -> str:
        name = mariadb.new_database(options="character set utf8mb4 collate utf8mb4_czech_ci")
        mariadb.client(name, script)
        return name

    return make


@pytest.fixture(scope="module")
def held(mariadb: TestServer, copies: Callable[[], str]) -> Contents:
    """The fingerprint of an unchanged copy."""
    return _contents(mariadb, copies())


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.daily(30)
def test_a_change_of_the_source_is_named(
    mariadb: TestServer, copies: Callable[[], str], held: Contents, change: str
) -> None:
    sql, named = CHANGES[change]
    name = copies()
    try:
        mariadb.sql("set sql_mode = ''", *sql.replace(":db", name).split("; "), database=name)
        now = _contents(mariadb, name)
    finally:
        mariadb.sql(f"drop database {name}")
    assert named in "\n".join(_every_difference(held, now))


def _every_difference(held: Contents, now: Contents) -> list[str]:
    return compare_all(held, now)


def test_an_unchanged_copy_is_not_accused(mariadb: TestServer, copies: Callable[[], str], held: Contents) -> None:
    assert compare_all(held, _contents(mariadb, copies())) == []
