"""PostgreSQL: what a broken dump or restore loses, and what a source or its dump program does wrong."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from ops_pipelines.engines.postgres import database
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.engines.postgres.server import scratch_server
from tests.conftest import TestServer
from tests.matrix.case import NOT_CAUGHT, REFUSED, Act, Case, Seen, bad, look
from tests.matrix.lies import false_program, programs
from tests.matrix.rig import Fresh, Rig, Scratch, back_up, opened, write_config

_ROLES = ("create role mx_reader nologin", "create role mx_clerk nologin", "create role mx_unused createdb nologin")
_CRM = """
create schema archive;
create type mood as enum ('sad', 'happy');
create domain email as text check (value like '%@%');
create table companies (id serial primary key, name text not null, city text collate "C" default 'Praha',
  since timestamptz not null default '2020-01-01Z', score double precision, note text, mail email, feeling mood);
create table contacts (id bigint generated always as identity primary key, company_id int, name text unique,
  constraint works_for foreign key (company_id) references companies, constraint named check (name <> ''));
create table notes (id int primary key, body text);
create table drafts (id int primary key, body text collate "C");
create table archive.old (id int);
create unlogged table sessions (id int);
create table alembic_version (version_num varchar(32) primary key);
create index by_city on companies (city);
create sequence numbers start 500;
create view customers as select name from companies where city = 'Praha';
create materialized view cities as select city, count(*) as n from companies group by city;
create function touched() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger touch before update on companies for each row execute function touched();
create rule keep as on delete to archive.old do instead nothing;
create policy own on notes using (id > 0);
create extension hstore;
create table settings (pairs hstore);
create publication everything for table companies;
create statistics city_name (dependencies) on city, name from companies;
comment on table companies is 'who pays';
comment on column companies.name is 'as registered';
grant select on companies to mx_reader;
grant usage on schema archive to mx_reader;
alter table notes owner to mx_clerk;
insert into companies (name, city, score, note, mail, feeling)
  select 'Firma č. ' || i, case when i % 2 = 0 then 'Brno' else 'Plzeň' end, i / 7.0, nullif('', ''), 'a@b', 'happy'
    from generate_series(1, 300) i;
insert into contacts (company_id, name) select 1 + i % 300, 'Jméno ' || i from generate_series(1, 1000) i;
insert into notes select i, repeat('žluťoučký kůň ', 900) from generate_series(1, 5) i;
insert into drafts select i, 'draft ' || i from generate_series(1, 5) i;
insert into archive.old values (1);
insert into settings values ('a=>1');
insert into alembic_version values ('9f3c1a');
select setval('numbers', 700);
select lo_from_bytea(4711, 'a large object');
refresh materialized view cities;
"""
_LATER = (
    "insert into companies (name) select 'Later ' || i from generate_series(1, 40) i",
    "alter table contacts add phone text",
    "update alembic_version set version_num = 'a07b2e'",
    "select setval('numbers', 800)",
)


@dataclass(frozen=True)
class Given:
    """A source of a case's own."""

    sql: Callable[..., object]
    lie: Callable[[str], None]


@contextmanager
def scratch_databases(server: TestServer, directory: Path) -> Iterator[Scratch]:
    """Empty databases on one scratch server, started as a verification starts its own."""
    with scratch_server(server.programs, directory, superuser="boss") as shared:

        def emptied(facts: Mapping[str, Any]) -> str:
            with session(shared.at(dbname="template1"), limit=timedelta(minutes=1), settings=False) as opened_session:
                for (name,) in opened_session.rows("select datname from pg_database where datname like 'mx%'"):
                    opened_session.rows(f"drop database {name}")
                for (name,) in opened_session.rows("select rolname from pg_roles where rolname like 'mx%'"):
                    opened_session.rows(f"drop role {name}")
            return database.recreate(shared, str(facts["database"]), facts).url()

        yield emptied


def build(path: Path, server: TestServer, scratch: Scratch) -> Rig:
    """A CRM with two restore points, and a neighbour."""
    crm, other = server.new_database("mx_crm"), server.new_database("mx_other")
    server.sql(*_ROLES)
    server.sql(_CRM, database=crm)
    server.sql("create table elsewhere as select generate_series(1, 10) i", database=other)
    for name in (crm, other):
        server.sql(f"alter database {name} set work_mem = '7MB'")
        (path / name).touch(mode=0o600)
        (path / name).write_text(server.url(name), encoding="utf-8")
    own = [str(server.programs.directory)]
    sources = {
        "crm": {"kind": "postgres", "url": {"file": crm}, "bin_dirs": own},
        "other": {"kind": "postgres", "url": {"file": other}, "bin_dirs": own},
    }
    write_config(path, sources)
    older = back_up(opened(path), "crm")
    server.sql(*_LATER, database=crm)
    newer, neighbour = back_up(opened(path), "crm"), back_up(opened(path), "other")

    def fresh(place: Path) -> Fresh:
        name = f"mx_{secrets.token_hex(4)}"
        server.sql(f"create database {name} template {crm}")
        (place / name).touch(mode=0o600)
        (place / name).write_text(server.url(name), encoding="utf-8")
        real = [server.programs.path(each) for each in ("pg_dump", "pg_dumpall", "pg_restore", "psql")]
        directory = programs(place / "bin", real)
        (place / "other.url").touch(mode=0o600)
        given = Given(
            sql=lambda *statements: server.sql(*statements, database=name),
            lie=lambda lie: false_program(directory, real[0], lie),
        )
        return Fresh({**sources["crm"], "url": {"file": name}, "bin_dirs": [str(directory), *own]}, given)

    return Rig("postgres", path, sources, fresh, scratch, older, newer, neighbour)


def _sql(*statements: str) -> Act:
    """Statements for the restored database."""

    def act(target: str) -> None:
        server = Server(target, connect=timedelta(seconds=15))
        with session(server, limit=timedelta(minutes=1), settings=False) as opened_session:
            for statement in statements:
                opened_session.rows(statement)

    return act


_LOST: tuple[tuple[str, Seen, tuple[str, ...]], ...] = (
    ("table dropped", bad("schema", "rows"), ("drop table drafts",)),
    ("all rows of a table lost", bad("rows"), ("truncate drafts",)),
    ("one row missing", bad("rows"), ("delete from drafts where id = 3",)),
    ("one row too many", bad("rows"), ("insert into drafts values (6, 'x')",)),
    ("one row changed", bad("content"), ("update drafts set body = 'Draft 3' where id = 3",)),
    ("two rows exchanged between tables", bad("content"), (
        "delete from drafts where id = 3", "insert into drafts select 3, body from notes where id = 3",
        "update notes set body = 'draft 3' where id = 3")),
    ("values of two rows exchanged", bad("content"), (
        "update drafts set body = 'draft ' || case id when 1 then 2 else 1 end where id in (1, 2)",)),
    ("encoding: UTF-8 read as Latin-1", bad("content"), (
        "update contacts set name = convert_from(convert_to(name, 'UTF8'), 'LATIN1') where id = 3",)),
    ("NULL became an empty string", bad("content"), ("update companies set note = '' where id = 7",)),
    ("precision of a float lost", bad("content"), ("update companies set score = score::numeric(10, 6) where id = 1",)),
    ("long text cut", bad("content"), ("update notes set body = left(body, 8000) where id = 1",)),
    ("times shifted by the time zone", bad("content"), ("update companies set since = since + interval '1 hour'",)),
    ("column dropped", bad("schema", "content"), ("alter table contacts drop phone",)),
    ("column's type changed", bad("schema"), ("alter table contacts alter company_id type bigint",)),
    ("column's default changed", bad("schema"), ("alter table companies alter city set default 'Brno'",)),
    ("column's collation changed", bad("schema"), ('alter table drafts alter body type text collate "default"',)),
    ("NOT NULL lost", bad("schema"), ("alter table companies alter name drop not null",)),
    ("index dropped", bad("schema"), ("drop index by_city",)),
    ("index left invalid", bad("schema", "indexes"), (
        "update pg_index set indisvalid = false where indexrelid = 'by_city'::regclass",)),
    ("index lacks a row that its table has", bad("rows", "amcheck"), (
        "update pg_index set indisready = false where indexrelid = 'by_city'::regclass",
        "insert into companies (name, city) values ('not indexed', 'Zlín')",
        "update pg_index set indisready = true where indexrelid = 'by_city'::regclass")),
    ("primary key dropped", bad("schema"), ("alter table drafts drop constraint drafts_pkey",)),
    ("unique constraint dropped", bad("schema"), ("alter table contacts drop constraint contacts_name_key",)),
    ("foreign key dropped", bad("schema"), ("alter table contacts drop constraint works_for",)),
    ("foreign key no longer validated", bad("schema"), (
        "alter table contacts drop constraint works_for, add constraint works_for foreign key (company_id)"
        " references companies not valid",)),
    ("check constraint dropped", bad("schema"), ("alter table contacts drop constraint named",)),
    ("domain's check dropped", bad("schema"), ("alter domain email drop constraint email_check",)),
    ("enum's label changed", bad("schema"), ("alter type mood rename value 'sad' to 'glum'",)),
    ("trigger dropped", bad("schema"), ("drop trigger touch on companies",)),
    ("trigger disabled", bad("schema"), ("alter table companies disable trigger touch",)),
    ("rule dropped", bad("schema"), ("drop rule keep on archive.old",)),
    ("policy dropped", bad("schema"), ("drop policy own on notes",)),
    ("view dropped", bad("schema"), ("drop view customers",)),
    ("view's definition changed", bad("schema"), (
        "create or replace view customers as select name from companies where city = 'Brno'",)),
    ("routine dropped", bad("schema"), ("drop function touched cascade",)),
    ("routine's body changed", bad("schema"), (
        "create or replace function touched() returns trigger language plpgsql as $$ begin return old; end $$",)),
    ("sequence dropped", bad("schema", "counters"), ("drop sequence numbers",)),
    ("sequence behind", bad("counters"), ("select setval('numbers', 799)",)),
    ("sequence of a column behind its rows", bad("counters"), ("select setval('companies_id_seq', 100)",)),
    ("schema dropped", bad("schema", "rows"), ("drop schema archive cascade",)),
    ("extension dropped", bad("schema", "rows"), ("drop table settings", "drop extension hstore")),
    ("publication dropped", bad("schema"), ("drop publication everything",)),
    ("statistics object dropped", bad("schema"), ("drop statistics city_name",)),
    ("unlogged table became logged", bad("schema"), ("alter table sessions set logged",)),
    ("large object lost", bad("schema", "rows"), ("select lo_unlink(4711)",)),
    ("large object changed", bad("content"), ("select lo_put(4711, 0, 'A')",)),
    ("comments lost", bad("schema"), (
        "comment on table companies is null", "comment on column companies.name is null")),
    ("owner changed", bad("schema"), ("alter table notes owner to mx_reader",)),
    ("grant lost", bad("schema"), ("revoke select on companies from mx_reader",)),
    ("role dropped with its grants", bad("schema"), ("drop owned by mx_reader", "drop role mx_reader")),
    ("setting of the database lost", bad("schema"), ("alter database mx_crm reset work_mem",)),
    ("migration reverted", bad("migrations", "content"), (
        "update alembic_version set version_num = '9f3c1a'",)),
    ("materialized view never filled", bad("schema"), ("refresh materialized view cities with no data",)),
)  # fmt: skip
_ROLE = "Roles belong to the cluster. They are compared as far as this database's owners and grants name them."
_UNSEEN: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("account dropped that owns nothing here", ("drop role mx_unused",), _ROLE),
    ("account's rights changed", ("alter role mx_unused nocreatedb",), _ROLE),
    ("contents of a materialized view outdated", (
        "update pg_class set relkind = 'r', relhasrules = false where relname = 'cities'",
        "delete from cities",
        "update pg_class set relkind = 'm', relhasrules = true where relname = 'cities'"),
     "A dump does not hold them: the restore computes them anew, so they may differ in the best of backups."),
    ("member of an extension changed", (
        "create or replace function akeys(hstore) returns text[] language sql as 'select null::text[]'",),
     "A dump names the extension and its server makes the members; a server's own changes to them are not dumped."),
)  # fmt: skip


def _lie(lie: str) -> Act:
    return lambda given: given.lie(lie)


def _change(*statements: str) -> Act:
    return lambda given: given.sql(*statements)


# Everything but the snapshot, which belongs to another database.
_OTHER = (
    'ARGS=(); for each; do case "$each" in --snapshot=*) ;; --dbname=*) ARGS+=("${each//mx_*([a-z0-9_])/mx_other}");;'
    ' *) ARGS+=("$each");; esac; done; exec "$REAL" "${ARGS[@]}"'
)
_SOURCE: tuple[tuple[str, Seen, Act], ...] = (
    ("dump program left nothing and reported success", REFUSED, _lie("exit 0")),
    ("dump cut in the middle, success reported", REFUSED, _lie('"$REAL" "$@" | head -c 20000; exit 0')),
    ("dump lacks its last bytes, success reported", bad("restore"), _lie('"$REAL" "$@" | head -c -40; exit 0')),
    ("dump whole, failure reported", REFUSED, _lie('"$REAL" "$@"; exit 1')),
    ("dump program killed", REFUSED, _lie('"$REAL" "$@" | head -c 20000; kill -KILL $$')),
    ("dump of another database", REFUSED, _lie(f"shopt -s extglob; {_OTHER}")),
    ("dump of the definitions only", REFUSED, _lie('exec "$REAL" "$@" --schema-only')),
    ("dump of the rows only", bad("restore"), _lie('exec "$REAL" "$@" --data-only')),
    ("dump without the rows of one table", REFUSED, _lie('exec "$REAL" "$@" --exclude-table-data=drafts')),
    ("dump without grants", bad("schema"), _lie('exec "$REAL" "$@" --no-privileges')),
    ("dump without comments", bad("schema"), _lie('exec "$REAL" "$@" --no-comments')),
    ("dump without large objects", bad("schema", "rows"), _lie('exec "$REAL" "$@" --no-large-objects')),
    ("database emptied since the last verified backup", look("size drift", "row drift"),
     _change("truncate companies, contacts, notes, drafts")),
    ("database four times as large", look("size drift"),
     _change("insert into notes select i, md5(random()::text) || repeat('x', 10000) from generate_series(10, 60) i")),
)  # fmt: skip
CASES = [
    *(Case("postgres", "restored", name, (_sql(*statements),), expected) for name, expected, statements in _LOST),
    *(Case("postgres", "restored", name, (_sql(*done),), NOT_CAUGHT, why) for name, done, why in _UNSEEN),
    *(Case("postgres", "source", name, (act,), expected) for name, expected, act in _SOURCE),
]
