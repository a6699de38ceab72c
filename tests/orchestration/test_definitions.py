"""What Dagster loads: groups, policies, schedules, and the message it shows for a broken file."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.errors import ConfigError
from ops_pipelines.config.load import load_config
from ops_pipelines.config.models import Config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.naming import SOURCE_TAG
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.build import build_definitions
from ops_pipelines.workspace import Workspace
from tests.sample import write_config

NOW = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)


def test_definitions_load(config: Config) -> None:
    dg.Definitions.validate_loadable(build_definitions(config))


def test_the_rpo_is_the_freshness_policy_of_dump_and_proof(config: Config) -> None:
    graph = build_definitions(config).resolve_asset_graph()
    for key in (names.PLAIN.dump("crm", "postgres"), names.PLAIN.verified("crm")):
        policy = graph.get(key).freshness_policy
        assert isinstance(policy, dg.FreshnessPolicy)
        assert policy.fail_window.to_timedelta() == timedelta(hours=24)  # type: ignore[attr-defined]
        assert policy.warn_window.to_timedelta() == timedelta(hours=20)  # type: ignore[attr-defined]


def test_every_asset_is_grouped_tagged_owned_and_described(config: Config) -> None:
    graph = build_definitions(config).resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name in ("crm", "reports", "drills")
        assert node.description and node.owners and node.kinds
        if node.group_name == "crm":
            assert node.tags[SOURCE_TAG] == "crm"
            pools = {names.PLAIN.dump("crm", "postgres"): {"source_crm"}}
            assert node.pools == pools.get(key, set()), "proofs hold up no dump"
            assert key != names.PLAIN.drill("crm"), "to materialize all of a source is a backup"
    assert graph.get(names.PLAIN.drill("crm")).pools == {names.PLAIN.drill_pool}


def test_one_schedule_for_each_distinct_cron_running_by_default(tmp_path: Path, crm: Server) -> None:
    path = write_config(tmp_path, crm)
    more = """  hotel: {kind: postgres, url: {file: crm.url}, every: "0 */4 * * *"}
  forge: {kind: postgres, url: {file: crm.url}}
"""
    path.write_text(path.read_text("utf-8") + more, encoding="utf-8")
    definitions = build_definitions(load_config(path))
    schedules = [each for each in definitions.schedules or [] if each.name.startswith("backup")]
    assert {each.cron_schedule for each in schedules} == {"0 */4 * * *", "0 2,8,14,20 * * *"}
    assert all(each.default_status is dg.DefaultScheduleStatus.RUNNING for each in definitions.schedules or [])
    assert all(each.default_status is dg.DefaultSensorStatus.RUNNING for each in definitions.sensors or [])


@pytest.mark.parametrize(
    ("written", "played"),
    [
        ("", {"dr_drill_weekly": "random_restore_point", "dr_random_restore": "random_restore_point"}),
        ("drills: off", {}),
        ("drills: {}", {"dr_drill_weekly": "total_loss", "dr_random_restore": "random_restore_point"}),
        ("drills: {scenario: corruption, random_restore: off}", {"dr_drill_weekly": "corruption"}),
        ("stores: {far: {kind: directory, path: far, offsite: true}}", {
            "dr_drill_weekly": "total_loss", "dr_random_restore": "random_restore_point"}),
        ("defaults: {encrypt: {age: [age1jc97240a4srj08dllx98hc0lvkc74dca2vpa3wlgzlq37f6zw4aqg3l0qy]}}", {}),
    ],
)  # fmt: skip
def test_drills_are_scheduled_unless_they_are_off_or_cannot_be_played(
    written: str, played: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "ops.yaml").write_text(f"{written}\nsources: {{app: {{kind: sqlite, paths: [app.sqlite]}}}}\n", "utf-8")
    definitions = build_definitions(load_config(tmp_path / "ops.yaml", environ={}))
    repository = definitions.get_repository_def()
    found = {}
    for each in definitions.schedules or []:
        if each.name.startswith("dr_"):
            context = dg.build_schedule_context(scheduled_execution_time=NOW, repository_def=repository)
            (request,) = repository.get_schedule_def(each.name).evaluate_tick(context).run_requests or []
            found[each.name] = request.run_config["ops"]["dr_drill_step"]["config"]["scenario"]
    assert found == played


def _tick(config: Config, at: datetime) -> list[dg.RunRequest]:
    repository = build_definitions(config).get_repository_def()
    context = dg.build_schedule_context(scheduled_execution_time=at, repository_def=repository)
    return list(
        repository.get_schedule_def("backup_daily_0200_0800_1400_2000").evaluate_tick(context).run_requests or []
    )


def test_a_tick_requests_the_whole_chain_of_its_source_for_its_day(config: Config) -> None:
    (request,) = _tick(config, NOW)
    assert request.partition_key == f"{NOW:%Y-%m-%d}"
    assert request.asset_selection == [
        names.PLAIN.dump("crm", "postgres"), names.PLAIN.copy("crm", "nas"), names.PLAIN.verified("crm"),
        names.PLAIN.report,
    ]  # fmt: skip
    assert request.tags[SOURCE_TAG] == "crm"
    assert request.tags["dagster/priority"] == "10", "before what is started by hand, and before every backfill"


@pytest.mark.parametrize(
    ("cron", "name"),
    [
        ("0 2,8,14,20 * * *", "backup_daily_0200_0800_1400_2000"),
        ("30 4 * * 0", "backup_sun_0430"),
        ("30 4 * * SUN", "backup_sun_0430"),
        ("*/15 * * * *", "backup__anyper15__any__any__any__any"),
        ("0 3 1-7 * 1#1", "backup__0__3__1to7__any__1nth1"),
    ],
)
def test_a_schedule_is_called_by_when_it_runs_and_stays_stopped_when_another_comes(cron: str, name: str) -> None:
    """Dagster remembers by name what somebody stopped."""
    assert names.PLAIN.schedule("backup", cron) == name


def test_who_is_not_proved_after_every_backup_is_proved_every_week(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.sqlite")) as database:
        database.execute("create table orders (id integer primary key)")
    settings = "rpo: 200h, verify: {auto: false}"
    (tmp_path / "ops.yaml").write_text(
        f"sources: {{app: {{kind: sqlite, paths: [app.sqlite], {settings}}}}}\n", "utf-8"
    )
    definitions = build_definitions(load_config(tmp_path / "ops.yaml", environ={}))
    repository = definitions.get_repository_def()
    backup = repository.get_schedule_def("backup_daily_0200_0800_1400_2000")
    weekly = repository.get_schedule_def("verify_sun_0430")
    assert (weekly.cron_schedule, weekly.default_status) == ("30 4 * * 0", dg.DefaultScheduleStatus.RUNNING)
    workspace = Workspace(load_config(tmp_path / "ops.yaml", environ={}))

    def requested(schedule: dg.ScheduleDefinition) -> list[dg.RunRequest]:
        with dg.build_schedule_context(
            scheduled_execution_time=workspace.clock.now(),
            repository_def=repository,
            resources={"workspace": workspace},
        ) as context:
            return list(schedule.evaluate_tick(context).run_requests or [])

    assert names.PLAIN.verified("app") not in (requested(backup)[0].asset_selection or [])
    assert requested(weekly) == [], "nothing to prove yet"
    taken = take_backup(workspace, "app")
    (request,) = requested(weekly)
    assert request.asset_selection == [names.PLAIN.verified("app"), names.PLAIN.report]
    assert request.partition_key == f"{taken.started_at:%Y-%m-%d}"


def test_a_missed_tick_of_a_past_day_is_skipped(config: Config) -> None:
    assert _tick(config, NOW - timedelta(days=2)) == []


def test_dagster_shows_the_message_that_ops_check_prints(tmp_path: Path, crm: Server) -> None:
    path = write_config(tmp_path, crm, source="    rpoo: 24h")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    loaded = subprocess.run(
        [sys.executable, "-c", "import ops_pipelines.definitions"],
        env={"OPS_CONFIG": str(path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.returncode != 0
    assert "unknown key; did you mean 'rpo'?" in loaded.stderr
    assert str(caught.value) in loaded.stderr
