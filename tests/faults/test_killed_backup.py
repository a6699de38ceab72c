"""A dump killed at any byte never becomes a backup, and the next start clears away what it left."""

import os
import random
import threading
import time

import psutil
import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.verify import verify
from ops_pipelines.sweeping import sweep
from tests.faults.conftest import House, Source, child_named, meanwhile, wait_until
from tests.faults.tries import tries


def test_a_worker_killed_at_any_moment_leaves_the_catalogue_as_it_was(house: House) -> None:
    chance = random.Random(1)
    began = time.monotonic()
    first = take_backup(house.workspace(), "crm")
    lasts_s = time.monotonic() - began
    killed = 0
    for _ in range(10 * tries(3)):
        before = house.ids()
        with house.worker("backup") as worker:
            time.sleep(chance.uniform(0, lasts_s))  # the moment of the kill is the experiment
            finished = worker.poll() is not None
            worker.kill()
        after = house.ids()
        if not finished:
            killed += 1
            # Killed between the rename and the last words it is a whole backup; it is never half of one.
            assert after[: len(before)] == before
            assert len(after) <= len(before) + 1
        sweep(house.workspace())
        wait_until(lambda: not house.leftovers())
        if killed == tries(3):
            break
    assert killed == tries(3)
    assert first.id in house.ids()
    assert {row.status for row in house.workspace().ledger.recent()} <= {"failed", "succeeded"}
    newest = house.workspace().catalogue("crm").newest
    assert newest is not None
    assert verify(house.workspace(), newest).outcome == "verified"


@pytest.mark.parametrize("program", ["pg_dump", "pg_dumpall"])
def test_a_client_killed_at_any_byte_is_a_failure_that_names_it(house: House, program: str) -> None:
    chance, over = random.Random(2), threading.Event()

    def kill() -> None:
        victim = None

        def seen() -> bool:
            nonlocal victim
            victim = child_named(program, os.getpid())
            return victim is not None or over.is_set()

        wait_until(seen)
        if victim is None:
            return  # it had come and gone between two looks
        if program == "pg_dump":
            time.sleep(chance.uniform(0, 0.15))  # the moment of the kill is the experiment
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            return

    failed = 0
    for _ in range(60):
        before = house.ids()
        over.clear()
        with meanwhile(kill):
            try:
                take_backup(house.workspace(), "crm")
            except OpsError as error:
                failed += 1
                assert f"{program} died of SIGKILL" in error.what
                assert "nothing of crm has been verified yet" in error.safe
                assert house.ids() == before
                assert house.workspace().ledger.recent()[0].status == "failed"
            finally:
                over.set()
        assert not house.leftovers()
        if failed == 3:
            break
    assert failed == 3


def test_a_server_process_killed_in_mid_dump_is_a_failure(house: House, source: Source) -> None:
    chance = random.Random(3)

    def kill_backend() -> None:
        wait_until(lambda: child_named("pg_dump", os.getpid()) is not None)
        time.sleep(chance.uniform(0, 0.05))  # the moment of the kill is the experiment
        for process in source.processes()[1:]:
            if " src " in " ".join(process.cmdline()):
                process.kill()
                return

    for _ in range(3):
        before = house.ids()
        with meanwhile(kill_backend), pytest.raises(OpsError):
            take_backup(house.workspace(), "crm")
        assert house.ids() == before
        assert not house.leftovers()
        wait_until(lambda: server_answers(source))
    take_backup(house.workspace(), "crm")
    assert len(house.ids()) == 1


def server_answers(source: Source) -> bool:
    try:
        source.run("select 1")
    except OpsError:
        return False
    return True
