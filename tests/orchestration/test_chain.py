"""The chain of assets, run in process on a real server: what is green, what is red, and why."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import freeze_time

from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.config.models import Config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.jobs import chain_selection
from ops_pipelines.orchestration.launch import RunResult, run_assets
from ops_pipelines.workspace import Workspace, open_workspace
from tests.sample import StoppedClock, flip_byte, write_config

TODAY = f"{datetime.now(timezone.utc):%Y-%m-%d}"
YESTERDAY_NOON = datetime.now(timezone.utc).replace(hour=12) - timedelta(days=1)
YESTERDAY = f"{YESTERDAY_NOON:%Y-%m-%d}"


def run(
    config: Config, instance: dg.DagsterInstance, *keys: dg.AssetKey, day: str = TODAY, **more: object
) -> RunResult:
    return run_assets(config, instance, source="crm", day=day, selection=keys or chain_selection(config, "crm"), **more)


def materialized(instance: dg.DagsterInstance) -> set[str]:
    return {
        key.to_user_string()
        for key in instance.all_asset_keys()
        if instance.get_latest_materialization_event(key) is not None
    }


def newest(config: Config) -> Path:
    directory = config.base / "restore-points" / "crm"
    return max(directory.iterdir())


def test_a_run_dumps_copies_restores_compares_and_reports(config: Config, instance: dg.DagsterInstance) -> None:
    result = run(config, instance)
    assert result.success, result.failures
    assert result.facts["verdict"] == "verified"
    assert result.facts["store"] == "nas", "the farthest copy is the one to prove"
    assert result.facts["states"] == {"crm": "OK"}
    assert "The source holds its RPO" in str(result.facts["report"])
    assert materialized(instance) == {"crm/dump", "crm/offsite_nas", "crm/verified", "backup_report"}


def test_a_proof_shows_how_its_source_developed(config: Config, instance: dg.DagsterInstance) -> None:
    web = config.web.model_copy(update={"url": "https://ops.example.com/"})
    linked = config.model_copy(update={"web": web})
    run(linked, instance)
    result = run(linked, instance)
    shown = str(result.facts["past"])
    assert "⬜" * 29 + "🟩" in shown and "on 1 of 30 days" in shown
    assert re.search(r"size of a backup: `[▁▂▃▄▅▆▇█]{2}`", shown) and "30m 00s is allowed" in shown
    assert result.facts["page"] == "https://ops.example.com/sources/crm"


def test_every_materialization_says_what_was_made(config: Config, instance: dg.DagsterInstance) -> None:
    run(config, instance)
    event = instance.get_latest_materialization_event(names.PLAIN.dump("crm", "postgres"))
    assert event is not None and event.asset_materialization is not None
    metadata = {key: entry.value for key, entry in event.asset_materialization.metadata.items()}
    assert metadata["dagster/row_count"] == 2050
    assert metadata["encrypted"] is True
    assert metadata["path"] == str(newest(config))
    assert "pg_restore" in metadata["restore_by_hand"]
    assert event.asset_materialization.partition == TODAY


def test_a_flipped_byte_turns_verified_red_and_names_the_reason(config: Config, instance: dg.DagsterInstance) -> None:
    assert run(config, instance).success
    flip_byte(config.stores["nas"].path / "crm" / newest(config).name / "dump.pgc.zst.age")
    result = run(config, instance, names.PLAIN.verified("crm"))
    assert not result.success
    assert "is BAD: checksum: dump.pgc.zst.age" in result.failures[0]
    assert "next: " in result.failures[0]


def test_a_damaged_local_copy_is_not_copied_off_site(config: Config, instance: dg.DagsterInstance) -> None:
    assert run(config, instance, names.PLAIN.dump("crm", "postgres")).success
    flip_byte(newest(config) / "dump.pgc.zst.age")
    result = run(config, instance, names.PLAIN.copy("crm", "nas"))
    assert "is damaged and was not copied to nas" in result.failures[0]
    assert not (config.stores["nas"].path / "crm").exists()


def test_a_store_that_is_down_keeps_no_backup_from_being_proved(
    tmp_path: Path, crm: Server, instance: dg.DagsterInstance
) -> None:
    config = load_config(write_config(tmp_path, crm, copies="[nas, usb]"))
    (tmp_path / "nas").write_text("a file where the share should be", encoding="utf-8")
    result = run(config, instance)
    assert not result.success, "a copy that failed must be seen"
    assert materialized(instance) == {"crm/dump", "crm/offsite_usb", "crm/verified", "backup_report"}
    assert (result.facts["verdict"], result.facts["store"]) == ("verified", "usb")
    (failure,) = result.failures
    assert "store nas" in failure


def test_a_past_day_without_a_backup_is_refused(tmp_path: Path, crm: Server, instance: dg.DagsterInstance) -> None:
    config = load_config(write_config(tmp_path, crm, top="history_from: 2026-01-01"))
    result = run(config, instance, day="2026-02-03")
    assert not result.success
    assert "crm has no backup of 2026-02-03, and none can be taken any more" in result.failures[0]
    assert not materialized(instance), "nothing may look materialized"
    assert not (config.base / "restore-points" / "crm").exists()


def test_a_past_day_adopts_the_restore_point_it_has(config: Config, instance: dg.DagsterInstance) -> None:
    day_before = YESTERDAY_NOON - timedelta(days=1)
    old = take_backup(Workspace(config, StoppedClock(day_before)), "crm")
    result = run(config, instance, names.PLAIN.dump("crm", "postgres"), day=f"{day_before:%Y-%m-%d}")
    assert result.success, result.failures
    assert (result.facts["backup_id"], result.facts["adopted"]) == (old.id, True)


def test_a_new_store_is_filled_by_past_days(tmp_path: Path, crm: Server, instance: dg.DagsterInstance) -> None:
    before = load_config(write_config(tmp_path, crm))
    old = take_backup(Workspace(before, StoppedClock(YESTERDAY_NOON)), "crm")
    path = tmp_path / "ops.yaml"
    path.write_text(path.read_text("utf-8").replace("copies: [nas]", "copies: [nas, usb]"), encoding="utf-8")
    result = run(load_config(path), instance, names.PLAIN.copy("crm", "usb"), day=YESTERDAY)
    assert result.success, result.failures
    assert (tmp_path / "usb" / "crm" / old.id / "manifest.json").is_file()


@pytest.mark.parametrize(("hours_late", "taken"), [(5, True), (7, False)])
def test_a_run_asked_for_before_midnight_has_six_hours_of_grace(
    config: Config, instance: dg.DagsterInstance, hours_late: int, taken: bool
) -> None:
    midnight = YESTERDAY_NOON.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    take_backup(Workspace(config, StoppedClock(midnight - timedelta(days=2))), "crm")
    late = Workspace(config, StoppedClock(midnight + timedelta(hours=hours_late)))
    dump, copy = names.PLAIN.dump("crm", "postgres"), names.PLAIN.copy("crm", "nas")
    with freeze_time(midnight - timedelta(minutes=10)):
        result = run(config, instance, dump, copy, day=YESTERDAY, workspace=late)
    assert result.success is taken
    again = run(config, instance, copy, day=YESTERDAY, workspace=late)
    assert again.success is taken, "what the day's dump made is the day's, whenever it was taken"
    assert again.facts.get("backup_id") == result.facts.get("backup_id")


def test_an_empty_day_stays_empty_though_the_next_one_has_an_early_backup(
    config: Config, instance: dg.DagsterInstance
) -> None:
    for at in (YESTERDAY_NOON - timedelta(days=3), YESTERDAY_NOON.replace(hour=2)):
        take_backup(Workspace(config, StoppedClock(at)), "crm")
    empty = f"{YESTERDAY_NOON - timedelta(days=1):%Y-%m-%d}"
    for key in (names.PLAIN.dump("crm", "postgres"), names.PLAIN.copy("crm", "nas"), names.PLAIN.verified("crm")):
        result = run(config, instance, key, day=empty)
        assert not result.success
        assert f"of {empty}" in result.failures[0]
    assert not materialized(instance), "a day without a backup is no green day"


def test_a_failing_dump_leaves_nothing_and_no_password_behind(
    tmp_path: Path, crm: Server, instance: dg.DagsterInstance
) -> None:
    config = load_config(write_config(tmp_path, crm.at(password="canary-hunter2")))
    result = run(config, instance)
    assert not result.success
    assert "password authentication failed" in result.failures[0]
    assert not materialized(instance)
    assert not open_workspace(config).catalogue("crm").points
    said = "\n".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert "password authentication failed" in said
    assert "canary-hunter2" not in said


def test_no_secret_reaches_the_event_log_of_a_good_run(
    config: Config, instance: dg.DagsterInstance, crm: Server
) -> None:
    result = run(config, instance)
    said = "\n".join(str(entry) for entry in instance.all_logs(result.run_id))
    identity = (config.base.parent / "age.key").read_text("utf-8")
    assert "backup_id" in said
    assert str(crm.parameters["password"]) not in said
    assert identity not in said


def test_an_inconclusive_verification_is_tried_again_and_a_bad_one_is_not(
    tmp_path: Path, crm: Server, instance: dg.DagsterInstance
) -> None:
    config = load_config(write_config(tmp_path, crm, source="    verify: {retries: 2, retry_after: 1s}"))
    assert run(config, instance, names.PLAIN.dump("crm", "postgres")).success
    key, away = tmp_path / "age.key", tmp_path / "age.key.away"
    key.rename(away)

    def outcomes() -> list[str]:
        point = open_workspace(config).catalogue("crm").newest
        return [verdict.outcome for verdict in point.verdicts] if point is not None else []

    def give_the_key_back() -> None:
        while not outcomes():
            time.sleep(0.01)
        away.rename(key)

    with ThreadPoolExecutor(max_workers=1) as beside:
        mended = beside.submit(give_the_key_back)
        assert run(config, instance, names.PLAIN.verified("crm")).success
        mended.result()
    assert outcomes()[0] == "inconclusive" and outcomes()[-1] == "verified"
    tried = len(outcomes())
    flip_byte(newest(config) / "dump.pgc.zst.age")
    assert not run(config, instance, names.PLAIN.verified("crm")).success
    assert outcomes()[tried:] == ["bad"]
