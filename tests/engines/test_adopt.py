"""Backups from before us, made with the tools people used: taken in, proved, refused when damaged, once."""

import gzip
import hashlib
import re
import subprocess
from datetime import datetime, timezone
from functools import reduce
from pathlib import Path

import dagster as dg
import pytest
import zstandard
from typer.testing import CliRunner

from ops_pipelines.backup.adopt import adopt, look
from ops_pipelines.backup.legacy import Found, backups_in
from ops_pipelines.cli.main import app
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.orchestration.launch import run_assets
from ops_pipelines.orchestration.names import PLAIN
from ops_pipelines.recovery.verify import verify
from ops_pipelines.workspace import Workspace, open_workspace
from tests.conftest import TestServer
from tests.sample import StoppedClock, write_config

PASSPHRASE = "an old pass phrase"
_CRM = (
    "create role clerk nologin",
    "create table companies (id serial primary key, name text)",
    "insert into companies (name) select 'company ' || i from generate_series(1, 3000) i",
    "alter table companies owner to clerk",
    "grant select on companies to clerk",
)


@pytest.fixture(scope="module")
def crm(pg18: TestServer) -> Server:
    """The database the old backups are of."""
    pg18.sql("create database old_crm")
    pg18.sql(*_CRM, database="old_crm")
    return pg18.superuser.at(dbname="old_crm")


@pytest.fixture
def workspace(tmp_path: Path, crm: Server) -> Workspace:
    """It, protected from today."""
    return open_workspace(load_config(write_config(tmp_path, crm)))


def dumped(server: TestServer, crm: Server, form: str = "plain") -> bytes:
    argv = [server.programs.path("pg_dump"), f"--format={form}", f"--dbname={crm.argument()}"]
    return subprocess.run(argv, env=crm.environment(), capture_output=True, check=True).stdout


def encrypted(data: bytes, *, iterations: int) -> bytes:
    argv = ["openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-iter", str(iterations), "-salt", "-pass", "env:P"]
    return subprocess.run(argv, input=data, env={"P": PASSPHRASE}, capture_output=True, check=True).stdout


@pytest.fixture
def old(tmp_path: Path, pg18: TestServer, crm: Server) -> Path:
    """A folder as cron lines leave it."""
    folder = tmp_path / "old"
    folder.mkdir()
    plain = dumped(pg18, crm)
    packed = gzip.compress(plain)
    (folder / "full-20260203-0415.sql.gz").write_bytes(packed)
    (folder / "full-20260203-0415.sql.gz.sha256").write_text(f"{hashlib.sha256(packed).hexdigest()}  whatever\n")
    (folder / "infer_forge_20260207_143215.sql.gz.enc").write_bytes(encrypted(packed, iterations=10_000))
    (folder / "crm-2026-03-01.sql").write_bytes(plain + b"")
    (folder / "crm-2026-03-02.dump").write_bytes(dumped(pg18, crm, "custom"))
    return folder


def test_what_cron_left_is_taken_in_and_proved(workspace: Workspace, old: Path) -> None:
    found = list(look(workspace, "crm", old, passphrase=PASSPHRASE))
    assert [each.refused for each in found] == ["", "", "", ""]
    for candidate in found:
        adopt(workspace, "crm", candidate, passphrase=PASSPHRASE)
    points = workspace.catalogue("crm").points
    assert [(point.manifest.adopted_from.name, f"{point.started_at:%Y-%m-%d %H:%M}") for point in points] == [
        ("full-20260203-0415.sql.gz", "2026-02-03 04:15"),
        ("infer_forge_20260207_143215.sql.gz.enc", "2026-02-07 14:32"),
        ("crm-2026-03-01.sql", "2026-03-01 00:00"),
        ("crm-2026-03-02.dump", "2026-03-02 00:00"),
    ]
    for point in points:
        verdict = verify(workspace, point)
        assert verdict.outcome == "verified", verdict.reason
        assert {check.name for check in verdict.checks} >= {"restore", "check companies", "amcheck"}
        assert not {check.name for check in verdict.checks} & {"rows", "content", "schema"}, "nothing to compare with"
        assert point.manifest.encrypted


def test_an_old_backup_is_not_fresh(workspace: Workspace, old: Path) -> None:
    from ops_pipelines.watch.health import source_health  # noqa: PLC0415

    (candidate, *_rest) = look(workspace, "crm", old / "full-20260203-0415.sql.gz")
    adopt(workspace, "crm", candidate)
    point = workspace.catalogue("crm").newest
    assert point is not None
    verify(workspace, point)
    assert source_health(workspace, "crm").state == "FAIL"


def _gzipped(data: bytes, _turn: int) -> bytes:
    return gzip.compress(data, 1)


def _zstd(gzipped: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=False).compress(gzip.decompress(gzipped))


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("full-20260203-0415.sql.gz", lambda data: data[:-20], "cut off"),
        ("full-20260203-0415.sql.gz", lambda data: data[:400] + b"\x00" + data[401:], "damaged"),
        ("full-20260203-0415.sql.gz", lambda data: gzip.compress(gzip.decompress(data), 1), "SHA-256"),
        ("full-20260203-0415.sql.gz", lambda data: _zstd(data)[:-20], "cut off"),
        ("full-20260203-0415.sql.gz", lambda data: _zstd(data)[:-1], "cut off"),
        ("full-20260203-0415.sql.gz", lambda data: b"", "empty"),
        ("crm-2026-03-01.sql", lambda data: data[: len(data) // 2], "dump complete' is missing"),
        ("crm-2026-03-01.sql", lambda data: b"-- MariaDB dump 10.19\n" + data, "is a backup of mysql"),
        ("crm-2026-03-01.sql", lambda data: b"hello", "no backup that is known here"),
        ("crm-2026-03-01.sql", lambda data: b"--\n-- PostgreSQL database cluster dump\n--\n" + data, "pg_dumpall"),
        ("crm-2026-03-01.sql", lambda data: re.sub(rb"-- Dumped .*", b"--", data), "does not say which PostgreSQL"),
        ("full-20260203-0415.sql.gz", lambda data: reduce(_gzipped, range(4), data), "more than three times"),
        ("crm-2026-03-02.dump", lambda data: data[:-100], "incomplete"),
        ("infer_forge_20260207_143215.sql.gz.enc", lambda data: data[:-16], "padding is broken"),
    ],
)
def test_what_is_damaged_is_refused_with_the_reason_and_the_others_go_on(
    workspace: Workspace, old: Path, name: str, damage: object, said: str
) -> None:
    path = old / name
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    found = {each.path.name: each for each in look(workspace, "crm", old, passphrase=PASSPHRASE)}
    assert said in found[name].refused
    assert [each.path.name for each in found.values() if each.refused] == [name]


def test_a_wrong_passphrase_is_told(workspace: Workspace, old: Path) -> None:
    found = list(look(workspace, "crm", old, passphrase="another"))
    refused = [each for each in found if each.refused]
    assert [each.path.suffix for each in refused] == [".enc"]
    assert "iterations make sense of it with this passphrase" in refused[0].refused


def test_a_backup_is_known_by_what_is_in_it_not_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "one.gz").write_bytes(gzip.compress(b"-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB"))
    (tmp_path / "two.sql").write_bytes(bytes.fromhex("6de29981") + b"prelude")
    (tmp_path / "three" / "shop").mkdir(parents=True)
    (tmp_path / "three" / "shop" / "orders.bson").write_bytes(b"")
    kinds = {each.path.name: each.kind for each in backups_in(tmp_path, None) if isinstance(each, Found)}
    assert kinds == {"one.gz": "mysql", "two.sql": "mongodb", "three": "mongodb"}


def test_a_file_without_a_time_in_its_name_is_dated_by_its_age(workspace: Workspace, old: Path) -> None:
    import os  # noqa: PLC0415

    path = (old / "crm-2026-03-01.sql").rename(old / "latest.sql")
    os.utime(path, (1_770_000_000, 1_770_000_000))
    (candidate,) = look(workspace, "crm", path)
    assert (candidate.time_from, candidate.taken_at) == ("mtime", datetime.fromtimestamp(1_770_000_000, timezone.utc))


def ops(workspace: Workspace, *words: str, expect: int = 0) -> str:
    config = str(workspace.config.base.parent / "ops.yaml")
    done = CliRunner().invoke(app, [*words, "--config", config], env={"OLD": PASSPHRASE, "COLUMNS": "200"})
    assert done.exit_code == expect, done.output
    return done.output


def test_the_command_is_a_rehearsal_until_it_is_told_to_and_does_nothing_twice(workspace: Workspace, old: Path) -> None:
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    words = ("adopt", str(old), "--source", "crm", "--passphrase-env", "OLD")
    assert "dry run: nothing was adopted" in ops(workspace, *words)
    assert not workspace.catalogue("crm").points
    assert "the originals are untouched" in ops(workspace, *words, "--apply")
    assert len(workspace.catalogue("crm").points) == 4
    (old / "full-20260203-0415.sql.gz").rename(old / "renamed.sql.gz")
    again = ops(workspace, *words, "--apply")
    assert again.count("already adopted") == 4
    assert len(workspace.catalogue("crm").points) == 4
    (old / "renamed.sql.gz").rename(old / "full-20260203-0415.sql.gz")
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before


def test_refused_ones_are_exit_status_one(workspace: Workspace, old: Path) -> None:
    (old / "broken.sql").write_text("x", encoding="utf-8")
    assert "no backup that is known here" in ops(workspace, "adopt", str(old), "--source", "crm", expect=1)


def test_a_past_days_partition_adopts_the_backup_of_its_day(tmp_path: Path, crm: Server, old: Path) -> None:
    settings = "    legacy: {folder: old, passphrase: {file: old.pass}}"
    (tmp_path / "old.pass").write_text(PASSPHRASE, encoding="utf-8")
    config = load_config(write_config(tmp_path, crm, source=settings))
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_assets(
            config, instance, source="crm", day="2026-02-07",
            selection=[PLAIN.dump("crm", "postgres"), PLAIN.copy("crm", "nas"), PLAIN.verified("crm")],
            # The night after, when a late run might still dump: who asks now wants what that day has.
            workspace=Workspace(config, StoppedClock(datetime(2026, 2, 8, 3, tzinfo=timezone.utc))),
        )  # fmt: skip
        assert result.success, result.failures
        assert result.facts["verdict"] == "verified"
        missing = run_assets(
            config, instance, source="crm", day="2026-02-08", selection=[PLAIN.dump("crm", "postgres")]
        )
    assert "nor a legacy backup in" in missing.failures[0]
    assert [point.manifest.adopted_from is not None for point in Workspace(config).catalogue("crm").points] == [True]
