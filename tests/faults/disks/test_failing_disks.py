"""A disk is full, has no inodes left, becomes read-only or gives errors, in each place and at any moment.

It is told as what it is, in four sentences and never as a traceback; a good backup is not called bad for it, nothing
that was there is lost, and once the disk is well again the next run succeeds.
"""

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from ops_pipelines.scratch import elsewhere
from ops_pipelines.sweeping import sweep
from tests.faults.aftermath import aftermath, back_up, standing
from tests.faults.conftest import MakeHouse
from tests.faults.disks.filesystems import remount, small
from tests.faults.house import OPS, REPOSITORY, House
from tests.faults.protected import CANARY
from tests.faults.tries import chance, long_run, tries

PLACES = {"base": "base", "scratch": "base/scratch", "staging": "base/restore-points", "store": "nas", "TMPDIR": "tmp"}
SIZE_MIB = {"sqlite": 48, "files": 48, "mysql": 1600}
INODES = {"sqlite": 1200, "files": 1200}
# A throwaway server wants more.
_SERVERS = ["postgres", "mysql", "mongodb"]
_ENGINES = ["sqlite", "files", *_SERVERS]
Fault = Callable[[Path, random.Random, int], AbstractContextManager[None]]


@contextmanager
def full(path: Path, moments: random.Random, most: int) -> Iterator[None]:
    """So many bytes are left that the work begins, and some of it fits: often nearly all of it."""
    nearly = most - moments.randrange(most // 8)
    left = moments.choice([0, 4096, moments.randrange(300_000), moments.randrange(most), nearly, nearly])
    ballast = path / "ballast"
    with ballast.open("wb") as opened:
        os.posix_fallocate(opened.fileno(), 0, max(1, shutil.disk_usage(path).free - left))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def no_inodes(path: Path, moments: random.Random, _most: int) -> Iterator[None]:
    """So many files can still be made."""
    made = []
    try:
        for number in range(10**6):
            made.append(path / f"ballast-{number}")
            made[-1].touch()
    except OSError:
        made.pop()
    for _ in range(moments.randrange(12)):
        made.pop().unlink()
    try:
        yield
    finally:
        for each in made:
            each.unlink()


@contextmanager
def read_only(path: Path, moments: random.Random, _most: int) -> Iterator[None]:
    """From now on; the kernel lets nobody take it from who has a file open for writing."""
    time.sleep(moments.uniform(0, 2))  # the moment is the experiment
    deadline = time.monotonic() + 5
    while not remount(path, "ro") and time.monotonic() < deadline:
        time.sleep(0.001)
    try:
        yield
    finally:
        assert remount(path, "rw")


FAULTS: dict[str, Fault] = {"full": full, "no inodes": no_inodes, "read-only": read_only}
_DAILY = [
    *(("full", place, "sqlite") for place in ("base", "scratch", "store")),
    ("no inodes", "staging", "sqlite"),
    ("read-only", "base", "sqlite"),
    # Their servers meet the end of the disk while they load.
    *(("full", "scratch", engine) for engine in _SERVERS),
    ("no inodes", "scratch", "postgres"),
    ("read-only", "scratch", "mysql"),
    ("full", "store", "files"),
]
_ALL = [(fault, place, engine) for fault in FAULTS for place in PLACES for engine in _ENGINES]


@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize(("fault", "place", "engine"), _ALL if long_run() else _DAILY)
@pytest.mark.daily(5)
def test_a_disk_that_fails(fault: str, place: str, engine: str, make_house: MakeHouse) -> None:
    moments = chance(f"{fault} {place} {engine}")
    house = make_house(engine)
    back_up(house)
    path = house.path / PLACES[place]
    with small(path, options=(f"size={SIZE_MIB.get(engine, 500)}m", f"nr_inodes={INODES.get(engine, 9000)}")):
        with gauge(path) as used:
            back_up(house)
        for _ in range(tries(1)):
            house.protected.change()
            if place == "store":
                back_up_here(house)
            before = standing(house)
            with ExitStack() as stack:
                if fault != "read-only":
                    stack.enter_context(FAULTS[fault](path, moments, max(used)))
                process = _started(house, _copy(house) if place == "store" else _both(house))
                if fault == "read-only":
                    stack.enter_context(read_only(path, moments, 0))
                said, complaint = process.communicate(timeout=600)
            hit = process.returncode != 0
            told = _told(said + complaint, str(path) if place != "TMPDIR" else "", hit=hit)
            sweep(house.workspace())
            _unused(house)
            aftermath(house, before, kind=f"{fault} in {place}", hit=hit, more=partial(list, told))


@contextmanager
def gauge(path: Path) -> Iterator[list[int]]:
    """How many bytes of a file system are used, beyond what was, as time goes by."""
    at_first, stop = shutil.disk_usage(path).used, threading.Event()
    used = [8]

    def watch() -> None:
        while not stop.wait(0.005):
            used.append(shutil.disk_usage(path).used - at_first)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield used
    finally:
        stop.set()
        thread.join()


def back_up_here(house: House) -> None:
    """A restore point that is in no other store yet."""
    done = subprocess.run(_both(house), cwd=REPOSITORY, env=house.environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def _unused(house: House) -> None:
    """Where scratch directories lie while `base` is read-only stays, empty."""
    for each in house.temporary.glob("ops-scratch-*"):
        if [path.name for path in each.iterdir()] == [".sweep.lock"]:
            shutil.rmtree(each)


def _both(house: House) -> list[str]:
    return [sys.executable, "-m", "tests.faults.worker", "both", str(house.config)]


def _copy(house: House) -> list[str]:
    return [OPS, "copy", "crm", "--to", "nas", "--config", str(house.config)]


def _started(house: House, argv: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        argv, cwd=REPOSITORY, env=house.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _told(said: str, path: str, *, hit: bool) -> list[str]:
    """What is wrong with how it was told."""
    wrong = [f"a traceback: {said[-1500:]}"] if "Traceback" in said else []
    if hit and not wrong:
        wrong += [f"it does not say where: {said}"] if path not in said else []
        wrong += [] if "next:" in said or "inconclusive" in said else [f"it does not say what to do: {said}"]
    return wrong


ERRORS = {
    "fsync": "EIO", "rename": "EIO", "mkdir": "ENOSPC", "write": "ENOSPC", "pwrite64": "EIO", "ftruncate": "EIO",
    "flock": "ENOLCK", "unlink": "EIO", "unlinkat": "EIO", "rmdir": "EIO", "pread64": "EIO",
    "link": "EPERM", "fdatasync": "EIO",
}  # fmt: skip


@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize("engine", _ENGINES if long_run() else ["sqlite", "postgres"])
def test_a_system_call_that_fails(engine: str, make_house: MakeHouse) -> None:
    moments = chance(f"system call {engine}")
    house = make_house(engine)
    back_up(house)
    for _ in range(tries(1 if engine in _SERVERS else 3)):
        call = moments.choice(sorted(ERRORS))
        inject = f"inject={call}:error={ERRORS[call]}:when={moments.randrange(1, 40)}"
        house.protected.change()
        before = standing(house)
        process = _started(house, ["strace", "-f", "-qq", "-o", "/dev/null", "-e", inject, *_both(house)])
        said, complaint = process.communicate(timeout=200)
        hit = process.returncode != 0
        told = [f"{inject}: {each}" for each in _told(said + complaint, "", hit=hit)]
        aftermath(house, before, kind=f"{ERRORS[call]} of {call}", hit=hit, more=partial(list, told))


def test_a_part_that_the_disk_does_not_give_is_told_as_damage_of_that_copy(make_house: MakeHouse) -> None:
    house = make_house("sqlite")
    back_up_here(house)
    part = next((house.path / "base/restore-points").rglob("*/dump*"))
    failing = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(part), "-e", "inject=read:error=EIO"]
    said, complaint = (process := _started(house, [*failing, *_copy(house)])).communicate(timeout=200)
    assert process.returncode == 2, said
    assert f"{part} cannot be read" in complaint and "Input/output error" in complaint
    assert _told(said + complaint, str(part), hit=True) == []
    assert "safe: nothing that could be restored was deleted" in complaint
    assert not list((house.path / "nas").rglob("manifest.json")), "half a copy is none"
    assert subprocess.run(_copy(house), cwd=REPOSITORY, env=house.environment(), check=False).returncode == 0


def test_what_was_killed_while_base_was_read_only_is_swept_when_it_can_be_written(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house("sqlite")
    monkeypatch.setattr("tempfile.tempdir", str(house.temporary))
    dead = elsewhere() / "sqlite-0123abcd"
    dead.mkdir()
    (dead / "decrypted").write_text(CANARY, encoding="utf-8")
    assert house.workspace().places.writable
    assert str(dead) in [each.what for each in sweep(house.workspace())]
    assert not dead.exists()


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_dagsters_own_storage_that_fails_is_told_in_four_sentences(fault: str, make_house: MakeHouse) -> None:
    house = make_house("sqlite")
    home = house.path / "dagster"
    with small(home, options=("size=8m",)):
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
        if fault == "full":
            with (home / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
                while ballast.write(bytes(4096)):
                    pass
        else:
            assert remount(home, "ro")
        environment = {**house.environment(), "DAGSTER_HOME": str(home)}
        argv = [OPS, "backup", "crm", "--config", str(house.config)]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert f"Dagster's storage in {home} cannot be used" in done.stderr
    assert "safe: every backup is untouched" in done.stderr
    assert f"df -h {home}" in done.stderr
