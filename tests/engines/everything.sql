-- One database that holds everything a PostgreSQL server can hold, run by psql with
--   -v db=NAME -v modern=(server is 18 or newer) -v icu=(built with ICU) -v spaces=DIRECTORY
\set ON_ERROR_STOP on
set client_min_messages = warning;

-- Roles, membership, grants --------------------------------------------------------------------
create role "Owner of things" login password 'a role''s password' connection limit 7 valid until '2099-01-01';
create role reader nologin;
create role "wr.iter" noinherit createdb;
create role auditor bypassrls;
grant reader to "wr.iter" with admin option;
grant "wr.iter" to "Owner of things";
comment on role reader is 'reads; "only" reads';
alter role reader set statement_timeout = '5min';
create tablespace "Fast disk" location :'spaces';
grant create on tablespace "Fast disk" to reader;
comment on tablespace "Fast disk" is 'nvme';

-- The database itself ---------------------------------------------------------------------------
alter database :"db" set search_path = "$user", public, "Odd Schema";
alter database :"db" set work_mem = '7MB';
alter database :"db" set "app.motto" = 'it''s a \ backslash; -- and more';
alter role reader in database :"db" set search_path = '';
alter role "wr.iter" in database :"db" set datestyle = 'SQL, DMY';
comment on database :"db" is 'everything''s here: "quotes", ünïcode, \backslash';
revoke connect on database :"db" from public;
grant connect, create on database :"db" to reader with grant option;
grant temporary on database :"db" to "Owner of things";

-- Schemas with odd names ------------------------------------------------------------------------
create schema "Odd Schema";
create schema "with.dot and ""quotes""" authorization "Owner of things";
create schema "select";
create schema empty_one;
create schema ext;
grant usage on schema "Odd Schema" to reader, public;
comment on schema "Odd Schema" is 'an odd one';
alter default privileges in schema "Odd Schema" grant select on tables to reader;
alter default privileges for role "Owner of things" revoke execute on functions from public;
alter default privileges in schema "select" grant usage on sequences to "wr.iter" with grant option;

-- Extensions, one of them in its own schema --------------------------------------------------------
create extension pg_trgm with schema ext;
create extension hstore;
create extension btree_gist;
create extension file_fdw;
create extension postgres_fdw;
comment on extension hstore is 'our own words';

-- Types -------------------------------------------------------------------------------------------
create type mood as enum ('sad', 'it''s "ok"', 'happy', 'ünïcode');
alter type mood add value 'very sad' before 'sad';
comment on type mood is 'moods';
create type pair as (left_one int, "Right One" text collate "C");
comment on column pair."Right One" is 'the right one';
create type span as range (subtype = float8, subtype_diff = float8mi);
create domain email as text collate "C" default 'nobody@example.org' not null
  constraint has_at check (value like '%@%') check (length(value) < 200);
comment on domain email is 'an address';
comment on constraint has_at on domain email is 'must have one';
create domain positive as int;
alter domain positive add constraint above_zero check (value > 0) not valid;
create type shell_only;
alter type pair owner to "Owner of things";
revoke usage on type mood from public;
grant usage on type mood to reader;

-- Functions, procedures, aggregates, operators, casts ------------------------------------------------
create function add_one(n int default 41, out result int) language sql immutable strict parallel safe as 'select n + 1';
create function "odd name"("Arg" text, variadic more int[] = '{}') returns setof text language plpgsql stable
  security definer set search_path = pg_catalog cost 7 rows 3 as $function$
begin
  return query select "Arg" || cardinality(more)::text; -- a $body$ with 'quotes'
end $function$;
create function twice(n int) returns int language sql immutable begin atomic select n * 2; end;
create procedure "Do It"(inout n int) language plpgsql as $$ begin n := n + 1; commit; end $$;
create function concat_state(text, text) returns text language sql immutable as $$ select coalesce($1, '') || coalesce($2, '') $$;
create aggregate glue(text) (sfunc = concat_state, stype = text, initcond = '', parallel = safe);
create function pair_equal(pair, pair) returns bool language sql immutable as 'select $1.left_one = $2.left_one';
create operator === (leftarg = pair, rightarg = pair, function = pair_equal, commutator = ===);
comment on operator === (pair, pair) is 'the same left one';
create function mood_to_int(mood) returns int language sql immutable as $$ select case $1 when 'sad' then 0 else 1 end $$;
create cast (mood as int) with function mood_to_int(mood) as assignment;
comment on cast (mood as int) is 'a cast';
create function int_desc_cmp(int, int) returns int language sql immutable as 'select btint4cmp($2, $1)';
create operator family int_reversed using btree;
create operator class int_desc for type int using btree family int_reversed as
  operator 1 >, operator 2 >=, operator 3 =, operator 4 <=, operator 5 <, function 1 int_desc_cmp(int, int);
comment on function add_one(int) is 'adds one';
comment on procedure "Do It"(int) is 'does it';
comment on aggregate glue(text) is 'glues';
revoke execute on function add_one(int) from public;
grant execute on function add_one(int) to reader with grant option;
alter function twice(int) owner to "Owner of things";
create function raise_it() returns trigger language plpgsql as $$ begin raise 'never'; end $$;
create function keep_row() returns trigger language plpgsql as $$ begin return new; end $$;
create conversion "my conv" for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;

-- Collations, text search ------------------------------------------------------------------------------
create collation "C copy" from "C";
\if :icu
create collation case_blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
comment on collation case_blind is 'blind';
create table insensitive (name text collate case_blind primary key);
insert into insensitive values ('Straße'), ('abc');
\endif
create text search dictionary simple_en (template = simple, stopwords = english);
create text search configuration "my search" (copy = simple);
alter text search configuration "my search" alter mapping for asciiword with simple_en, simple;
comment on text search configuration "my search" is 'searches';

-- Every value -----------------------------------------------------------------------------------------
create table "All ""Values""" (
  id bigint generated always as identity (start 5 increment 5) primary key,
  "UPPER" text, "a.b" varchar(20) collate "C", "order" char(4), "ünï çödé 🐘" int, "new
line" smallint,
  f4 real, f8 double precision, n numeric, n2 numeric(1000, 500), b bytea, bo bool,
  d date, t time(3), tz timetz, ts timestamp, tstz timestamptz, iv interval,
  j json, jb jsonb, x xml, u uuid, m money, bits bit(5), vbits bit varying,
  i inet, c cidr, mac macaddr, p point, pol polygon, tv tsvector, tq tsquery, l pg_lsn,
  ints int[], deep text[][], pairs pair[], md mood, mds mood[], e email, pa pair, r int4range, mr int4multirange, s span,
  h hstore, rc regclass, rr regrole, xid8 xid8,
  double_n numeric generated always as (n * 2) stored
) with (fillfactor = 70);
insert into "All ""Values""" (f4, f8, n, d, ts, tstz, iv, t, tz, b, bo, j, jb, u, m, bits, vbits, i, c, mac, p, pol, tv,
  tq, l, ints, deep, pairs, md, mds, e, pa, r, mr, s, h, rc, rr, xid8, "UPPER", "a.b", "order", "ünï çödé 🐘", "new
line", n2, x) values
('NaN', '-0.0', 'NaN', 'infinity', '-infinity', 'infinity', '1 year -2 mons +3 days -04:05:06.789', '24:00', '24:00+15:59',
 '\x00ff5c27', true, '{"a" : 1,  "a":2}', '{"z": [1, null, 1e400, "\u00e9\\"]}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', -12345678.9,
 B'10101', B'', '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', '(1.1,-0)', '((0,0),(1,1),(2,0))', 'a:1A fat:2B,4C',
 'fat & (rat | !cat)', '16/B374D848', '{1,NULL,-3}', '[2:3][0:1]={{"a,b","NULL"},{NULL,"\"\\"}}', array[row(1, 'x,"y')::pair, null],
 'it''s "ok"', '{happy,ünïcode}', 'a@b', row(null, ''), '[1,5)', '{[1,3),[5,9)}', '(,3.5]', 'a=>1, "b c"=>NULL', 'pg_class', 'reader',
 '18446744073709551615', E'tab\t newline\n cr\r backslash\\ \\. quote'' "', '\N', '', 2147483647, -32768,
 repeat('9', 400)::numeric + 0.5, null),
('infinity', '1e-307', 'infinity', '4713-01-01 BC', '294276-12-31 23:59:59.999999', '4713-01-01 00:00:00+00 BC', '-178000000 years',
 '00:00', '00:00-15:59', '', false, 'null', 'null', null, 0, null, B'1', null, null, null, null, null, '', '', '0/0', '{}', '{}', '{}',
 null, null, 'x@', null, 'empty', '{}', 'empty', '', null, null, '0', '', '\.', 'a', -2147483648, 32767, null, null),
('-infinity', 1.7976931348623157e308, '-infinity', '5874897-12-31', '2026-10-25 02:30:00', '2026-10-25 02:30:00+01', '0', null, null,
 null, null, '[]', '"\\u0041"', null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
 'nobody@x', null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
insert into "All ""Values""" (n, e) values (1e-1000, 'd@d'), (('1e' || 100000)::numeric, 'd@d'), (0.10, 'd@d'), (0.1, 'd@d');
do $$ begin update "All ""Values""" set x = '<a b="1"><!-- c --><![CDATA[<>]]></a>'::xml where id = 5;
exception when feature_not_supported then null; end $$;
comment on table "All ""Values""" is E'all of them\nin two lines';
comment on column "All ""Values"""."a.b" is 'with a dot';
alter table "All ""Values""" owner to "Owner of things";
grant select ("UPPER", "a.b"), update ("order") on "All ""Values""" to reader;
grant all on "All ""Values""" to "wr.iter" with grant option;
alter table "All ""Values""" alter column j set storage external, alter column n set statistics 500, alter column n set (n_distinct = -0.5);
alter table "All ""Values""" drop column xid8;

create table duplicates (a int, b text);
insert into duplicates select 1, 'same' from generate_series(1, 1000);
insert into duplicates select null, null from generate_series(1, 10);
create table no_columns ();
insert into no_columns default values;
insert into no_columns default values;
create table "Odd Schema".empty_table (id serial primary key);
create unlogged table unlogged_one (id int generated by default as identity, t text);
insert into unlogged_one (t) values ('here'), ('too');
create table "Odd Schema".toasted (id int primary key, big text) with (toast_tuple_target = 256);
alter table "Odd Schema".toasted alter big set compression pglz;
insert into "Odd Schema".toasted select 1, string_agg(md5(i::text), '') from generate_series(1, 60000) i;
select 'create table wide (' || string_agg(format('c%s %s', i, (array['int', 'text', 'numeric'])[1 + i % 3]), ', ') || ')'
  from generate_series(1, 800) i \gexec
insert into wide (c1, c799) values (1, 1), (2, null);
create table in_other_space (id int primary key using index tablespace "Fast disk") tablespace "Fast disk";
insert into in_other_space values (1);

-- Partitions ------------------------------------------------------------------------------------------
create table events (id bigint generated by default as identity, at date not null, kind text not null, body jsonb, primary key (id, at, kind))
  partition by range (at);
create table events_2025 partition of events for values from (minvalue) to ('2026-01-01');
create table events_2026 (dropped int, body jsonb, kind text not null, at date not null, id bigint not null, constraint only_here check (id > 0));
alter table events_2026 drop column dropped;
alter table events attach partition events_2026 for values from ('2026-01-01') to ('2027-01-01');
create table events_rest partition of events default partition by list (kind);
create table events_rest_a partition of events_rest for values in ('a', null);
create table events_rest_h partition of events_rest default partition by hash (id);
create table events_rest_h0 partition of events_rest_h for values with (modulus 2, remainder 0);
create table events_rest_h1 partition of events_rest_h for values with (modulus 2, remainder 1) with (fillfactor = 50);
create index on events (kind, at desc nulls last);
create index events_body on only events using gin (body);
insert into events (at, kind, body) select date '2025-06-01' + i, (array['a', 'b', 'c'])[1 + i % 3], jsonb_build_object('i', i)
  from generate_series(0, 900) i;
create table attachments (id int primary key, event_id bigint, event_at date, event_kind text, foreign key (event_id, event_at, event_kind) references events
  on update cascade on delete set null deferrable initially deferred);
insert into attachments select id, id, at, kind from events where id < 50;
create table event_notes (note text, event_id bigint, event_at date, event_kind text, constraint to_event foreign key (event_id, event_at, event_kind) references events)
  partition by hash (note);
create table event_notes_0 partition of event_notes for values with (modulus 1, remainder 0);
insert into event_notes select 'n', id, at, kind from events limit 1;

-- Inheritance -----------------------------------------------------------------------------------------
create table parent (id int, name text default 'p' check (name <> ''));
create table other_parent (extra int);
create table child (own int) inherits (parent, other_parent);
alter table parent add column later text not null default 'later';
alter table parent add column gone int;
alter table child alter name set default 'c';
create table grandchild () inherits (child);
alter table parent drop column gone;
insert into parent values (1, 'p');
insert into child values (2, 'c', 3, 4);
insert into grandchild (id) values (5);

-- Generated and identity columns, sequences -------------------------------------------------------------
create table made (a int, b int generated always as (a * 2) stored, note text default upper('x' || current_schema()));
insert into made values (1), (2);
\if :modern
create table virtually (a int, v int generated always as (a + 1) virtual, w text generated always as ('w' || a::text) virtual);
insert into virtually values (1), (null);
create table named_not_nulls (a int constraint "a is there" not null, b int, c int not null no inherit);
insert into named_not_nulls values (1, null, 2);
alter table named_not_nulls add constraint b_later not null b not valid;
create table bookings (room int, at daterange, constraint no_double_booking primary key (room, at without overlaps));
insert into bookings values (1, '[2026-01-01,2026-02-01)');
create table guests (g int, room int, at daterange, foreign key (room, period at) references bookings (room, period at));
create table relaxed (a int, b int references "Odd Schema".empty_table not enforced, check (a > 0) not enforced);
insert into relaxed values (-1, 77);
\endif
create sequence going_down as int increment -3 minvalue -1000 maxvalue 10 start 10 cache 5;
select nextval('going_down'), nextval('going_down');
create sequence round_and_round as smallint maxvalue 3 cycle;
select nextval('round_and_round') from generate_series(1, 4);
create sequence "Not Called" start 42;
create sequence "select"."sequence";
create sequence owned_one owned by duplicates.a;
select setval('"select"."sequence"', 77, false);
comment on sequence going_down is 'down';
grant usage on sequence going_down to reader;
create table serials (id serial, big bigserial, "Small Id" smallserial);
insert into serials default values;

-- Constraints, indexes, statistics -----------------------------------------------------------------------
create table constrained (
  id int primary key, code text, room int, during tsrange, price numeric, other int,
  constraint "Code is unique" unique (code) include (price) deferrable,
  constraint no_overlap_here exclude using gist (room with =, during with &&) where (room > 0) deferrable initially deferred,
  check (price >= 0) no inherit
);
insert into constrained select i, 'c' || i, i, tsrange(now()::timestamp, null), i, -i from generate_series(1, 50) i;
alter table constrained add constraint "not valid yet" check (other > 0) not valid;
alter table constrained add constraint self_later foreign key (other) references constrained not valid;
alter table constrained add unique nulls not distinct (price, other);
comment on constraint "Code is unique" on constrained is 'unique code';
create index "An Expression" on constrained (lower(code) text_pattern_ops, (price + 1) desc) include (other) where price > 5;
create index constrained_trgm on constrained using gin (code ext.gin_trgm_ops);
create index constrained_brin on constrained using brin (id) with (pages_per_range = 16);
create index constrained_hash on constrained using hash (code);
create index constrained_desc on constrained (other int_desc);
alter index "An Expression" alter column 2 set statistics 300;
comment on index "An Expression" is 'an expression';
alter table constrained cluster on constrained_pkey;
alter table constrained replica identity full;
create statistics "Odd Schema"."my stats" (ndistinct, mcv) on code, room from constrained;
create statistics expression_stats on (price + 1), (lower(code)) from constrained;
alter statistics "Odd Schema"."my stats" set statistics 50;
comment on statistics "Odd Schema"."my stats" is 'stats';

-- Views, rules, triggers, policies --------------------------------------------------------------------------
create view "A View" with (security_barrier, check_option = local) as select id, code as "Code", price from constrained where price < 40;
comment on view "A View" is 'a view';
comment on column "A View"."Code" is 'a code';
alter view "A View" alter column price set default 9;
create recursive view counting (n) as values (1) union all select n + 1 from counting where n < 3;
create view view_1 as select 1 as a;
create view view_2 as select a from view_1;
create or replace view view_1 as select 1 as a, 2 as b;
create materialized view filled as select kind, count(*) as n from events group by kind;
create unique index filled_kind on filled (kind);
create materialized view "Not Filled" as select * from filled with no data;
comment on materialized view filled is 'filled';
create rule "no delete" as on delete to duplicates do instead nothing;
create rule also_log as on update to made where new.a > 100 do also insert into duplicates values (new.a, 'rule');
alter table made disable rule also_log;
comment on rule "no delete" on duplicates is 'none';
create trigger "keep it" before insert or update of a on made for each row when (new.a is not null) execute function keep_row('an arg');
create trigger disabled_one after insert on made execute function raise_it();
create trigger replica_one before update on made for each row execute function keep_row();
create trigger always_one before update on made for each row execute function keep_row();
create constraint trigger later_one after insert on made deferrable initially deferred for each row execute function keep_row();
create trigger with_tables after update on made referencing old table as o new table as n for each statement execute function keep_row();
create trigger on_partitions after insert on events for each row execute function keep_row();
create trigger on_view instead of insert on "A View" for each row execute function keep_row();
alter table made disable trigger disabled_one, enable replica trigger replica_one, enable always trigger always_one;
comment on trigger "keep it" on made is 'kept';
create table secret_rows (id int, owner name);
insert into secret_rows values (1, 'reader'), (2, 'nobody');
alter table secret_rows enable row level security, force row level security;
create policy "own rows" on secret_rows for select to reader, "wr.iter" using (owner = current_user);
create policy strict_insert on secret_rows as restrictive for insert with check (id > 0);
comment on policy "own rows" on secret_rows is 'own';
alter table made enable row level security;

-- Foreign data, publications, subscriptions, event triggers ------------------------------------------------------
create server files foreign data wrapper file_fdw;
create server far type 'pg' version '1' foreign data wrapper postgres_fdw options (host 'nowhere.invalid', dbname 'x', port '1');
create user mapping for reader server far options (user 'u', password 'a far password');
create user mapping for public server far;
comment on server far is 'far away';
grant usage on foreign server far to reader;
create foreign table far_table (id int options (column_name 'ID') not null, t text) server far options (table_name 'T''s');
create foreign data wrapper nothing options (debug 'true');
create publication "some" for table made, constrained (id, code) where (id > 3) with (publish = 'insert, update', publish_via_partition_root);
create publication a_schema for tables in schema "Odd Schema", table duplicates;
create publication everything_published for all tables;
comment on publication "some" is 'some';
create subscription far_sub connection 'host=nowhere.invalid dbname=x' publication p1, p2 with (connect = false, slot_name = 'a_slot');
create function on_ddl() returns event_trigger language plpgsql as $$ begin end $$;
create event trigger "watch ddl" on ddl_command_end when tag in ('DROP TABLE', 'CREATE SCHEMA') execute function on_ddl();
create event trigger asleep on sql_drop execute function on_ddl();
alter event trigger asleep disable;
comment on event trigger "watch ddl" is 'watches';

-- Large objects ----------------------------------------------------------------------------------------------------
select lo_create(1000);
select lo_from_bytea(1001, '\x00ff00');
select lo_from_bytea(1002, decode(repeat(md5('big'), 540000), 'hex'));
select lo_create(1003);
select lo_put(1003, 5000000, 'after a hole');
select lo_from_bytea(1004, decode(repeat('00', 8388608), 'hex'));
grant select on large object 1001 to reader;
comment on large object 1001 is 'a large one';
alter large object 1000 owner to "Owner of things";
