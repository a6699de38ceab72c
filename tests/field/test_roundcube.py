"""Roundcube as Debian packages it: the tables of its own SQL files, with users, contacts and what it keeps in them."""

from pathlib import Path

from tests.conftest import MakeWorkspace
from tests.conftest import TestServer as PostgresServer
from tests.engines.mysql.conftest import TestServer as MysqlServer
from tests.field.conftest import needed
from tests.oracle.rounds import mysql_round, postgres_round

_SQL = Path("/usr/share/roundcube/SQL")
# The same rows for either server; both give the next id to a key that is left out.
_ROWS = (
    "insert into users (username, mail_host, created, language, preferences) values"
    " ('jana@example.com', 'mail', '2026-01-01', 'cs_CZ', 'a:1:{s:4:\"skin\";s:7:\"elastic\";}'),"
    " ('petr@example.com', 'mail', '2026-01-02', 'de_DE', null)",
    "insert into identities (user_id, changed, standard, name, email, signature) select user_id, '2026-02-02', 1,"
    " 'Příliš žluťoučký', username, 'S pozdravem 🐎\n-- \n''\\\\' from users",
    "insert into contactgroups (user_id, changed, name) select user_id, '2026-02-02', 'friends' from users",
    "insert into contacts (changed, name, email, firstname, surname, vcard, words, user_id) select '2026-02-03',"
    " concat('contact ', username), 'x@example.com', 'Jan', 'Novák', 'BEGIN:VCARD', ' jan novak ', user_id from users",
    "insert into contactgroupmembers (contactgroup_id, contact_id, created) select g.contactgroup_id, c.contact_id,"
    " '2026-02-04' from contactgroups g join contacts c on c.user_id = g.user_id",
    "insert into session (sess_id, changed, ip, vars) values ('s1', '2026-03-01', '::1', 'dmFycw==')",
    "insert into dictionary (user_id, language, data) select user_id, 'cs', 'slovo' from users",
    "insert into cache (user_id, cache_key, expires, data) select user_id, 'k', '2027-01-01', 'data' from users",
)


def test_mail_on_postgresql(field_pg: PostgresServer, make_workspace: MakeWorkspace) -> None:
    script = needed(_SQL / "postgres.initial.sql")
    name = field_pg.new_database()
    field_pg.psql(name, "--set=ON_ERROR_STOP=1", f"--file={script}")
    field_pg.sql(*_ROWS, database=name)
    postgres_round(field_pg, name, make_workspace)


def test_mail_on_mysql(field_mysql: MysqlServer, make_workspace: MakeWorkspace) -> None:
    script = needed(_SQL / "mysql.initial.sql")
    name = field_mysql.new_database()
    field_mysql.client(name, script)
    field_mysql.sql(*_ROWS, database=name)
    mysql_round(field_mysql, name, make_workspace)
