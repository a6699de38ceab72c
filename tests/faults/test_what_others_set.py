"""What an administrator set for a server, a database or a role hurries, cuts short or changes no backup and no proof.

Daily a few of them together; each by itself in the long run.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import SourceError
from ops_pipelines.recovery.verify import verify
from tests.conftest import Made, MakeWorkspace, TestServer
from tests.engines.mysql.conftest import TestServer as MySQLServer
from tests.faults.tries import long_run

_HURRIED = (
    "statement_timeout = '50ms'", "lock_timeout = '1ms'", "idle_in_transaction_session_timeout = '20ms'",
    "idle_session_timeout = '500ms'", "transaction_timeout = '50ms'",
)  # fmt: skip
_READ_ONLY = (
    "default_transaction_read_only = on", "default_transaction_isolation = serializable",
    "default_transaction_deferrable = on", "row_security = off",
)  # fmt: skip
_OTHERWISE = (
    "search_path = nowhere", "datestyle = 'German, DMY'", "intervalstyle = iso_8601", "timezone = 'Asia/Kathmandu'",
    "extra_float_digits = -3", "bytea_output = escape", "client_encoding = latin1", "lc_messages = 'C'",
    "standard_conforming_strings = off", "quote_all_identifiers = on", "session_replication_role = replica",
    "client_min_messages = debug5", "xmloption = document", "xmlbinary = hex", "array_nulls = off",
    "transform_null_equals = on", "backslash_quote = off", "default_tablespace = 'nowhere'", "temp_file_limit = 1",
    "temp_tablespaces = 'nowhere'", "default_toast_compression = pglz", "exit_on_error = on", "enable_seqscan = off",
    "work_mem = '64kB'", "debug_parallel_query = on", "gin_fuzzy_search_limit = 1", "event_triggers = off",
    "restrict_nonsystem_relation_kind = 'view, foreign-table'", "lo_compat_privileges = on",
)  # fmt: skip
_IN_POSTGRES = [*([each] for each in (*_HURRIED, *_READ_ONLY, *_OTHERWISE) if long_run()), _HURRIED, _READ_ONLY]
_IN_MARIADB = (
    "init_connect = 'set autocommit = 0, max_statement_time = 0.001, sql_mode = ''ANSI,NO_BACKSLASH_ESCAPES'''",
    "max_statement_time = 0.001", "wait_timeout = 1", "idle_transaction_timeout = 1", "net_write_timeout = 1",
    "read_only = 1", "tx_read_only = 1", "tx_isolation = 'READ-UNCOMMITTED'", "autocommit = 0",
    "completion_type = 'RELEASE'", "sql_safe_updates = 1", "group_concat_max_len = 4",
    "time_zone = '+05:45'", "character_set_client = latin1", "max_sort_length = 8", "lc_time_names = 'de_DE'",
    "sql_mode = 'ORACLE'", "sql_mode = 'PAD_CHAR_TO_FULL_LENGTH'", "sql_mode = 'EMPTY_STRING_IS_NULL'",
    "old_mode = 'ZERO_DATE_TIME_CAST'", "sql_quote_show_create = 0", "default_storage_engine = MyISAM",
)  # fmt: skip
_TOGETHER = (*_IN_MARIADB[:5], "tx_isolation = 'READ-UNCOMMITTED'", "completion_type = 'RELEASE'", "read_only = 1")


def _verified(made: Made) -> None:
    """A backup is proved, all of it compared, every check asked and answered."""
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    verdict = verify(made.workspace, point)
    assert (verdict.outcome, verdict.gaps) == ("verified", []), verdict.reason
    assert [each for each in verdict.checks if not each.passed or "not run" in each.detail] == []


@contextmanager
def _set(server: MySQLServer, settings: Sequence[str]) -> Iterator[None]:
    """These are so for every new session of the block."""
    names = [each.split(" = ", maxsplit=1)[0] for each in settings]
    usual = {name: server.sql(f"select @@global.{name}")[0][0] for name in names}
    try:
        server.sql(*(f"set global {each}" for each in settings))
        yield
    finally:
        for name, value in usual.items():
            server.sql(f"set global {name} = %s", parameters=[value])


def _slowly(sleep: str, table: str) -> list[dict[str, Any]]:
    """A check of the user's own that takes a moment."""
    return [{"name": "slow", "sql": f"select count(*) from {table} where {sleep}", "equals": 1}]


@pytest.mark.parametrize("of", ["database", "role"])
@pytest.mark.parametrize("settings", _IN_POSTGRES, ids=lambda each: str(each[0]))
@pytest.mark.daily(2)
def test_what_is_set_for_a_database_or_a_role_of_postgres_is_in_nobodys_way(
    settings: Sequence[str], of: str, pg18: TestServer, make_workspace: MakeWorkspace
) -> None:
    name = pg18.new_database()
    role = f"role_{name}"
    pg18.sql(
        f"create role {role} superuser login password 'sets'",
        "create table big (id bigint primary key, at timestamptz default now(), since interval default '1 day 2h',"
        " body text, f float8 default 1 / 3.0, b bytea default '\\x00ff5c', a int[])",
        "create index on big (body)",
        "insert into big (id, body, a) select i, md5(i::text), array[i, null] from generate_series(1, 3000) i",
        "create table small (id int check (id > 0))",
        "insert into small values (1)",
        "create policy nobody on small using (false)",
        "alter table small enable row level security",
        "create view seen as select * from big where id < 10",
        "create materialized view kept as select * from small",
        "create function touched() returns event_trigger language plpgsql as $$ begin null; end $$",
        "create event trigger touched on ddl_command_start execute function touched()",
        database=name,
    )
    for setting in settings:
        pg18.sql(f"alter {f'role {role} in' if of == 'role' else ''} database {name} set {setting}")
    sleeping = _slowly("pg_sleep(0.6) is not null", "public.small")
    _verified(make_workspace(pg18.url(name, user=role, password="sets"), checks=sleeping))


@pytest.mark.parametrize(
    "settings", [*([each] for each in _IN_MARIADB if long_run()), _TOGETHER], ids=lambda each: each[0]
)
def test_what_is_set_for_every_session_of_mariadb_is_in_nobodys_way(
    settings: Sequence[str], mariadb: MySQLServer, make_workspace: MakeWorkspace
) -> None:
    name = mariadb.new_database()
    mariadb.sql(
        "create table big (id bigint primary key auto_increment, at timestamp(3) default '2026-01-02 03:04:05.678',"
        " c char(9), body text, b blob, e enum('a', 'b'), key (body(20)))",
        "insert into big (id, c, body, b, e) select seq, 'ab', concat(md5(seq), '\\\\ü''\"'), x'00ff5c', 'a'"
        " from seq_1_to_3000",
        "create table parent (id int primary key)",
        "create table child (id int primary key, p int, foreign key (p) references parent (id), check (id > 0))",
        "insert into parent values (1)",
        "insert into child values (1, 1)",
        "create view seen as select id, concat(c, '|') as x from big where id < 10",
        "create trigger kept before insert on parent for each row set new.id = new.id + 0",
        database=name,
    )
    account = mariadb.account("select, show view, trigger, event, execute, process, reload, binlog monitor on *.*")
    made = make_workspace(account.at(name).url(), kind="mysql", checks=_slowly("sleep(0.1) = 0", "child"))
    with _set(mariadb, settings):
        _verified(made)


@pytest.mark.parametrize("narrow", ["sql_select_limit = 1", "system_versioning_asof = '2020-01-01 00:00:00'"])
def test_what_narrows_the_answers_of_mariadb_for_every_session_is_refused_before_anything_is_dumped(
    narrow: str, mariadb: MySQLServer, make_workspace: MakeWorkspace
) -> None:
    name, setting = mariadb.new_database(), narrow.split(" = ", maxsplit=1)[0]
    mariadb.sql("create table t (id int primary key) with system versioning", database=name)
    mariadb.sql("insert into t values (1), (2)", database=name)
    made = make_workspace(mariadb.url(name), kind="mysql")
    mariadb.sql(f"set global {narrow}")
    try:
        with pytest.raises(SourceError, match=f"less than it holds: {setting} is") as caught:
            take_backup(made.workspace, "crm")
    finally:
        mariadb.sql(f"set global {setting} = default")
    assert f"SET GLOBAL {setting} = DEFAULT" in caught.value.next


@pytest.mark.parametrize("setting", ["zero_damaged_pages", "ignore_checksum_failure"])
def test_where_postgres_passes_over_damaged_pages_a_backup_says_that_not_all_is_compared(
    setting: str, pg18: TestServer, make_workspace: MakeWorkspace
) -> None:
    name = pg18.new_database()
    pg18.sql(f"alter database {name} set {setting} = on")
    taken = take_backup(make_workspace(pg18.url(name)).workspace, "crm")
    assert [(each.what, setting in each.why) for each in taken.contents.gaps] == [("damaged pages", True)]
