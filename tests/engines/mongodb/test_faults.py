"""Kills, freezes and writers: whatever happens during a MongoDB backup, nothing half is ever published."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bson
import psutil
import pytest

from ops_pipelines.errors import OpsError
from ops_pipelines.sweeping import sweep
from ops_pipelines.workspace import open_workspace
from tests.engines.mongodb.conftest import Backups, Mongo, Protect, TestServer
from tests.engines.mongodb.unpacked import unpack
from tests.faults.conftest import meanwhile, wait_until
from tests.sample import files_holding

REPOSITORY = Path(__file__).parents[3]
CANARIES = ("canary-pw", "AGE-SECRET-KEY")


@pytest.fixture(scope="module")
def busy(mongo: TestServer) -> Mongo:
    """A database whose dump takes a moment."""
    database = mongo.client["busy"]
    for name in ("one", "two", "three"):
        database[name].insert_many([{"_id": i, "body": os.urandom(400)} for i in range(8000)])
    return database


@pytest.fixture
def backups(mongo: TestServer, busy: Mongo, protect: Protect) -> Backups:
    return protect(mongo.url(busy.name), limits={"connect": "2s", "stall": "2s", "total": "60s"}, jobs=2)


@contextmanager
def frozen(mongo: TestServer) -> Iterator[None]:
    """The server does not move during the block."""
    [process] = [each for each in psutil.process_iter() if str(mongo.directory / "data") in _words(each)]
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


def _spooled(backups: Backups) -> int:
    return sum(path.stat().st_size for path in (backups.made.path / "base").rglob("plain/*.bson"))


def _assert_clean(backups: Backups) -> None:
    base = backups.made.path / "base"
    assert [path for path in base.glob("restore-points/.staging/*") if path.is_dir()] == []
    assert [path for path in base.glob("scratch/*") if path.is_dir()] == []
    assert [each for each in psutil.process_iter() if str(base) in _words(each)] == []


def test_a_server_that_freezes_in_the_middle_does_not_hold_the_backup(backups: Backups, mongo: TestServer) -> None:
    def freeze() -> None:
        wait_until(lambda: _spooled(backups) > 0)
        with frozen(mongo):
            wait_until(lambda: backups.made.workspace.ledger.recent()[0].status != "running", within_s=60)

    with meanwhile(freeze), pytest.raises(OpsError, match="backup of crm failed") as caught:
        backups.take()
    assert "(limits.stall)" in caught.value.why
    assert backups.made.workspace.catalogue("crm").points == ()
    _assert_clean(backups)
    backups.take()


def test_a_server_that_is_frozen_from_the_start_is_not_waited_for(backups: Backups, mongo: TestServer) -> None:
    with frozen(mongo), pytest.raises(OpsError, match="cannot be opened"):
        backups.take()
    _assert_clean(backups)


@pytest.mark.daily(0)
def test_a_worker_killed_at_any_moment_publishes_nothing(backups: Backups) -> None:
    chance = random.Random(5)
    for _ in range(4):
        with _worker(backups, "backup") as worker:
            time.sleep(chance.uniform(0, 0.6))  # the moment is the experiment
            worker.kill()
            worker.wait()
        workspace = open_workspace(backups.made.workspace.config)
        published = workspace.catalogue("crm").points
        assert all(point.manifest.contents.rows == 24000 for point in published)
    backups.take()
    assert backups.verify().outcome == "verified"
    _assert_clean(backups)


def test_a_killed_verification_leaves_no_server_behind(backups: Backups) -> None:
    backups.take()
    base = str(backups.made.path / "base")
    with _worker(backups, "verify") as worker:
        wait_until(lambda: any("--auth" in _words(each) and base in _words(each) for each in psutil.process_iter()))
        worker.kill()
        worker.wait()
    sweep(backups.made.workspace)
    _assert_clean(backups)


def test_no_secret_is_seen_in_a_command_line_or_a_file(backups: Backups) -> None:
    seen: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            words = (_words(each) for each in psutil.process_iter())
            seen.extend(each for each in words if any(canary in each for canary in CANARIES))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        with _worker(backups, "both") as worker:
            out, complaints = worker.communicate()
    finally:
        done.set()
        watcher.join()
    assert worker.returncode == 0, complaints
    assert seen == []
    assert not any(canary in out + complaints for canary in CANARIES)
    assert files_holding(backups.made.path / "base", *CANARIES) == []


def test_a_dump_under_writers_is_what_it_says_it_is(
    mongo: TestServer, busy: Mongo, protect: Protect, tmp_path: Path
) -> None:
    backups, done = protect(mongo.url(busy.name), jobs=2), threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            busy["one"].insert_one({"_id": f"late {number}", "body": b"x" * 300})
            busy["two"].update_one({"_id": number}, {"$set": {"body": os.urandom(400)}})
            busy["three"].delete_one({"_id": number})

    with meanwhile(write):
        try:
            manifest = backups.take()
        finally:
            done.set()
    assert any("not of one instant" in warning for warning in manifest.warnings)
    window = json.loads(json.dumps(manifest.engine["oplog"]))
    assert (window["start"]["t"], window["start"]["i"]) < (window["end"]["t"], window["end"]["i"])
    entries = bson.decode_all((unpack(backups, tmp_path) / "dump" / "oplog.bson").read_bytes())
    assert {entry["ns"].split(".")[0] for entry in entries} <= {"busy", "admin"}
    assert {entry["op"] for entry in entries} >= {"i", "u", "d"}
    assert backups.verify().outcome == "verified"


def test_a_collection_dropped_during_the_dump_fails_it(backups: Backups, busy: Mongo) -> None:
    busy["doomed"].insert_one({"_id": 1})

    def drop() -> None:
        wait_until(lambda: _spooled(backups) > 0)
        busy["doomed"].drop()

    with meanwhile(drop), pytest.raises(OpsError, match="doomed was dropped"):
        backups.take()
    assert backups.made.workspace.catalogue("crm").points == ()


@contextmanager
def _worker(backups: Backups, verb: str) -> Iterator["subprocess.Popen[str]"]:
    argv = [sys.executable, "-m", "tests.faults.worker", verb, str(backups.made.path / "ops.yaml")]
    with subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            yield process
        finally:
            process.kill()
