"""A server that freezes ends the backup within its limits, whatever it was doing at the time."""

import os
import random
import time

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import OpsError
from tests.faults.conftest import House, Source, child_named, meanwhile, wait_until


def test_a_dump_that_stalls_is_stopped_and_says_so(house: House, source: Source) -> None:
    house.write(stall="2s", total="20s", connect="2s")
    workspace = house.workspace()

    def freeze() -> None:
        wait_until(lambda: child_named("pg_dump", os.getpid()) is not None)
        time.sleep(0.05)  # so that it is in the middle of it
        with source.frozen():
            wait_until(lambda: workspace.ledger.recent()[0].status != "running", within_s=60)

    with meanwhile(freeze), pytest.raises(OpsError, match="backup of crm failed") as caught:
        take_backup(workspace, "crm")
    assert any(each in str(caught.value) for each in ("sent nothing for 2.0s", "no answer within 2.0s"))
    assert "(limits.stall)" in str(caught.value) and "raise limits.stall in ops.yaml" in caught.value.next
    assert child_named("pg_dump", os.getpid()) is None
    assert house.ids() == []
    assert not house.leftovers()
    take_backup(house.workspace(), "crm")
    assert len(house.ids()) == 1


def test_a_server_that_is_frozen_from_the_start_is_not_waited_for(house: House, source: Source) -> None:
    house.write(stall="2s", total="20s", connect="2s")
    with source.frozen(), pytest.raises(OpsError, match="cannot be opened") as caught:
        take_backup(house.workspace(), "crm")
    assert "timeout" in caught.value.why
    assert house.ids() == []
    take_backup(house.workspace(), "crm")


def test_a_server_that_freezes_at_any_moment_does_not_hold_the_backup_beyond_its_total(
    house: House, source: Source
) -> None:
    house.write(stall="2s", total="5s", connect="2s")
    chance = random.Random(27)
    for _ in range(2):
        before = house.ids()
        workspace = house.workspace()
        assert workspace.ledger.recent(limit=1) is not None
        count = len(workspace.ledger.recent())

        def freeze(workspace=workspace, count=count) -> None:  # type: ignore[no-untyped-def]
            wait_until(lambda: len(workspace.ledger.recent()) > count)
            time.sleep(chance.uniform(0, 0.5))  # the moment of the freeze is the experiment
            with source.frozen():
                wait_until(lambda: workspace.ledger.recent()[0].status != "running", within_s=60)

        with meanwhile(freeze):
            try:
                take_backup(workspace, "crm")
            except OpsError:
                assert house.ids() == before
        assert not house.leftovers()
