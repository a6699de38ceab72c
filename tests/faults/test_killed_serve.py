"""`ops serve` is killed or told to stop while it answers and looks around: it ends, and nothing depends on it."""

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPException
from threading import Event

import pytest

from tests.faults.aftermath import aftermath, back_up, standing
from tests.faults.conftest import MakeHouse, wait_until
from tests.faults.forked import Forked, start
from tests.faults.house import House
from tests.faults.tries import chance, tries

_PATHS = ("", "metrics", "health")
_LASTS_S = 3.0


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda each: each.name)
def test_a_status_page_that_is_killed_leaves_nothing_and_starts_again(
    make_house: MakeHouse, new_ledger: Callable[[House], None], number: signal.Signals
) -> None:
    house = make_house("sqlite")
    new_ledger(house)
    back_up(house)
    for each in range(tries(1)):
        _kill_one(house, number, each)
    served = start(house, "serve", "--port", "0")
    with urllib.request.urlopen(_address(served), timeout=60) as page:
        assert page.status == 200
    served.process.terminate()
    assert served.wait() == 0, served.said


def _kill_one(house: House, number: signal.Signals, each: int) -> None:
    before, random = standing(house), chance(f"{number.name} of ops serve {each}")
    served = start(house, "serve", "--port", "0")
    address, over = _address(served), Event()
    with ThreadPoolExecutor(len(_PATHS)) as threads:
        readers = [threads.submit(_read_on, address + path, over) for path in _PATHS]
        served.process.join(random.uniform(0, _LASTS_S))  # the moment is the experiment
        wrong = [] if served.process.is_alive() else ["it ended by itself"]
        (served.process.kill if number is signal.SIGKILL else served.process.terminate)()
        wrong += _ended_well(number, served)
        over.set()
    aftermath(
        house, before, kind=f"{number.name} of ops serve", swept=number is signal.SIGKILL,
        more=lambda: [*wrong, *_wrong(readers)], allowed=("ledger.url",),
    )  # fmt: skip


def _address(served: Forked) -> str:
    """Where it listens, once it does; its log says so."""
    found: list[str] = []

    def listens() -> bool:
        assert served.process.is_alive(), served.said
        lines = [line for line in served.said.splitlines() if "server_started" in line]
        found[:] = [json.loads(line)["url"] for line in lines]
        return bool(found)

    wait_until(listens, every_s=0.05)
    return found[0]


def _read_on(url: str, over: Event) -> list[int]:
    """Ask until it is over; the statuses of its answers. Whoever is killed may answer nothing."""
    statuses = []
    while not over.is_set():
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                answer.read()
                statuses.append(answer.status)
        except urllib.error.HTTPError as refused:
            statuses.append(refused.code)
        except (OSError, HTTPException):
            pass
        over.wait(0.05)
    return statuses


def _wrong(readers: list[Future[list[int]]]) -> list[str]:
    """`/health` may say that something is amiss; nothing may break."""
    return [f"an answer {each}" for reader in readers for each in reader.result() if each not in (200, 503)]


def _ended_well(number: signal.Signals, served: Forked) -> list[str]:
    status, wanted = served.wait(), -signal.SIGKILL if number is signal.SIGKILL else 0
    wrong = [f"exit status {status}: {served.said}"] if status != wanted else []
    return [*wrong, *([f"a traceback: {served.said}"] if "Traceback" in served.said else [])]
