"""A backup that is killed leaves no restore point and nothing in the way; the password is seen nowhere."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ops_pipelines.errors import Stopped
from ops_pipelines.recovery.verify import verify
from tests.engines.files.conftest import PASSWORD, House
from tests.sample import files_holding

TOP = Path(__file__).parents[3]


def wait_until(condition: Callable[[], bool], within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def restic_below(parent: int) -> list[psutil.Process]:
    return [each for each in psutil.Process(parent).children(recursive=True) if each.name() == "restic"]


def ended(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_killed_backup_leaves_no_restore_point_and_its_lock_is_in_nobody_s_way(house: House) -> None:
    first = house.backup()
    for number in range(4):
        (house.uploads / f"big {number}").write_bytes(os.urandom(60_000_000))
    locks = house.repository() / "locks"
    argv = [sys.executable, "-m", "tests.engines.files.worker", str(house.path / "ops.yaml")]
    with subprocess.Popen(argv, cwd=TOP, stdout=subprocess.PIPE) as worker:
        try:
            wait_until(lambda: any(locks.iterdir()))
            (tool,) = restic_below(worker.pid)
        finally:
            worker.kill()
    wait_until(lambda: ended(tool))
    assert list(locks.iterdir()), "restic left its lock behind"
    assert [point.id for point in house.workspace.catalogue("files").points] == [first.id]

    for path in house.uploads.glob("big *"):
        path.unlink()
    second = house.backup()
    assert house.verify(backup_id=second.id).outcome == "verified"
    # To remove a snapshot restic wants the repository for itself: a dead process's lock must not be in its way.
    house.engine.forget([first.engine], house.workspace.local.repository("files"))
    assert not list(locks.iterdir())
    assert not list((house.base / "restore-points" / ".staging").glob("2*"))


def test_the_password_is_in_no_command_line_and_in_no_file(house: House) -> None:
    seen: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for process in psutil.Process().children(recursive=True):
                try:
                    seen.add(" ".join(process.cmdline()))
                except psutil.Error:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        manifest = house.backup()
        house.copy()
        verdict = house.verify("nas")
        house.engine.forget([manifest.engine], house.workspace.local.repository("files"))
    finally:
        stop.set()
        watcher.join()
    assert verdict.outcome == "verified"
    assert any("restic" in line and "backup" in line for line in seen)
    assert any("restic" in line and "copy" in line for line in seen)
    assert not [line for line in seen if PASSWORD in line]
    assert files_holding(house.path, PASSWORD, ignoring="password") == []


def test_a_stop_in_the_middle_of_a_proof_is_a_stop_and_no_bad_copy(house: House) -> None:
    """The stop took the repository away from restic, whose last words were then heard as the proof's."""
    house.backup()

    def stopped(phase: str, _done: int, _total: int | None) -> None:
        if phase == "restore":
            raise Stopped

    with pytest.raises(Stopped):
        verify(house.workspace, house.point(), store="local", progress=stopped)
    assert not house.point().verdicts
    assert house.verify().outcome == "verified"
