"""A second run of a source waits in peace, says for whom, and can be stopped; a dead first one is no obstacle."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psutil
import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.cadence import day_of
from ops_pipelines.config.load import load_config
from ops_pipelines.ledger.holder import anywhere
from ops_pipelines.naming import SOURCE_TAG
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.dead import end_dead_runs
from ops_pipelines.orchestration.instance import dagster_instance
from ops_pipelines.orchestration.launch import run_assets
from ops_pipelines.workspace import Workspace
from tests.deploy.parts import BIN, PROJECT, until
from tests.engines.sqlite.conftest import House, house  # noqa: F401 - a fixture

POOL = names.PLAIN.pool("app")


@pytest.fixture
def home(house: House, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """A folder as a user has it, that protects one small database."""
    monkeypatch.chdir(house.path)
    house.database("app.sqlite", "create table t (a); insert into t values (1);")
    house.configure(copies=[])
    shutil.copy(PROJECT / "dagster.yaml", house.path / "dagster.yaml")
    return house.path


def process_of(pid: int) -> str:
    """What a run is tagged with that a process with this number, long dead, has typed."""
    boot, _, born = anywhere().rsplit(":", 2)
    return f"{boot}:{pid}:{born}"


def someone_else(instance: dg.DagsterInstance, *, process: str) -> str:
    """A run of the same source that is under way and holds its place; its id."""
    run = dg.DagsterRun(job_name=names.PLAIN.backup_job, tags={SOURCE_TAG: "app", names.PROCESS_TAG: process})
    instance.add_run(run)
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, names.PLAIN.backup_job), run.run_id
    )
    instance.event_log_storage.initialize_concurrency_limit_to_default(POOL)
    assert instance.event_log_storage.claim_concurrency_slot(POOL, run.run_id, "app__dump").is_claimed
    return run.run_id


@contextmanager
def typed(home: Path, *words: str) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """A command under way, and the file with what it says."""
    said = home / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [BIN / "ops", *words], cwd=home, stdout=output, stderr=output,
            env={"PATH": os.environ["PATH"], "HOME": str(home)},
        )  # fmt: skip
        try:
            yield process, said
        finally:
            process.kill()
            process.wait()


def test_who_has_to_wait_says_for_whom_sleeps_and_can_be_stopped(home: Path) -> None:
    with dagster_instance(home) as instance, typed(home, "backup") as (process, said):
        first = someone_else(instance, process=anywhere())
        storage = instance.event_log_storage
        until(lambda: storage.get_concurrency_info(POOL).pending_step_count or None, said.read_text())
        assert f"app: waiting for the run {first[:8]} of app, which works since" in said.read_text()
        rests = psutil.Process(process.pid).num_ctx_switches
        before = rests().voluntary
        until(lambda: rests().voluntary > before + 10 or None, "it gives the processor away: it does not spin")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert "stopped; unfinished work was discarded" in said.read_text()
        assert storage.get_concurrency_info(POOL).pending_run_ids == set(), "it waits no longer"
        assert storage.get_concurrency_info(POOL).active_run_ids == {first}


def test_the_place_of_a_dead_run_is_free_at_the_next_start(home: Path) -> None:
    config = load_config(home / "ops.yaml", environ={})
    workspace = Workspace(config)
    with dagster_instance(home) as instance:
        dead = someone_else(instance, process=process_of(2**22))
        scratch = workspace.places.scratch / "sqlite-00000000"
        scratch.mkdir(parents=True)
        day = day_of(config, workspace.clock.now())
        told: list[str] = []
        selection = [names.PLAIN.dump("app", "sqlite")]
        done = run_assets(config, instance, source="app", day=day, selection=selection, tell=told.append)
        assert done.success and not told, "there is nobody to wait for"
        assert not scratch.exists(), "what it left is gone, too"
        ended = instance.get_run_by_id(dead)
        assert ended is not None and ended.status is dg.DagsterRunStatus.FAILURE

        alive = someone_else(instance, process=anywhere())
        assert end_dead_runs(instance, workspace.ledger) == [], "a living one is left alone"
        assert instance.event_log_storage.get_concurrency_info(POOL).active_run_ids == {alive}
        still = instance.get_run_by_id(alive)
        assert still is not None
        instance.report_run_failed(still)
        done = run_assets(config, instance, source="app", day=day, selection=selection, tell=told.append)
        assert done.success and not told, "a run that has ended holds nothing, though no daemon runs"


def test_a_verification_that_somebody_stops_is_not_tried_again(home: Path) -> None:
    config = home / "ops.yaml"
    slow = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    document = json.loads(config.read_text("utf-8"))
    document["sources"]["app"]["paths"] = ["data/app.sqlite"]
    document["sources"]["app"]["checks"] = [{"name": "slow", "sql": slow, "min": 1}]
    config.write_text(json.dumps(document), encoding="utf-8")
    workspace = Workspace(load_config(config, environ={}))
    take_backup(workspace, "app")
    with typed(home, "verify") as (process, said):
        until(lambda: [row for row in workspace.ledger.running("app") if row.kind == "verify"] or None, "it verifies")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 130
        assert "stopped" in said.read_text()
    assert [row.status for row in workspace.ledger.recent(kind="verify")] == ["failed"]
    assert not list(workspace.places.scratch.glob("*/"))
