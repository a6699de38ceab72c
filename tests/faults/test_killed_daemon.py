"""The process of a run under Dagster's daemon is killed in mid-backup: it is told, and the next tick backs up.

Nothing is done by hand here: the daemon's own schedule starts every run, and its own monitoring ends the dead one.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus

from ops_pipelines.ledger.models import Activity
from ops_pipelines.orchestration.instance import dagster_instance
from tests.faults.aftermath import aftermath, back_up, standing
from tests.faults.conftest import MakeHouse, wait_until
from tests.faults.house import LIMITS, REPOSITORY, House
from tests.faults.tries import long_run

_SOON_S = 200


@dataclass(frozen=True)
class Watched:
    """A house that a daemon looks after, every minute."""

    house: House
    instance: dg.DagsterInstance

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """The daemon, and below it the process that has our code, until the end of the block."""
        argv = [sys.executable, "-m", "ops_pipelines.orchestration.part", "daemon", "run"]
        environment = {**self.house.environment(), "OPS_CONFIG": str(self.house.config)}
        with (self.house.path / "daemon.log").open("ab") as log:
            process = subprocess.Popen(
                [*argv, "--workspace", str(REPOSITORY / "workspace.yaml")],
                cwd=self.house.path, env=environment, stdout=log, stderr=log,
            )  # fmt: skip
            try:
                yield
            finally:
                process.terminate()
                process.wait(60)

    def dumps(self) -> list[Activity]:
        """The dumps that are under way in runs of Dagster."""
        return [row for row in self.house.workspace().ledger.running("crm") if row.kind == "dump" and row.run_id]

    def no_more_runs(self) -> None:
        """The schedule is stopped, and what it started ends."""
        for state in self.instance.all_instigator_state():
            if state.instigator_name.startswith("backup_"):
                self.instance.update_instigator_state(state.with_status(InstigatorStatus.STOPPED))
        patiently(lambda: all(run.is_finished for run in self.instance.get_runs()))

    def ended_as(self, run_id: str | None) -> dg.DagsterRunStatus | None:
        """How a run ended, for Dagster."""
        run = self.instance.get_run_by_id(run_id) if run_id is not None else None
        return run.status if run is not None and run.is_finished else None

    def told(self, *words: str) -> list[str]:
        """The subjects of messages with all of these words."""
        assert self.house.channel is not None
        return [each for each in self.house.channel.texts if all(word in each for word in words)]


def patiently(condition: Callable[[], bool]) -> None:
    """Wait until it is so; asking often would take the time that the daemon needs."""
    wait_until(condition, _SOON_S, every_s=0.5)


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


@pytest.mark.skipif(not long_run(), reason="a daemon and its ticks take minutes: make faults")
@pytest.mark.timeout(900)
def test_a_backup_whose_process_is_killed_is_told_and_the_next_tick_backs_up(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house("postgres")
    monkeypatch.setenv("DAGSTER_HOME", str(house.path))
    back_up(house)
    before = standing(house)
    limits = {**LIMITS, "connect": "5m"}
    house.change(sources={"crm": {**house.protected.source, "every": "* * * * *", "limits": limits}})
    with dagster_instance(house.path) as instance:
        watched = Watched(house, instance)
        with watched.daemon():
            with silent(house):
                patiently(lambda: bool(watched.dumps()))
                (struck,) = watched.dumps()
                os.kill(int(struck.holder.split(":")[1]), signal.SIGKILL)
                patiently(lambda: watched.ended_as(struck.run_id) is dg.DagsterRunStatus.FAILURE)
            patiently(lambda: bool(watched.told("FAIL crm: dump failed")))
            patiently(lambda: set(house.ids()) > set(before.copies))
            patiently(lambda: bool(watched.told("OK crm: dump failed: recovered")))
            watched.no_more_runs()
    aftermath(house, before, kind="SIGKILL of the run under the daemon", swept=False)
