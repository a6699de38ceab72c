"""A house that Dagster's daemon looks after, with `dagster.yaml` as it is: its schedules start every run."""

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._core.storage.tags import RUN_KEY_TAG

from ops_pipelines.ledger.models import Activity
from ops_pipelines.orchestration.instance import dagster_instance
from tests.faults.conftest import wait_until
from tests.faults.house import REPOSITORY, House
from tests.faults.left import processes
from tests.faults.tree import grown

_SOON_S = 600


@dataclass(frozen=True)
class Watched:
    """A house, and the Dagster instance in its directory."""

    house: House
    instance: dg.DagsterInstance

    @contextmanager
    def daemon(self, home: Path | None = None) -> Iterator[psutil.Process]:
        """The daemon, and below it the process that has our code; at the end of the block it is told to end.

        Args:
            home: the directory of its instance; the house's unless given.
        """
        home = home or self.house.path
        argv = [sys.executable, "-m", "ops_pipelines.orchestration.part", "daemon", "run"]
        environment = {**self.house.environment(), "OPS_CONFIG": str(self.house.config), "DAGSTER_HOME": str(home)}
        with (
            (home / "daemon.log").open("ab") as log,
            grown(
                [*argv, "--workspace", str(REPOSITORY / "workspace.yaml")],
                directory=home, environment=environment, log=log,
            ) as process,
        ):  # fmt: skip
            yield process
            self.end(process)

    def end(self, process: psutil.Process, number: signal.Signals = signal.SIGTERM) -> None:
        """A daemon gets a signal, and is gone; so is, soon, what it has started."""
        if process.is_running():
            process.send_signal(number)
        patiently(lambda: not process.is_running())

    def alone(self) -> bool:
        """Whether nothing of the house runs."""
        return not processes(str(self.house.path))

    def dumps(self) -> list[Activity]:
        """The dumps that are under way in runs of Dagster."""
        return [row for row in self.house.workspace().ledger.running("crm") if row.kind == "dump" and row.run_id]

    def no_more_runs(self, within_s: float = _SOON_S) -> None:
        """The schedules of backups are stopped, and what they started ends."""
        self._switch(InstigatorStatus.STOPPED)
        patiently(lambda: all(run.is_finished for run in self.instance.get_runs()), within_s)

    def runs_again(self) -> None:
        """The schedules of backups are what they were."""
        self._switch(InstigatorStatus.RUNNING)

    def _switch(self, status: InstigatorStatus) -> None:
        for state in self.instance.all_instigator_state():
            if state.instigator_name.startswith("backup_"):
                self.instance.update_instigator_state(state.with_status(status))

    def ended_as(self, run_id: str | None) -> dg.DagsterRunStatus | None:
        """How a run ended, for Dagster."""
        run = self.instance.get_run_by_id(run_id) if run_id is not None else None
        return run.status if run is not None and run.is_finished else None

    def ticks(self) -> Counter[str]:
        """How many runs each tick of a schedule has started, by source and time."""
        return Counter(run.tags[RUN_KEY_TAG] for run in self.instance.get_runs() if RUN_KEY_TAG in run.tags)

    def told(self, *words: str) -> list[str]:
        """The subjects of messages with all of these words."""
        assert self.house.channel is not None
        return [each for each in self.house.channel.texts if all(word in each for word in words)]


def patiently(condition: Callable[[], bool], within_s: float = _SOON_S) -> None:
    """Wait until it is so; asking often would take the time that the daemon needs."""
    wait_until(condition, within_s, every_s=0.5)


@contextmanager
def watched(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """The house with an instance of its own."""
    monkeypatch.setenv("DAGSTER_HOME", str(house.path))
    with dagster_instance(house.path) as instance:
        yield Watched(house, instance)
