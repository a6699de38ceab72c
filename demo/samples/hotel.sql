-- A small hotel on PostgreSQL, made up inside the server: rooms, guests, and stays that may not overlap.

\set ON_ERROR_STOP on
begin;
select setseed(0.7);

create extension if not exists btree_gist;

create table rooms (
  number   integer primary key,
  floor    integer generated always as (number / 100) stored,
  beds     integer not null check (beds between 1 and 4),
  price    numeric(8, 2) not null
);
create table guests (
  id         bigint generated always as identity primary key,
  name       text not null,
  country    char(2) not null,
  created_at timestamptz not null
);
create table stays (
  id         bigint generated always as identity primary key,
  room       integer not null references rooms,
  guest      bigint not null references guests,
  nights     daterange not null,
  paid       boolean not null default false,
  created_at timestamptz not null,
  exclude using gist (room with =, nights with &&)
);
create table django_migrations (
  id bigint generated always as identity primary key, app text, name text, applied timestamptz
);
insert into django_migrations (app, name, applied) values
  ('hotel', '0001_initial', now() - interval '1 year'), ('hotel', '0002_stays_exclude', now() - interval '3 months');

insert into rooms (number, beds, price)
select f * 100 + n, 1 + n % 4, 40 + 15 * (n % 4) from generate_series(1, 4) f, generate_series(1, 12) n;
insert into guests (name, country, created_at)
select (array['Anna', 'Jiří', 'Søren', 'Maria', 'Tomás'])[1 + i % 5] || ' ' || i,
       (array['CZ', 'DE', 'DK', 'AT', 'ES'])[1 + i % 5], now() - i * interval '3 hours'
  from generate_series(1, 5000) i;
insert into stays (room, guest, nights, paid, created_at)
select number, 1 + floor(random() * 5000)::int, daterange(current_date - 7 * week, current_date - 7 * week + 3),
       random() < 0.9, now() - week * interval '7 days' - interval '10 days'
  from rooms, generate_series(1, 60) week;

create function catch_up() returns void language sql as $$
  insert into guests (name, country, created_at)
  select 'Walk-in', 'CZ', at from generate_series((select max(created_at) from guests) + interval '1 hour', now(), '1 hour') at
$$;

create view occupancy as
  select lower(nights) as night, count(*) as rooms from stays group by 1;
commit;
