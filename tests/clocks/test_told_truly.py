"""What is told holds: the last good point, a cancelled run, the `rpo` check, the report after every event."""

from datetime import timedelta

import dagster as dg
import pytest

from ops_pipelines.backup.prune import prune
from ops_pipelines.orchestration.checks.rpo import evaluation, unanswered
from ops_pipelines.orchestration.names import PLAIN, RPO_CHECK
from ops_pipelines.watch.alerts.good import with_good
from ops_pipelines.watch.alerts.rules import look_at_attempts
from ops_pipelines.watch.alerts.runs import EndedRun, Facts, look_at_runs
from ops_pipelines.watch.report import renew_report
from ops_pipelines.watch.snapshots import look
from tests.clocks.conftest import Notes


def test_a_run_that_was_cancelled_warns_for_a_day_and_blocks_no_retention(notes: Notes) -> None:
    notes.backed_up()
    with pytest.raises(KeyboardInterrupt), notes.workspace.ledger.activity("dump", source="notes"):
        raise KeyboardInterrupt
    (found,) = look_at_attempts(notes.workspace).conditions
    assert (found.rule, found.severity, found.title) == ("cancelled", "warn", "dump was cancelled")
    assert next(each.state for each in notes.health().phases if each.phase == "dump") == "OK"
    (pruned,) = prune(notes.workspace, ["notes"], apply=True)
    assert pruned.refused == ""
    notes.clock.at += timedelta(hours=25)
    assert look_at_attempts(notes.workspace).conditions == []


def test_a_run_that_died_early_names_the_true_last_good_point(notes: Notes) -> None:
    run = EndedRun(about="notes", run_id="r1", status="FAILURE", at=notes.clock.at, cause="killed")
    unseen = with_good(notes.workspace.config, notes.workspace.ledger, look_at_runs(notes.workspace, Facts(runs=[run])))
    assert unseen.conditions[0].good is not None and "not known yet" in unseen.conditions[0].good.words
    point = notes.backed_up()
    look(notes.workspace)
    (found,) = with_good(
        notes.workspace.config, notes.workspace.ledger, look_at_runs(notes.workspace, Facts(runs=[run]))
    ).conditions
    assert found.good is not None
    assert (found.good.id, found.good.at, found.good.words) == (point.id, point.started_at, "verified")


def test_the_rpo_check_is_about_the_rpo(notes: Notes) -> None:
    notes.backed_up()
    assert evaluation(PLAIN, notes.health()).passed
    with notes.workspace.ledger.activity("dump", source="notes") as entry:
        entry.fail("the server is gone")
    health = notes.health()
    assert (health.state, evaluation(PLAIN, health).passed) == ("STALE", True), (
        "a failed attempt is not an RPO that is broken"
    )
    late = evaluation(PLAIN, notes.health(hours=21))
    assert (late.passed, late.severity) == (False, dg.AssetCheckSeverity.WARN)
    broken = evaluation(PLAIN, notes.health(hours=4))
    assert (broken.passed, broken.severity) == (False, dg.AssetCheckSeverity.ERROR)


def test_a_failed_run_leaves_no_rpo_check_without_an_answer() -> None:
    checked = dg.AssetCheckSpec(RPO_CHECK, asset=PLAIN.verified("notes"))

    @dg.asset(key=PLAIN.verified("notes"))
    def fails() -> None:
        raise dg.Failure("no")

    @dg.multi_asset_check(specs=[checked])
    def rpo() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.Definitions(assets=[fails], asset_checks=[rpo]).resolve_implicit_global_asset_job_def()
        assert unanswered(instance, PLAIN, ["notes"]) == set()
        assert not job.execute_in_process(instance=instance, raise_on_error=False).success
        assert unanswered(instance, PLAIN, ["notes"]) == {"notes"}
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=PLAIN.verified("notes"), check_name=RPO_CHECK, passed=True)
        )
        assert unanswered(instance, PLAIN, ["notes"]) == set()


def test_the_report_is_true_after_a_failed_verification(notes: Notes) -> None:
    point = notes.backed_up()
    renew_report(notes.workspace)
    latest = notes.folder / "base" / "reports" / "latest.md"
    assert "holds its RPO" in latest.read_text(encoding="utf-8")
    notes.damaged(point.id)
    notes.proved(point.id)
    renew_report(notes.workspace)
    assert "cannot hold their RPO: notes" in latest.read_text(encoding="utf-8")
