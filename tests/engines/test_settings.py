"""Settings of a role or a database change neither what is compared nor what is restored."""

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from tests.conftest import MakeWorkspace, TestServer
from tests.oracle import texts

_KEPT = """
select setrole::regrole::text, c from pg_db_role_setting s, unnest(setconfig) c
 where setdatabase = (select oid from pg_database where datname = current_database()) order by 1, 2
"""
SETTINGS = (
    "quote_all_identifiers = on",
    "standard_conforming_strings = off",
    "transform_null_equals = on",
    "extra_float_digits = -3",
    "datestyle = 'German, DMY'",
    "intervalstyle = iso_8601",
    "bytea_output = escape",
    "lc_monetary = 'C'",
    "xmloption = document",
    "default_transaction_isolation = serializable",
    "row_security = off",
    "lock_timeout = 1",
)
# A role that may only read restores nothing.
READ_ONLY = {"database": ("default_transaction_read_only = on",), "role": ()}


@pytest.mark.parametrize("of", ["database", "role"])
def test_settings_of_a_role_or_a_database_change_nothing_and_come_back(
    of: str, pg: TestServer, make_workspace: MakeWorkspace
) -> None:
    name, role = pg.new_database(), f"owner_{of}"
    pg.sql(f"drop role if exists {role}", f"create role {role} superuser login password 'sets'")
    pg.sql(
        "create schema app",
        'create table app."Mixed" (id serial primary key, at timestamptz, since interval, f float8, b bytea, s text,'
        " constraint said check (s <> E'back\\\\slash\\'s'))",
        "insert into app.\"Mixed\" (at, since, f, b, s) select '2026-11-29 12:00+00'::timestamptz + i * interval '1 h',"
        " i * interval '1 day 2 h', i / 3.0, decode(lpad(to_hex(i), 8, '0'), 'hex'), E'\\\\' || i"
        " from generate_series(1, 300) i",
        'create view app.seen as select "Mixed".s || E\'\\\\\' as s, f from app."Mixed" where at is not null',
        "create function app.f(t text) returns text language sql immutable as $$ select t || '\\' $$",
        *(
            f"alter {of} {role if of == 'role' else name} set {setting}"
            for setting in (*SETTINGS, *READ_ONLY[of], "search_path = app, \"$user\", 'With Capital', public")
        ),
        f"alter role {role} in database {name} set search_path = app, public",
        database=name,
    )
    made = make_workspace(pg.url(name, user=role, password="sets"))
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").points[0]
    verdict = verify(made.workspace, point)
    assert (verdict.outcome, verdict.gaps) == ("verified", []), verdict.reason
    recovered = restore_to(made.workspace, point, f"{name}_back")
    assert [check.detail for check in recovered.checks if not check.passed] == []
    at = pg.superuser
    assert texts.postgres_difference(pg.programs, at.at(dbname=name), at.at(dbname=f"{name}_back")) == ""
    assert pg.sql(_KEPT, database=f"{name}_back") == pg.sql(_KEPT, database=name)
