"""Two sites and a centre: each source is dumped where its database is, and proved where the identity is.

Then machines and brokers die in the middle of a dump. Nothing is lost, and nothing is made twice.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from ops_pipelines.ledger.models import FAILED, RUNNING, SUCCEEDED
from tests.servers.brokers import Broker, rabbitmq, redis
from tests.sites.machines import SITES, Machine, Machines, machines, wait_until
from tests.sites.network import network

StartBroker = Callable[[Path, str], AbstractContextManager[Broker]]


def at_work(start: StartBroker, **execution: str) -> Iterator[Machines]:
    """Every machine, with its worker."""
    with TemporaryDirectory(prefix="sites-", dir="/var/tmp") as made, network(*SITES) as net:
        directory = Path(made)
        directory.chmod(0o755)
        (directory / "broker").mkdir()
        with start(directory / "broker", net.centre) as broker, machines(directory, net, broker, **execution) as found:
            for each in found.everybody:
                each.start_worker()
            yield found


@pytest.fixture(scope="module")
def by_rabbitmq() -> Iterator[Machines]:
    """By RabbitMQ, which notices at once that a worker is gone."""
    yield from at_work(rabbitmq)


@pytest.fixture(scope="module")
def by_redis() -> Iterator[Machines]:
    """By Redis that waits for a worker for less time than a dump takes."""
    yield from at_work(redis, redeliver_after="20s")


def waits(found: Machines, source: str) -> None:
    """Wait until a dump of a source is under way."""
    wait_until(lambda: RUNNING in [row.status for row in found.dumps(source)], found.logs)


def one_dump(found: Machines, source: str, run_before: int) -> None:
    """A run has made one restore point, which is proved, and Dagster knows of one."""
    points = found.workspace().catalogue(source).points
    assert len(points) == run_before + 1
    assert points[-1].verified and not found.workspace().catalogue(source).messages
    assert found.materialized(source) == run_before + 1


def asked(machine: Machine) -> dict[tuple[str, str], Any]:
    """What the doctor of a machine answers, by subject and question."""
    told = json.loads(machine.ops("doctor", "--json").stdout)
    return {(each["subject"], each["question"]): each for each in told["answers"]}


def received(site: Machine) -> int:
    """How many tasks the broker has given to a site, each as often as it did."""
    return len(re.findall(r"Task execute_plan\[[-0-9a-f]+\] received", site.log))


def before(found: Machines, source: str) -> int:
    """How many restore points a source has."""
    return len(found.workspace().catalogue(source).points)


def test_each_source_is_dumped_at_its_site_and_proved_at_the_centre(by_rabbitmq: Machines) -> None:
    found = by_rabbitmq
    runs = [found.launch(source, log=f"run-{source}.log") for source in SITES.values()]
    for run in runs:
        found.ended(run)
    for site, source in SITES.items():
        one_dump(found, source, 0)
        (point,) = found.workspace().catalogue(source).points
        assert point.stores == ("far",), "the centre sees what it can reach"
        assert (found.sites[site].folder / "base" / "restore-points" / source / point.id).is_dir()
        (other,) = (each for each in found.sites if each != site)
        assert not (found.sites[other].folder / "base" / "restore-points" / source).exists()
        assert not (found.centre.folder / "base" / "restore-points" / source).exists()


def test_a_worker_that_is_killed_in_mid_dump_costs_one_attempt(by_rabbitmq: Machines) -> None:
    found, brno = by_rabbitmq, by_rabbitmq.sites["brno"]
    there, attempts = before(found, "crm"), len(found.dumps("crm"))
    with found.holding("crm"):
        run = found.launch("crm")
        waits(found, "crm")
        brno.kill_worker()
        killed = time.time()
        brno.start_worker()
        wait_until(lambda: len(found.dumps("crm")) == attempts + 2, found.logs)
    found.ended(run)
    died, done = found.dumps("crm")[attempts:]
    assert (died.status, done.status) == (FAILED, SUCCEEDED)
    print(f"from the kill to the next attempt: {done.started_at.timestamp() - killed:.1f} s")
    one_dump(found, "crm", there)


def test_a_broker_that_starts_again_in_mid_dump_costs_nothing(by_rabbitmq: Machines) -> None:
    found = by_rabbitmq
    there, attempts = before(found, "crm"), len(found.dumps("crm"))
    with found.holding("crm"):
        run = found.launch("crm")
        waits(found, "crm")
        given = received(found.sites["brno"])
        found.broker.restart()
        wait_until(lambda: received(found.sites["brno"]) == given + 1, found.logs)  # a second time
    found.ended(run)
    assert len(found.dumps("crm")) == attempts + 1
    one_dump(found, "crm", there)


def test_doctor_asks_for_workers_and_only_for_what_this_machine_needs(by_rabbitmq: Machines) -> None:
    found = by_rabbitmq
    wait_until(lambda: all("ready" in each.log for each in found.everybody), found.logs)
    answers = asked(found.centre)
    assert answers["workers", "queues"]["said"] == "a worker listens at brno, centre, plzen"
    assert answers["workers", "redelivery"]["state"] == "OK"
    assert answers["configuration", "secrets"]["state"] == "OK", "the databases' are at their sites"
    assert ("crm", "server") not in answers and answers["crm", "key"]["state"] == "OK"
    at_site = asked(found.sites["brno"])
    assert at_site["configuration", "secrets"]["state"] == "OK", "the identity is at the centre"
    assert at_site["crm", "server"]["state"] == "OK"
    assert ("crm", "key") not in at_site and ("erp", "server") not in at_site
    found.sites["plzen"].stop_worker()
    without = asked(found.centre)["workers", "queues"]
    assert without["state"] == "FAILED" and "nobody listens at plzen: runs of erp wait" in without["said"]
    assert any(line.startswith("ops worker") and "OPS_SITE=plzen" in line for line in without["fix"])
    found.sites["plzen"].start_worker()


def test_a_site_prunes_its_own_local_store_and_the_centre_the_bucket(by_rabbitmq: Machines) -> None:
    found = by_rabbitmq
    while len(points := found.workspace().catalogue("crm").points) < 3:
        found.ended(found.launch("crm"))
    found.ended(found.prune())
    kept = [point.id for point in found.workspace().catalogue("crm").points]
    assert kept == [point.id for point in points][-2:]
    local = found.sites["brno"].folder / "base" / "restore-points" / "crm"
    assert sorted(path.name for path in local.iterdir() if path.name[0] != ".") == kept
    assert not found.workspace().catalogue("crm").messages


@pytest.mark.daily(0)  # what RabbitMQ does when it starts again is the same to us
def test_a_task_that_redis_gives_again_while_it_is_done_is_done_once(by_redis: Machines) -> None:
    found, brno = by_redis, by_redis.sites["brno"]
    with found.holding("crm"):
        run = found.launch("crm")
        waits(found, "crm")
        wait_until(lambda: received(brno) >= 2, found.logs)
    found.ended(run)
    assert len(found.dumps("crm")) == 1
    one_dump(found, "crm", 0)
