"""What a verdict is called, and what it leaves out, whatever release wrote it."""

import pytest

from ops_pipelines.proof import Gap, Grade
from ops_pipelines.vault.verdict import Check, Verdict
from tests.unit.vaults import verdict

ID = "20261121T020000Z-0001"
GAP = Gap(what="table secrets", why="permission denied", cure="grant select on secrets to backup")


def proof(grade: Grade | None = "full", **changed: object) -> Verdict:
    return verdict(ID, "verified").model_copy(update={"grade": grade, "wanted": None, **changed})


def test_a_proof_from_before_grades_says_what_its_checks_compared() -> None:
    """It is never called verified alone: nobody wrote down what it left out."""
    checks = [Check(name=name, passed=True) for name in ("restore", "rows", "content")]
    assert proof(None, checks=checks).words == "verified before grades (rows, content held)"
    assert proof(None, checks=checks[:1]).words == "restored, not compared"
    assert not proof(None, checks=checks).whole
    assert proof(None, checks=checks).short_of("full") == []


@pytest.mark.parametrize("outcome", ["bad", "inconclusive"])
def test_what_did_not_pass_is_called_what_it_is_and_is_never_whole(outcome: str) -> None:
    failed = proof(outcome=outcome)
    assert (failed.words, failed.whole, failed.weaker) == (outcome, False, False)


def test_less_than_was_asked_for_is_a_gap_with_its_cure() -> None:
    counted = proof("counts", gaps=[GAP])
    assert [gap.what for gap in counted.short_of("full")] == ["the content of rows", "table secrets"]
    assert counted.short_of("full")[0].cure == "ops backup crm"
    assert counted.short_of("counts") == [GAP] and counted.missing == [GAP]
    assert [gap.what for gap in proof("sample", wanted="full").missing] == ["rows outside the sample"]
    assert [gap.what for gap in proof("restored").short_of("counts")] == ["everything"]
    assert proof("restored", gaps=[GAP]).short_of("full") == [GAP], "the gap tells why nothing was compared"
    assert proof("full").short_of("full") == [] and proof("full").whole


def test_the_reason_names_the_first_failure_and_counts_the_others() -> None:
    held = Check(name="restore", passed=True, detail="loaded")
    odd = Check(name="age", passed=False, attention=True, detail="the newest row is old")
    rows, content = (Check(name=name, passed=False, detail=f"{name} differ") for name in ("rows", "content"))
    assert proof(checks=[held, rows]).reason == "rows: rows differ"
    assert proof(checks=[odd, held, rows, content]).reason == "rows: rows differ (and 1 more)"
    assert proof(checks=[held, odd]).reason == "1 check passed, 1 needs a look"
    assert proof(checks=[held, held]).reason == "2 checks passed"
