"""Servers that are full or written to, while they are backed up."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.verify import verify
from tests.conftest import TestServer
from tests.faults.aftermath import aftermath, standing
from tests.faults.conftest import MakeHouse, meanwhile
from tests.faults.house import House
from tests.faults.network import next_run


def test_an_account_without_connections_left_is_told_so_and_dumps_with_as_few_as_it_needs(
    pg18: TestServer, make_house: MakeHouse
) -> None:
    house = make_house("postgres")
    pg18.sql("drop role if exists few", "create role few login password 'few-canary-pw' in role pg_read_all_data")
    url = house.protected.secrets["url"].replace("user=boss", "user=few")
    (house.path / "url").write_text(f"{url} password=few-canary-pw", encoding="utf-8")
    told = []
    for count in range(1, 8):
        pg18.sql(f"alter role few connection limit {count}")
        before = standing(house)
        try:
            take_backup(house.workspace(), "crm")
            break
        except OpsError as error:
            told.append(error)
            aftermath(house, before, kind="connection limit", swept=False, again=None)
    assert told and len(house.ids()) == 1
    assert any("lower jobs in ops.yaml" in each.next for each in told), told


@contextmanager
def growing(house: House) -> Iterator[None]:
    """Somebody writes for the length of the block."""
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.005):
            house.protected.change()

    with meanwhile(write):
        try:
            yield
        finally:
            stop.set()


@pytest.mark.parametrize("engine", ["postgres", "mysql", "mongodb", "sqlite"])
def test_what_grows_while_it_is_dumped_is_verified(engine: str, make_house: MakeHouse) -> None:
    house = make_house(engine)
    with growing(house):
        next_run(house)
    point = house.newest()
    verdict = verify(house.workspace(), point)
    assert verdict.outcome == "verified", verdict.reason
