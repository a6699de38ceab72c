"""No secret is seen: not in a command line while a backup runs, not in any file or output after it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import House, Source
from tests.sample import files_holding

PASSWORD = "canary-pw/with spaces&7"
ESCAPED = "canary-pw%2Fwith%20spaces%267"
CANARIES = ("canary-pw", "AGE-SECRET-KEY")


@contextmanager
def watched(canaries: tuple[str, ...] = CANARIES) -> Iterator[list[str]]:
    """Every command line of the machine that shows a canary during the block."""
    seen: list[str] = []
    looked, done = threading.Event(), threading.Event()

    def look() -> None:
        while not done.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = path.read_bytes().decode(errors="replace")
                except OSError:
                    continue
                # Other tests look for the same words, beside this one.
                if any(canary in words for canary in canaries) and not words.startswith("grep\0"):
                    seen.append(words.replace("\0", " "))
            looked.set()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()
    assert looked.is_set()


def files_with_a_canary(house: House) -> list[str]:
    """Files below base that show one."""
    assert (house.base / "ledger.sqlite").is_file()
    return [str(path) for path in files_holding(house.base, *CANARIES)]


@pytest.fixture
def guarded(house: House, source: Source) -> House:
    """The house reaches its source with a password that can be recognised."""
    source.run("drop role if exists canary", f"create role canary superuser login password '{PASSWORD}'")
    host, port = (source.server.parameters[key] for key in ("host", "port"))
    (house.path / "url").write_text(f"postgresql://canary:{ESCAPED}@/src?host={host}&port={port}", encoding="utf-8")
    return house


def test_a_backup_and_its_verification_show_no_secret(guarded: House) -> None:
    with watched() as seen, guarded.worker("both") as worker:
        out, complaints = worker.communicate()
        assert worker.returncode == 0, complaints
    assert seen == []
    assert not any(canary in out + complaints for canary in CANARIES)
    assert files_with_a_canary(guarded) == []
    assert any(path.suffix == ".json" for path in guarded.base.rglob(".verdicts/crm/*/*"))


@pytest.mark.parametrize("how", ["wrong-password", "no-server", "unknown-database", "nonsense"])
def test_a_run_that_fails_shows_no_secret_either(guarded: House, source: Source, how: str) -> None:
    url = guarded.path / "url"
    right = url.read_text(encoding="utf-8")
    url.write_text(
        {
            "wrong-password": right.replace(ESCAPED, "canary-pw-wrong"),
            "no-server": f"postgresql://canary:{ESCAPED}@127.0.0.1:1/src",
            "unknown-database": right.replace("/src?", "/nowhere?"),
            "nonsense": right.replace("?host", "?no_such_option=1&host"),
        }[how],
        encoding="utf-8",
    )
    with watched() as seen, guarded.worker("backup") as worker:
        out, complaints = worker.communicate()
    assert worker.returncode == 2
    assert "backup of crm failed" in complaints
    assert "Traceback" not in complaints
    assert seen == []
    assert not any(canary in out + complaints for canary in CANARIES)
    assert files_with_a_canary(guarded) == []
    assert not psutil.pid_exists(worker.pid)
