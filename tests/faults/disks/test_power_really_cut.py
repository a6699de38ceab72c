"""The power of a real file system is cut at a random moment: nothing that was there is lost, and what follows works.

Its journal is replayed as after a power cut of a machine; only what was flushed has reached the disk by then.
"""

import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psutil
import pytest

from ops_pipelines.vault.catalogue import Catalogue
from tests.faults.aftermath import aftermath, back_up, standing
from tests.faults.disks.filesystems import Machine, machine
from tests.faults.house import House, build
from tests.faults.protected import protect
from tests.faults.tries import chance, long_run, tries
from tests.watch.receivers import webhook

_DAILY = [("ext4", "sqlite"), ("ext4", "files"), ("xfs", "sqlite")]
_ALL = [(kind, engine) for kind in ("ext4", "xfs") for engine in ("sqlite", "files", "postgres", "mysql", "mongodb")]


@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize(("kind", "engine"), _ALL if long_run() else _DAILY)
def test_a_power_cut_at_any_moment(kind: str, engine: str, request: pytest.FixtureRequest) -> None:
    moments = chance(f"power cut {kind} {engine}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ops-cut-")))
        computer = stack.enter_context(machine(kind, folder))
        house = build(computer.mounted, protect(engine, request, folder / "data"), stack.enter_context(webhook()))
        began = time.monotonic()
        back_up(house)
        lasts_s = time.monotonic() - began
        for _ in range(tries(1)):
            house.protected.change()
            computer.flush()
            before = standing(house)
            told, hit = _cut(house, computer, moments.uniform(0, lasts_s))
            aftermath(house, before, kind=f"power cut ({kind})", hit=hit, more=partial(_lost, house, told))


def _cut(house: House, computer: Machine, after_s: float) -> tuple[list[str], bool]:
    """Back up and verify until then; returns what the worker had said, and whether it was at work still."""
    with house.worker("both") as worker:
        time.sleep(after_s)  # the moment is the experiment
        everyone = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
        hit = worker.poll() is None
        for process in everyone:
            _signal(process, signal.SIGSTOP)
        taken = computer.photograph()
        for process in everyone:
            _signal(process, signal.SIGKILL)
        told = _said(worker)
    computer.start_again(taken)
    return told, hit


def _said(worker: "subprocess.Popen[str]") -> list[str]:
    assert worker.stdout is not None
    return worker.stdout.read().splitlines()


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _lost(house: House, told: list[str]) -> list[str]:
    """What somebody was told of, and is not there."""
    done = {what: backup_id for _said, what, backup_id, *_why in map(str.split, told)}
    catalogue = house.workspace().catalogue("crm")
    lost = [each for each in done.values() if catalogue.find(each) is None]
    if lost:
        return [f"{each} was said to be there, and is lost" for each in lost]
    unproved = [each for what, each in done.items() if what == "verified" and each not in _verified(catalogue)]
    return [f"the verdict on {each} is lost" for each in unproved]


def _verified(catalogue: Catalogue) -> set[str]:
    return {point.id for point in catalogue.points if point.verified}
