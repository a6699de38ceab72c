-- A small CRM on MariaDB, made up inside the server: some 60,000 rows, no real person in it.
--
-- It has one of most things such a database can hold: foreign keys, generated columns, JSON, BIT, GEOMETRY with a
-- spatial index, FULLTEXT, ENUM, a partitioned table, a sequence, a system-versioned table with its history, views of
-- views, a trigger, a function, a procedure, an event, emoji, and the marks of Laravel's migrations.
-- The same rows every time, apart from the clock: everything is dated backwards from now.

set names utf8mb4;
set rand_seed1 = 42, rand_seed2 = 4242;

create table companies (
  id int unsigned auto_increment primary key,
  name varchar(120) not null,
  slug varchar(130) generated always as (lower(replace(name, ' ', '-'))) stored,
  country char(2) not null,
  place point not null,
  profile json,
  flags bit(8) not null default b'0',
  created_at datetime(3) not null,
  unique key (slug),
  spatial index (place)
) engine = innodb default charset = utf8mb4 comment = 'The firms we sell to';

create table contacts (
  id bigint unsigned auto_increment primary key,
  company_id int unsigned not null,
  first_name varchar(60) not null,
  last_name varchar(60) not null,
  email varchar(160) not null unique,
  note text,
  stage enum('lead', 'customer', 'lost') not null default 'lead',
  created_at datetime not null,
  fulltext index (note),
  constraint contacts_company foreign key (company_id) references companies (id) on delete cascade
) engine = innodb default charset = utf8mb4;

create table activities (
  id bigint unsigned auto_increment,
  contact_id bigint unsigned not null,
  kind enum('call', 'mail', 'meeting') not null,
  at datetime not null,
  minutes smallint unsigned,
  primary key (id, at),
  index (contact_id)
) engine = innodb partition by range columns (at) (
  partition old values less than ('2026-01-01'), partition p2026 values less than ('2027-01-01'),
  partition later values less than (maxvalue));

create table prices (
  id int unsigned auto_increment primary key,
  product varchar(80) not null,
  amount decimal(12, 2) not null
) engine = innodb with system versioning;

create table attachments (
  id int unsigned auto_increment primary key,
  contact_id bigint unsigned not null,
  path varchar(255) not null,
  bytes int unsigned not null,
  created_at datetime not null,
  constraint attachments_contact foreign key (contact_id) references contacts (id)
) engine = innodb default charset = utf8mb4;

create table migrations (
  id int unsigned auto_increment primary key, migration varchar(255) not null, batch int not null
) engine = innodb;
insert into migrations (migration, batch) values
  ('2025_01_10_000000_create_companies', 1), ('2025_06_02_120000_create_attachments', 2);

create sequence invoice_numbers start with 20260001 cache 10;

insert into companies (name, country, place, profile, flags, created_at)
  select concat(elt(1 + seq % 7, 'Brno', 'Elbe', 'Tatra', 'Donau', 'Vltava', 'Odra', 'Morava'), ' ',
                elt(1 + seq % 5, 'Werke', 'Trade', 'Logistics', 'Labs', 'Foods'), ' ', seq),
         elt(1 + seq % 4, 'CZ', 'DE', 'SK', 'AT'), point(12 + rand() * 7, 48 + rand() * 3),
         json_object('employees', 1 + floor(rand() * 500), 'rating', elt(1 + seq % 3, '⭐', '⭐⭐', '🚀')),
         seq % 256, now() - interval seq hour
    from seq_1_to_400;

insert into contacts (company_id, first_name, last_name, email, note, stage, created_at)
  select 1 + seq % 400, elt(1 + seq % 6, 'Jana', 'Petr', 'Zoë', 'Łukasz', 'Ágnes', 'Björn'),
         elt(1 + seq % 5, 'Nováková', 'Svoboda', 'Müller', 'Kovács', 'O''Brien'), concat('c', seq, '@firm.example'),
         concat(elt(1 + seq % 3, 'Called back', 'Wants an offer', 'Met at the fair'), ' 👋 ', md5(seq)),
         elt(1 + seq % 3, 'lead', 'customer', 'lost'), now() - interval (20000 - seq) * 20 minute
    from seq_1_to_20000;

insert into activities (contact_id, kind, at, minutes)
  select 1 + floor(rand() * 20000), elt(1 + seq % 3, 'call', 'mail', 'meeting'), now() - interval seq * 15 minute,
         nullif(seq % 90, 0)
    from seq_1_to_40000;

insert into prices (product, amount) select concat('Plan ', seq), seq * 9.90 from seq_1_to_20;
update prices set amount = amount * 1.1 where id % 2 = 0;

create view customers as select * from contacts where stage = 'customer';
create view customers_by_country as
  select c.country, count(*) as customers from customers p join companies c on c.id = p.company_id group by c.country;

delimiter //
create trigger contacts_email before insert on contacts for each row set new.email = lower(new.email) //
create function full_name(p_id bigint unsigned) returns varchar(130) reads sql data
  return (select concat(first_name, ' ', last_name) from contacts where id = p_id) //
create procedure catch_up()
begin
  -- A visitor every twenty minutes since the last one: a CRM that nobody uses would be no example.
  declare latest datetime default (select max(created_at) from contacts);
  insert into contacts (company_id, first_name, last_name, email, created_at)
    select 1 + floor(rand() * 400), 'New', 'Visitor',
           concat('visitor-', unix_timestamp(latest + interval seq * 20 minute), '@web.example'),
           latest + interval seq * 20 minute
      from seq_1_to_2000 where latest + interval seq * 20 minute <= now();
end //
create event forget_old_activities on schedule every 1 month disable do
  delete from activities where at < now() - interval 5 year //
delimiter ;
