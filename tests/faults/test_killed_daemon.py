"""Dagster is killed: its daemon, the process of a run, or all of it at once. It is told, and the next tick backs up.

Nothing is done by hand here: the daemon's own schedule starts every run, and its own monitoring ends the dead ones.
"""

import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from random import Random

import dagster as dg
import psutil
import pytest

from ops_pipelines.vault.catalogue import RestorePoint
from tests.faults.aftermath import Standing, aftermath, back_up, standing
from tests.faults.conftest import MakeHouse
from tests.faults.house import LIMITS, House
from tests.faults.tries import chance, long_run, tries
from tests.faults.watched import Watched, patiently, watched

_LASTS_S = 8.0
"""How long a run takes, about: a kill comes within that time after its process was born."""

pytestmark = pytest.mark.skipif(not long_run(), reason="a daemon and its ticks take minutes: make faults")


@contextmanager
def silent(house: House) -> Iterator[None]:
    """The database lets nobody in and says nothing: who dumps it waits. At the end of the block it works again."""
    address = house.path / "url"
    true = address.read_text(encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address.write_text(f"postgresql://u@127.0.0.1:{listener.getsockname()[1]}/crm", encoding="utf-8")
        try:
            yield
        finally:
            address.write_text(true, encoding="utf-8")


@pytest.mark.timeout(900)
def test_a_backup_whose_process_is_killed_is_told_and_the_next_tick_backs_up(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house("postgres")
    back_up(house)
    before = standing(house)
    limits = {**LIMITS, "connect": "5m"}
    house.change(sources={"crm": {**house.protected.source, "every": "* * * * *", "limits": limits}})
    with watched(house, monkeypatch) as looked, looked.daemon():
        with silent(house):
            patiently(lambda: bool(looked.dumps()))
            (struck,) = looked.dumps()
            os.kill(int(struck.holder.split(":")[1]), signal.SIGKILL)
            patiently(lambda: looked.ended_as(struck.run_id) is dg.DagsterRunStatus.FAILURE)
        patiently(lambda: bool(looked.told("FAIL crm: dump failed")))
        patiently(lambda: set(house.ids()) > set(before.copies))
        patiently(lambda: bool(looked.told("OK crm: dump failed: recovered")))
        looked.no_more_runs()
    aftermath(house, before, kind="SIGKILL of the run under the daemon", swept=False)


def _workers(daemon: psutil.Process) -> list[psutil.Process]:
    """The processes of runs below a daemon."""
    return [each for each in _below(daemon) if "spawn_main" in " ".join(each.cmdline())]


def _below(daemon: psutil.Process) -> list[psutil.Process]:
    found = []
    for each in daemon.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if each.status() != psutil.STATUS_ZOMBIE and each.cmdline():
                found.append(each)
    return found


_Victims = Callable[[psutil.Process], list[psutil.Process]]
_WHOM: Mapping[str, _Victims] = {
    "the daemon": lambda daemon: [daemon],
    "the run": lambda daemon: _workers(daemon)[:1],
    "all of Dagster": lambda daemon: [daemon, *_below(daemon)],
}


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda each: each.name)
@pytest.mark.parametrize("whom", _WHOM)
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_what_is_killed_under_dagster_is_swept_by_the_next_start(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch, engine: str, whom: str, number: signal.Signals
) -> None:
    house = make_house(engine)
    back_up(house)
    house.change(sources={"crm": {**house.protected.source, "every": "* * * * *", "limits": LIMITS}})
    with watched(house, monkeypatch) as looked:
        for each in range(tries(1)):
            before, random = standing(house), chance(f"{number.name} of {whom} {engine} {each}")
            hit = _strike(looked, whom, number, random)
            _backs_up_again(looked)
            aftermath(house, before, kind=f"{number.name} of {whom}", hit=hit, swept=False, gone=_pruned(house, before))


def _strike(looked: Watched, whom: str, number: signal.Signals, random: Random) -> bool:
    """Send the signal at some moment in the life of a run; whether that run was still under way."""
    with looked.daemon() as daemon:
        patiently(lambda: bool(_workers(daemon)))
        worker = _workers(daemon)[0]
        with suppress(psutil.TimeoutExpired):
            worker.wait(random.uniform(0, _LASTS_S))  # the moment is the experiment
        hit = worker.is_running()
        for victim in _WHOM[whom](daemon):
            with suppress(psutil.NoSuchProcess):
                victim.send_signal(number)
        if whom != "the run":
            patiently(lambda: not daemon.is_running())
            patiently(looked.alone)
    return hit


def _backs_up_again(looked: Watched) -> None:
    """A new daemon ends what was killed, and the next tick makes a restore point that is proved."""
    had = set(looked.house.ids())
    with looked.daemon() as daemon:
        patiently(lambda: any(each.verified and each.id not in had for each in _points(looked.house)))
        looked.no_more_runs()
        looked.end(daemon)
        patiently(looked.alone)
    looked.runs_again()


def _points(house: House) -> list[RestorePoint]:
    return list(house.workspace().catalogue("crm").points)


def _pruned(house: House, before: Standing) -> set[str]:
    rows = house.workspace().ledger.recent(kind="prune", limit=1000)
    return {row.backup_id for row in rows if row.backup_id in before.copies}
