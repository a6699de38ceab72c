"""A site that lets nobody in brings restore points to a store; the centre records, copies, proves and prunes them."""

import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest

from ops_pipelines.backup.arrivals import record_arrivals
from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import SafetyRefusal
from ops_pipelines.ledger.models import SUCCEEDED
from ops_pipelines.recovery.kit import kit
from ops_pipelines.recovery.verify import verify
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.watch.health import source_health
from tests.faults.tries import chance, tries
from tests.sample import StoppedClock, flip_byte, watched_for_long
from tests.sites.two_houses import Houses, bring, build, look, run

DUMP = dg.AssetKey(["crm", "dump"])


@pytest.fixture
def houses(tmp_path: Path) -> Houses:
    """Both; nothing was taken yet."""
    return build(tmp_path)


@pytest.fixture
def instance(houses: Houses) -> Iterator[dg.DagsterInstance]:
    """The centre's Dagster."""
    with houses.instance() as opened:
        yield opened


def told(instance: dg.DagsterInstance) -> Counter[str]:
    """How often Dagster has an event of each restore point."""
    records = instance.fetch_materializations(DUMP, limit=1000).records
    events = [each.asset_materialization for each in records if each.asset_materialization is not None]
    return Counter(str(each.metadata["backup_id"].value) for each in events)


def written_down(houses: Houses) -> Counter[str]:
    """How often the centre's ledger has each."""
    rows = houses.centre().ledger.recent(source="crm", kind="adopt", limit=1000)
    return Counter(row.backup_id or "" for row in rows if row.status == SUCCEEDED)


def test_what_a_site_brings_is_recorded_once_copied_and_proved_at_the_centre(
    houses: Houses, instance: dg.DagsterInstance
) -> None:
    made = bring(houses.site())
    (request,) = look(houses.centre(), instance)
    assert request.run_key == f"arrived:crm:{made}"
    assert run(houses.centre(), instance, request).success
    (point,) = houses.centre().catalogue("crm").points
    assert point.id == made and point.verified and set(point.stores) == {"drop", "nas"}
    assert not houses.centre().catalogue("crm").messages
    assert look(houses.centre(), instance) == [], "another look finds nothing new"
    assert told(instance) == written_down(houses) == {made: 1}
    assert source_health(houses.centre(), "crm").state == "OK"
    assert source_health(houses.site(), "crm").state == "NEVER", "a proof is of who made it: the site has none"
    with pytest.raises(SafetyRefusal, match="crm is not dumped here"):
        take_backup(houses.centre(), "crm")


def test_another_installations_restore_point_stays_a_stranger(houses: Houses, tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    others = build(tmp_path / "others")
    strange = bring(others.site())
    copied = houses.folder / "drop" / "crm" / strange
    bring(houses.site())
    shutil.copytree(others.folder / "drop" / "crm" / strange, copied)
    centre = houses.centre()
    assert [each.id for each in record_arrivals(centre, "crm")] != [strange]
    (stranger,) = centre.catalogue("crm").strangers
    assert (stranger.id, stranger.standing) == (strange, "foreign")


def test_an_installation_is_believed_for_its_source_alone_and_for_no_proof(houses: Houses) -> None:
    site = houses.site()
    made = bring(site)
    (point,) = site.catalogue("crm").points
    assert verify(site, point, store="drop").outcome == "verified"
    centre = houses.centre()
    (seen,) = centre.catalogue("crm").points
    assert not seen.verified, "its own verdict proves nothing here"
    shutil.copytree(houses.folder / "drop" / "crm" / made, houses.folder / "drop" / "erp" / made)
    houses.say_at_centre('"sources": {', '"erp": {"kind": "sqlite", "paths": ["/nowhere/erp.db"]},')
    found = houses.centre().catalogue("erp")
    assert not found.points and [each.standing for each in found.strangers] == ["foreign"]


def test_the_script_believes_it_for_its_source_alone(houses: Houses) -> None:
    made = bring(houses.site())
    drop = houses.folder / "drop"
    shutil.copytree(drop / "crm" / made, drop / "erp" / made)
    believed = houses.folder / "trusted.keys"
    believed.write_bytes(houses.centre().trust.for_openssl())
    script = Path(kit.__file__).with_name("recover.sh")
    for source, status in {"crm": 0, "erp": 2}.items():
        argv = ["sh", script, "check", drop, source, "--trusted", believed]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
    believed.write_bytes(houses.centre().signing.for_openssl())
    argv = ["sh", script, "check", drop, "crm", "--trusted", believed]
    assert subprocess.run(argv, capture_output=True, check=False).returncode == 2


def test_what_was_recorded_and_is_changed_or_removed_later_is_noticed(houses: Houses) -> None:
    bring(houses.site())
    houses.change()
    changed = bring(houses.site())
    centre = houses.centre()
    gone, _ = record_arrivals(centre, "crm")
    shutil.rmtree(houses.folder / "drop" / "crm" / gone.id)
    flip_byte(next((houses.folder / "drop" / "crm" / changed).glob("*.zst.age")))
    found = centre.catalogue("crm")
    assert [(each.standing, each.id) for each in found.strangers] == [("missing", gone.id)]
    (point,) = found.points
    assert verify(centre, point).outcome == "bad"


def test_a_silent_site_alerts(houses: Houses, instance: dg.DagsterInstance) -> None:
    bring(houses.site())
    (request,) = look(houses.centre(), instance)
    assert run(houses.centre(), instance, request).success
    later = StoppedClock(datetime.now(timezone.utc) + timedelta(hours=25))
    centre = houses.centre(later)
    watched_for_long(centre)
    health = source_health(centre, "crm")
    assert health.state == "FAIL"
    assert "the site is silent: brno has brought nothing new" in health.cause
    assert health.next == "ops backup crm   # at brno"
    assert watch_once(centre, inside=True).open_incidents > 0


def test_the_centre_prunes_by_its_policy_and_neither_side_misses_anything(houses: Houses) -> None:
    for _ in range(3):
        houses.change()
        bring(houses.site())
    keep = '"keep": {"last": 1, "daily": 0, "weekly": 0, "monthly": 0, "min_verified": 1},'
    houses.say_at_centre('"defaults": {', keep)
    centre = houses.centre()
    record_arrivals(centre, "crm")
    newest = centre.catalogue("crm").newest
    assert newest is not None and verify(centre, newest).outcome == "verified"
    prune(centre, ["crm"], apply=True)
    assert [each.id for each in centre.catalogue("crm").points] == [newest.id]
    assert centre.catalogue("crm").messages == () and record_arrivals(centre, "crm") == []
    assert len(houses.site().catalogue("crm").points) == 3 and houses.site().catalogue("crm").messages == ()


def test_what_the_centre_took_before_stays(houses: Houses) -> None:
    path = houses.folder / "centre" / "ops.yaml"
    taken_by = path.read_text("utf-8")
    path.write_text(taken_by.replace('"taken_by": "brno"', '"limits": {}').replace("/nowhere", "../site"), "utf-8")
    before = take_backup(houses.centre(), "crm")
    path.write_text(taken_by, "utf-8")
    made = bring(houses.site())
    centre = houses.centre()
    assert [each.id for each in record_arrivals(centre, "crm")] == [made]
    found = centre.catalogue("crm")
    assert [each.id for each in found.points] == [before.id, made], "each has number 1 where it was taken"
    assert not found.messages and found.points[0].stores == ("local",)
    assert verify(centre, found.points[0]).outcome == "verified"


def strike(houses: Houses, side: str, dice: random.Random, longest_s: float) -> float:
    """One deed of a side, killed at any moment or not at all; returns how long it took."""
    argv = [sys.executable, "-m", "tests.sites.two_houses", side, str(houses.folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        began = time.monotonic()
        try:
            process.wait(timeout=dice.uniform(0, 1.2 * longest_s))
        except subprocess.TimeoutExpired:
            process.kill()
    return time.monotonic() - began


def test_kills_on_either_side_lose_nothing_and_count_nothing_twice(
    houses: Houses, instance: dg.DagsterInstance
) -> None:
    dice = chance("two houses")
    lasts = {side: strike(houses, side, dice, 1000) for side in ("site", "centre")}
    for number in range(tries(6)):
        houses.change()
        side = ("site", "centre")[number % 2] if dice.random() < 0.8 else "site"
        strike(houses, side, dice, lasts[side])
    site = houses.site()
    bring(site)
    look(houses.centre(), instance)
    taken = {each.id for each in site.catalogue("crm").points}
    at_centre = houses.centre().catalogue("crm")
    assert {each.id for each in at_centre.points} == taken, "nothing is lost"
    assert written_down(houses) == told(instance) == dict.fromkeys(taken, 1), "nothing is counted twice"
    assert not at_centre.messages
