"""An RPO counts from the start of the dump: two minutes decide, whatever the calendar does that day."""

from datetime import datetime, timedelta

import pytest

from ops_pipelines.plan.ahead import look_ahead
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.watch.alerts.rules import look_at_standing
from ops_pipelines.watch.health import source_health
from ops_pipelines.watch.metrics import exposition
from ops_pipelines.watch.report import build_report
from ops_pipelines.watch.snapshots import SeenWhole, look, snapshots
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.unit.vaults import publish, rewrite, verdict
from tests.watch.conftest import MakeHouse, clock, make_house

__all__ = ["clock", "make_house"]
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
STARTS = {
    "any day": "2026-11-21T02:00:00+00:00",
    "summer time begins": "2026-03-28T23:30:00+00:00",
    "summer time ends": "2026-10-24T23:30:00+00:00",
    "leap day": "2028-02-28T23:50:00+00:00",
    "year's end": "2026-12-31T23:59:59+00:00",
}


@pytest.fixture(params=STARTS)
def started(request: pytest.FixtureRequest) -> datetime:
    return datetime.fromisoformat(STARTS[request.param])


def slow(house: Workspace, started: datetime) -> str:
    """A restore point whose dump took three hours, copied and proved an hour after that."""
    identifier = f"{started:%Y%m%dT%H%M%SZ}-0001"
    manifest = publish(house.local, identifier, at=started)
    manifest = manifest.model_copy(update={"finished_at": started + timedelta(hours=3)})
    rewrite(house.local.directory("crm", identifier), manifest, house.trust)
    nas = house.stores["nas"]
    assert isinstance(nas, DirectoryStore)
    nas.receive(manifest, house.local.directory("crm", identifier), lambda _size: None)
    house.local.keep_verdict(verdict(identifier, "verified", at=started + timedelta(hours=4), store="nas"))
    return identifier


def test_every_face_counts_from_the_start_of_the_dump(
    make_house: MakeHouse, clock: StoppedClock, started: datetime
) -> None:
    house = make_house({})
    slow(house, started)
    clock.at = started + 10 * MINUTE + timedelta(hours=4)
    look(house)
    (outlook,) = look_ahead(house, 1).sources
    assert outlook.breaks_at == started + DAY
    for now, broken in ((started + DAY - MINUTE, False), (started + DAY + MINUTE, True)):
        clock.at = now
        health = source_health(house, "crm")
        assert (health.state == "FAIL", health.age) == (broken, now - started)
        assert all((step.state == "FAIL") is broken for step in health.phases if step.phase in ("dump", "copy"))
        assert {copy.age for copy in health.copies} == {now - started}
        severity = next(each.severity for each in look_at_standing(house).conditions if each.rule == "rpo")
        assert severity == ("critical" if broken else "warn")
        with house.ledger.session() as session:
            (snapshot,) = snapshots(session, ["crm"], SeenWhole)
        assert (snapshot.judged(now, DAY * 2)[0] == "FAIL") is broken, "although nobody has looked since"
        assert f'ops_rpo_actual_seconds{{source="crm"}} {(now - started).total_seconds()}' in exposition(house)
        assert ("cannot hold their RPO" in build_report(house)) is broken
