"""A code server goes on when Dagster's storage was away, and does not outlive the daemon that it worked for."""

import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.utils import FuturesAwareThreadPoolExecutor
from dagster._grpc.server import DagsterApiServer

from ops_pipelines.orchestration.code_server import look_on
from tests.faults.conftest import wait_until

PROJECT = Path(__file__).parents[2]
TROUBLE = "Runs whose process died cannot be told yet"


@pytest.fixture
def ended() -> threading.Event:
    """Set once the code server has found that it may end."""
    return threading.Event()


@pytest.fixture
def server(ended: threading.Event) -> Iterator[DagsterApiServer]:
    """Dagster's own, with its own threads."""
    look_on()
    made = DagsterApiServer(
        server_termination_event=ended, logger=logging.getLogger("code_server"),
        server_threadpool_executor=FuturesAwareThreadPoolExecutor(max_workers=1),
    )  # fmt: skip
    yield made
    ended.set()
    made.cleanup()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `dagster.yaml`, in which the code server works."""
    shutil.copy(PROJECT / "dagster.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_that_died(server: DagsterApiServer, home: Path, *, away: Path) -> str:
    """A run whose process has ended without a word, while the storage was moved to `away`."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run = dg.DagsterRun("backup", status=dg.DagsterRunStatus.STARTED)
        instance.add_run(run)
        ref = instance.get_ref()
    process = server._mp_ctx.Process(target=print)
    process.start()
    process.join()
    (home / "var").rename(away)
    (home / "var").touch()  # nothing can be made in its place
    with server._execution_lock:
        server._executions[run.run_id] = (process, ref)  # type: ignore[assignment]  # a process of another start method
        server._termination_events[run.run_id] = server._mp_ctx.Event()
    return run.run_id


def test_a_death_is_told_once_the_storage_is_back(
    server: DagsterApiServer, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = run_that_died(server, home, away=home / "away")
    wait_until(lambda: TROUBLE in caplog.text)
    (home / "var").unlink()
    (home / "away").rename(home / "var")
    with dg.DagsterInstance.from_config(str(home)) as instance:

        def status() -> dg.DagsterRunStatus | None:
            run = instance.get_run_by_id(run_id)
            return run.status if run is not None else None

        wait_until(lambda: status() is dg.DagsterRunStatus.FAILURE)
    assert caplog.text.count(TROUBLE) == 1, "the same trouble is told once"


def test_it_ends_when_it_is_to_although_nobody_can_be_told_of_a_death(
    server: DagsterApiServer, home: Path, ended: threading.Event
) -> None:
    run_that_died(server, home, away=home / "away")
    server._shutdown_once_executions_finish_event.set()
    assert ended.wait(60)
