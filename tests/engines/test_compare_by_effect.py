"""What PostgreSQL prints differently after one reload is the same; what does something else is not."""

import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.base import Contents
from ops_pipelines.engines.postgres import contents, reload
from ops_pipelines.recovery.compare import changed
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from tests.conftest import MakeWorkspace, TestServer
from tests.oracle import texts

# `s in ('a', 'b')` of a varchar reads as another expression once the server has read what it printed.
_LIMIT = timedelta(minutes=1)
_KINDS = {
    "check": "alter table t add constraint target check (s in ('a', 'b'))",
    "check of whole rows": "create function ok(t) returns boolean immutable language sql return true;"
    " alter table t add constraint target check (s in ('a', 'b') and ok(t.*))",
    "check of domain": "create domain target as varchar(20) constraint target check (value in ('a', 'b'));"
    " alter table t add d target",
    "default of domain": "create domain target as boolean default ('x'::varchar in ('a', 'b'))",
    "default": "alter table t add target boolean default (current_user::varchar in ('a', 'b'))",
    "default of view": "create view target as select n from t;"
    " alter view target alter n set default (current_user::varchar in ('a', 'b'))::int",
    "generated column": "alter table t add target boolean generated always as (s in ('a', 'b')) stored",
    "partial index": "create unique index target on t (n) where s in ('a', 'b')",
    "index of expression": "create index target on t ((s in ('a', 'b')))",
    "exclusion": "alter table t add constraint target exclude using btree (n with =) where (s in ('a', 'b'))",
    "view": "create view target as select * from t where s in ('a', 'b')",
    "materialized view": "create materialized view target as select * from t where s in ('a', 'b')",
    "rule": "create table log (n int); create rule target as on update to t where new.s in ('a', 'b')"
    " do also insert into log values (new.n)",
    "trigger": "create trigger target before update on t for each row when (new.s in ('a', 'b'))"
    " execute function suppress_redundant_updates_trigger()",
    "trigger of partitions": "create trigger target before update on p for each row when (new.s in ('a', 'b'))"
    " execute function suppress_redundant_updates_trigger()",
    "policy": "create policy target on t using (s in ('a', 'b')) with check (s in ('a', 'b'))",
    "policy with a query": "create policy target on t"
    " using (exists (select from p where p.s in ('a', 'b') and p.n = t.n))",
    "statistics": "create statistics target on (s in ('a', 'b')), n from t",
    "partition key": "create table target (s varchar(20), n int) partition by list ((s in ('a', 'b')));"
    " create table target_1 partition of target for values in (true)",
    "function": "create function target(x varchar default 'a') returns boolean language sql return x in ('a', 'b')",
    "procedure": "create procedure target(x varchar) language sql begin atomic"
    " delete from p where s in ('a', 'b') and s = x; end",
    "argument": "create function target(x boolean default current_user::varchar in ('a', 'b')) returns boolean"
    " language plpgsql as 'begin return x; end'",
    "publication": "create publication target for table t where (s::text in ('a', 'b'))",
}
_TABLES = (
    "create table t (n int primary key, s varchar(20))",
    "create table p (n int, s varchar(20)) partition by range (n)",
    "create table p_1 partition of p for values from (0) to (10)",
    "insert into t select g, null from generate_series(1, 9) g",
    "insert into p select g, null from generate_series(1, 9) g",
)


_OTHERS = {
    "a value more": ("('a', 'b')", "('a', 'b', 'c')"),
    "another operator": (" in ('a', 'b')", " not in ('a', 'b')"),
    "another case": ("('a', 'b')", "('a', 'B')"),
}


def _database(server: TestServer, change: tuple[str, str] = ("", "")) -> str:
    """A database with an object of each kind, its expression changed or not."""
    made = [text.replace("target", f"target_{number}") for number, text in enumerate(_KINDS.values())]
    name = server.new_database()
    server.sql(*_TABLES, *(text.replace(*change) for text in made), database=name)
    return name


def _reloaded(server: TestServer, database: str, path: Path) -> str:
    """The same after a dump and a load by PostgreSQL's own programs."""
    at, name = server.superuser.at(dbname=database), server.new_database()
    argv: list[str | Path] = [server.programs.path("pg_dump"), f"--file={path}", f"--dbname={at.argument()}"]
    subprocess.run(argv, env=at.environment(), check=True)
    server.psql(name, f"--file={path}", "--set=ON_ERROR_STOP=1")
    return name


def _contents(server: TestServer, database: str) -> Contents:
    return contents.take(server.superuser.at(dbname=database), level="full", jobs=2, limit=_LIMIT)


def _changed(server: TestServer, source: str, restored: str) -> set[str]:
    """Names of what came back with another effect."""

    def again(definitions: Mapping[str, str]) -> Mapping[str, str]:
        return reload.reloaded(server.superuser.at(dbname=restored), definitions, limit=_LIMIT)

    return set(changed(_contents(server, source), _contents(server, restored), again))


def test_what_reads_differently_after_one_reload_is_verified_and_restored(
    pg: TestServer, make_workspace: MakeWorkspace
) -> None:
    name = _database(pg)
    workspace = make_workspace(pg.url(name), copies=[]).workspace
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    verdict = verify(workspace, point)
    assert (verdict.outcome, verdict.words) == ("verified", "verified"), verdict.reason
    recovered = restore_to(workspace, point, f"{name}_back")
    assert [check.detail for check in recovered.checks if not check.passed and not check.attention] == []
    at = pg.superuser
    difference = texts.postgres_difference(pg.programs, at.at(dbname=name), at.at(dbname=f"{name}_back"))
    assert difference == ""


@pytest.mark.parametrize("form", ["directory", "sql"])
def test_a_restore_compares_by_effect_from_any_format(
    pg18: TestServer, form: str, make_workspace: MakeWorkspace
) -> None:
    name = pg18.new_database()
    pg18.sql(*_TABLES, _KINDS["check"], _KINDS["view"].replace("target", "seen"), database=name)
    workspace = make_workspace(pg18.url(name), copies=[], format=form).workspace
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    recovered = restore_to(workspace, point, f"{name}_back")
    assert [check.detail for check in recovered.checks if not check.passed and not check.attention] == []


def test_every_kind_reads_differently_after_one_reload_and_is_no_difference(pg: TestServer, tmp_path: Path) -> None:
    source = _database(pg)
    restored = _reloaded(pg, source, tmp_path / "dump.sql")
    there, here = _contents(pg, source).objects, _contents(pg, restored).objects
    other_words = {name for name in there if here[name] != there[name]}
    quiet = [kind for number, kind in enumerate(_KINDS) if not any(f"target_{number}" in each for each in other_words)]
    assert quiet == ["publication"]  # it allows no expression that reads differently
    # No event trigger fires while we look, and nothing of it stays.
    pg.sql(
        "create function refuse() returns event_trigger language plpgsql as 'begin raise exception $$no$$; end'",
        "create event trigger refusing on ddl_command_end execute function refuse()",
        database=restored,
    )
    here = _contents(pg, restored).objects
    assert _changed(pg, source, restored) == set()
    assert _contents(pg, restored).objects == here


@pytest.mark.parametrize("change", _OTHERS)
def test_a_changed_expression_of_any_kind_is_a_difference(pg: TestServer, change: str, tmp_path: Path) -> None:
    source = _database(pg)
    restored = _reloaded(pg, _database(pg, _OTHERS[change]), tmp_path / "dump.sql")
    found = _changed(pg, source, restored)
    unseen = [kind for number, kind in enumerate(_KINDS) if not any(f"target_{number}" in each for each in found)]
    assert unseen == []
