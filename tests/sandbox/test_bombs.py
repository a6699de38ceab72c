"""What is small where it is kept and large where it is opened, and what never ends, ends with the proof."""

import gzip
import hashlib
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops_pipelines.backup.adopt import look
from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import CorruptCopy
from ops_pipelines.recovery.enclosed import engine as enclosed_engine
from ops_pipelines.recovery.enclosed.setup import Bounds
from ops_pipelines.recovery.verify import verify
from ops_pipelines.sandbox import isolation, jail
from ops_pipelines.vault import codec
from ops_pipelines.vault.manifest import Manifest, read_manifest
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.workspace import Workspace
from tests.conftest import Made, MakeWorkspace, TestServer
from tests.engines.mysql.conftest import TestServer as MysqlServer
from tests.engines.sqlite.conftest import House
from tests.sandbox.conftest import left_in
from tests.unit.vaults import rewrite

MIB = 1024 * 1024
needs_sandbox = pytest.mark.skipif(isolation.standing().best != "sandbox", reason="no sandbox can be had here")
LOW = Bounds(written_bytes=160 * MIB, file_bytes=16384 * MIB, memory_bytes=400 * MIB, processes=150, files=1024)


@pytest.fixture
def low(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that this machine does not feel."""
    monkeypatch.setattr(enclosed_engine, "bounds_for", lambda _plain_bytes: LOW)


@pytest.fixture
def app(databases: House) -> Workspace:
    """A small database, protected."""
    databases.database("app.sqlite", "create table t (v text); insert into t values ('one');")
    return databases.configure(copies=[])


def with_part(workspace: Workspace, role: str, plain: bytes, **told: Any) -> Verdict:
    """The verdict on a restore point with another part, all signed again by whoever has the key.

    Args:
        told: what its manifest says of it, where that is not so.
    """
    take_backup(workspace, "app")
    point = workspace.catalogue("app").newest
    assert point is not None
    manifest, local = point.manifest, workspace.local
    directory: Path = local.directory("app", point.id)  # type: ignore[attr-defined]
    part, sealed = manifest.part(role), io.BytesIO()
    assert part is not None
    codec.encode(io.BytesIO(plain), sealed, manifest.recipients, compress=part.compression == "zstd")
    stored = sealed.getvalue()
    facts = {"size_bytes": len(stored), "sha256": hashlib.sha256(stored).hexdigest(), "plain_bytes": len(plain), **told}
    parts = [each.model_copy(update=facts) if each.role == role else each for each in manifest.parts]
    path = directory / part.name
    path.chmod(0o600)
    path.write_bytes(stored)
    rewrite(directory, manifest.model_copy(update={"parts": parts}), workspace.trust)
    return verify(workspace, point, store="local")


@needs_sandbox
def test_a_sandbox_that_was_killed_while_it_started_does_not_keep_its_proof_waiting(
    databases: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process of bubblewrap waits for the first one's word for ever, and holds our connection open."""
    databases.database("app.sqlite", "create table t (v text)")
    app = databases.configure(copies=[], limits={"total": "20s"})
    killed = tmp_path / "bwrap"
    killed.write_text("#!/bin/sh\nexec 3<&0\nsleep 600 &\nkill -KILL $$\n", encoding="utf-8")
    killed.chmod(0o755)
    monkeypatch.setattr(jail, "bwrap", lambda: str(killed))
    take_backup(app, "app")
    point = app.catalogue("app").newest
    assert point is not None
    verdict = verify(app, point)
    assert verdict.outcome == "inconclusive"
    assert "the process in the sandbox ended" in verdict.reason and "too long" not in verdict.reason
    assert left_in(app.places.scratch) == []


def test_a_part_unpacks_to_no_more_than_its_manifest_says(app: Workspace) -> None:
    verdict = with_part(app, "dump", bytes(64 * MIB), plain_bytes=1000)
    assert verdict.outcome == "bad"
    assert "holds more than its manifest says" in str(verdict.reason)
    assert left_in(app.places.scratch) == []


@pytest.mark.parametrize(
    "bomb",
    [b"[" * 5 * MIB, b'{"objects":' * 100_000, b'{"level": "full", "objects": {"a": 1e999}}'],
    ids=["lists", "objects", "number"],
)
def test_a_fingerprint_that_is_too_deep_is_a_bad_one(app: Workspace, bomb: bytes) -> None:
    verdict = with_part(app, "contents", bomb)
    assert (verdict.outcome, verdict.failed[0].name) == ("bad", "contents")
    assert left_in(app.places.scratch) == []


@pytest.mark.parametrize("deep", ["[" * 200_000, '{"a":' * 100_000])
def test_a_manifest_that_is_too_deep_is_a_bad_one(app: Workspace, deep: str) -> None:
    whole: Manifest = take_backup(app, "app")
    text = json.dumps(json.loads(whole.to_bytes()) | {"engine": "DEEP"}).replace('"DEEP"', deep)
    with pytest.raises(CorruptCopy) as caught:
        read_manifest(text.encode(), where="here")
    assert caught.value.check == "manifest"


@pytest.mark.parametrize("content", [bytes(300 * MIB), b"-- MariaDB dump 10.19\n" + b"a" * 300 * MIB])
def test_a_bomb_that_is_offered_as_a_legacy_backup_is_refused_and_leaves_nothing(
    mariadb: MysqlServer, protect: Callable[..., Made], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "full-20260203-0415.sql.gz").write_bytes(gzip.compress(content, 1))
    workspace = protect(mariadb.url(mariadb.new_database())).workspace
    (candidate,) = look(workspace, "crm", tmp_path / "full-20260203-0415.sql.gz")
    assert candidate.refused
    assert left_in(workspace.places.scratch) == []


ENDLESS = """
create function public.fill() returns boolean language plpgsql volatile as $fill$
begin
  if current_user like 'intern%' then return true; end if;
  {endless}
  return true;
end $fill$
"""


@needs_sandbox
@pytest.mark.parametrize(
    "endless",
    [
        "perform count(*) from (select repeat(md5(i::text), 30) v from generate_series(1, 1000000000) i order by 1) s;",
        "create table public.heap as select repeat(md5(i::text), 30) v from generate_series(1, 1000000000) i;",
        "perform lo_from_bytea(0, convert_to(repeat(md5(i::text), 100000), 'utf8')) from generate_series(1, 100000) i;",
    ],
    ids=["temporary_files", "table", "large_objects"],
)
@pytest.mark.daily(3)
def test_what_writes_without_an_end_is_ended(
    pg: TestServer, make_workspace: MakeWorkspace, low: None, endless: str
) -> None:
    database = pg.new_database()
    intern = f"intern_{database}"
    pg.sql(f"create role {intern}", f"grant create, usage on schema public to {intern}", database=database)
    pg.sql(f"set role {intern}", ENDLESS.format(endless=endless), "create table t (i int check (public.fill()))",
           "insert into t values (1)", database=database)  # fmt: skip
    workspace = make_workspace(pg.url(database)).workspace
    take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    verdict = verify(workspace, point)
    assert verdict.outcome == "inconclusive"
    assert "it wrote more than" in str(verdict.reason), verdict.reason
    assert left_in(workspace.places.scratch) == []


# Files that are removed while they are open are in no directory.
# A gigabyte, if it is let; with no more files to be had it waits for what comes.
UNNAMED = """
import tempfile, time
held = []
try:
    while True:
        held.append(tempfile.TemporaryFile(dir="."))
        held[-1].write(bytes(2**20))
        held[-1].flush()
except OSError:
    time.sleep(1000)
"""


# Each takes less than one process may.
TOGETHER = """
import os, time
for _each in range(8):
    if os.fork() == 0:
        break
held = bytearray(200 * 2**20)
for place in range(0, len(held), 4096):
    held[place] = 1
time.sleep(1000)
"""


@needs_sandbox
@pytest.mark.parametrize(
    ("program", "outcome", "said"),
    [
        (["bash", "-c", ":(){ :|:& };: ; sleep 3; exit 3"], "bad", "check greedy"),
        ([sys.executable, "-Ic", "x = bytearray(10**10)"], "bad", "MemoryError"),
        ([sys.executable, "-Ic", TOGETHER], "inconclusive", "of memory"),
        (["yes"], "inconclusive", "it wrote more than"),
        (["dd", "if=/dev/zero", "of=filled", "bs=1M"], "inconclusive", "it wrote more than"),
        ([sys.executable, "-Ic", UNNAMED], "inconclusive", "it wrote more than"),
        (["bash", "-c", "setsid sleep 1000 & disown; exit 0"], "verified", ""),
    ],
    ids=["forks", "memory", "memory_together", "prints", "writes", "without_a_name", "stays"],
)
def test_a_greedy_program_of_a_check_ends_with_the_proof(
    databases: House, low: None, program: list[str], outcome: str, said: str
) -> None:
    databases.database("app.sqlite", "create table t (v text); insert into t values ('one');")
    check = {"name": "greedy", "command": program, "limit": "20s"}
    workspace = databases.configure(copies=[], commands=[check])
    take_backup(workspace, "app")
    point = workspace.catalogue("app").newest
    assert point is not None
    verdict = verify(workspace, point)
    assert verdict.outcome == outcome, verdict.reason
    assert said in str(verdict.reason)
    assert left_in(workspace.places.scratch) == []
