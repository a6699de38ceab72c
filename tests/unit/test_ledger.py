"""Every attempt has a row before its first byte, and the row reaches a terminal state whatever happens."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from ops_pipelines import redact
from ops_pipelines.ledger import ledger as module
from ops_pipelines.ledger.ledger import Ledger, LedgerError, sqlite_url
from ops_pipelines.ledger.models import Base

LONG = "import sys, time\nfrom ops_pipelines.ledger.ledger import Ledger\n" + textwrap.dedent("""
    with Ledger(sys.argv[1]).activity("dump", source="crm"):
        print("ready", flush=True)
        time.sleep(300)
""")


class StandsStill:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 21, 23, 59, tzinfo=timezone.utc)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "base" / "ledger.sqlite")


@contextmanager
def working(url: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen([sys.executable, "-c", LONG, url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def test_the_row_is_there_before_the_block_and_ends_with_it(url: str) -> None:
    clock = StandsStill()
    ledger = Ledger(url, clock=clock)
    with ledger.activity("dump", source="crm", run_id="r1") as entry:
        (row,) = Ledger(url).recent(source="crm", kind="dump")
        assert (row.status, row.finished_at, row.run_id, row.started_at) == ("running", None, "r1", clock.at)
        entry.backup_id, entry.meta = "20261121T235900Z-0001", {"rows": 3}
        clock.at += timedelta(minutes=2)
    (row,) = ledger.recent()
    assert (row.status, row.duration_s, row.error) == ("succeeded", 120.0, None)
    assert (row.backup_id, row.meta, row.finished_at) == ("20261121T235900Z-0001", {"rows": 3}, clock.at)


def test_an_exception_ends_it_as_failed_and_its_secrets_are_hidden(url: str) -> None:
    redact.register("canary-in-the-ledger")
    ledger = Ledger(url)
    with pytest.raises(ValueError, match="canary"), ledger.activity("dump", source="crm"):
        raise ValueError("wrong password canary-in-the-ledger")
    with pytest.raises(KeyboardInterrupt), ledger.activity("dump", source="crm"):
        raise KeyboardInterrupt
    interrupted, failed = ledger.recent()
    assert (interrupted.status, interrupted.error) == ("failed", "it was cancelled")
    assert interrupted.meta["cancelled"]
    assert (failed.status, failed.error) == ("failed", f"wrong password {redact.MASK}")


def test_an_attempt_can_fail_without_an_exception(url: str) -> None:
    redact.register("canary-in-the-ledger")
    ledger = Ledger(url)
    with ledger.activity("verify", source="crm", store="nas") as entry:
        entry.fail("bad: rows canary-in-the-ledger")
    (row,) = ledger.recent()
    assert (row.status, row.error, row.store) == ("failed", f"bad: rows {redact.MASK}", "nas")


def test_the_row_of_a_killed_process_is_marked_failed_and_a_living_ones_is_not(url: str) -> None:
    with working(url) as alive:
        ledger = Ledger(url)
        assert ledger.fail_orphans() == []
        with working(url) as killed, ledger.activity("copy", source="crm"):
            killed.kill()
            killed.wait()
            (orphan,) = ledger.fail_orphans()
        assert alive.poll() is None
    assert (orphan.kind, orphan.status) == ("dump", "failed")
    assert "died" in (orphan.error or "")
    assert [row.status for row in ledger.recent(kind="dump")].count("running") == 1
    assert ledger.fail_orphans()[0].id != orphan.id


def test_a_killed_process_whose_parent_has_not_noticed_is_dead_all_the_same(url: str) -> None:
    with working(url) as killed:
        os.kill(killed.pid, signal.SIGKILL)
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # dead, and not reaped
        assert len(Ledger(url).fail_orphans()) == 1


def test_a_row_of_another_host_is_not_judged_from_here(url: str) -> None:
    with working(url) as killed:
        killed.kill()
        killed.wait()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        database.execute("update ops_activities set host = 'elsewhere'")
    assert Ledger(url).fail_orphans() == []


def test_several_processes_may_open_a_fresh_ledger_at_once(url: str) -> None:
    code = """
        import sys
        from ops_pipelines.ledger.ledger import Ledger
        sys.stdin.readline()
        with Ledger(sys.argv[1]).activity("dump", source="crm"):
            pass
    """
    argv = [sys.executable, "-c", textwrap.dedent(code), url]
    started = [subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(5)]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    complaints = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0] * 5, complaints
    assert [row.status for row in Ledger(url).recent()] == ["succeeded"] * 5


def test_activities_of_one_second_do_not_collide(url: str) -> None:
    clock = StandsStill()
    ledger = Ledger(url, clock=clock)
    for _ in range(400):
        with ledger.activity("x", source="crm"):
            pass
    assert len(ledger.recent(limit=1000)) == 400


def test_only_we_may_read_it(url: str, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with Ledger(sqlite_url(tmp_path / "fresh" / "ledger.sqlite")).activity("dump", source="crm"):
            files = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "fresh").iterdir()}
    finally:
        os.umask(before)
    assert set(files.values()) == {0o600}
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o700


def test_a_ledger_that_cannot_be_opened_is_an_error_for_a_human(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="cannot be written") as caught:
        sqlite_url(tmp_path / "file" / "ledger.sqlite")
    assert caught.value.next
    (tmp_path / "garbage").write_bytes(b"this is no database" * 100)
    with pytest.raises(LedgerError, match="cannot be used"):
        Ledger(f"sqlite:///{tmp_path}/garbage")
    with pytest.raises(LedgerError, match="cannot be used") as caught:
        Ledger("postgresql+psycopg://u:canary-pw-7@127.0.0.1:1/x")
    assert "canary-pw-7" not in str(caught.value)
    for nonsense in ("not a url", "nosuchdb://x/y"):
        with pytest.raises(LedgerError):
            Ledger(nonsense)


@pytest.mark.parametrize("url", ["postgresql+psycopg2://me:ca/na@ry@host.invalid/x", "'postgres://me:ca@na:ry@h/x'"])
def test_a_password_that_nobody_encoded_is_not_told_by_halves(url: str) -> None:
    with pytest.raises(LedgerError) as caught:
        Ledger(url)
    said = str(caught.value)
    assert "ca/na" not in said
    assert "ry@" not in said
    assert "na:ry" not in said


def test_the_migrations_make_what_the_models_say(url: str) -> None:
    Ledger(url)
    with create_engine(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert context.get_current_revision() == module.HEAD


def test_the_head_we_look_for_is_the_head_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).with_name("migrations")))
    assert ScriptDirectory.from_config(config).get_current_head() == module.HEAD
