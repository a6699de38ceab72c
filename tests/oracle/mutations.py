"""Single changes to a rich PostgreSQL schema, generated from its own catalogue: each attribute that can be changed.

A change is one statement. Those of one kind are queries that return statements; they are run one after another on one
database, drops last, so that no database has to be made for each.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.conftest import TestServer

# What `everything.sql` has not.
EXTRA = (
    "create function plus_int(int, int) returns int language sql immutable as 'select coalesce($1, 0) + $2'",
    "create function minus_int(int, int) returns int language sql immutable as 'select $1 - $2'",
    "create function out_int(int) returns int language sql immutable as 'select $1'",
    "create type typed as (a int, b text)",
    "create table typed_one of typed",
    "create table compressed (t text compression pglz) with (toast.autovacuum_enabled = off)",
    "create operator class float_ops_too for type float8 using btree as operator 1 <, operator 3 =, operator 5 >,"
    " function 1 btfloat8cmp(float8, float8)",
    "create table seats (id int, kind text) partition by list (kind)",
    "create table seats_a partition of seats for values in ('a')",
    "create trigger counted before insert on seats for each row execute function keep_row()",
    "create index seats_kind on seats (kind)",
    "create sequence quick",
    "create language mine handler plpgsql_call_handler",
    "create access method heap_too type table handler heap_tableam_handler",
)

_REL = "format('%I.%I', n.nspname, c.relname)"
_CLASS = "pg_class c join pg_namespace n on n.oid = c.relnamespace"
_USERS = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relname <> 'wide'"
_NOT_EXT = "not exists (select from pg_depend d where d.objid = {oid} and d.deptype in ('e', 'i'))"
_WORD = {
    "r": "table", "p": "table", "v": "view", "m": "materialized view", "f": "foreign table", "S": "sequence",
    "i": "index", "I": "index",
}  # fmt: skip
_KIND = "case c.relkind " + " ".join(f"when '{kind}' then '{word}'" for kind, word in _WORD.items()) + " end"


def _columns(statement: str, where: str) -> str:
    return (
        f"select format($q${statement}$q$, {_REL}, quote_ident(a.attname)) from pg_attribute a join pg_class c"
        f" on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace where a.attnum > 0"
        f" and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f') and {_USERS} and ({where})"
    )


def _r(statement: str, kinds: str = "rpvmf", where: str = "true") -> str:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    return (
        f"select format($q${statement}$q$, {_KIND}, {_REL}) from {_CLASS} where c.relkind in ({listed}) and {_USERS}"
        f" and {where} and " + _NOT_EXT.format(oid="c.oid")
    )


_FN = "pg_proc p join pg_namespace n on n.oid = p.pronamespace"
_FN_WORD = "case p.prokind when 'a' then 'aggregate' when 'p' then 'procedure' else 'function' end"
_FN_OURS = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and " + _NOT_EXT.format(oid="p.oid")


def _fn(statement: str, where: str = "true") -> str:
    return (
        f"select format($q${statement}$q$, {_FN_WORD}, p.oid::regprocedure) from {_FN} where {_FN_OURS} and {where}"
        " and p.prorettype <> 0"
    )


def _on(statement: str, catalog: str, name: str, table: str, where: str = "true") -> str:
    """Statements about what hangs on a table: `%1$s` its name, `%2$s` the table's."""
    return (
        f"select format($q${statement}$q$, quote_ident({name}), {table}::regclass) from {catalog}"
        f" where {table} >= 16384 and {where}"
    )


_TYPE = "pg_type t join pg_namespace n on n.oid = t.typnamespace"
_TYPE_OURS = "n.nspname = 'public' and t.typcategory <> 'A' and " + _NOT_EXT.format(oid="t.oid")


def _ty(statement: str, kinds: str) -> str:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    return (
        f"select format($q${statement}$q$, t.oid::regtype) from {_TYPE}"
        f" left join pg_class c on c.oid = t.typrelid"
        f" where t.typtype in ({listed}) and (t.typrelid = 0 or c.relkind = 'c') and {_TYPE_OURS}"
    )


KINDS: dict[str, str] = {
    "comment on relation": _r("comment on %s %s is 'mutated'", "rpvmfSi"),
    "owner of relation": _r("alter %s %s owner to auditor", "rpvmfS"),
    "grant on relation": f"select format('grant select on %s to auditor', {_REL}) from {_CLASS}"
    f" where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and {_USERS}",
    "revoke on relation": f"select format('revoke all on %s from reader, \"wr.iter\"', {_REL}) from {_CLASS}"
    f" where c.relacl is not null and {_USERS}",
    "option of table": _r("alter %s %s set (fillfactor = 33)", "r"),
    "toast option": _r("alter %s %s set (toast.autovacuum_vacuum_threshold = 77)", "r", "c.reltoastrelid <> 0"),
    "option of view": _r("alter %s %s set (security_barrier = true)", "v"),
    "row security": _r("alter %s %s enable row level security", "rp", "not c.relrowsecurity"),
    "forced row security": _r("alter %s %s force row level security", "rp", "not c.relforcerowsecurity"),
    "replica identity": _r("alter %s %s replica identity nothing", "r"),
    "unlogged table": _r("alter %s %s set unlogged", "r", "c.relpersistence = 'p'"),
    "access method": _r("alter %s %s set access method heap_too", "r"),
    "schema of relation": _r("alter %s %s set schema empty_one", "rvmfS", "n.nspname = 'public'"),
    "rename relation": _r("alter %s %s rename to mutated_name", "rpvmfSi"),
    "column added": _r("alter %s %s add mutated int", "rpf"),
    "column comment": _columns("comment on column %s.%s is 'mutated'", "true"),
    "column grant": _columns("grant select (%2$s) on %1$s to auditor", "true"),
    "column default": _columns(
        "alter table %s alter %s set default null::int + 7",
        "a.atttypid in ('int4'::regtype, 'text'::regtype) and a.attgenerated = '' and a.attidentity = ''"
        " and c.relkind <> 'm'",
    ),
    "column default dropped": _columns(
        "alter table %s alter %s drop default", "a.atthasdef and a.attgenerated = '' and a.attidentity = ''"
    ),
    "not null": _columns("alter table %s alter %s set not null", "not a.attnotnull and c.relkind in ('r', 'p')"),
    "not null dropped": _columns("alter table %s alter %s drop not null", "a.attnotnull and c.relkind in ('r', 'p')"),
    "column type": _columns(
        "alter table %s alter %s type bigint", "a.atttypid = 'int4'::regtype and c.relkind in ('r', 'p')"
    ),
    "column storage": _columns(
        "alter table %s alter %s set storage main", "a.attstorage = 'x' and c.relkind in ('r', 'p')"
    ),
    "column compression": _columns(
        "alter table %s alter %s set compression pglz", "a.attstorage = 'x' and c.relkind in ('r', 'p')"
    ),
    "column statistics": _columns("alter table %s alter %s set statistics 77", "c.relkind in ('r', 'p')"),
    "column option": _columns("alter table %s alter %s set (n_distinct = 77)", "c.relkind in ('r', 'p')"),
    "column option inherited": _columns(
        "alter table %s alter %s set (n_distinct_inherited = 77)", "c.relkind in ('r', 'p')"
    ),
    "column renamed": _columns("alter table %s rename %s to mutated_column", "not c.relispartition"),
    "column collation": _columns(
        'alter table %s alter %s type text collate "POSIX"', "a.atttypid = 'text'::regtype and c.relkind = 'r'"
    ),
    "identity": _columns("alter table %s alter %s set generated by default", "a.attidentity = 'a'"),
    "identity dropped": _columns("alter table %s alter %s drop identity", "a.attidentity <> ''"),
    "generated dropped": _columns("alter table %s alter %s drop expression", "a.attgenerated = 's'"),
    "foreign column option": _columns(
        "alter foreign table %s alter %s options (add column_name 'x')", "c.relkind = 'f' and a.attfdwoptions is null"
    ),
    "sequence increment": _r("alter %s %s increment 7", "S"),
    "sequence cycle": _r("alter %s %s cycle", "S"),
    "sequence cache": _r("alter %s %s cache 77", "S"),
    "sequence start": _r("alter %s %s start 3", "S"),
    "sequence maximum": _r("alter %s %s maxvalue 1777", "S"),
    "sequence owner column": _r("alter %s %s owned by none", "S"),
    "unlogged sequence": _r("alter %s %s set unlogged", "S"),
    "constraint comment": _on("comment on constraint %s on %s is 'mutated'", "pg_constraint", "conname", "conrelid"),
    "constraint rename": _on(
        "alter table %2$s rename constraint %1$s to mutated_constraint", "pg_constraint", "conname", "conrelid"
    ),
    "constraint validated": _on(
        "alter table %2$s validate constraint %1$s", "pg_constraint", "conname", "conrelid", "not convalidated"
    ),
    "constraint deferred": _on(
        "alter table %2$s alter constraint %1$s deferrable initially deferred", "pg_constraint", "conname", "conrelid",
        "contype = 'f' and conparentid = 0",
    ),
    "check added": _r("alter %s %s add constraint mutated check (1 > 0) not valid", "rpf"),
    "unique added": f"select format('alter table %s add unique (%s)', {_REL}, (select quote_ident(attname)"
    f" from pg_attribute a where attrelid = c.oid and attnum > 0 and not attisdropped limit 1)) from {_CLASS}"
    f" where c.relkind = 'r' and not c.relispartition and {_USERS}",
    "index clustered": "select format('alter table %s cluster on %I', i.indrelid::regclass, c.relname) from pg_index i"
    " join pg_class c on c.oid = i.indexrelid where i.indrelid >= 16384 and not i.indisclustered"
    " and i.indpred is null",
    "index identity": "select format('alter table %s replica identity using index %I', i.indrelid::regclass, c.relname)"
    " from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid >= 16384 and i.indisprimary",
    "index option": "select format('alter index %s set (fillfactor = 44)', c.oid::regclass) from pg_index i"
    " join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam"
    " where i.indrelid >= 16384 and a.amname = 'btree' and c.relkind = 'i'",
    "index statistics": "select format('alter index %s alter column %s set statistics 99', i.indexrelid::regclass,"
    " k.place) from pg_index i, unnest(i.indkey) with ordinality k(attnum, place)"
    " where i.indrelid >= 16384 and k.attnum = 0 and k.place <= i.indnkeyatts",
    "index added": f"select format('create index on only %s ((1))', {_REL}) from {_CLASS}"
    f" where c.relkind in ('r', 'p', 'm') and {_USERS}",
    "trigger switched": _on(
        "alter table %2$s disable trigger %1$s", "pg_trigger", "tgname", "tgrelid", "not tgisinternal"
    ),
    "trigger always": _on(
        "alter table %2$s enable always trigger %1$s", "pg_trigger", "tgname", "tgrelid", "not tgisinternal"
    ),
    "trigger comment": _on(
        "comment on trigger %s on %s is 'mutated'", "pg_trigger", "tgname", "tgrelid", "not tgisinternal"
    ),
    "trigger rename": _on(
        "alter trigger %s on %s rename to mutated_trigger", "pg_trigger", "tgname", "tgrelid",
        "not tgisinternal and tgparentid = 0",
    ),
    "trigger added": _r(
        "create trigger mutated_new before update on %2$s for each row execute function keep_row()", "r"
    ),
    "rule switched": _on(
        "alter table %2$s disable rule %1$s", "pg_rewrite", "rulename", "ev_class", "rulename <> '_RETURN'"
    ),
    "rule comment": _on(
        "comment on rule %s on %s is 'mutated'", "pg_rewrite", "rulename", "ev_class", "rulename <> '_RETURN'"
    ),
    "rule added": _r("create rule mutated as on update to %2$s do also select 1", "r"),
    "policy expression": _on("alter policy %s on %s using (false)", "pg_policy", "polname", "polrelid"),
    "policy check": _on("alter policy %s on %s with check (false)", "pg_policy", "polname", "polrelid"),
    "policy roles": _on("alter policy %s on %s to auditor", "pg_policy", "polname", "polrelid"),
    "policy comment": _on("comment on policy %s on %s is 'mutated'", "pg_policy", "polname", "polrelid"),
    "policy rename": _on("alter policy %s on %s rename to mutated", "pg_policy", "polname", "polrelid"),
    "policy added": _r("create policy fresh on %2$s for update to reader using (true)", "r"),
    "statistics target": "select format('alter statistics %I.%I set statistics 66', n.nspname, s.stxname)"
    " from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace",
    "statistics owner": "select format('alter statistics %I.%I owner to auditor', n.nspname, s.stxname)"
    " from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace",
    "statistics comment": "select format('comment on statistics %I.%I is ''mutated''', n.nspname, s.stxname)"
    " from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace",
    "function comment": _fn("comment on %s %s is 'mutated'"),
    "function owner": _fn("alter %s %s owner to auditor"),
    "function grant": _fn("grant execute on routine %2$s to auditor"),
    "function revoke": _fn("revoke execute on routine %2$s from public"),
    "function cost": _fn("alter %s %s cost 77", "p.prokind = 'f'"),
    "function volatility": _fn("alter %s %s stable", "p.prokind = 'f'"),
    "function strict": _fn("alter %s %s strict", "p.prokind = 'f'"),
    "function leakproof": _fn("alter %s %s leakproof", "p.prokind = 'f'"),
    "function parallel": _fn("alter %s %s parallel restricted", "p.prokind = 'f'"),
    "function definer": _fn("alter %s %s security definer", "p.prokind in ('f', 'p')"),
    "function setting": _fn("alter %s %s set work_mem = '3MB'", "p.prokind in ('f', 'p')"),
    "function rename": _fn("alter %s %s rename to mutated_function"),
    "aggregate part": "select format('create or replace aggregate mutated_sum(int) (sfunc = plus_int, stype = int%s)',"
    " part) from unnest(array['', ', initcond = ''3''', ', finalfunc = out_int', ', finalfunc = out_int,"
    " finalfunc_extra', ', finalfunc = out_int, finalfunc_modify = shareable', ', sspace = 40', ', combinefunc ="
    " plus_int', ', parallel = safe', ', msfunc = plus_int, minvfunc = minus_int, mstype = int', ', msfunc = plus_int,"
    " minvfunc = minus_int, mstype = int, minitcond = ''1''', ', msfunc = plus_int, minvfunc = minus_int, mstype ="
    " int, msspace = 44', ', msfunc = plus_int, minvfunc = minus_int, mstype = int, mfinalfunc = out_int', ', msfunc ="
    " plus_int, minvfunc = minus_int, mstype = int, mfinalfunc = out_int, mfinalfunc_modify = read_write', ', msfunc ="
    " plus_int, minvfunc = minus_int, mstype = bigint']) part",
    "type comment": _ty("comment on type %s is 'mutated'", "bcder"),
    "type owner": _ty("alter type %s owner to auditor", "bcder"),
    "type grant": _ty("grant usage on type %s to auditor", "bcder"),
    "type rename": _ty("alter type %s rename to mutated_type", "bce"),
    "enum value": _ty("alter type %s add value 'mutated'", "e"),
    "composite attribute": _ty("alter type %s add attribute mutated int cascade", "c"),
    "domain default": _ty("alter domain %s set default null", "d"),
    "domain default dropped": _ty("alter domain %s drop default", "d"),
    "domain not null": _ty("alter domain %s set not null", "d"),
    "domain not null dropped": _ty("alter domain %s drop not null", "d"),
    "domain check": _ty("alter domain %s add constraint mutated check (value is null) not valid", "d"),
    "domain check validated": "select format('alter domain %s validate constraint %I', contypid::regtype, conname)"
    " from pg_constraint where contypid >= 16384 and not convalidated",
    "domain check comment": "select format('comment on constraint %I on domain %s is ''mutated''', conname,"
    " contypid::regtype) from pg_constraint where contypid >= 16384",
    "range": "select format('create type mutated_range_%s as range (subtype = float8%s)', place, part) from"
    " unnest(array['', ', subtype_diff = float8mi', ', subtype_opclass = float_ops_too'])"
    " with ordinality u(part, place)",
    "collation comment": "select format('comment on collation %s is ''mutated''', oid::regcollation) from pg_collation"
    " where oid >= 16384",
    "collation owner": "select format('alter collation %s owner to auditor', oid::regcollation) from pg_collation"
    " where oid >= 16384",
    "extension comment": "select format('comment on extension %I is ''mutated''', extname) from pg_extension",
    "extension schema": "select 'alter extension pg_trgm set schema empty_one'",
    "extension member grant": "select format('revoke execute on function %s from public', p.oid::regprocedure)"
    " from pg_proc p join pg_depend d on d.objid = p.oid and d.deptype = 'e' and d.classid = 'pg_proc'::regclass"
    " where p.oid >= 16384",
    "event trigger": "select format('alter event trigger %I enable always', evtname) from pg_event_trigger",
    "event trigger owner": "select format('alter event trigger %I owner to boss', evtname) from pg_event_trigger",
    "event trigger comment": "select format('comment on event trigger %I is ''mutated''', evtname)"
    " from pg_event_trigger",
    "event trigger rename": "select format('alter event trigger %I rename to mutated', evtname)"
    " from pg_event_trigger limit 1",
    "event trigger added": "select format('create event trigger m_%s on ddl_command_start %s execute function"
    " on_ddl()', place, part) from unnest(array['', 'when tag in (''DROP VIEW'')']) with ordinality u(part, place)",
    "publication": "select format('alter publication %I set (%s)', pubname, part) from pg_publication,"
    " unnest(array['publish = ''truncate''', 'publish_via_partition_root = true']) part",
    "publication owner": "select format('alter publication %I owner to boss', pubname) from pg_publication",
    "publication comment": "select format('comment on publication %I is ''mutated''', pubname) from pg_publication",
    "publication rename": "select format('alter publication %I rename to mutated', pubname) from pg_publication"
    " limit 1",
    "publication table": "select format('alter publication %I add table %s', pubname, part) from pg_publication,"
    " unnest(array['serials', 'view_table', 'seats_a where (id > 7)', 'typed_one (a)']) part where not puballtables",
    "publication schema": "select format('alter publication %I add tables in schema empty_one', pubname)"
    " from pg_publication where not puballtables",
    "subscription": "select format('alter subscription far_sub set (%s)', part) from"
    " unnest(array['binary = true', 'synchronous_commit = off', 'disable_on_error = true', 'slot_name = ''b''']) part",
    "subscription publications": "select 'alter subscription far_sub set publication p9 with (refresh = false)'",
    "subscription comment": "select 'comment on subscription far_sub is ''mutated'''",
    "subscription connection": "select 'alter subscription far_sub connection ''host=elsewhere.invalid'''",
    "foreign server option": "select 'alter server far options (set host ''elsewhere.invalid'')'",
    "foreign server version": "select 'alter server far version ''2'''",
    "foreign server owner": "select 'alter server far owner to auditor'",
    "foreign server grant": "select 'grant usage on foreign server far to auditor'",
    "foreign server comment": "select 'comment on server files is ''mutated'''",
    "foreign table option": "select 'alter foreign table far_table options (add schema_name ''x'')'",
    "user mapping": "select 'create user mapping for auditor server far'",
    "user mapping option": "select 'alter user mapping for reader server far options (set user ''w'')'",
    "wrapper option": "select 'alter foreign data wrapper nothing options (set debug ''false'')'",
    "wrapper owner": "select 'alter foreign data wrapper nothing owner to boss'",
    "wrapper grant": "select 'grant usage on foreign data wrapper nothing to auditor'",
    "wrapper comment": "select 'comment on foreign data wrapper nothing is ''mutated'''",
    "wrapper validator": "select 'alter foreign data wrapper nothing validator postgresql_fdw_validator'",
    "operator": "select statement from unnest(array['alter operator === (pair, pair) set (restrict = eqsel)',"
    " 'alter operator === (pair, pair) set (join = eqjoinsel)', 'alter operator === (pair, pair) owner to auditor',"
    " 'comment on operator === (pair, pair) is ''mutated''',"
    " 'alter operator === (pair, pair) set schema empty_one']) statement",
    "cast": "select statement from unnest(array['comment on cast (mood as int) is ''mutated''',"
    " 'create cast (mood as bigint) with inout as implicit']) statement",
    "operator class": "select statement from unnest(array['alter operator class int_desc using btree owner to auditor',"
    " 'alter operator class float_ops_too using btree rename to mutated',"
    " 'comment on operator class int_desc using btree is ''mutated''',"
    " 'alter operator family int_reversed using btree owner to auditor',"
    " 'comment on operator family int_reversed using btree is ''mutated''',"
    " 'alter operator family int_reversed using btree add operator 1 > (int8, int8)',"
    " 'alter operator family int_reversed using btree add function 1 (int8, int8) btint8cmp(int8, int8)']) statement",
    "conversion": "select statement from unnest(array['alter conversion \"my conv\" owner to auditor',"
    " 'comment on conversion \"my conv\" is ''mutated''', 'alter conversion \"my conv\" rename to mutated',"
    " 'create default conversion other for ''LATIN1'' to ''UTF8'' from iso8859_1_to_utf8']) statement",
    "language": "select statement from unnest(array['alter language mine owner to auditor',"
    " 'comment on language mine is ''mutated''', 'create or replace trusted language mine handler"
    " plpgsql_call_handler', 'create or replace trusted language mine handler plpgsql_call_handler inline"
    " plpgsql_inline_handler', 'create or replace trusted language mine handler plpgsql_call_handler inline"
    " plpgsql_inline_handler validator plpgsql_validator', 'grant usage on language mine to auditor',"
    " 'alter language mine rename to mutated', 'revoke usage on language plpgsql from public',"
    " 'grant usage on language c to auditor']) statement",
    "access methods": "select statement from unnest(array['comment on access method heap_too is ''mutated''',"
    " 'create access method other_heap type table handler heap_tableam_handler',"
    " 'create access method other_btree type index handler bthandler']) statement",
    "text search": "select statement from unnest(array["
    " 'alter text search configuration \"my search\" drop mapping for hword',"
    " 'alter text search configuration \"my search\" alter mapping for asciiword with simple',"
    " 'alter text search configuration \"my search\" owner to auditor',"
    " 'comment on text search configuration \"my search\" is ''mutated''',"
    " 'alter text search dictionary simple_en (accept = false)',"
    " 'alter text search dictionary simple_en owner to auditor',"
    " 'comment on text search dictionary simple_en is ''mutated''',"
    " 'create text search template mutated (lexize = dsimple_lexize)',"
    " 'create text search template mutated_2 (init = dsimple_init, lexize = dsimple_lexize)',"
    " 'create text search parser mutated (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes ="
    " prsd_lextype)', 'comment on text search parser mutated is ''mutated''',"
    " 'comment on text search template mutated is ''mutated''']) statement",
    "transform": "select 'create transform for int language mine (from sql with function prsd_lextype(internal))'",
    "schema comment": "select format('comment on schema %I is ''mutated''', nspname) from pg_namespace n"
    " where nspname !~ '^pg_' and nspname <> 'information_schema'",
    "schema owner": "select format('alter schema %I owner to auditor', nspname) from pg_namespace n"
    " where nspname !~ '^pg_' and nspname <> 'information_schema'",
    "schema grant": "select format('grant create on schema %I to auditor', nspname) from pg_namespace n"
    " where nspname !~ '^pg_' and nspname <> 'information_schema'",
    "large object": "select format(part, oid) from pg_largeobject_metadata, unnest(array['alter large object %s owner"
    " to auditor', 'grant select on large object %s to auditor', 'comment on large object %s is ''mutated''']) part",
    "default privileges": "select statement from unnest(array["
    " 'alter default privileges grant select on tables to auditor',"
    " 'alter default privileges in schema \"select\" grant update on sequences to auditor',"
    " 'alter default privileges revoke execute on routines from public',"
    " 'alter default privileges for role reader grant usage on types to auditor']) statement",
    "database": "select format(statement, current_database()) from unnest(array['alter database %I set"
    " statement_timeout = 77', 'alter database %I reset work_mem', 'alter role auditor in database %I set work_mem ="
    " ''9MB''', 'comment on database %I is ''mutated''', 'alter database %I connection limit 77',"
    " 'alter database %I owner to auditor', 'grant temporary on database %I to auditor',"
    " 'revoke create on database %I from reader']) statement",
    "database template": "select format('alter database %I is_template true', current_database())",
    "system privileges": "select statement from unnest(array['grant execute on function pg_read_file(text) to auditor',"
    " 'revoke execute on function pg_sleep(float8) from public', 'grant select on pg_authid to auditor',"
    " 'revoke select on pg_settings from public', 'revoke usage on schema information_schema from public',"
    " 'grant create on schema pg_catalog to auditor', 'revoke usage on type money from public',"
    " 'grant select (rolpassword) on pg_authid to auditor', 'revoke select on information_schema.tables from public',"
    " 'revoke all on pg_proc from public']) statement",
    "partition": "select statement from unnest(array['alter table seats_a disable trigger counted',"
    " 'create index seats_a_later on seats_a (id)', 'create index seats_later on only seats (id)',"
    " 'alter index seats_later attach partition seats_a_later', 'alter table seats detach partition seats_a',"
    " 'alter table seats attach partition seats_a default']) statement",
    "inheritance": "select statement from unnest(array['alter table grandchild no inherit child',"
    " 'alter table grandchild inherit parent', 'alter table typed_one not of',"
    " 'alter table typed_one of typed']) statement",
    "view text": "select statement from unnest(array['create or replace view view_2 as select a + 1 as a from view_1',"
    " 'create or replace view view_1 as select 1 as a, 3 as b', 'refresh materialized view \"Not Filled\"',"
    " 'create or replace rule also_log as on update to made where new.a > 200 do also insert into duplicates values"
    " (new.a, ''rule'')', 'alter view \"A View\" alter column price drop default']) statement",
}  # fmt: skip

DROPS: dict[str, str] = {
    "trigger dropped": _on("drop trigger %s on %s", "pg_trigger", "tgname", "tgrelid",
                           "not tgisinternal and tgparentid = 0"),
    "rule dropped": _on("drop rule %s on %s", "pg_rewrite", "rulename", "ev_class", "rulename <> '_RETURN'"),
    "policy dropped": _on("drop policy %s on %s", "pg_policy", "polname", "polrelid"),
    "constraint dropped": _on("alter table %2$s drop constraint %1$s", "pg_constraint", "conname", "conrelid"),
    "statistics dropped": "select format('drop statistics %I.%I', n.nspname, s.stxname)"
    " from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace",
    "index dropped": _r("drop %s %s", "iI"),
    "column dropped": _columns("alter table %s drop %s", "c.relkind in ('r', 'p') and not c.relispartition"),
    "publication dropped": "select format('drop publication %I', pubname) from pg_publication",
    "event trigger dropped": "select format('drop event trigger %I', evtname) from pg_event_trigger",
    "cast dropped": "select 'drop cast (mood as int)'",
    "operator dropped": "select 'drop operator === (pair, pair)'",
    "conversion dropped": "select format('drop conversion %I', conname) from pg_conversion where oid >= 16384",
    "text search dropped": "select 'drop text search configuration \"my search\"'",
    "collation dropped": "select format('drop collation %s cascade', oid::regcollation) from pg_collation"
    " where oid >= 16384",
    "view dropped": _r("drop %s %s cascade", "vm"),
    "function dropped": _fn("drop %s %s cascade"),
    "sequence dropped": _r("drop %s %s cascade", "S"),
    "user mapping dropped": "select 'drop user mapping for public server far'",
    "subscription dropped": "select 'alter subscription far_sub set (slot_name = none)' union all"
    " select 'drop subscription far_sub'",
    "foreign table dropped": _r("drop %s %s", "f"),
    "server dropped": "select 'drop server far cascade'",
    "wrapper dropped": "select 'drop foreign data wrapper nothing'",
    "table dropped": _r("drop %s %s cascade", "rp"),
    "type dropped": _ty("drop type %s cascade", "bcer"),
    "domain dropped": _ty("drop domain %s cascade", "d"),
    "large object dropped": "select format('select lo_unlink(%s)', oid) from pg_largeobject_metadata",
    "extension dropped": "select format('drop extension %I cascade', extname) from pg_extension"
    " where extname <> 'plpgsql'",
    "schema dropped": "select format('drop schema %I cascade', nspname) from pg_namespace"
    " where nspname in ('Odd Schema', 'select', 'empty_one')",
}  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """One statement, and the kind of change that it is."""

    kind: str
    statement: str


def mutations(
    server: TestServer, database: str, *, seed: int, each: int, kinds: int | None = None
) -> Iterator[Mutation]:
    """Changes in the order in which they are to be made; what a kind offers is asked when its turn comes.

    Args:
        each: changes of one kind at most.
        kinds: a sample of so many kinds; all unless given.
    """
    chosen = random.Random(seed)
    names = [*KINDS, *DROPS]
    wanted = set(names if kinds is None else chosen.sample(names, kinds))
    for kind, query in {**KINDS, **DROPS}.items():
        if kind in wanted:
            offered = sorted(statement for (statement,) in server.sql(query, database=database) if statement)
            for statement in chosen.sample(offered, min(each, len(offered))):
                yield Mutation(kind, statement)
