"""Other houses: hostile texts, a new key, a ledger in PostgreSQL or lost, and who has the key and leaves out."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.clock import UTC
from ops_pipelines.evidence.against import compare_with_ledger
from ops_pipelines.evidence.assemble import Evidence, assemble
from ops_pipelines.evidence.bundle import write_bundle
from ops_pipelines.evidence.check import Checked, check_bundle
from ops_pipelines.evidence.period import Period
from ops_pipelines.evidence.reached import rpo_reached
from ops_pipelines.evidence.summary import counts_of
from ops_pipelines.recovery.verify import verify
from ops_pipelines.watch.kept import Event, standings, stretches
from ops_pipelines.workspace import Workspace
from tests.evidence.conftest import days
from tests.faults.conftest import LEDGERS, give_ledger
from tests.faults.house import House, build
from tests.faults.protected import protect

AT = datetime(2026, 11, 1, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script> {{ 7 * 7 }} \x1b[31m anna@example.org password=hunter22hunter"


@pytest.fixture
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """A house of this test alone."""
    yield build(tmp_path, protect("sqlite", request, tmp_path / "data"), copies=False)


def gathered(house: House) -> tuple[Workspace, Evidence]:
    """What a bundle of these days is made of."""
    workspace = house.workspace()
    first, last = days(house)
    return workspace, assemble(workspace, Period(first, last, "UTC"))


def write(workspace: Workspace, evidence: Evidence, folder: Path) -> Path:
    """Write it, signed with the key of the house."""
    return write_bundle(evidence, workspace.signing.signer(workspace.clock.now())[1], folder).folder


def check(workspace: Workspace, folder: Path) -> Checked:
    """Check it as the command does where the installation is."""
    checked = check_bundle(folder, workspace.signing.trusted.values())
    compare_with_ledger(checked, workspace.ledger)
    return checked


@pytest.mark.parametrize("kind", LEDGERS)
def test_texts_of_others_do_no_harm_and_tell_no_secret(own: House, kind: str, request: pytest.FixtureRequest) -> None:
    give_ledger(own, kind, request)
    with own.workspace().ledger.activity("verify", source="crm", backup_id="../../x", store="nas") as entry:
        entry.meta = {"outcome": "verified", "grade": "full", "words": HOSTILE, "gaps": [HOSTILE]}
    with own.workspace().ledger.activity("dump", source="crm") as entry:
        entry.fail(HOSTILE)
    workspace, evidence = gathered(own)
    folder = write(workspace, evidence, own.path / "bundle")
    page = (folder / "evidence.html").read_text("utf-8")
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert "{{ 7 * 7 }}" in page
    texts = page + json.dumps([each.document() for each in evidence.statements])
    texts += (folder / "evidence.json").read_text("utf-8")
    assert "\x1b" not in texts
    assert "hunter22" not in texts
    assert "anna@" not in texts
    checked = check(workspace, folder)
    assert (checked.problems, len(checked.documents)) == ([], 2)
    assert {gap.kind for gap in evidence.summary.gaps} >= {"weak_proof", "file_gone", "no_channel", "no_drill"}


def test_a_bundle_of_before_a_new_key_stays_valid(own: House) -> None:
    take_backup(own.workspace(), "crm")
    workspace, evidence = gathered(own)
    before = write(workspace, evidence, own.path / "before")
    workspace.signing.rotate(workspace.clock.now())
    workspace, evidence = gathered(own)
    after = write(workspace, evidence, own.path / "after")
    assert (before / "key.pem").read_bytes() != (after / "key.pem").read_bytes()
    assert [check(workspace, folder).problems for folder in (before, after)] == [[], []]


def test_a_failure_that_was_left_out_and_signed_again_is_found(own: House) -> None:
    take_backup(own.workspace(), "crm")
    with own.workspace().ledger.activity("dump", source="crm") as entry:
        entry.fail("the disk is full")
    take_backup(own.workspace(), "crm")
    workspace, evidence = gathered(own)
    kept = [each for each in evidence.statements if each.outcome != "failed"]
    summary = evidence.summary.model_copy(update={"counts": counts_of(kept)})
    hole = write(workspace, Evidence(summary, kept, evidence.numbering), own.path / "hole")
    alone = check_bundle(hole, workspace.signing.trusted.values())
    assert [each.what for each in alone.problems] == ["an attempt was left out: number 2"]
    hidden = evidence.numbering.model_copy(update={"missing": [(2, 2)]})
    folder = write(workspace, Evidence(summary, kept, hidden), own.path / "hidden")
    assert check_bundle(folder, workspace.signing.trusted.values()).problems == []
    (found,) = check(workspace, folder).problems
    assert found.what == "an attempt was left out: number 2, dump of crm, failed"


def test_a_date_that_was_changed_and_signed_again_is_found(own: House) -> None:
    take_backup(own.workspace(), "crm")
    workspace, evidence = gathered(own)
    (one,) = evidence.statements
    said = one.predicate
    earlier = said.attempt.began_at - timedelta(minutes=5)  # type: ignore[union-attr]
    attempt = said.attempt.model_copy(update={"began_at": earlier})  # type: ignore[union-attr]
    moved = replace(one, predicate=said.model_copy(update={"attempt": attempt}), at=earlier)
    folder = write(workspace, replace(evidence, statements=[moved]), own.path / "moved")
    (found,) = check(workspace, folder).problems
    assert found.what == "the ledger says something else of attempt number 1: began_at"


def test_what_is_signed_and_not_in_the_ledger_is_told_as_such(own: House) -> None:
    workspace = own.workspace()
    take_backup(workspace, "crm")
    assert verify(workspace, own.newest()).outcome == "verified"
    for path in own.base.glob("ledger.sqlite*"):
        path.unlink()
    workspace, evidence = gathered(own)
    assert [(each.kind, each.outcome, each.turn) for each in evidence.statements] == [
        ("backup", "succeeded", None), ("verification", "verified", None),
    ]  # fmt: skip
    assert sum(gap.kind == "unrecorded" for gap in evidence.summary.gaps) == 2
    (crm,) = evidence.summary.reached
    assert crm.rpo is not None
    assert crm.rpo.greatest_age_s is not None, "its proof counts although the ledger is lost"
    assert check(workspace, write(workspace, evidence, own.path / "bundle")).problems == []
    assert shutil.which("openssl")


def test_an_age_grows_until_the_next_proof_and_a_bad_one_takes_it_back() -> None:
    def hour(number: float) -> datetime:
        return AT + timedelta(hours=number)

    a = [Event(hour(0.5), "copied", "local"), Event(hour(1), "good", "local")]
    b = [
        Event(hour(24.5), "copied", "local"), Event(hour(25), "good", "local"), Event(hour(30), "bad", "local"),
    ]  # fmt: skip
    stood = [*standings("a", hour(0), a), *standings("b", hour(24), b)]
    found = stretches(stood, hour(0), hour(48))
    assert [(each.point.id if each.point else "", each.begin, each.end) for each in found] == [
        ("", hour(0), hour(1)), ("a", hour(1), hour(25)), ("b", hour(25), hour(30)), ("a", hour(30), hour(48)),
    ]  # fmt: skip
    rpo = rpo_reached(found, timedelta(hours=24))
    assert (rpo.greatest_age_s, rpo.greatest_at) == (48 * 3600, hour(48))
    assert [(each.span.begin, each.span.end, each.why) for each in rpo.breaches] == [
        (hour(0), hour(1), "no verified restore point"),
        (hour(24), hour(25), "too old"),
        (hour(30), hour(48), "too old"),
    ]  # fmt: skip
    assert rpo.share == 0.5833, "28 of 48 hours, rounded down"
