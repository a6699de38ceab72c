"""MariaDB and MySQL: what a broken dump or restore loses, and what a source or its dump program does wrong."""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from ops_pipelines.engines.mysql import clients, database
from ops_pipelines.engines.mysql.clients import MARIADB
from ops_pipelines.engines.mysql.connection import identifier, parse, session
from ops_pipelines.engines.mysql.server import scratch_server
from tests.engines.mysql.conftest import TestServer
from tests.matrix.case import NOT_CAUGHT, REFUSED, Act, Case, Seen, bad, look
from tests.matrix.lies import false_program, programs
from tests.matrix.rig import Fresh, Rig, Scratch, back_up, opened, write_config

_ACCOUNTS = (
    "create user mx_worker@localhost identified by 'secret'",
    "create user mx_clerk@localhost identified by 'secret'",
)
_CRM = """
create table companies (id int auto_increment primary key, name varchar(100) not null, city varchar(50) default 'Praha',
  since timestamp not null default '2020-01-01 00:00:00', score double, note text, fulltext key words (name, note));
create table contacts (id int auto_increment primary key, company_id int, name varchar(100),
  upper_name varchar(100) as (upper(name)) virtual, unique key by_name (name), key by_company (company_id),
  constraint works_for foreign key (company_id) references companies (id), constraint named check (name <> ''));
create table notes (id int primary key, body longtext) comment 'what was said';
create table drafts (id int primary key, body varchar(50) collate utf8mb4_bin);
create table prices (id int primary key, price int) with system versioning;
create table alembic_version (version_num varchar(32) primary key);
create sequence numbers start with 500;
create view customers as select name from companies where city = 'Praha';
create procedure touched() select 1;
create function twice(n int) returns int deterministic return n * 2;
create trigger touch before update on companies for each row set new.name = trim(new.name);
create event nightly on schedule every 1 day do delete from drafts where id < 0;
create definer = mx_worker@localhost view theirs as select id from companies;
insert into companies (name, city, score, note)
  select concat('Firma č. ', seq), if(seq % 2, 'Brno', 'Plzeň'), seq / 7.0, null from seq_1_to_300;
insert into contacts (company_id, name) select 1 + seq % 300, concat('Jméno ', seq) from seq_1_to_1000;
insert into notes select seq, repeat('žluťoučký kůň ', 900) from seq_1_to_5;
insert into drafts select seq, concat('draft ', seq) from seq_1_to_5;
insert into prices values (1, 10), (2, 20);
update prices set price = 11 where id = 1;
insert into alembic_version values ('9f3c1a');
select setval(numbers, 700)
"""
_CRM_OF_MYSQL = _CRM.replace(" with system versioning", "").replace("create sequence numbers start with 500;\n", "")
_LATER = (
    "insert into companies (name) select concat('Later ', seq) from seq_1_to_40",
    "alter table contacts add phone text",
    "update alembic_version set version_num = 'a07b2e'",
    "select setval(numbers, 9000)",
)


def _rows(first: int, last: int) -> str:
    """The numbers from one to another, for a server without a sequence engine."""
    return (
        f"(with recursive s (seq) as (select {first} union all select seq + 1 from s where seq < {last})"
        " select seq from s) as numbered"
    )


def _for_mysql(*statements: str) -> tuple[str, ...]:
    """The same statements as MySQL understands them; those about sequences and versions are left out."""
    kept = [each for each in statements if "setval(" not in each and "price = 11" not in each]
    return tuple(
        re.sub(r"seq_(\d+)_to_(\d+)", lambda found: _rows(int(found[1]), int(found[2])), each)
        .replace("md5(rand())", "left(sha2(rand(), 256), 32)")
        .replace("seq / 7.0", "seq / 7e0")
        for each in kept
    )


@dataclass(frozen=True)
class Given:
    """A source of a case's own."""

    sql: Callable[..., object]
    lie: Callable[[str], None]


@contextmanager
def scratch_databases(directory: Path, server: TestServer) -> Iterator[Scratch]:
    """Empty databases on one scratch server, started as a verification starts its own."""
    program = clients.for_server(server.product, (10, 3) if server.product == MARIADB else (8, 0), server.bin_dirs)
    with scratch_server(program, directory, {}) as shared:

        def emptied(facts: Mapping[str, Any]) -> str:
            with session(shared, limit=timedelta(minutes=1), settings=False) as talking:
                for (name,) in talking.rows("show databases like 'mx%'"):
                    talking.rows(f"drop database {name}")
                for user, host in talking.rows("select user, host from mysql.user where user like 'mx%'"):
                    talking.rows(f"drop user {identifier(user)}@{identifier(host)}")
            target = database.create(shared.at(str(facts["database"])), facts)
            database.create_definers(shared, list(facts["definers"]), target.database)
            return target.url()

        yield emptied


def build(path: Path, server: TestServer, scratch: Scratch) -> Rig:
    """A CRM with two restore points, and a neighbour."""
    crm, other = server.new_database("mx_crm"), server.new_database("mx_other")
    server.sql(*_ACCOUNTS)
    _fill(server, crm)
    mariadb = server.product == MARIADB
    elsewhere = ("create table elsewhere as select seq from seq_1_to_10",)
    server.sql(*(elsewhere if mariadb else _for_mysql(*elsewhere)), database=other)
    for name in (crm, other):
        (path / name).touch(mode=0o600)
        (path / name).write_text(server.url(name), encoding="utf-8")
    sources = {
        "crm": {"kind": "mysql", "url": {"file": crm}, "accounts": True, **server.source()},
        "other": {"kind": "mysql", "url": {"file": other}, **server.source()},
    }
    write_config(path, sources)
    older = back_up(opened(path), "crm")
    later = _LATER if mariadb else _for_mysql(*_LATER)
    server.sql(*later, database=crm)
    newer, neighbour = back_up(opened(path), "crm"), back_up(opened(path), "other")

    def fresh(place: Path) -> Fresh:
        name = server.new_database(f"mx_{secrets.token_hex(4)}")
        _fill(server, name)
        server.sql(*later, database=name)
        (place / name).touch(mode=0o600)
        (place / name).write_text(server.url(name), encoding="utf-8")
        find = (server.product, (10, 3) if mariadb else (8, 0), server.bin_dirs)
        real = [clients.for_dump(*find).path, clients.for_restore(*find).path]
        directory = programs(place / "bin", real)
        given = Given(
            sql=lambda *statements: server.sql(*statements, database=name),
            lie=lambda lie: false_program(directory, real[0], lie),
        )
        return Fresh({**sources["crm"], "url": {"file": name}, "bin_dirs": [str(directory)]}, given)

    return Rig("mysql" if mariadb else "mysqld", path, sources, fresh, scratch, older, newer, neighbour)


def _fill(server: TestServer, name: str) -> None:
    mariadb = server.product == MARIADB
    server.sql(*(_CRM.split(";\n") if mariadb else _for_mysql(*_CRM_OF_MYSQL.split(";\n"))), database=name)


def _sql(*statements: str) -> Act:
    """Statements for the restored database."""

    def act(target: str) -> None:
        with session(
            parse(target, connect=timedelta(seconds=15)), limit=timedelta(minutes=1), settings=False
        ) as talking:
            for statement in statements:
                talking.rows(statement)

    return act


_LOST: tuple[tuple[str, Seen, tuple[str, ...]], ...] = (
    ("table dropped", bad("schema", "rows"), ("drop table drafts",)),
    ("all rows of a table lost", bad("rows"), ("truncate drafts",)),
    ("one row missing", bad("rows"), ("delete from drafts where id = 3",)),
    ("one row too many", bad("rows"), ("insert into drafts values (6, 'x')",)),
    ("one row changed", bad("content"), ("update drafts set body = 'Draft 3' where id = 3",)),
    ("two rows exchanged between tables", bad("content"), (
        "delete from drafts where id = 3", "insert into drafts select 3, left(body, 40) from notes where id = 3",
        "update notes set body = 'draft 3' where id = 3")),
    ("values of two rows exchanged", bad("content"), (
        "update drafts set body = concat('draft ', if(id = 1, 2, 1)) where id in (1, 2)",)),
    ("encoding: UTF-8 read as Latin-1", bad("content"), (
        "update contacts set name = convert(cast(convert(name using utf8mb4) as binary) using latin1) where id = 3",)),
    ("NULL became an empty string", bad("content"), ("update companies set note = '' where id = 7",)),
    ("precision of a float lost", bad("content"), ("update companies set score = round(score, 6) where id = 1",)),
    ("long text cut", bad("content"), ("update notes set body = left(body, 8000) where id = 1",)),
    ("times shifted by the time zone", bad("content"), ("update companies set since = since + interval 1 hour",)),
    ("column dropped", bad("schema", "content"), ("alter table contacts drop phone",)),
    ("column's type changed", bad("schema"), ("alter table drafts modify body varchar(60) collate utf8mb4_bin",)),
    ("column's default changed", bad("schema"), ("alter table companies alter city set default 'Brno'",)),
    ("column's collation changed", bad("schema"), (
        "alter table drafts modify body varchar(50) collate utf8mb4_czech_ci",)),
    ("NOT NULL lost", bad("schema"), ("alter table companies modify name varchar(100)",)),
    ("index dropped", bad("schema"), ("alter table companies drop key words",)),
    ("index left ignored", bad("schema"), ("alter table contacts alter index by_name ignored",)),
    ("primary key dropped", bad("schema"), ("alter table drafts drop primary key",)),
    ("unique constraint dropped", bad("schema"), ("alter table contacts drop key by_name",)),
    ("foreign key dropped", bad("schema"), ("alter table contacts drop foreign key works_for",)),
    ("check constraint dropped", bad("schema"), ("alter table contacts drop constraint named",)),
    ("trigger dropped", bad("schema"), ("drop trigger touch",)),
    ("view dropped", bad("schema"), ("drop view customers",)),
    ("view's definition changed", bad("schema"), (
        "create or replace view customers as select name from companies where city = 'Brno'",)),
    ("definer of a view changed", bad("schema"), (
        "create or replace definer = mx_clerk@localhost view theirs as select id from companies",)),
    ("generated column's expression changed", bad("schema"), (
        "alter table contacts modify upper_name varchar(100) as (lower(name)) virtual",)),
    ("routine dropped", bad("schema"), ("drop procedure touched",)),
    ("routine's body changed", bad("schema"), (
        "create or replace function twice(n int) returns int deterministic return n * 3",)),
    ("event dropped", bad("schema"), ("drop event nightly",)),
    ("event disabled", bad("schema"), ("alter event nightly disable",)),
    ("sequence dropped", bad("schema", "counters"), ("drop sequence numbers",)),
    ("sequence behind", bad("counters"), ("alter sequence numbers restart with 800",)),
    ("AUTO_INCREMENT behind", bad("rows", "counters"), (
        "set foreign_key_checks = 0", "delete from companies where id > 335",
        "alter table companies auto_increment = 336")),
    ("history of a versioned table lost", bad("rows"), ("delete history from prices",)),
    ("table no longer versioned", bad("schema", "rows"), (
        "set system_versioning_alter_history = keep", "alter table prices drop system versioning")),
    ("storage engine changed", bad("schema"), ("alter table notes engine = Aria",)),
    ("character set of the database changed", bad("schema"), ("alter database character set latin1",)),
    ("comments lost", bad("schema"), ("alter table notes comment = ''",)),
    ("migration reverted", bad("migrations", "content"), ("update alembic_version set version_num = '9f3c1a'",)),
)  # fmt: skip
_MYSQL_LACKS = ("sequence dropped", "sequence behind", "history of a versioned table lost", "table no longer versioned")
_IN_MYSQL = {
    "index left ignored": ("alter table contacts alter index by_name invisible",),
    "routine's body changed": (
        "drop function twice", "create function twice(n int) returns int deterministic return n * 3"),
    "storage engine changed": ("alter table notes engine = MyISAM",),
}  # fmt: skip
_ACCOUNT = "Accounts and what they are granted belong to the server, and are not compared."
_UNSEEN: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("account dropped that owns nothing here", ("drop user mx_clerk@localhost",), _ACCOUNT),
    ("account's rights changed", ("grant all on *.* to mx_clerk@localhost",), _ACCOUNT),
)


def _lie(lie: str) -> Act:
    return lambda given: given.lie(lie)


def _change(*statements: str) -> Act:
    return lambda given: given.sql(*statements)


_OTHER = 'set -- "${@:1:$#-1}" mx_other; exec "$REAL" "$@"'
_SOURCE: tuple[tuple[str, Seen, Act], ...] = (
    ("dump program left nothing and reported success", REFUSED, _lie("exit 0")),
    ("dump cut in the middle, success reported", REFUSED, _lie('"$REAL" "$@" | head -c 20000; exit 0')),
    ("dump lacks its last bytes, success reported", REFUSED, _lie('"$REAL" "$@" | head -c -40; exit 0')),
    ("dump whole, failure reported", REFUSED, _lie('"$REAL" "$@"; exit 1')),
    ("dump program killed", REFUSED, _lie('"$REAL" "$@" | head -c 20000; kill -KILL $$')),
    ("dump of another database", REFUSED, _lie(_OTHER)),
    ("dump of the definitions only", bad("rows", "migrations"), _lie('exec "$REAL" "$1" --no-data "${@:2}"')),
    ("dump of the rows only", REFUSED, _lie('exec "$REAL" "$1" --no-create-info "${@:2}"')),
    ("dump without the rows of one table", bad("rows"), _lie(
        '"$REAL" "$@" | sed "/^INSERT INTO .drafts./,/;\\$/d"; exit 0')),
    ("dump without triggers", bad("schema"), _lie('exec "$REAL" "${@/--triggers/--skip-triggers}"')),
    ("dump without routines", bad("schema"), _lie('exec "$REAL" "${@/--routines/--skip-routines}"')),
    ("dump without events", bad("schema"), _lie('exec "$REAL" "${@/--events/--skip-events}"')),
    ("dump in another encoding", bad("content"), _lie('exec "$REAL" "${@/=utf8mb4/=latin1}"')),
    ("database emptied since the last verified backup", look("size drift", "row drift"),
     _change("set foreign_key_checks = 0", "truncate contacts", "truncate companies", "truncate notes")),
    ("database four times as large", look("size drift"),
     _change("insert into notes select seq, repeat(md5(rand()), 400) from seq_10_to_60")),
)  # fmt: skip
_MYSQL_SOURCE = {
    "database four times as large": _change(
        *_for_mysql("insert into notes select seq, repeat(md5(rand()), 400) from seq_10_to_60")
    ),
}
CASES = [
    *(Case("mysql", "restored", name, (_sql(*statements),), expected) for name, expected, statements in _LOST),
    *(Case("mysql", "restored", name, (_sql(*done),), NOT_CAUGHT, why) for name, done, why in _UNSEEN),
    *(Case("mysql", "source", name, (act,), expected) for name, expected, act in _SOURCE),
    *(
        Case("mysqld", "restored", name, (_sql(*_IN_MYSQL.get(name, statements)),), expected)
        for name, expected, statements in _LOST
        if name not in _MYSQL_LACKS
    ),
    *(Case("mysqld", "restored", name, (_sql(*done),), NOT_CAUGHT, why) for name, done, why in _UNSEEN),
    *(Case("mysqld", "source", name, (_MYSQL_SOURCE.get(name, act),), expected) for name, expected, act in _SOURCE),
]
