"""A legacy dump that names the database it came from never touches that one, wherever it is restored to."""

import io
import subprocess
from pathlib import Path

import pytest

from ops_pipelines.backup.adopt import adopt, look
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.engines.postgres.script import OneDatabase
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.workspace import Workspace
from tests.conftest import MakeWorkspace, TestServer

OPTIONS = {
    "create": ("--create",),
    "create_clean": ("--create", "--clean", "--if-exists"),
    "create_verbose": ("--create", "--verbose"),
    "clean": ("--clean",),
    "neither": (),
}


def new_source(server: TestServer) -> Server:
    """A database with everything that `--create` writes statements for, and a table without a key."""
    name = server.new_database()
    server.sql(
        f"alter database {name} set work_mem = '5MB'",
        rf"comment on database {name} is E'hello\n\\connect nowhere'",
        f"revoke connect on database {name} from public",
    )
    server.sql(
        "create schema other",
        "create table other.t (id int primary key)",
        "create table log (line text)",
        r"insert into log values (E'one'), (E'\n\\connect nowhere')",
        "create view lines as select line from log",
        database=name,
    )
    return server.superuser.at(dbname=name)


def dumped(server: TestServer, source: Server, *options: str) -> bytes:
    argv = [server.programs.path("pg_dump"), *options, f"--dbname={source.argument()}"]
    return subprocess.run(argv, env=source.environment(), capture_output=True, check=True).stdout


def adopted(workspace: Workspace, path: Path) -> RestorePoint:
    (candidate,) = look(workspace, "crm", path)
    assert not candidate.refused, candidate.refused
    manifest = adopt(workspace, "crm", candidate)
    point = workspace.catalogue("crm").find(manifest.id)
    assert point is not None
    return point


def state(server: TestServer, name: str) -> list[object]:
    """Which database this is, who may connect to it, its settings, and what is in it."""
    return [
        server.sql(f"select oid, datacl::text from pg_database where datname = '{name}'"),
        server.sql("select setconfig from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase"
                   f" where datname = '{name}'"),
        server.sql("select line from log order by 1", database=name),
    ]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
@pytest.mark.daily(4)
def test_a_dump_that_names_its_database_is_restored_beside_it_and_leaves_it_alone(
    pg: TestServer, make_workspace: MakeWorkspace, tmp_path: Path, options: tuple[str, ...]
) -> None:
    source = new_source(pg)
    workspace = make_workspace(source.url()).workspace
    path = tmp_path / "full-20260203-0415.sql"
    path.write_bytes(dumped(pg, source, *options))
    pg.sql("insert into log values ('written after the dump')", database=source.database)
    pg.sql(f"grant connect on database {source.database} to public")
    before = state(pg, source.database)
    point = adopted(workspace, path)
    assert verify(workspace, point).outcome == "verified"
    beside = f"{source.database}_beside"
    restore_to(workspace, point, beside)
    assert state(pg, source.database) == before
    assert pg.sql("select line from log order by 1", database=beside) == [("\n\\connect nowhere",), ("one",)]
    assert pg.sql("select count(*) from other.t", database=beside) == [(0,)]
    told = [warning for warning in point.manifest.warnings if "--create and --clean" in warning]
    assert bool(told) is bool(options)


@pytest.mark.parametrize("options", [("--create",), ("--format=custom",)], ids=["create", "custom"])
def test_a_dump_of_another_database_is_refused_until_it_is_said_that_it_is_meant(
    pg: TestServer, make_workspace: MakeWorkspace, tmp_path: Path, options: tuple[str, ...]
) -> None:
    name, other = pg.new_database(), new_source(pg)
    path = tmp_path / "full-20260203-0415.dump"
    path.write_bytes(dumped(pg, other, *options))
    workspace = make_workspace(pg.url(name)).workspace
    (candidate,) = look(workspace, "crm", path)
    assert f"database {other.database}" in candidate.refused and name in candidate.refused
    (meant,) = look(workspace, "crm", path, other_database=True)
    assert not meant.refused
    assert adopt(workspace, "crm", meant).engine["database"] == other.database


@pytest.mark.parametrize("size", [1, 7, 4096, 10**6])
def test_what_is_left_out_does_not_depend_on_how_the_dump_is_cut_into_chunks(pg18: TestServer, size: int) -> None:
    source = new_source(pg18)
    whole = dumped(pg18, source, "--create", "--clean", "--if-exists")

    class Slowly(io.BytesIO):
        def read(self, wanted: int | None = -1, /) -> bytes:
            return super().read(size)

    def passed(reader: io.BytesIO) -> bytes:
        kept = OneDatabase("old.sql", reader)
        return b"".join(iter(lambda: kept.read(size), b""))

    text = passed(Slowly(whole))
    assert text == passed(io.BytesIO(whole))
    assert source.database.encode() not in text
    plain = dumped(pg18, source)
    assert text.count(b"\n-- Name: ") == plain.count(b"\n-- Name: ")
    assert text.endswith(b"\n") and b"\n-- PostgreSQL database dump complete\n" in text


def test_a_plain_dump_passes_byte_for_byte(pg18: TestServer) -> None:
    plain = dumped(pg18, new_source(pg18))
    kept = OneDatabase("old.sql", io.BytesIO(plain))
    assert b"".join(iter(lambda: kept.read(1000), b"")) == plain
    assert not kept.left_out


def test_any_other_connection_is_refused(pg18: TestServer, make_workspace: MakeWorkspace, tmp_path: Path) -> None:
    source = new_source(pg18)
    plain = dumped(pg18, source)
    by_hand = plain.replace(b"\n--\n-- Name: log;", f"\n\\c {source.database}\n\n--\n-- Name: log;".encode(), 1)
    assert by_hand != plain
    path = tmp_path / "two-20260203.sql"
    path.write_bytes(by_hand)
    (candidate,) = look(make_workspace(source.url()).workspace, "crm", path)
    assert "connects to a database by name" in candidate.refused
