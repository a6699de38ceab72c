"""The look at an aftermath sees what it is for: a house that is well passes, and each planted fault is told."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.faults.aftermath import aftermath, back_up, standing
from tests.faults.conftest import MakeHouse
from tests.faults.house import House
from tests.faults.protected import CANARY, ENGINES
from tests.sample import flip_byte


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.daily(2)
def test_a_house_in_which_nothing_went_wrong_passes(make_house: MakeHouse, engine: str) -> None:
    house = make_house(engine)
    back_up(house)
    aftermath(house, standing(house), kind="nothing", swept=False)


def _leave_plain(house: House) -> None:
    (house.base / "note").write_text(f"x {CANARY}", encoding="utf-8")


def _leave_temporary(house: House) -> None:
    (house.temporary / "rest").touch()


def _leave_open(house: House) -> object:
    activity = house.workspace().ledger.activity("dump", source="crm")
    activity.__enter__()
    return activity


def _leave_staged(house: House) -> None:
    (house.base / "restore-points" / ".staging" / "half").mkdir()


def _lose(house: House) -> None:
    house.workspace().stores["nas"].delete("crm", house.newest().id)


def _damage(house: House) -> None:
    flip_byte(next((house.path / "nas" / "crm" / house.newest().id).glob("*.age")))


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (_leave_plain, "leaks: decrypted ./base/note"),
        (_leave_temporary, "leaks: temporary"),
        (_leave_open, "leaks: open row"),
        (_leave_staged, "leaks: unfinished"),
        (_lose, "lost: .* in nas"),
        (_damage, "false_verified: .* in nas"),
    ],
)
def test_whatever_is_wrong_is_told(
    make_house: MakeHouse, plant: Callable[[House], object], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.faults.aftermath._DIES_WITHIN_S", 0.0)
    monkeypatch.delenv("OPS_FAULTS_TALLY", raising=False)
    house = make_house("sqlite")
    back_up(house)
    before = standing(house)
    _held = plant(house)
    with pytest.raises(AssertionError, match=told):
        aftermath(house, before, kind="planted", swept=False, again=None)


def test_a_living_process_and_a_held_lock_are_told(make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.aftermath._DIES_WITHIN_S", 0.0)
    monkeypatch.delenv("OPS_FAULTS_TALLY", raising=False)
    house = make_house("sqlite")
    back_up(house)
    before = standing(house)
    lock = house.base / "locks" / "crm.lock"
    script = f"import fcntl, os; fcntl.flock(os.open({str(lock)!r}, os.O_RDWR), fcntl.LOCK_EX); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=house.path, env=os.environ
    ) as process:
        assert process.stdout is not None and process.stdout.readline()
        with pytest.raises(AssertionError, match=r"leaks: process \d+ python.*\n.*held lock"):
            aftermath(house, before, kind="planted", swept=False, again=None)
        process.communicate(b"\n")
    aftermath(house, before, kind="planted", swept=False)
