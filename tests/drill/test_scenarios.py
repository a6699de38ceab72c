"""Every scenario, against real servers, with a Ceph gateway as what survives."""

import json
import secrets
import shutil
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.drill.report.keep import read_report
from ops_pipelines.drill.run import Drilled, run_drill
from ops_pipelines.drill.scenarios.random_restore_point import choose
from ops_pipelines.ledger.models import FAILED
from ops_pipelines.recovery.kit.kit import Sealing, make_kit
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.watch.phases import PhaseHealth, phases_of
from ops_pipelines.watch.snapshots import look
from tests.conftest import TestServer
from tests.drill.conftest import PASSPHRASE, House, bucket_of, build
from tests.engines.mongodb.conftest import TestServer as MongoServer
from tests.engines.mongodb.conftest import mongo  # noqa: F401
from tests.engines.mysql.conftest import TestServer as MariaServer
from tests.engines.mysql.conftest import mariadb  # noqa: F401
from tests.sample import StoppedClock
from tests.servers.ceph import Ceph
from tests.watch.receivers import Webhook
from tests.web.pages import status_page


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, pg18: TestServer, ceph: Ceph) -> House:
    """A house whose bucket is at the gateway; drills only read what is in it."""
    store = bucket_of(ceph, f"drill-{secrets.token_hex(4)}")
    return build(tmp_path_factory.mktemp("house"), pg18, "nowhere yet", store, sys.executable)


@pytest.fixture
def house(built: House, tmp_path: Path, channel: Webhook) -> House:
    """A copy of it, with a ledger and keys of its own to lose."""
    path = tmp_path / "house"
    shutil.copytree(built.path, path)
    (path / "hook").write_text(channel.url, encoding="utf-8")
    return House(path, built.server, built.database)


def drill_phase(house: House, name: str) -> PhaseHealth:
    workspace = house.workspace()
    phases = phases_of(
        workspace.config, name, workspace.catalogue(name), lambda: workspace.ledger, workspace.clock.now()
    )
    return next(each for each in phases if each.phase == "drill")


def assert_passed(house: House, drilled: Drilled) -> None:
    assert drilled.report.passed, drilled.report.problems
    assert read_report(drilled.directory).model_dump_json() == drilled.report.model_dump_json()
    assert not drilled.not_copied
    assert house.leftovers() == []


def test_total_loss_recovers_the_application_from_the_bucket_and_the_kit_alone(house: House, channel: Webhook) -> None:
    assert drill_phase(house, "crm").state == "NEVER"
    for name in ("age.key", "restic", "url"):  # gone with the machine
        (house.path / name).unlink()
    drilled = run_drill(house.workspace(), "total_loss", started_by="an auditor")
    assert_passed(house, drilled)
    report = drilled.report
    (group,) = report.groups
    assert [each.source for each in group.sources] == ["crm", "uploads"]
    assert [(check.name, check.passed) for check in group.checks] == [("selftest", True), ("web", True), ("many", True)]
    assert "43 companies" not in group.checks[1].detail and group.sources[0].rows == 44
    assert any(check.name == "references" and check.passed for check in group.sources[1].checks)
    assert report.stores == ["far"] and report.started_by == "an auditor" and report.by_hand[0].passed
    assert drill_phase(house, "crm").state == "OK"
    assert "43" in group.checks[2].detail
    look(house.workspace(), watching=True)
    assert "total_loss passed" in status_page(house.workspace())
    again = run_drill(house.workspace(), "total_loss").report
    assert {again.by_hand[0].source, report.by_hand[0].source} == {"crm", "uploads"}  # they take turns
    assert again.groups[0].sources[0].past_s == [group.sources[0].took_s]
    for days, told in ((34, False), (36, True)):
        watch_once(replace(house.workspace(), clock=StoppedClock(datetime.now(timezone.utc) + timedelta(days=days))))
        assert ("crm: drill overdue" in str(channel.bodies)) is told, channel.texts  # by itself or in a digest


def test_total_loss_brings_every_other_engine_back_from_the_gateway_too(
    house: House,
    mariadb: MariaServer,  # noqa: F811
    mongo: MongoServer,  # noqa: F811
) -> None:
    shop, desk = mariadb.new_database(), mongo.new_database()
    mariadb.sql("create table t (id int primary key auto_increment, word text)", database=shop)
    mariadb.sql("insert into t (word) values ('žluť'), ('x')", "create user gone@'10.%'", database=shop)
    mariadb.sql("grant all on *.* to gone@'10.%'")
    mariadb.sql("create definer=gone@'10.%' view v as select word from t", database=shop)
    mariadb.sql("create definer=gone@'10.%' view w as select word from v", database=shop)
    desk.tickets.insert_many([{"n": n} for n in range(30)])
    document = json.loads((house.path / "ops.yaml").read_text("utf-8"))
    for name, url in (("shop", mariadb.url(shop)), ("desk", mongo.url(desk.name))):
        (house.path / name).write_text(url, encoding="utf-8")
        document["sources"][name] = {"kind": "mysql" if name == "shop" else "mongodb", "url": {"file": name}}
    house.change(sources=document["sources"])
    workspace = house.workspace()
    make_kit(workspace, house.path / "ops.yaml", house.path / "kit", Sealing(PASSPHRASE), new_identity=False)
    for name in ("shop", "desk"):
        taken = take_backup(workspace, name)
        point = workspace.catalogue(name).find(taken.id)
        assert point is not None
        copy_to(workspace, point, "far")
    drilled = run_drill(house.workspace(), "total_loss", applications=("shop", "desk"))
    assert_passed(house, drilled)
    found = {each.source: each for group in drilled.report.groups for each in group.sources}
    assert {(each.kind, each.store, each.rows) for each in found.values()} == {
        ("mysql", "far", 2),
        ("mongodb", "far", 30),
    }
    (by_hand,) = drilled.report.by_hand
    assert by_hand.source == "shop" or shutil.which("mongorestore")
    assert mariadb.sql("select count(*) from t", database=shop) == [(2,)]  # production was not touched


def test_corruption_goes_back_to_the_older_one_and_counts_the_rows(house: House) -> None:
    drilled = run_drill(house.workspace(), "corruption")
    assert_passed(house, drilled)
    crm, uploads = drilled.report.groups[0].sources
    assert crm.loss is not None and crm.loss.rows == 3 and list(crm.loss.tables.values()) == [3]
    assert crm.loss.minutes > 0 and uploads.loss is not None and uploads.loss.rows == 0
    older, _newer = house.workspace().catalogue("crm").points
    assert crm.backup_id == older.id


def test_an_outage_is_noticed_told_and_its_end_too(house: House, channel: Webhook) -> None:
    drilled = run_drill(house.workspace(), "outage")
    assert_passed(house, drilled)
    outage = drilled.report.outage
    assert outage is not None and outage.detected_s is not None and outage.recovered_s is not None
    assert outage.channel == "slack" and outage.resolved
    assert outage.detected_s < outage.recovered_s
    assert [("DRILL" in text) for text in channel.texts] == [True, True]
    assert house.server.sql("select 1", database=house.database) == [(1,)]  # production was not touched


@pytest.mark.daily(0)
def test_an_outage_that_nobody_is_told_of_fails_the_drill(house: House, channel: Webhook) -> None:
    channel.always.status = 500
    drills = json.loads((house.path / "ops.yaml").read_text("utf-8"))["drills"]
    house.change(drills={**drills, "detect_within": "2s"})
    drilled = run_drill(house.workspace(), "outage")
    assert "would have gone unreported" in drilled.report.failure
    assert drill_phase(house, "crm").state == "FAIL"


def test_lost_keys_recovers_with_the_second_identity_only(house: House) -> None:
    (house.path / "age.key").unlink()
    drilled = run_drill(house.workspace(), "lost_keys")
    assert_passed(house, drilled)
    assert "second identity only" in drilled.report.kit


def test_a_random_restore_point_is_chosen_again_by_its_seed(house: House) -> None:
    workspace = house.workspace()
    chosen = {seed: choose(workspace.catalogue, workspace.config.applications, seed) for seed in range(20)}
    assert len({(name, point.id, store) for name, point, store in chosen.values()}) > 4
    name, point, store = chosen[7]
    drilled = run_drill(workspace, "random_restore_point", seed=7)
    assert_passed(house, drilled)
    (source,) = drilled.report.groups[0].sources
    assert (source.source, source.backup_id, source.store) == (name, point.id, store)
    assert drilled.report.seed == 7


def test_a_drill_that_fails_is_a_failed_activity_says_why_and_is_told(house: House, channel: Webhook) -> None:
    drills = {"drills": {"applications": {"crm": {"sources": ["crm", "uploads"], "checks": [
        {"name": "login", "startup": "0s", "command": ["sh", "-c", "echo no such user >&2; exit 1"]}]}}}}  # fmt: skip
    house.change(**drills)
    drilled = run_drill(house.workspace(), "total_loss")
    assert not drilled.report.passed and "no such user" in drilled.report.problems[0]
    assert any("recovery kit" in limit for limit in drilled.report.limits)
    rows = house.workspace().ledger.recent(kind="drill")
    assert {row.status for row in rows} == {FAILED} and {row.source for row in rows} == {"crm", "uploads"}
    phase = drill_phase(house, "uploads")
    assert phase.state == "FAIL" and "no such user" in phase.cause
    watch_once(house.workspace())
    assert any("FAIL crm: drill overdue or failed" in text for text in channel.texts)  # as a failed dump is
    assert house.leftovers() == []
