"""Dagster's past on a machine that runs for years: old runs go, what the catalogue shows stays, the dead are ended."""

import os
import shutil
import signal
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest

from ops_pipelines.config.load import load_config
from ops_pipelines.config.models import Config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.build import build_definitions
from ops_pipelines.orchestration.dead import end_dead_runs
from ops_pipelines.orchestration.history import purge_runs
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.instance import dagster_instance
from ops_pipelines.orchestration.launch import run_assets
from ops_pipelines.orchestration.room import forget_runless, give_back
from ops_pipelines.workspace import Workspace
from tests.deploy.parts import BIN, PROJECT, until
from tests.orchestration.conftest import config, crm, instance  # noqa: F401 - fixtures
from tests.sample import write_config

NO_TIME = timedelta(0)
TODAY = f"{datetime.now(timezone.utc):%Y-%m-%d}"


def test_old_runs_go_and_those_of_days_with_a_backup_stay(config: Config, instance: dg.DagsterInstance) -> None:  # noqa: F811
    installation = Installation(Workspace(config))
    first, second = (
        run_assets(config, instance, source="crm", day=TODAY, selection=[key]).run_id
        for key in (names.PLAIN.dump("crm", "postgres"), names.PLAIN.copy("crm", "nas"))
    )
    assert purge_runs(instance, installation, older_than=NO_TIME) == 0, "the restore point of that day is there"

    shutil.rmtree(config.base / "restore-points" / "crm")
    assert purge_runs(instance, installation, older_than=NO_TIME) == 0, "its copy is"

    nas = config.base.parent / "nas"
    shutil.rmtree(nas / "crm")
    nas.rename(nas.with_name("away"))
    assert purge_runs(instance, installation, older_than=NO_TIME) == 0, "nobody knows what lies there"

    nas.with_name("away").rename(nas)
    assert purge_runs(instance, installation, older_than=timedelta(days=90)) == 0, "they are of today"
    assert purge_runs(instance, installation, older_than=NO_TIME) == 1
    assert [run.run_id for run in instance.get_runs()] == [second], "the newest good one stays for ever"
    assert instance.all_logs(first) == []


def test_the_disk_gets_back_what_a_purge_deletes(tmp_path: Path, crm: Server, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.chdir(tmp_path)
    shutil.copy(PROJECT / "dagster.yaml", tmp_path / "dagster.yaml")
    protected = load_config(write_config(tmp_path, crm, copies="[]"))
    installation, asked = Installation(Workspace(protected)), names.PLAIN.server("crm")
    dump = names.PLAIN.dump("crm", "postgres")
    with dagster_instance(tmp_path) as own:
        first, second = (run_assets(protected, own, source="crm", day=TODAY, selection=[dump]).run_id for _ in range(2))
        for _ in range(60):
            said = {"said": "x" * 30_000}
            own.report_runless_asset_event(dg.AssetObservation(asked, metadata=said))
        history = tmp_path / "var" / "dagster" / "history" / "runs"
        before = sum(path.stat().st_size for path in history.iterdir())

        assert purge_runs(own, installation, older_than=NO_TIME) == 1, "the day keeps the last run that did all of it"
        assert not list(history.glob(f"{first}*")) and list(history.glob(f"{second}*"))
        assert own.get_materialized_partitions(dump) == {TODAY}, "the day stays coloured"
        soon = installation.workspace.clock.now() + timedelta(seconds=1)
        assert forget_runless(own, installation.noted_keys, soon) == 59
        assert own.fetch_observations(asked, limit=2).records, "the newest word stays"
        give_back(own)
        after = sum(path.stat().st_size for path in history.iterdir())
        assert after < before - 2 * 59 * 30_000, "twice, since SQLite has them in two files"
        assert run_assets(protected, own, source="crm", day=TODAY, selection=[dump]).success, "and all goes on"


def test_the_weekly_job_purges(config: Config, instance: dg.DagsterInstance) -> None:  # noqa: F811
    definitions = build_definitions(config)
    job = definitions.resolve_job_def(names.PLAIN.history_job)
    old = job.execute_in_process(instance=instance).run_id
    again = job.execute_in_process(
        instance=instance, run_config={"ops": {"purge": {"config": {"older_than_days": 0}}}}
    ).run_id
    assert {run.run_id for run in instance.get_runs()} == {old, again}, "none but the newest good one had ended"
    schedule = definitions.resolve_schedule_def("purge_history_weekly")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_a_run_whose_process_was_killed_is_ended_and_a_living_one_is_not(
    tmp_path: Path,
    crm: Server,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_config(tmp_path, crm)
    slow = '- {name: slow, sql: "select count(*) from pg_sleep(120)", min: 1}'
    path.write_text(path.read_text("utf-8").replace("    checks:\n", f"    checks:\n      {slow}\n"), "utf-8")
    shutil.copy(PROJECT / "dagster.yaml", tmp_path / "dagster.yaml")
    ledger = Workspace(load_config(path, environ={})).ledger
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    process = subprocess.Popen(
        [BIN / "ops", "backup"], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        (row,) = until(lambda: [row for row in ledger.running("crm") if row.kind == "verify"] or None, "it verifies")
        with dagster_instance(tmp_path) as own:
            ledger.fail_orphans()
            assert end_dead_runs(own, ledger) == []
            process.send_signal(signal.SIGKILL)
            process.wait()
            ledger.fail_orphans()
            assert end_dead_runs(own, ledger) == [row.run_id]
            assert [run.status for run in own.get_runs()] == [dg.DagsterRunStatus.FAILURE]
            assert end_dead_runs(own, ledger) == []
    finally:
        process.kill()
        process.wait()
