"""Somebody else's restic has locked our repository: prune on another machine, or one that was killed long ago.

The lock of a living process is never removed: it is waited for, then told with what to type. The lock of a process of
this machine that is dead, or that nobody renewed for half an hour, is in nobody's way.
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

import psutil
import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.verify import verify
from tests.faults.aftermath import Standing, aftermath, back_up, standing
from tests.faults.conftest import MakeHouse, meanwhile, wait_until
from tests.faults.house import House
from tests.faults.tries import long_run
from tests.sandbox.forged_restic import Forger

ELSEWHERE = "another-machine"
Store = Literal["local", "nas"]


def _back_up(house: House) -> str:
    take_backup(house.workspace(), "crm")
    return ""


def _copy(house: House) -> str:
    copy_to(house.workspace(), house.newest(), "nas")
    return ""


def _verify(house: House) -> str:
    verdict = verify(house.workspace(), house.newest(), store="nas")
    assert verdict.outcome != "bad", verdict.reason
    return "" if verdict.outcome == "verified" else verdict.reason


def _prune(house: House) -> str:
    (pruned,) = prune(house.workspace(), ["crm"], apply=True)
    return "\n".join(pruned.problems)


VERBS: dict[str, tuple[Callable[[House], str], Store]] = {
    "backup": (_back_up, "local"),
    "copy from it": (_copy, "local"),
    "copy to it": (_copy, "nas"),
    "verify": (_verify, "nas"),
    "prune": (_prune, "nas"),
}
_SOME = ["backup", "copy from it"]
_PATIENT = pytest.mark.skipif(not long_run(), reason="make faults plays it")


def locked_house(make_house: MakeHouse, verb: str, *, wait: str = "1s") -> tuple[House, Path]:
    """A house in which each verb has something to do; and the repository that it meets locked."""
    house = make_house("files")
    assert house.protected.folder is not None
    (house.protected.folder / "large").write_bytes(os.urandom(2_000_000))
    if verb in ("copy to it", "prune"):
        back_up(house, prove=False)
        house.protected.change()
    take_backup(house.workspace(), "crm")
    if verb in ("verify", "prune"):
        copy_to(house.workspace(), house.newest(), "nas")
    if verb == "prune":
        assert verify(house.workspace(), house.newest()).outcome == "verified"
        house.document["defaults"]["keep"]["last"] = 1
    house.write(lock=wait)
    address = house.workspace().stores[VERBS[verb][1]].repository("crm").address
    return house, Path(address)


def does(house: House, verb: str) -> str:
    """Do it; what was said when it was not done."""
    try:
        return VERBS[verb][0](house)
    except OpsError as error:
        return "\n".join((error.what, error.why, error.safe, error.next))


def environment(house: House, repository: Path) -> dict[str, str]:
    """What restic needs to open a repository."""
    return {**os.environ, "RESTIC_REPOSITORY": str(repository), "RESTIC_PASSWORD": house.protected.secrets["restic"]}


@contextmanager
def holding(house: House, repository: Path, *before: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A restic that reads the whole repository very slowly, and has it to itself meanwhile; killed at the end.

    Args:
        before: words before the command.
    """
    argv = [*before, "restic", "--no-cache", "check", "--read-data", "--limit-download", "1"]
    with subprocess.Popen(
        argv, env=environment(house, repository), cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_until(lambda: bool(locks(repository)))
            yield process
        finally:
            process.kill()


def elsewhere(house: House, repository: Path) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """The same, on another machine."""
    machine = ["bwrap", "--die-with-parent", "--dev-bind", "/", "/", "--unshare-uts", "--hostname", ELSEWHERE, "--"]
    return holding(house, repository, *machine)


def locks(repository: Path) -> list[Path]:
    """The locks of a repository."""
    return [path for path in (repository / "locks").iterdir() if "-tmp-" not in path.name]


def stood(house: House) -> Standing:
    """How the house stands, but for the restore points that a prune is to remove."""
    before = standing(house)
    newest = house.newest().id
    return Standing({newest: before.copies[newest]}, before.verified, before.told)


@pytest.mark.parametrize("verb", VERBS if long_run() else _SOME)
def test_the_lock_of_a_process_that_died_here_is_in_nobodys_way(verb: str, make_house: MakeHouse) -> None:
    house, repository = locked_house(make_house, verb)
    with holding(house, repository):
        before = stood(house)
    assert locks(repository), "it left its lock behind"
    assert does(house, verb) == ""
    assert not locks(repository)
    aftermath(house, before, kind="lock of a dead restic", swept=False, gone=before.copies.keys())


@pytest.mark.daily(0)
def test_the_lock_of_a_proof_that_was_killed_is_in_nobodys_way(make_house: MakeHouse) -> None:
    """In its sandbox the machine has another name, and restic cannot tell that the process is dead."""
    house, repository = locked_house(make_house, "prune")
    before = stood(house)
    with house.worker("verify") as proof:
        wait_until(lambda: _stopped_with_a_lock(proof, repository))
    assert locks(repository), "it left its lock behind"
    house.write(lock="1s")
    assert does(house, "verify") == "", "until then the failed proof holds every deletion"
    assert not locks(repository)
    assert does(house, "prune") == ""
    aftermath(house, before, kind="lock of a killed proof", gone=before.copies.keys())


def _stopped_with_a_lock(proof: "subprocess.Popen[str]", repository: Path) -> bool:
    """Who lends the repository stands still: what reads it cannot take its lock away."""
    assert proof.poll() is None, "it ended before it had a lock"
    if not locks(repository):
        return False
    proof.send_signal(signal.SIGSTOP)
    if not locks(repository):
        proof.send_signal(signal.SIGCONT)
        return False
    return True


@pytest.mark.parametrize("verb", VERBS if long_run() else _SOME[:1])
def test_the_lock_of_another_machine_stays_and_what_to_type_is_told(verb: str, make_house: MakeHouse) -> None:
    house, repository = locked_house(make_house, verb)
    with elsewhere(house, repository) as living:
        before, held = stood(house), locks(repository)
        said = does(house, verb)
        assert living.poll() is None and locks(repository) == held
    assert f"on {ELSEWHERE}" in said and "1.0s (limits.lock)" in said, said
    # It is dead now, and who is not on its machine cannot know that.
    again = does(house, verb)
    assert locks(repository) == held and f"on {ELSEWHERE}" in again, again
    typed = f"restic -r {repository} unlock --remove-all"
    assert typed in again, again
    subprocess.run(shlex.split(typed), env=environment(house, repository), check=True, capture_output=True)
    assert does(house, verb) == ""
    aftermath(house, before, kind="lock of another machine", swept=False, gone=before.copies.keys())


@_PATIENT
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("minutes", [29, 31])
def test_a_lock_that_nobody_renewed_for_half_an_hour_is_removed_and_no_younger_one(
    minutes: int, verb: str, make_house: MakeHouse
) -> None:
    house, repository = locked_house(make_house, verb, wait="0s")
    at = datetime.now(timezone.utc) - timedelta(minutes=minutes)
    Forger.of(repository, house.protected.secrets["restic"]).lock(at=at, hostname=ELSEWHERE, pid=1)
    said = does(house, verb)
    if minutes > 30:
        assert said == "" and not locks(repository)
    else:
        assert f"on {ELSEWHERE}" in said and locks(repository)


@_PATIENT
@pytest.mark.parametrize("verb", VERBS)
def test_a_living_restic_is_waited_for(verb: str, make_house: MakeHouse) -> None:
    house, repository = locked_house(make_house, verb, wait="60s")
    with holding(house, repository) as living:

        def end() -> None:
            wait_until(_met)
            living.send_signal(signal.SIGINT)

        with meanwhile(end):
            assert does(house, verb) == ""
        assert living.wait() != 0


def _met() -> bool:
    """Whether a restic of ours has met a lock: it looks whose it is."""
    for process in psutil.Process().children(recursive=True):
        try:
            if "unlock" in process.cmdline():
                return True
        except psutil.NoSuchProcess:
            continue
    return False
