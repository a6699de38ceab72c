"""In a project that has assets of its own: a configuration is merged with it, twice if need be, and minds its own."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import pytest

import ops_pipelines
from ops_pipelines import Config, OpsError, build_definitions, load_config
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.naming import SOURCE_TAG
from ops_pipelines.orchestration.build import definitions_of
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.names import Names, prefixed
from ops_pipelines.workspace import Workspace

BACKUPS = Names(("backups",))
TODAY = f"{datetime.now(timezone.utc):%Y-%m-%d}"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as opened:
        yield opened


def config_in(folder: Path) -> Config:
    folder.mkdir()
    with closing(sqlite3.connect(folder / "app.sqlite")) as database:
        database.execute("create table orders (id integer primary key)")
    (folder / "ops.yaml").write_text("sources: {app: {kind: sqlite, paths: [app.sqlite]}}\n", "utf-8")
    return load_config(folder / "ops.yaml", environ={})


def project() -> dg.Definitions:
    """A project with an executor and resources, and with names that ours have, too, when they have no prefix."""

    @dg.asset(key=["app", "dump"], group_name="app")
    def dump(workspace: dg.ResourceParam[str]) -> None:
        raise AssertionError(f"{workspace} are not to be run by ours")

    @dg.asset(deps=[BACKUPS.verified("app")])
    def published() -> None:
        """What may go out once there is a proved backup."""

    return dg.Definitions(
        assets=[dump, published],
        jobs=[dg.define_asset_job("backup", selection=[dump])],
        schedules=[dg.ScheduleDefinition(name="report_daily", job_name="backup", cron_schedule="0 0 * * *")],
        resources={"workspace": "theirs", "watcher": "theirs"},
        executor=dg.multiprocess_executor,
    )


def test_two_configurations_and_a_project_are_loaded_as_one(tmp_path: Path) -> None:
    merged = dg.Definitions.merge(
        project(),
        build_definitions(config_in(tmp_path / "crm"), key_prefix="backups"),
        build_definitions(config_in(tmp_path / "erp"), key_prefix=["more", "backups"]),
    )
    dg.Definitions.validate_loadable(merged)
    graph = merged.resolve_asset_graph()
    theirs = {dg.AssetKey(["app", "dump"]), dg.AssetKey("published")}
    ours = graph.get_all_asset_keys() - theirs
    assert {key.path[0] for key in ours} == {"backups", "more"}
    assert {graph.get(key).group_name for key in ours} == {
        "backups_app", "backups_drills", "backups_reports",
        "more_backups_app", "more_backups_drills", "more_backups_reports",
    }  # fmt: skip
    assert graph.get(BACKUPS.dump("app", "sqlite")).pools == {"backups_source_app"}
    repository = merged.get_repository_def()
    for name in ("backups_backup", "more_backups_backup", "backups_prune"):
        selected = repository.get_job(name).asset_layer.selected_asset_keys
        assert selected and selected <= ours, f"{name} selects nothing of the project"
    named = [*repository.schedule_defs, *repository.sensor_defs]
    assert all(each.name == "report_daily" or each.name.startswith(("backups_", "more_backups_")) for each in named)


def test_a_backup_of_a_merged_project_is_proved_and_touches_nothing_else(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    config = config_in(tmp_path / "crm")
    merged = dg.Definitions.merge(project(), build_definitions(config, key_prefix="backups"))
    before = os.umask(0o022)
    try:
        result = merged.resolve_job_def("backups_backup").execute_in_process(
            instance=instance, partition_key=TODAY, tags={SOURCE_TAG: "app"}, raise_on_error=False,
            asset_selection=[BACKUPS.dump("app", "sqlite"), BACKUPS.verified("app"), BACKUPS.report],
        )  # fmt: skip
        assert os.umask(0o022) == 0o022, "the process is as it was"
    finally:
        os.umask(before)
    assert result.success
    done = {event.asset_key for event in result.get_asset_materialization_events()}
    assert done == {BACKUPS.dump("app", "sqlite"), BACKUPS.verified("app"), BACKUPS.report}
    (point,) = Workspace(config).catalogue("app").points
    assert point.verified
    readable = [path for path in config.base.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert readable == [], "what it made is private to its user"


def test_what_goes_wrong_in_the_rest_of_a_project_is_no_trouble_of_ours(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    config = config_in(tmp_path / "crm")
    workspace = Workspace(config)
    repository = dg.Definitions.merge(project(), definitions_of(Installation(workspace, BACKUPS))).get_repository_def()
    for job, keys in (("backup", [dg.AssetKey(["app", "dump"])]), ("backups_backup", [BACKUPS.dump("app", "sqlite")])):
        run = dg.DagsterRun(job_name=job, asset_selection=frozenset(keys), status=dg.DagsterRunStatus.STARTED)
        instance.report_run_failed(instance.add_run(run), "Run worker exited unexpectedly")
    context = dg.build_sensor_context(instance, repository_def=repository)
    told = repository.get_sensor_def("backups_run_watch")(context)
    assert isinstance(told, dg.SensorResult) and told.skip_reason is not None
    assert (told.skip_reason.skip_message or "").startswith("1 runs, ")
    (incident,) = AlertLedger(workspace.ledger).open_incidents()
    assert (incident.rule, incident.source) == ("run_failed", "app")


UNTOUCHED = """
import logging, os, signal, sys, warnings
from pathlib import Path
import dagster as dg
from dagster._core.execution.plan.active import ActiveExecution
import dagster._core.storage.event_log.sqlite, dagster._core.execution.backfill, sqlalchemy.dialects.sqlite
import structlog

def state():
    umask = os.umask(0)
    os.umask(umask)
    loggers = [each for name, each in sorted(logging.root.manager.loggerDict.items()) if name.startswith("dagster")]
    return {
        "umask": umask, "directory": os.getcwd(), "environment": dict(os.environ), "warnings": warnings.filters[:],
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "loggers": [(each.level, each.handlers[:]) for each in [logging.root, *loggers] if hasattr(each, "level")],
        "waiting": ActiveExecution.sleep_til_ready,
    }

before = state()
from ops_pipelines import build_definitions, load_config
dg.Definitions.validate_loadable(build_definitions(load_config(Path(sys.argv[1]), environ={}), key_prefix="backups"))
assert state() == before, (state(), before)
"""


def test_building_definitions_changes_nothing_in_the_process(tmp_path: Path) -> None:
    config = config_in(tmp_path / "crm")
    (tmp_path / "crm" / "ops.yaml").open("a").write("logging: {file: ops.log}\n")
    argv = [sys.executable, "-c", UNTOUCHED, str(tmp_path / "crm" / "ops.yaml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), "and no warning is printed"
    assert not (tmp_path / "crm" / "ops.log").exists()
    assert not config.base.exists(), "nothing is written either"


def test_a_process_that_reads_other_names_of_files_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    config_in(tmp_path / "crm")
    code = "import sys; from pathlib import Path; from ops_pipelines import build_definitions, load_config\n"
    code += "build_definitions(load_config(Path(sys.argv[1]), environ={}))"
    argv = [sys.executable, "-X", "utf8=0", "-c", code, str(tmp_path / "crm" / "ops.yaml")]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert "this process reads the names of files as ascii" in done.stderr


@pytest.mark.parametrize("prefix", ["back-ups", "", ["backups", "a/b"], ["1"]])
def test_a_prefix_that_dagster_would_refuse_later_is_refused_with_its_reason(prefix: str | list[str]) -> None:
    if not prefix:
        assert prefixed(prefix) == Names()
        return
    with pytest.raises(OpsError, match="cannot be a key prefix"):
        prefixed(prefix)


def test_the_public_names_are_those_that_are_promised() -> None:
    assert sorted(ops_pipelines.__all__) == [
        "Config", "ConfigError", "OpsError", "__version__", "build_definitions", "load_config",
    ]  # fmt: skip
    assert all(getattr(ops_pipelines, name) is not None for name in ops_pipelines.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ops_pipelines.nothing
