"""Health, step by step and store by store, from what lies in the stores and what the ledger remembers."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ops_pipelines.config.load import load_config
from ops_pipelines.errors import SourceError
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.watch.health import EXIT_STATUS, HOLDS, SourceHealth, source_health
from ops_pipelines.watch.phases import PhaseHealth
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.unit.vaults import AT, publish, verdict
from tests.watch.conftest import MakeHouse
from tests.watch.scenarios import World

FIRST = "20261121T020000Z-0001"
HOUR = timedelta(hours=1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A source with a store, and nothing in either; an hour after `AT`."""
    (tmp_path / "ops.yaml").write_text(
        """
base: base
stores: {nas: {kind: directory, path: nas}}
sources: {crm: {kind: postgres, url: postgresql://nowhere/crm, copies: [nas], keep: {last: 1}}}
""",
        encoding="utf-8",
    )
    return Workspace(load_config(tmp_path / "ops.yaml", environ={}), StoppedClock(AT + HOUR))


def copied(workspace: Workspace) -> None:
    """One restore point, in both stores."""
    store = workspace.stores["nas"]
    assert isinstance(store, DirectoryStore)
    manifest = publish(workspace.local, FIRST)
    store.receive(manifest, workspace.local.directory("crm", FIRST), lambda size: None)


def proved(workspace: Workspace, outcome: str = "verified", *, at: datetime = AT, store: str = "nas") -> Verdict:
    kept = verdict(FIRST, outcome, at=at, store=store)  # type: ignore[arg-type]
    workspace.local.keep_verdict(kept)
    return kept


def phase(health: SourceHealth, name: str) -> PhaseHealth:
    return next(each for each in health.phases if each.phase == name)


def later(workspace: Workspace, hours: float) -> SourceHealth:
    assert isinstance(workspace.clock, StoppedClock)
    workspace.clock.at = AT + hours * HOUR
    return source_health(workspace, "crm")


def test_everything_well(workspace: Workspace) -> None:
    copied(workspace)
    proved(workspace)
    health = source_health(workspace, "crm")
    assert (health.state, health.cause) == ("OK", "verified; 1h 00m old")
    assert {each.phase: each.state for each in health.phases} == dict.fromkeys(
        ("dump", "copy", "verify", "retention"), "OK"
    )
    assert phase(health, "dump").age == HOUR
    assert [(copy.store, copy.age_text) for copy in health.copies] == [("local", "1h 00m"), ("nas", "1h 00m")]


def test_how_long_the_proved_restore_took_is_told(workspace: Workspace) -> None:
    copied(workspace)
    assert source_health(workspace, "crm").restore_s is None
    workspace.local.keep_verdict(
        verdict(FIRST, "verified").model_copy(update={"finished_at": AT + timedelta(minutes=3)})
    )
    assert source_health(workspace, "crm").restore_s == 180


def test_a_proof_that_compared_less_than_is_configured_is_weak(workspace: Workspace) -> None:
    copied(workspace)
    workspace.local.keep_verdict(verdict(FIRST, "verified", store="nas").model_copy(update={"grade": "counts"}))
    health = source_health(workspace, "crm")
    assert (health.state, [each.kind for each in health.situations]) == ("WEAK", ["proof_weaker"])
    assert "verified by row counts" in health.cause


def test_nothing_was_ever_done(workspace: Workspace) -> None:
    health = source_health(workspace, "crm")
    assert health.state == "NEVER"
    assert (phase(health, "dump").state, phase(health, "dump").next) == ("NEVER", "ops backup crm")
    assert (phase(health, "copy").store, phase(health, "copy").state) == ("nas", "NEVER")
    assert phase(health, "verify").state == "NEVER"


def test_a_failed_attempt_is_told_while_the_recovery_point_still_holds(workspace: Workspace) -> None:
    copied(workspace)
    proved(workspace)
    with pytest.raises(SourceError), workspace.ledger.activity("dump", source="crm"):
        raise SourceError("the server is gone")
    health = source_health(workspace, "crm")
    assert (phase(health, "dump").state, phase(health, "dump").cause) == (
        "FAIL", "the last attempt failed: the server is gone",
    )  # fmt: skip
    assert (health.state, health.cause) == ("STALE", "dump: the last attempt failed: the server is gone")


@pytest.mark.parametrize(("hours", "state"), [(19.9, "OK"), (20.1, "STALE"), (23.99, "STALE"), (24.01, "FAIL")])
def test_the_age_of_a_dump_decides(workspace: Workspace, hours: float, state: str) -> None:
    copied(workspace)
    proved(workspace, at=AT + 10 * HOUR)
    health = later(workspace, hours)
    assert phase(health, "dump").state == state
    assert phase(health, "copy").state == state
    assert phase(health, "verify").state == "OK", "it was proved ten hours later"


def test_at_the_very_end_of_a_span_it_still_holds(workspace: Workspace) -> None:
    copied(workspace)
    proved(workspace)
    assert "recovery_point_ageing" not in {each.kind for each in later(workspace, 20).situations}
    health = later(workspace, 24)
    assert health.rpo_holds
    assert {"recovery_point_ageing", "recovery_point_old"} & {each.kind for each in health.situations} == {
        "recovery_point_ageing"
    }


def test_of_several_steps_the_worst_is_told_first(workspace: Workspace, tmp_path: Path) -> None:
    """What is not known comes after what is known to be late, wherever it stands in the order of work."""
    copied(workspace)
    proved(workspace)
    (tmp_path / "nas").rename(tmp_path / "away")
    (tmp_path / "nas").write_text("not a directory", encoding="utf-8")
    health = later(workspace, 25)
    assert (phase(health, "copy").state, phase(health, "verify").state) == ("UNKNOWN", "OVERDUE")
    steps = [each.what.partition(":")[0] for each in health.situations if ": " in each.what]
    assert steps.index("verify") < steps.index("copy to nas")


def test_scripts_can_tell_what_needs_a_look_from_what_is_broken() -> None:
    """As the page on exit statuses says: 0 fine, 1 attention, 2 broken."""
    assert {state: EXIT_STATUS[state] for state in HOLDS} == {"OK": 0, "WEAK": 1, "STALE": 1}
    assert {EXIT_STATUS[state] for state in ("OVERDUE", "FAIL", "NEVER")} == {2}


def test_without_a_proof_in_time_verification_is_overdue(workspace: Workspace) -> None:
    copied(workspace)
    proved(workspace)
    health = later(workspace, 25)
    assert phase(health, "verify").state == "OVERDUE"
    assert phase(health, "verify").next == "ops verify crm"


def test_an_inconclusive_proof_needs_a_look_and_a_bad_one_is_a_failure(workspace: Workspace) -> None:
    copied(workspace)
    proved(workspace, "inconclusive")
    assert phase(source_health(workspace, "crm"), "verify").state == "NEVER"
    proved(workspace, "bad", at=AT + timedelta(minutes=1))
    health = source_health(workspace, "crm")
    assert (phase(health, "verify").state, health.state) == ("FAIL", "FAIL")


def test_a_store_that_cannot_be_read_is_unknown_not_fine(workspace: Workspace, tmp_path: Path) -> None:
    copied(workspace)
    proved(workspace)
    (tmp_path / "nas").rename(tmp_path / "away")
    (tmp_path / "nas").write_text("not a directory", encoding="utf-8")
    health = source_health(workspace, "crm")
    assert phase(health, "copy").state == "UNKNOWN"
    assert health.state == "STALE"


def test_two_backups_behind_is_stale(workspace: Workspace) -> None:
    publish(workspace.local, FIRST)
    publish(workspace.local, "20261121T020001Z-0002")
    proved(workspace, store="local")
    health = source_health(workspace, "crm")
    assert (phase(health, "copy").state, phase(health, "copy").next) == ("NEVER", "ops copy crm --to nas")


def test_a_failed_prune_needs_a_look(workspace: Workspace) -> None:
    copied(workspace)
    proved(workspace)
    with workspace.ledger.activity("prune", source="crm") as entry:
        entry.fail("refused: the newest dump failed")
    health = source_health(workspace, "crm")
    assert phase(health, "retention").cause == "refused: the newest dump failed"
    assert health.state == "STALE"


def test_health_needs_no_ledger(workspace: Workspace) -> None:
    copied(workspace)
    proved(workspace)
    ledger = workspace.config.base / "ledger.sqlite"
    ledger.parent.mkdir(exist_ok=True)
    ledger.write_text("this is no database", encoding="utf-8")
    health = source_health(workspace, "crm")
    assert phase(health, "retention").state == "UNKNOWN"
    assert phase(health, "dump").state == "OK"
    assert health.recovery_point == FIRST


def test_how_a_source_develops_is_told(make_house: MakeHouse, clock: StoppedClock) -> None:
    world = World(make_house({}), clock)
    mib = 2**20
    for day, grown in enumerate((0, 5, 10, 15)):
        clock.at = AT + timedelta(days=day)
        identifier = world.backed_up(plain=1000 * mib + grown * mib, good=False)
        found = verdict(identifier, "verified", at=clock.at)
        found = found.model_copy(update={"finished_at": found.started_at + timedelta(seconds=10 + day)})
        world.house.local.keep_verdict(found)
        world.attempt("dump")
        world.proved("verified" if day else "inconclusive")
    world.attempt("dump", "refused")
    trends = source_health(world.house, "crm").trends
    assert trends.backup_success_7d == 4 / 5
    assert trends.verify_success_7d == 3 / 4
    assert trends.restores_s == [10, 11, 12, 13]
    assert trends.growth_bytes_per_day == 5 * mib
    clock.at += timedelta(days=8)
    assert source_health(world.house, "crm").trends.backup_success_7d is None, "a week later nobody knows"
