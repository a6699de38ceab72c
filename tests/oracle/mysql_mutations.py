"""Single changes to a rich MySQL or MariaDB schema, generated from its own catalogue: each attribute on its own.

A change is one statement, or what has to go before it in the same breath. Those that drop come last: all of them are
run one after another on one database, so that none has to be made for each.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from ops_pipelines.engines.mysql.clients import MARIADB
from ops_pipelines.engines.mysql.connection import identifier
from ops_pipelines.engines.mysql.definitions import take_apart
from tests.engines.mysql.conftest import TestServer

_TABLES = (
    "select table_name from information_schema.tables where table_schema = database() and table_type = 'BASE TABLE'"
)
_KINDS = {
    "table comment": "alter table {t} comment = 'another'",
    "row format": "alter table {t} row_format = dynamic",
    "storage engine": "alter table {t} engine = MyISAM",
    "default character set": "alter table {t} default character set latin2",
    "default collation": "alter table {t} default collate utf8mb4_hungarian_ci",
    "persistent statistics": "alter table {t} stats_persistent = 1",
    "sampled pages": "alter table {t} stats_sample_pages = 77",
    "checksum": "alter table {t} checksum = 1",
    "maximal rows": "alter table {t} max_rows = 12345",
    "average row length": "alter table {t} avg_row_length = 321",
    "column added": "alter table {t} add column zz_new int default 4",
    "invisible column added": "alter table {t} add column zz_hidden int default 4 invisible",
    "generated column added": "alter table {t} add column zz_made int as (1 + 1) stored",
    "check added": "alter table {t} add constraint zz_check_{n} check (1 = 1)",
    "index added": "alter table {t} add index zz_index (zz_new)",
    "descending index added": "alter table {t} add index zz_down (zz_new desc)",
    "unique index added": "alter table {t} add unique index zz_unique (zz_new)",
    "default changed": "alter table {t} alter column zz_new set default 5",
    "default dropped": "alter table {t} alter column zz_new drop default",
    "type changed": "alter table {t} modify zz_new bigint",
    "sign changed": "alter table {t} modify zz_new bigint unsigned",
    "column became text": "alter table {t} modify zz_new varchar(30)",
    "length changed": "alter table {t} modify zz_new varchar(31)",
    "column's collation": "alter table {t} modify zz_new varchar(31) collate utf8mb4_bin",
    "column's comment": "alter table {t} modify zz_new varchar(31) comment 'x'",
    "not null": "alter table {t} modify zz_new varchar(31) not null",
    "default expression": "alter table {t} modify zz_new varchar(31) default (concat('a', 'b'))",
    "column renamed": "alter table {t} rename column zz_new to zz_newer",
    "column moved": "alter table {t} modify zz_newer varchar(31) first",
    "expression changed": "alter table {t} modify zz_made int as (1 + 2) stored",
    "index renamed": "alter table {t} rename index zz_index to zz_renamed",
    "index hidden": "alter table {t} alter index zz_renamed {hidden}",
    "trigger added": "create trigger {trigger} before insert on {t} for each row set @x = 1",
    "trigger's time": "create or replace trigger {trigger} after insert on {t} for each row set @x = 1",
    "check dropped": "alter table {t} drop constraint zz_check_{n}",
    "index dropped": "alter table {t} drop index zz_renamed",
    "partitioned": "alter table {t} partition by key () partitions 3",
}
_DROPS = {
    "column dropped": "alter table {t} drop column {c}",
    "part dropped": "alter table {t} drop {part}",
    "table renamed": "rename table {t} to {renamed}",
    "table dropped": "drop table {t}",
}
_ONES = {
    "database character set": ("alter database character set latin1",),
    "database collation": ("alter database collate latin1_bin",),
    "view's body": ("create or replace view z_first as select id, upper(name) as name from companies",),
    "view's algorithm": ("create or replace algorithm = merge view z_first as select id, name from companies",),
    "view's security": ("create or replace sql security invoker view z_first as select id, name from companies",),
    "view's definer": ("create or replace definer = zz@localhost view z_first as select id, name from companies",),
    "view's check option": (
        "create or replace view checked as select * from companies where id < 10 with local check option",
    ),
    "view's client": ("set names latin1", "create or replace view latin_view as select 'y' as x"),
    "view's column names": ("create or replace view z_first (number, title) as select id, name from companies",),
    "function's comment": ("alter function twice comment 'another'",),
    "function's security": ("alter function twice sql security invoker",),
    "function's access": ("alter function twice no sql",),
    "function's body": ("drop function twice", "create function twice(n int) returns int deterministic return n * 3"),
    "function's type": (
        "drop function twice", "create function twice(n int) returns bigint deterministic return n * 3"),
    "function's nature": ("drop function twice", "create function twice(n int) returns bigint return n * 3"),
    "function's argument": ("drop function twice", "create function twice(m int) returns bigint return m * 3"),
    "function's definer": (
        "drop function twice", "create definer = zz@localhost function twice(m int) returns bigint return m * 3"),
    "function's mode": (
        "set sql_mode = 'ANSI_QUOTES'", "drop function twice",
        "create definer = zz@localhost function twice(m int) returns bigint return m * 3"),
    "procedure's comment": ("alter procedure hostile comment ''",),
    "procedure's security": ("alter procedure hostile sql security definer",),
    "procedure's access": ("alter procedure hostile modifies sql data",),
    "procedure added": ("create procedure zz_new() select 1",),
    "event's comment": ("alter event nightly comment 'another'",),
    "event disabled": ("alter event nightly disable",),
    "event enabled": ("alter event nightly enable",),
    "event kept": ("alter event nightly on completion preserve",),
    "event's schedule": ("alter event nightly on schedule every 2 day starts '2030-01-01 02:00:00'",),
    "event's end": ("alter event nightly on schedule every 2 day starts '2030-01-01' ends '2031-01-01'",),
    "event's body": ("alter event nightly do select 2",),
    "event's time zone": (
        "set time_zone = '+05:00'", "alter event nightly on schedule every 2 day starts '2030-01-01'"),
    "event's definer": ("alter definer = zz@localhost event nightly comment 'x'",),
    "event renamed": ("alter event nightly rename to nightlier",),
    "trigger's body": (
        "drop trigger before_contact",
        "create trigger before_contact before insert on contacts for each row set new.name = 'x'"),
    "trigger's order": (
        "drop trigger before_contact", "create trigger before_contact before insert on contacts for each row"
        " precedes second_one set new.name = 'x'"),
    "trigger's definer": (
        "drop trigger before_contact", "create definer = zz@localhost trigger before_contact before insert on contacts"
        " for each row set new.name = 'x'"),
    "trigger's event": (
        "drop trigger before_contact",
        "create trigger before_contact before update on contacts for each row set new.name = 'x'"),
    "foreign key's action": (
        "alter table contacts drop foreign key fk", "alter table contacts add constraint fk foreign key (company_id)"
        " references companies (id) on delete set null on update cascade"),
    "foreign key renamed": (
        "alter table contacts drop foreign key fk",
        "alter table contacts add constraint fk_too foreign key (company_id) references companies (id)"),
    "partition added": ("alter table by_range drop partition p1",),
    "partitions reorganised": ("alter table by_hash partition by hash (id) partitions 5",),
    "sequence's step": ("alter sequence seq increment by 7",),
    "sequence's end": ("alter sequence seq maxvalue 999999",),
    "sequence cycles": ("alter sequence seq cycle",),
    "sequence's cache": ("alter sequence seq cache 5",),
    "no longer versioned": (
        "set system_versioning_alter_history = keep", "alter table versioned drop system versioning"),
    "trigger dropped": ("drop trigger second_one",),
    "event dropped": ("drop event off_one",),
    "function dropped": ("drop function joined",),
    "procedure dropped": ("drop procedure hostile",),
    "view dropped": ("drop view haunted",),
}  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """One change.

    Attributes:
        kind: what it changes.
        statements: run in one session; the last one does it.
    """

    kind: str
    statements: tuple[str, ...]


def mutations(server: TestServer, database: str, *, seed: int, tables: int) -> Iterator[Mutation]:
    """Changes to `tables` tables of the database, of every kind, and all others that are no table's; drops last."""
    names = [str(row[0]) for row in server.sql(_TABLES, database=database)]
    dice = random.Random(seed)
    chosen = dice.sample(sorted(names), min(tables, len(names)))
    for kind, statements in _ONES.items():
        if "dropped" not in kind:
            yield Mutation(kind, statements)
    hidden = "ignored" if server.product == MARIADB else "invisible"
    for number, name in enumerate(chosen):
        known = {"t": identifier(name), "n": str(number), "trigger": f"zz_trigger_{number}", "hidden": hidden}
        for kind, statement in _KINDS.items():
            yield Mutation(kind, (statement.format(**known),))
    for kind, statements in _ONES.items():
        if "dropped" in kind:
            yield Mutation(kind, statements)
    for number, name in enumerate(chosen):
        text = str(server.sql(f"show create table {identifier(name)}", database=database)[0][1])
        known = {"t": identifier(name), "renamed": f"zz_renamed_{number}"}
        for kind, part, _text in take_apart(text):
            if kind == "column":
                yield Mutation("column dropped", (_DROPS["column dropped"].format(c=identifier(part), **known),))
            elif kind in ("index", "constraint"):
                word = "primary key" if part == "PRIMARY" else f"{kind} {identifier(part)}"
                yield Mutation(f"{kind} dropped", (_DROPS["part dropped"].format(part=word, **known),))
        yield Mutation("table renamed", (_DROPS["table renamed"].format(**known),))
        yield Mutation("table dropped", ("set foreign_key_checks = 0", f"drop table {known['renamed']}"))
