"""A restore one can trust: what is refused before the first byte, what a part of a source is, what is proved."""

import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyrage
import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import OpsError, SafetyRefusal, SourceError, StoreError
from ops_pipelines.recovery.choose import choose, safety_since
from ops_pipelines.recovery.preflight import NotReady
from ops_pipelines.recovery.refuse import refuse_sources
from ops_pipelines.recovery.restore import Recovered, restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from tests.conftest import Made, MakeWorkspace, TestServer

RICH = """
create schema "Odd one";
create type mood as enum ('fine', 'bad');
create function stamp() returns trigger language plpgsql as $$ begin return new; end $$;
create table companies (id serial primary key, name text not null unique);
create table "Odd one"."T x" (id serial primary key, m mood default 'fine', company int references companies);
create index "an index" on "Odd one"."T x" (m);
create trigger stamped before insert on "Odd one"."T x" for each row execute function stamp();
create table readings (at int not null, v int) partition by range (at);
create table readings_1 partition of readings for values from (0) to (100);
create table readings_2 partition of readings for values from (100) to (200);
create index on readings (v);
create view named as select name from companies;
create table other (id int primary key);
insert into companies (name) select 'company ' || i from generate_series(1, 20) i;
insert into "Odd one"."T x" (company) select 1 + i % 20 from generate_series(1, 300) i;
insert into readings select i, i from generate_series(0, 199) i;
insert into other values (1), (2)
"""


@pytest.fixture
def rich(pg18: TestServer, make_workspace: MakeWorkspace, request: pytest.FixtureRequest) -> Iterator[Made]:
    """A backed up database of several tables that depend on each other."""
    name = pg18.new_database()
    pg18.sql(*RICH.split(";\n"), database=name)
    made = make_workspace(pg18.url(name), format=getattr(request, "param", "custom"))
    take_backup(made.workspace, "crm")
    yield made
    for (left,) in pg18.sql(f"select datname from pg_database where datname like '{name}%'"):
        pg18.sql(f'drop database "{left}" with (force)')


def newest(made: Made) -> RestorePoint:
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    return point


def source_name(made: Made) -> str:
    return newest(made).manifest.engine["database"]  # type: ignore[return-value]


def bring_back(made: Made, *only: str) -> tuple[str, Recovered]:
    target = f"{source_name(made)}_back"
    return target, restore_to(made.workspace, newest(made), target, only=only)


def failed(recovered: Recovered) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in recovered.checks if not check.passed and not check.attention]


def tables(server: TestServer, database: str) -> set[str]:
    rows = server.sql(
        "select oid::regclass::text from pg_class where relkind in ('r', 'p', 'v')"
        " and relnamespace::regnamespace::text !~ '^(pg_|information_schema)'",
        database=database,
    )
    return {name for (name,) in rows}


@pytest.mark.parametrize("rich", ["custom", "directory"], indirect=True)
def test_one_table_comes_back_with_everything_that_belongs_to_it(pg18: TestServer, rich: Made) -> None:
    target, recovered = bring_back(rich, '"Odd one"."T x"')
    assert failed(recovered) == []
    assert tables(pg18, target) == {'"Odd one"."T x"'}
    assert pg18.sql('select count(*) from "Odd one"."T x"', database=target) == [(300,)]
    # pg_restore --table would have left out every one of these.
    found = pg18.sql(
        "select (select count(*) from pg_index where indrelid = t.oid), (select count(*) from pg_trigger"
        " where tgrelid = t.oid and not tgisinternal), pg_get_serial_sequence('\"Odd one\".\"T x\"', 'id') is not null"
        " from pg_class t where relname = 'T x'",
        database=target,
    )
    assert found == [(2, 1, True)]
    assert pg18.sql('insert into "Odd one"."T x" default values returning id, m', database=target) == [(301, "fine")]
    [left] = [warning for warning in recovered.warnings if warning.startswith("left out")]
    assert "fk constraint" in left and "T x_company_fkey" in left


def test_a_partitioned_table_comes_back_with_its_partitions_and_one_partition_alone(
    pg18: TestServer, rich: Made
) -> None:
    target, recovered = bring_back(rich, "readings")
    assert (failed(recovered), tables(pg18, target)) == ([], {"readings", "readings_1", "readings_2"})
    assert pg18.sql("select count(*) from readings", database=target) == [(200,)]
    pg18.sql(f'drop database "{target}"')
    target, recovered = bring_back(rich, "public.readings_2")
    assert (failed(recovered), tables(pg18, target)) == ([], {"readings", "readings_2"})
    assert pg18.sql("select count(*) from readings", database=target) == [(100,)]


def test_a_view_brings_what_it_stands_on_and_says_so(pg18: TestServer, rich: Made) -> None:
    target, recovered = bring_back(rich, "named")
    assert (failed(recovered), tables(pg18, target)) == ([], {"named", "companies"})
    assert any("restored as well" in warning and "companies" in warning for warning in recovered.warnings)


def test_a_schema_is_selected_by_its_star(pg18: TestServer, rich: Made) -> None:
    target, recovered = bring_back(rich, "Odd one.*", "companies")
    assert (failed(recovered), tables(pg18, target)) == ([], {'"Odd one"."T x"', "companies"})
    # Both ends are there now, so the foreign key is, too.
    assert pg18.sql("select count(*) from pg_constraint where contype = 'f'", database=target) == [(1,)]
    [said] = [check for check in recovered.checks if check.name == "selection"]
    assert "nothing but" in said.detail and "public.companies" in said.detail


def test_a_selection_that_matches_nothing_names_what_is_close_and_creates_nothing(pg18: TestServer, rich: Made) -> None:
    with pytest.raises(SourceError, match="'compnies' matches nothing") as caught:
        bring_back(rich, "compnies")
    assert "public.companies" in caught.value.why
    assert pg18.sql(f"select 1 from pg_database where datname = '{source_name(rich)}_back'") == []


def test_a_whole_restore_runs_the_same_assertions_as_a_verification(pg18: TestServer, rich: Made) -> None:
    target, recovered = bring_back(rich)
    proved = verify(rich.workspace, newest(rich))
    names = {check.name for check in proved.checks} - {"checksum", "restore", "size drift", "row drift"}
    assert names <= {check.name for check in recovered.checks}
    assert (failed(recovered), proved.outcome) == ([], "verified")
    # Looking left nothing behind in what the user is about to use.
    assert pg18.sql("select extname from pg_extension where extname <> 'plpgsql'", database=target) == []
    assert pg18.sql("select 1 from pg_namespace where nspname = 'ops_amcheck'", database=target) == []


def test_every_obstacle_is_told_at_once_and_nothing_was_created(pg18: TestServer, rich: Made) -> None:
    (rich.path / "age.key").write_text(str(pyrage.x25519.Identity.generate()), encoding="utf-8")
    wanted = "host=127.0.0.1 port=1 dbname=elsewhere user=nobody"
    with pytest.raises(NotReady) as caught:
        restore_to(rich.workspace, newest(rich), wanted)
    said = str(caught.value)
    assert "for 2 reasons" in said
    assert "the key of crm does not open this backup" in said and "elsewhere on 127.0.0.1:1 cannot be reached" in said
    assert "encrypt.identity" in said


def test_an_older_server_is_refused_with_the_reason(pg_debian: TestServer, rich: Made) -> None:
    if pg_debian.major >= 18:
        pytest.skip("the distribution's PostgreSQL is not older than 18")
    said = f"the target's server is PostgreSQL {pg_debian.major}, the backup was taken from 18"
    with pytest.raises(SourceError, match=said):
        restore_to(rich.workspace, newest(rich), pg_debian.url("too_old"))
    assert pg_debian.sql("select 1 from pg_database where datname = 'too_old'") == []


def test_a_full_disk_is_noticed_before_the_first_byte(
    pg18: TestServer, rich: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = os.statvfs(rich.path)
    whole_disk = usage.f_blocks * usage.f_frsize
    point = newest(rich)
    huge = [
        part.model_copy(update={"plain_bytes": whole_disk}) if part.role == "dump" else part
        for part in point.manifest.parts
    ]
    store = rich.workspace.stores["local"]
    grown = store.manifest("crm", point.id, fresh=True).model_copy(update={"parts": huge})
    monkeypatch.setattr(store, "manifest", lambda *_, fresh=False: grown)
    with pytest.raises(OpsError) as caught:
        restore_to(rich.workspace, point, f"{source_name(rich)}_back")
    assert "the decrypted backup needs" in str(caught.value)
    assert pg18.sql(f"select 1 from pg_database where datname = '{source_name(rich)}_back'") == []


def spellings(server: TestServer, directory: Path) -> list[str]:
    """Ways to name the same server."""
    link = directory / "link"
    link.symlink_to(server.directory)
    hosts = ["localhost", "127.0.0.1", "127.1", "0x7f000001", "::ffff:127.0.0.1", "0.0.0.0", socket.gethostname()]
    return [*hosts, str(server.directory), f"{server.directory}/", str(link)]


def test_a_source_is_refused_under_any_spelling_before_anything_is_connected_to(
    pg18: TestServer, make_workspace: MakeWorkspace, tmp_path: Path
) -> None:
    """The addresses alone must tell: nobody listens where these databases are said to be."""
    for number, ours in enumerate(spellings(pg18, tmp_path)):
        made = make_workspace(pg18.url("crm", host=ours, port="4"), directory=f"ops{number}")
        for theirs in spellings(pg18, tmp_path / f"ops{number}"):
            target = pg18.superuser.at(host=theirs, port="4", dbname="crm").url()
            with pytest.raises(SafetyRefusal, match="is the source crm") as caught:
                refuse_sources(made.workspace.config, "crm", target)
            assert caught.value.exit_status == 3 and "nothing was connected to" in caught.value.why
        with pytest.raises(SafetyRefusal):
            refuse_sources(made.workspace.config, "crm", "crm")


def test_another_database_or_port_is_not_taken_for_the_source(pg18: TestServer, make_workspace: MakeWorkspace) -> None:
    engine = make_workspace(pg18.url("crm", host="localhost", port="4")).workspace.config.engine("crm")
    ours = engine.place()
    assert ours is not None
    for host, port, database in (("localhost", "4", "crm2"), ("localhost", "5", "crm"), ("192.0.2.7", "4", "crm")):
        there = engine.place(pg18.url(database, host=host, port=port))
        assert there is not None and not there.is_same_as(ours)


def test_a_time_chooses_the_newest_verified_one_before_it(rich: Made) -> None:
    first = newest(rich)
    verify(rich.workspace, first)
    second_id = take_backup(rich.workspace, "crm").id
    now = rich.workspace.clock.now()
    assert choose(rich.workspace, "crm", at=now).id == first.id
    assert choose(rich.workspace, "crm", at=now, unverified=True).id == second_id
    with pytest.raises(StoreError, match="no verified restore point taken at") as caught:
        choose(rich.workspace, "crm", at=first.started_at - timedelta(minutes=1))
    assert first.id in caught.value.why


def test_what_was_taken_for_safety_is_only_gone_back_to_when_it_is_named(rich: Made) -> None:
    workspace = rich.workspace
    first = newest(rich)
    safety = take_backup(workspace, "crm", safety=True).id
    after = workspace.clock.now()
    with pytest.raises(StoreError, match="no verified restore point") as caught:
        choose(workspace, "crm")
    assert f"used only when named: {safety}" in caught.value.why and f"--backup {first.id}" in caught.value.next
    assert verify(workspace, newest(rich)).outcome == "verified"
    with pytest.raises(StoreError, match="no verified restore point"):
        choose(workspace, "crm")
    assert choose(workspace, "crm", unverified=True).id == first.id
    assert choose(workspace, "crm", at=after, unverified=True).id == first.id
    assert choose(workspace, "crm", safety).id == safety
    assert (
        passed := safety_since(workspace.local, first, workspace.published("crm"))
    ) is not None and passed.id == safety
    assert workspace.catalogue("crm").recovery_point is None, "nor does it count for the RPO"
    assert safety_since(workspace.local, passed, workspace.published("crm")) is None
