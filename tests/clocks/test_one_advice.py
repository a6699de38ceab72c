"""One situation, one advice: the same words in the command line, page, report, alert, Dagster and doctor."""

import json
from collections.abc import Callable
from datetime import timedelta

import dagster as dg
import pytest
from typer.testing import CliRunner

from ops_pipelines import text
from ops_pipelines.cli.main import app
from ops_pipelines.clock import SystemClock
from ops_pipelines.doctor.shared import Shared
from ops_pipelines.doctor.sources import _recovery_point
from ops_pipelines.orchestration.build import definitions_of
from ops_pipelines.orchestration.checks.rpo import evaluation
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.names import PLAIN
from ops_pipelines.watch.alerts.rules import look_at_attempts, look_at_standing
from ops_pipelines.watch.report import build_report
from ops_pipelines.watch.snapshots import look
from tests.clocks.conftest import NOW, Notes
from tests.web.pages import status_page

FULL = "backup of notes failed: not written\n  why: No space left on device\n  next: df -h /var/backups; ops prune"


def nothing(notes: Notes) -> None:
    notes.rules()
    notes.clock.at += timedelta(hours=12)


def unproved(notes: Notes) -> None:
    notes.rules()
    notes.backed_up(proved=False)
    notes.clock.at += timedelta(hours=12)


def too_old(notes: Notes) -> None:
    notes.backed_up(at=NOW - timedelta(hours=30))


def full_disk(notes: Notes) -> None:
    notes.backed_up()
    with notes.workspace.ledger.activity("dump", source="notes") as entry:
        entry.fail(FULL)


def damaged(notes: Notes) -> None:
    point = notes.backed_up()
    notes.damaged(point.id)
    assert notes.proved(point.id).outcome == "bad"


def from_the_future(notes: Notes) -> None:
    notes.backed_up(at=NOW + timedelta(days=3650))


def grown(notes: Notes) -> None:
    for _ in range(2):
        notes.backed_up()
    notes.grown()
    notes.backed_up()


# The situation, its state, what is wrong, the next command, and the rule that tells of it.
SITUATIONS: dict[str, tuple[Callable[[Notes], None], str, str, str, str]] = {
    "never backed up": (nothing, "NEVER", "never backed up", "ops backup notes", "rpo"),
    "never verified": (unproved, "NEVER", "1 backed up, none of them verified", "ops verify notes", "rpo"),
    "too old": (too_old, "FAIL", "the recovery point is 1d 6h old, rpo is 1d 0h", "ops backup notes", "rpo"),
    "disk full": (full_disk, "STALE", "No space left on device", "df -h /var/backups; ops prune", "dump_failed"),
    "damaged copy": (damaged, "FAIL", "in nas is bad: ", "ops copy notes --to nas", "copy_damaged"),
    "wrong clock": (
        from_the_future, "UNKNOWN", "dated in the future", "timedatectl; then: ops backup notes", "clock_wrong"
    ),
    "grown": (grown, "STALE", "is good, but needs a look: size drift: ", "ops list notes", "needs_a_look"),
}  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.daily(4)
def test_every_face_says_the_same(situation: str, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    play, state, words, advice, rule = SITUATIONS[situation]
    play(notes)
    health = look(notes.workspace)[0]
    assert (health.state, words in health.cause, health.next) == (state, True, advice), health.cause

    report = build_report(notes.workspace)
    assert f"{state}: {text.markdown(health.cause)}." in report
    assert f"Next: {text.markdown_code(advice)}" in report
    page = status_page(notes.workspace)
    assert health.cause in page.replace("&#39;", "'").replace("&gt;", ">")
    assert f"<kbd>{advice}</kbd>" in page
    metadata = evaluation(PLAIN, health).metadata
    assert (metadata["cause"].value, metadata["next"].value) == (health.cause, advice)
    answer = _recovery_point(Shared(notes.workspace, notes.folder / "ops.yaml"), "notes")
    assert answer.said.startswith(f"{state}: {health.cause}")
    assert list(answer.fix) == [advice]

    monkeypatch.setattr(SystemClock, "now", lambda _self: notes.clock.at)
    told = CliRunner().invoke(app, ["status", "--json", "--config", str(notes.folder / "ops.yaml")])
    (source,) = json.loads(told.stdout)["sources"]
    assert (source["state"], source["cause"], source["next"]) == (state, health.cause, advice)

    conditions = [each for part in (look_at_attempts, look_at_standing) for each in part(notes.workspace).conditions]
    alert = next(each for each in conditions if each.rule == rule)
    assert words in alert.cause or words.split(": ", 1)[-1] in alert.cause
    assert alert.next == advice


def test_a_damaged_copy_gets_one_advice_and_its_failed_run_gives_the_same(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda _self: notes.clock.at)
    point = notes.backed_up()
    notes.damaged(point.id)
    definitions = definitions_of(Installation(notes.workspace))
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("backup").execute_in_process(
            instance=instance, partition_key=f"{NOW:%Y-%m-%d}", asset_selection=[PLAIN.verified("notes")],
            run_config={"ops": {"notes__verified": {"config": {"backup_id": point.id, "store": "nas"}}}},
            raise_on_error=False,
        )  # fmt: skip
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    health = notes.health()
    said = str(failed.step_failure_data.user_failure_data.description)  # type: ignore[union-attr]
    what, _, why = health.cause.partition(": ")
    assert f"is BAD: {why}\n  why: {what}\n  safe: {health.safe}\n  next: {health.next}" in said
    assert {each.next for each in look_at_attempts(notes.workspace).conditions} == set()
    standing = [each for each in look_at_standing(notes.workspace).conditions if each.rule == "copy_damaged"]
    assert [(each.cause, each.next, each.safe) for each in standing] == [(health.cause, health.next, health.safe)]

    typed = CliRunner().invoke(app, [*health.next.split()[1:], "--config", str(notes.folder / "ops.yaml")])
    assert typed.exit_code == 0, typed.output
    assert notes.health().state == "OK"


def test_nobody_is_told_before_the_first_thing_is_due(notes: Notes) -> None:
    rules = set()
    for _ in range(60):
        notes.clock.at += timedelta(minutes=1)
        rules |= notes.rules().keys()
    assert rules == set()
    notes.clock.at += timedelta(hours=6)
    assert notes.rules().keys() == {"rpo"}
