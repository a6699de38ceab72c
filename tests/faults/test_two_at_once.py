"""Runs of the same source never overlap, and the lock of a dead holder needs no human."""

import signal
from contextlib import ExitStack
from itertools import pairwise

import psutil
import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import Busy
from tests.faults.conftest import House, child_named, wait_until


def test_two_runs_of_a_source_at_once_dump_one_after_the_other(house: House) -> None:
    with ExitStack() as stack:
        workers = [stack.enter_context(house.worker("backup")) for _ in range(3)]
        assert [worker.wait() for worker in workers] == [0, 0, 0]
    points = house.workspace().catalogue("crm").points
    assert len(points) == 3
    for earlier, later in pairwise(points):
        assert earlier.manifest.finished_at <= later.manifest.started_at
    assert [row.status for row in house.workspace().ledger.recent()] == ["succeeded"] * 3


def test_a_run_that_may_not_wait_is_told_who_holds_the_source(house: House) -> None:
    house.write(lock="0s")
    with house.worker("backup") as worker:
        wait_until(lambda: child_named("pg_dump", worker.pid) is not None)
        psutil.Process(worker.pid).send_signal(signal.SIGSTOP)
        with pytest.raises(Busy, match=r"source crm .* is busy: dump, process \d+, since") as caught:
            take_backup(house.workspace(), "crm")
        assert caught.value.exit_status == 2
        assert house.workspace().ledger.recent(kind="dump")[0].status == "failed"
        psutil.Process(worker.pid).send_signal(signal.SIGCONT)
        assert worker.wait() == 0
    assert len(house.ids()) == 1


def test_the_lock_of_a_killed_run_is_free_at_once(house: House) -> None:
    house.write(lock="0s")
    with house.worker("backup") as worker:
        wait_until(lambda: child_named("pg_dump", worker.pid) is not None)
        worker.kill()
        worker.wait()
        take_backup(house.workspace(), "crm")
    assert len(house.ids()) == 1
    assert not house.leftovers()
