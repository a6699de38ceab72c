"""A clock that was wrong: it makes nothing fresh, and it condemns, deletes and hides nothing."""

from datetime import datetime, timedelta, timezone

import pytest

from ops_pipelines.backup.prune import prune
from ops_pipelines.errors import OpsError
from ops_pipelines.orchestration.partitions import daily
from ops_pipelines.recovery.choose import choose
from ops_pipelines.recovery.rotation import turns
from ops_pipelines.watch.snapshots import SeenWhole, look, snapshots
from tests.clocks.conftest import NOW, Notes

LATER = datetime(2036, 1, 1, tzinfo=timezone.utc)
EARLIER = datetime(2020, 1, 1, tzinfo=timezone.utc)


def test_a_backup_from_the_future_is_an_incident_and_no_freshness(notes: Notes) -> None:
    wrong = notes.backed_up(at=LATER)
    health = notes.health(hours=30)
    assert (health.state, health.age, health.recovery_point) == ("UNKNOWN", None, wrong.id)
    assert "dated in the future" in health.cause
    assert health.next == "timedatectl; then: ops backup notes"
    assert {each.state for each in health.phases if each.phase in ("dump", "copy", "verify")} == {"UNKNOWN"}
    assert "dated in the future" in notes.rules()["clock_wrong"]

    good = notes.backed_up()
    health = notes.health(hours=1)
    assert (health.recovery_point, health.age) == (good.id, timedelta(hours=1)), "numbers say which is the newer"
    assert health.state == "STALE", "which of the two clocks was wrong, one backup cannot tell"
    notes.backed_up()
    assert notes.health().state == "OK"
    assert "clock_wrong" not in notes.rules()
    assert notes.health(hours=25).state == "FAIL"


def test_what_an_older_backup_shows_of_the_age_is_enough_while_it_is_young(notes: Notes) -> None:
    notes.backed_up()
    notes.clock.at += timedelta(hours=6)
    notes.backed_up(at=LATER)
    health = notes.health(hours=1)
    assert (health.state, health.age) == ("STALE", timedelta(hours=7)), "it is no older than the one before it"
    health = notes.health(hours=30)
    assert health.state == "UNKNOWN", "it is neither fresh nor too old"
    assert "rpo" not in notes.rules()


def test_a_clock_that_was_set_back_hides_no_backup_and_makes_none_the_newest(notes: Notes) -> None:
    notes.backed_up()
    newest = notes.backed_up(at=EARLIER)
    catalogue = notes.workspace.catalogue("notes")
    assert catalogue.newest is not None
    assert catalogue.newest.id == newest.id
    assert choose(notes.workspace, "notes").id == newest.id
    notes.clock.at = EARLIER + timedelta(hours=1)
    health = notes.health()
    assert (health.age, health.state) == (timedelta(hours=1), "STALE")
    assert "clock_wrong" in notes.rules()


def test_a_recovery_point_that_no_clock_can_date_is_of_unknown_age_though_none_is_from_the_future(
    notes: Notes,
) -> None:
    proved = notes.backed_up()
    notes.backed_up(at=EARLIER, proved=False)
    health = notes.health(hours=1)
    assert (health.state, health.recovery_point, health.age) == ("UNKNOWN", proved.id, None)
    assert f"{proved.id} has one place among the backups by its clock" in health.cause, "which clock was wrong?"
    assert health.next == "timedatectl; then: ops backup notes"
    assert "clock_wrong" in notes.rules()


def test_a_recovery_point_dated_too_early_is_as_young_as_the_one_before_it_up_to_the_rpo(notes: Notes) -> None:
    for _ in range(2):
        notes.backed_up()
    wrong = notes.backed_up(at=EARLIER)
    health = notes.health(hours=24)
    assert (health.recovery_point, health.age) == (wrong.id, timedelta(hours=24))
    assert health.rpo_holds and health.clock is None
    health = notes.health(minutes=1)
    assert health.state == "UNKNOWN", "it is younger than those before it: by how much, nobody knows"
    assert health.clock is not None and health.clock.backup_id == wrong.id
    assert f"{wrong.id} has one place among the backups by its clock" in health.cause


def test_a_verdict_by_a_wrong_clock_is_no_later_than_the_next_one(notes: Notes) -> None:
    point = notes.backed_up(proved=False)
    notes.clock.at = NOW + timedelta(hours=3)
    assert notes.proved(point.id).outcome == "verified"
    notes.clock.at = NOW + timedelta(minutes=5)
    notes.damaged(point.id)
    assert notes.proved(point.id).outcome == "bad"
    health = notes.health()
    assert health.state == "FAIL"
    look(notes.workspace)
    with notes.workspace.ledger.session() as session:
        (snapshot,) = snapshots(session, ["notes"], SeenWhole)
    assert snapshot.seen is not None and snapshot.seen.verdict is not None
    assert snapshot.seen.verdict.outcome == "bad"
    assert snapshot.judged(notes.clock.at, timedelta(minutes=5))[0] == "FAIL"


def test_a_proof_from_the_future_does_not_keep_verification_from_being_overdue(notes: Notes) -> None:
    point = notes.backed_up(proved=False)
    notes.clock.at = LATER
    notes.proved(point.id)
    notes.clock.at = NOW
    assert next(each.state for each in notes.health().phases if each.phase == "verify") == "UNKNOWN"
    assert next(
        (each[1].id, each[2]) for each in turns(notes.workspace.catalogue("notes"), notes.workspace.clock.now())
    ) == (point.id, "nas"), "its turn"


def test_a_failed_attempt_of_the_future_is_over_with_the_next_good_one(notes: Notes) -> None:
    notes.clock.at = datetime(2028, 1, 1, tzinfo=timezone.utc)
    with pytest.raises(OpsError), notes.workspace.ledger.activity("dump", source="notes"):
        raise OpsError("the server is gone")
    notes.clock.at = NOW
    notes.backed_up()
    notes.clock.at += timedelta(minutes=1)
    assert notes.health().state == "OK"
    assert notes.rules() == {}


def test_a_look_of_the_future_is_no_look(notes: Notes) -> None:
    notes.backed_up()
    notes.clock.at = LATER
    look(notes.workspace, watching=True)
    with notes.workspace.ledger.session() as session:
        (snapshot,) = snapshots(session, ["notes"], SeenWhole)
    state, cause, _next = snapshot.judged(NOW, timedelta(minutes=5))
    assert (state, "in the future" in cause) == ("UNKNOWN", True)


@pytest.mark.parametrize("moment", [LATER, EARLIER], ids=["ahead", "back"])
def test_retention_deletes_nothing_for_a_clock_that_jumps(notes: Notes, moment: datetime) -> None:
    there = [notes.backed_up(at=NOW - timedelta(days=days)).id for days in (2, 1, 0)]
    notes.clock.at = moment
    prune(notes.workspace, ["notes"], apply=True)
    notes.backed_up()
    prune(notes.workspace, ["notes"], apply=True)
    left = {each.id for each in notes.workspace.catalogue("notes").points}
    # One more day has a backup, so one place of `daily: 3` is taken: as after any other day.
    assert left >= (set(there) if moment is EARLIER else set(there[1:]))


def test_the_calendar_has_today_in_it_although_the_only_backup_is_of_the_future(notes: Notes) -> None:
    notes.backed_up(at=LATER)
    today = f"{NOW:%Y-%m-%d}"
    assert today in daily(notes.workspace).get_partition_keys(current_time=NOW)
