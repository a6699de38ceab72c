"""A database file, and the archive it comes in, may be anything: what reads it reads it in a sandbox."""

import io
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.verify import verify
from ops_pipelines.sandbox import isolation
from tests.engines.sqlite.conftest import House
from tests.sandbox.conftest import Canary, left_in
from tests.sandbox.test_bombs import with_part

needs_sandbox = pytest.mark.skipif(isolation.standing().best != "sandbox", reason="no sandbox can be had here")


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return sink.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, mode
    return made


def database(path: Path, script: str) -> bytes:
    with closing(sqlite3.connect(path)) as made:
        made.executescript(script)
    return path.read_bytes()


ARCHIVES = {
    "absolute": lambda at: packed((entry(f"{at}/absolute"), b"x")),
    "up": lambda at: packed((entry(f"{'../' * 20}{str(at).lstrip('/')}/up"), b"x")),
    "within": lambda at: packed((entry(f"a/{'../' * 20}{str(at).lstrip('/')}/within"), b"x")),
    "link": lambda at: packed((entry("out", tarfile.SYMTYPE, str(at)), b""), (entry("out/through"), b"x")),
    "hard link": lambda at: packed((entry("hard", tarfile.LNKTYPE, str(at)), b"")),
    "device": lambda at: packed((entry("null", tarfile.CHRTYPE), b"")),
    "fifo": lambda at: packed((entry("pipe", tarfile.FIFOTYPE), b"")),
    "twice": lambda at: packed((entry("twice"), b"x"), (entry("twice"), b"y")),
    "nothing": lambda at: b"\0" * 1024,
    "no archive": lambda at: b"no archive at all",
}


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("way", ["none", pytest.param("sandbox", marks=needs_sandbox)])
def test_an_archive_writes_nowhere_else(databases: House, canary: Canary, name: str, way: str) -> None:
    databases.database("app.sqlite", "create table t (v text);")
    workspace = databases.configure(copies=[], verify={"isolation": way})
    verdict = with_part(workspace, "dump", ARCHIVES[name](canary.folder))
    assert verdict.outcome in ("bad", "inconclusive")
    assert verdict.reason
    canary.assert_unharmed()
    assert left_in(workspace.places.scratch) == []


SCHEMAS = {
    "load_extension": "create table t (v text); create view v as select load_extension('{canary}/evil.so');",
    "without an end": "create view v as with recursive n(i) as (select 1 union all select i + 1 from n) "
    "select i from n;"
    "create table t (v text); create trigger g after insert on t begin insert into t select i from v; end;",
    "deep": "create table t (v text, g as (" + "(" * 20 + "1" + ")" * 20 + "));",
    "generated": "create table t (v text, g as (hex(zeroblob(400000000)))); insert into t values ('x');",
    "check": "create table t (v text check (length(hex(zeroblob(100000000))) > 0));",
    "index": "create table t (v text); create index i on t (length(hex(zeroblob(100000000))));"
    "insert into t values ('x');",
    "tokenizer": "create virtual table f using fts3(a, tokenize=simple); create table t (v text);",
}


def rewritten(path: Path, old: str, new: str) -> bytes:
    """A database whose schema says something that no statement would have been let write."""
    with closing(sqlite3.connect(path)) as made:
        made.execute("pragma writable_schema = on")
        made.execute("update sqlite_master set sql = replace(sql, ?, ?)", (old, new))
        made.commit()
    return path.read_bytes()


def files(folder: Path, canary: Canary) -> Iterator[tuple[str, bytes]]:
    """Hostile database files by what is wrong with them."""
    for name, script in SCHEMAS.items():
        yield name, database(folder / f"{name}.sqlite", canary.filled(script))
    script = "create table t (v text); create index i on t (v); insert into t values (hex(randomblob(4000)));"
    script = "create table t (v text); create index i on t (v); insert into t values (hex(randomblob(4000)));"
    whole = database(folder / "whole.sqlite", script)
    for at in (16, 18, 28, 36, 40, 56, 100, 103, 105, 107):
        yield f"header byte {at}", whole[:at] + b"\xff\xff" + whole[at + 2 :]
    for number in (1, 2, 3):
        start = number * 4096
        yield f"page {number} of ones", whole[:start] + b"\xff" * 4096 + whole[start + 4096 :]
        itself = whole[start + 1 : start + 8] + (number + 1).to_bytes(4, "big")
        yield f"page {number} points at itself", whole[:start] + b"\x05" + itself + whole[start + 12 :]
    yield "cut off", whole[:5000]
    yield (
        "attach in a trigger",
        rewritten(
            Path(_trigger(folder / "attach.sqlite")), "select 'PLANT'", f"attach '{canary.folder}/attached' as a"
        ),
    )
    yield "a view of itself", rewritten(Path(_view(folder / "self.sqlite")), "select 'PLANT'", "select * from v")


def _trigger(path: Path) -> Path:
    database(path, "create table t (v text); create trigger g after insert on t begin select 'PLANT'; end;")
    return path


def _view(path: Path) -> Path:
    database(path, "create table t (v text); create view v as select 'PLANT';")
    return path


@needs_sandbox
def test_no_database_file_does_anything_outside(databases: House, canary: Canary, tmp_path: Path) -> None:
    """All in one archive, then what is told of each."""
    databases.database("app.sqlite", "create table t (v text);")
    workspace = databases.configure(copies=[])
    folder = tmp_path / "made"
    folder.mkdir()
    hostile = dict(files(folder, canary))
    dump = packed(*((entry(f"data/{name}"), content) for name, content in hostile.items()))
    verdict = with_part(workspace, "dump", dump)
    assert verdict.outcome == "bad"
    told = " ".join(check.detail for check in verdict.checks)
    assert "database disk image is malformed and 11 more" in told, told
    canary.assert_unharmed()
    assert left_in(workspace.places.scratch) == []


@needs_sandbox
def test_a_question_to_a_view_without_an_end_ends(databases: House) -> None:
    databases.database("app.sqlite", SCHEMAS["without an end"])
    check = {"name": "endless", "sql": "select count(*) from v", "min": 1}
    workspace = databases.configure(copies=[], checks=[check], limits={"total": "15s", "stall": "10s"})
    take_backup(workspace, "app")
    point = workspace.catalogue("app").newest
    assert point is not None
    verdict = verify(workspace, point)
    assert verdict.outcome == "inconclusive"
    assert "timed out" in str(verdict.reason), verdict.reason
    assert left_in(workspace.places.scratch) == []
