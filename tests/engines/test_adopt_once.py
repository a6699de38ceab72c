"""The same old backup is taken in once, and what is sealed is what was looked at."""

import gzip
import hashlib
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops_pipelines.backup.adopt import adopt, look, of_day
from ops_pipelines.backup.legacy import NotAdoptable
from ops_pipelines.cli.main import app
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.workspace import Workspace, open_workspace
from tests.conftest import TestServer
from tests.sample import write_config


@pytest.fixture(scope="module")
def crm(pg18: TestServer) -> Server:
    """The database the old backups are of."""
    name = pg18.new_database()
    pg18.sql("create table companies (name text)", "insert into companies values ('one')", database=name)
    return pg18.superuser.at(dbname=name)


@pytest.fixture(scope="module")
def plain(pg18: TestServer, crm: Server) -> bytes:
    """A dump of it."""
    argv = [pg18.programs.path("pg_dump"), f"--dbname={crm.argument()}"]
    return subprocess.run(argv, env=crm.environment(), capture_output=True, check=True).stdout


@pytest.fixture
def workspace(tmp_path: Path, crm: Server) -> Workspace:
    """It, protected; its old backups are in `old`."""
    (tmp_path / "old").mkdir()
    return open_workspace(load_config(write_config(tmp_path, crm, source="    legacy: {folder: old}")))


def test_the_same_bytes_under_two_names_are_taken_in_once(workspace: Workspace, tmp_path: Path, plain: bytes) -> None:
    old = tmp_path / "old"
    (old / "crm-20260203-0415.sql").write_bytes(plain)
    (old / "copy-20260204-0415.sql").write_bytes(plain)
    (old / "latest.sql").symlink_to("crm-20260203-0415.sql")
    config = str(tmp_path / "ops.yaml")
    done = CliRunner().invoke(app, ["adopt", str(old), "--source", "crm", "--apply", "--config", config])
    assert done.exit_code == 0, done.output
    assert len(workspace.catalogue("crm").points) == 1
    assert [row.kind for row in workspace.ledger.recent()] == ["adopt"]


def test_two_who_look_at_once_take_it_in_once(workspace: Workspace, tmp_path: Path, plain: bytes) -> None:
    path = tmp_path / "old" / "crm-20260203-0415.sql"
    path.write_bytes(plain)
    (one,), (other,) = look(workspace, "crm", path), look(workspace, "crm", path)
    assert adopt(workspace, "crm", one).id == adopt(workspace, "crm", other).id
    assert len(workspace.catalogue("crm").points) == 1


def test_a_file_that_changes_after_it_was_looked_at_is_not_taken_in(
    workspace: Workspace, tmp_path: Path, plain: bytes
) -> None:
    path = tmp_path / "old" / "crm-20260203-0415.sql"
    path.write_bytes(plain)
    (candidate,) = look(workspace, "crm", path)
    path.write_bytes(plain.replace(b"\none\n", b"\ntwo\n"))
    with pytest.raises(NotAdoptable, match="changed while it was adopted"):
        adopt(workspace, "crm", candidate)
    assert not workspace.catalogue("crm").points
    staging = workspace.config.base / "restore-points" / ".staging"
    assert not [path for path in staging.iterdir() if path.is_dir()]


def test_how_old_a_backup_is_does_not_pass_for_how_long_it_took(
    workspace: Workspace, tmp_path: Path, plain: bytes
) -> None:
    path = tmp_path / "old" / "crm-20260203-0415.sql"
    path.write_bytes(plain)
    (candidate,) = look(workspace, "crm", path)
    manifest = adopt(workspace, "crm", candidate)
    assert manifest.finished_at - manifest.started_at == timedelta(0)


def test_the_line_of_the_file_itself_counts_in_a_list_of_sums(
    workspace: Workspace, tmp_path: Path, plain: bytes
) -> None:
    packed = gzip.compress(plain)
    path = tmp_path / "old" / "crm-20260203-0415.sql.gz"
    path.write_bytes(packed)
    right, wrong = hashlib.sha256(packed).hexdigest(), "0" * 64
    sums = path.with_name(f"{path.name}.sha256")
    for text, good in (
        (f"{wrong}  other.gz\n{right}  {path.name}\n", True),
        (f"{right}  other.gz\n{wrong}  {path.name}\n", False),
        (f"{right} */srv/backups/{path.name}\n", True),
        (f"SHA256 ({path.name}) = {right}\n", True),
        (f"{right.upper()}\n", True),
        ("nothing\n", False),
    ):
        sums.write_text(text, encoding="utf-8")
        (candidate,) = look(workspace, "crm", path)
        assert bool(candidate.refused) is not good, text


def test_one_that_fails_in_the_end_keeps_no_other_from_being_taken_in(
    workspace: Workspace, tmp_path: Path, plain: bytes
) -> None:
    for day in (3, 4):
        (tmp_path / "old" / f"crm-2026020{day}.sql").write_bytes(plain.replace(b"\none\n", b"\nday %d\n" % day))
    good = list(look(workspace, "crm", tmp_path / "old"))
    with pytest.raises(NotAdoptable):
        adopt(workspace, "crm", replace(good[0], sha256="0" * 64))
    assert adopt(workspace, "crm", good[1]).started_at == good[1].taken_at


def test_the_files_of_other_days_are_not_read_for_a_days_partition(
    workspace: Workspace, tmp_path: Path, plain: bytes
) -> None:
    (tmp_path / "old" / "crm-20260203-0415.sql").write_bytes(plain)
    # Whoever opens it is told that it is a directory loop: a file that cannot be read at all.
    (tmp_path / "old" / "crm-20260204-0415.sql").symlink_to("crm-20260204-0415.sql")
    (every, _loop) = look(workspace, "crm", tmp_path / "old")
    assert every.taken_at is not None
    day = every.taken_at.replace(hour=0, minute=0)
    candidate = of_day(workspace, "crm", day, day + timedelta(days=1))
    assert candidate is not None and candidate.path == every.path
    assert of_day(workspace, "crm", day - timedelta(days=1), day) is None
