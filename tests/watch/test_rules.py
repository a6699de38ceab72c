"""What counts as trouble: attempts that really failed, copies that are behind, ages by a clock the test sets."""

from datetime import datetime, timedelta

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.watch.alerts.ahead import disks
from ops_pipelines.watch.alerts.conditions import Condition
from ops_pipelines.watch.alerts.rules import look_at_attempts, look_at_standing
from ops_pipelines.watch.health import source_health
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.unit.vaults import AT, publish, verdict
from tests.watch.conftest import MakeHouse

POINT = "20261121T020000Z-0001"


@pytest.fixture
def house(make_house: MakeHouse) -> Workspace:
    return make_house({})


def attempt(
    house: Workspace, kind: str, error: str = "", *, store: str | None = None, backup_id: str = POINT, **meta: object
) -> None:
    """An attempt in the ledger, as the verbs write it, a second after the one before."""
    house.clock.at += timedelta(seconds=1)  # type: ignore[attr-defined]
    with house.ledger.activity(kind, source="crm", store=store, backup_id=backup_id, meta=meta) as entry:
        if error:
            entry.fail(error)


def proved(house: Workspace, outcome: str, *, backup_id: str = POINT, **meta: object) -> None:
    reason = "" if outcome == "verified" else f"{outcome}: rows: 3 lost"
    attempt(house, "verify", reason, store="nas", backup_id=backup_id, outcome=outcome, **meta)


def attempts(house: Workspace) -> list[Condition]:
    return list(look_at_attempts(house).conditions)


def standing(house: Workspace) -> dict[str, Condition]:
    return {each.rule: each for each in look_at_standing(house).conditions}


def test_a_restore_that_is_refused_for_safety_is_kept_in_the_ledger_and_alarms_nobody(house: Workspace) -> None:
    with pytest.raises(SafetyRefusal), house.ledger.activity("restore", source="crm"):
        raise SafetyRefusal("database crm_restored exists", safe="nothing was changed", next="name a new database")
    assert attempts(house) == []
    attempt(house, "restore", "no room on the target")
    assert [each.rule for each in attempts(house)] == ["restore_failed"]
    (_, refused) = house.ledger.recent(source="crm", kind="restore")
    assert refused.status == "failed"


def test_a_dump_that_really_fails_is_told_with_its_cause_and_the_next_command(
    house: Workspace, clock: StoppedClock
) -> None:
    with pytest.raises(OpsError):
        take_backup(house, "crm")
    (found,) = attempts(house)
    assert (found.rule, found.severity, found.phase, found.title) == ("dump_failed", "error", "dump", "dump failed")
    assert "127.0.0.1" in found.cause
    assert "refused" in found.cause
    assert found.next
    clock.at += timedelta(minutes=1)
    with pytest.raises(OpsError):
        take_backup(house, "crm")
    (found,) = attempts(house)
    assert (found.severity, found.title) == ("critical", "dump failed, twice in a row")
    attempt(house, "dump")
    assert attempts(house) == []


def test_an_attempt_that_was_killed_has_failed(house: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(ZeroDivisionError), house.ledger.activity("dump", source="crm"):
        with house.ledger.session() as session:
            session.connection().exec_driver_sql("update ops_activities set holder = 'x:1:2'")
        (found,) = attempts(house)
        assert found.rule == "dump_failed"
        assert "killed, crashed or power cut" in found.cause
        raise ZeroDivisionError


def test_a_run_under_way_changes_nothing_yet(house: Workspace) -> None:
    attempt(house, "dump", "no")
    with house.ledger.activity("dump", source="crm"):
        assert [each.rule for each in attempts(house)] == ["dump_failed"]


def test_copies_fail_store_by_store(house: Workspace) -> None:
    attempt(house, "copy", "disk full\n  why: no space left\n  next: df -h /nas", store="nas")
    attempt(house, "copy", store="elsewhere")
    (found,) = attempts(house)
    assert (found.rule, found.store, found.cause, found.next) == (
        "copy_failed", "nas", "disk full: no space left", "df -h /nas"
    )  # fmt: skip


def test_a_bad_proof_is_told_and_a_second_one_is_critical_and_names_the_last_good_point(house: Workspace) -> None:
    good = "20261120T020000Z-0001"
    with house.ledger.activity("verify", source="crm", store="nas", backup_id=good, meta={"outcome": "verified"}):
        pass
    proved(house, "bad")
    (found,) = attempts(house)
    assert (found.rule, found.severity, found.store) == ("verify_failed", "error", "nas")
    assert found.good is not None
    assert (found.good.id, found.good.at) == (good, AT - timedelta(days=1))
    proved(house, "inconclusive")
    proved(house, "bad")
    (found,) = attempts(house)
    assert (found.severity, found.title) == ("critical", "verify failed, twice in a row")
    proved(house, "verified")
    assert attempts(house) == []


def test_an_old_backup_that_is_good_does_not_mend_the_newest_and_a_bad_one_is_told_until_it_is_replaced(
    house: Workspace,
) -> None:
    old = "20261101T020000Z-0001"
    proved(house, "bad")
    proved(house, "verified", backup_id=old, again=True)
    assert [each.rule for each in attempts(house)] == ["verify_failed"]
    proved(house, "verified")
    proved(house, "bad", backup_id=old, again=True)
    (found,) = attempts(house)
    assert (found.rule, found.store, found.title) == ("older_backup_bad", "nas", "an older backup is bad")
    assert old in found.cause
    assert found.good is not None
    assert found.good.id == POINT
    attempt(house, "copy", store="nas", backup_id=old)
    assert attempts(house) == []


def test_a_verifier_that_stays_broken_is_told_after_a_whole_interval(house: Workspace, clock: StoppedClock) -> None:
    proved(house, "inconclusive")
    clock.at += timedelta(hours=5, minutes=59)
    proved(house, "inconclusive")
    assert attempts(house) == []
    clock.at += timedelta(minutes=2)
    (found,) = attempts(house)
    assert (found.rule, found.severity, found.title) == (
        "verify_inconclusive",
        "warn",
        "verify inconclusive for 6h 01m",
    )


def test_what_a_good_proof_found_odd_is_told(house: Workspace) -> None:
    proved(house, "verified", notable=["size drift: 1 KiB, -99 % against 1 MiB"])
    (found,) = attempts(house)
    assert (found.rule, found.severity) == ("needs_a_look", "warn")
    assert "size drift: 1 KiB" in found.cause


def test_refused_retention_and_a_failed_restore_are_told(house: Workspace, clock: StoppedClock) -> None:
    attempt(house, "prune", "refused: the newest restore point is not verified")
    attempt(house, "restore", "no room")
    assert {each.rule: each.severity for each in attempts(house)} == {
        "retention_refused": "warn",
        "restore_failed": "error",
    }
    clock.at += timedelta(hours=25)
    assert [each.rule for each in attempts(house)] == ["retention_refused"]


def test_never_backed_up_is_a_broken_rpo_once_the_first_backup_was_due(house: Workspace, clock: StoppedClock) -> None:
    assert standing(house) == {}
    clock.at += timedelta(hours=7)
    found = standing(house)["rpo"]
    assert (found.severity, found.cause, found.next) == ("error", "never backed up", "ops backup crm")


def protected(house: Workspace) -> None:
    publish(house.local, POINT)
    house.local.keep_verdict(verdict(POINT, "verified"))
    nas = house.stores["nas"]
    nas.receive(house.local.manifest("crm", POINT), house.local.directory("crm", POINT), lambda _: None)


@pytest.mark.parametrize(
    ("age", "rules"),
    [
        (timedelta(hours=6), {}),
        (timedelta(hours=7), {"dump_stale": "warn"}),
        (timedelta(hours=21), {"dump_stale": "warn", "rpo": "warn"}),
        (timedelta(hours=25), {"dump_stale": "error", "rpo": "critical"}),
    ],
)
def test_ages_are_told_before_and_after_they_break_the_promise(
    house: Workspace, clock: StoppedClock, age: timedelta, rules: dict[str, str]
) -> None:
    protected(house)
    clock.at = AT + age
    found = standing(house)
    assert {rule: each.severity for rule, each in found.items() if rule != "verify_overdue"} == rules
    assert all(each.good is not None and each.good.id == POINT for each in found.values())


def test_a_dump_that_takes_its_time_is_not_stale(house: Workspace, clock: StoppedClock) -> None:
    protected(house)
    clock.at = AT + timedelta(hours=7)
    with house.ledger.activity("dump", source="crm"):
        assert "dump_stale" not in standing(house)
    assert "dump_stale" in standing(house)


def test_a_store_that_misses_two_backups_is_behind(house: Workspace, clock: StoppedClock) -> None:
    protected(house)
    for hours in (6, 12):
        at: datetime = AT + timedelta(hours=hours)
        identifier = f"{at:%Y%m%dT%H%M%SZ}-0001"
        publish(house.local, identifier, at=at)
        house.local.keep_verdict(verdict(identifier, "verified", at=at))
        clock.at = at + timedelta(minutes=5)
        assert ("copy_behind" in standing(house)) is (hours == 12)
    found = standing(house)["copy_behind"]
    assert (found.store, found.next) == ("nas", "ops copy crm --to nas")


def test_a_store_that_cannot_be_read_is_told(house: Workspace) -> None:
    protected(house)
    nas = house.config.stores["nas"].path  # type: ignore[union-attr]
    nas.rename(nas.with_name("unplugged"))
    nas.touch()
    assert "store_unreadable" in standing(house)


def test_a_disk_without_room_for_the_next_runs_is_told(house: Workspace) -> None:
    protected(house)
    health = source_health(house, "crm")
    assert disks(house.stores, [health]) == []
    huge = health.model_copy(update={"size_bytes": 10**17})
    found = {each.store: each for each in disks(house.stores, [huge])}
    assert {store: each.severity for store, each in found.items()} == {"local": "error", "nas": "error"}
    assert "free on" in found["nas"].cause
