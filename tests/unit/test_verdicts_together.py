"""What several verdicts say together: one that leaves it open takes nothing back."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.verdict import Outcome, Verdict
from tests.unit.histories import made
from tests.unit.vaults import AT, verdict

Found = tuple[Outcome, str, str | None]
TELLING = st.lists(
    st.sampled_from([
        *((outcome, store, None) for outcome in ("verified",) for store in ("local", "nas", "gone")),
        *(("bad", store, blames) for store in ("local", "nas") for blames in ("copy", "backup")),
        ("bad", "gone", "backup"),  # what blames the copy alone went with it
    ]),
    min_size=1, max_size=5,
)  # fmt: skip
OPEN = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["local", "nas", "gone"])), max_size=4)


def point(found: Sequence[Found]) -> RestorePoint:
    """A restore point in two stores, on which this was found, in this order."""
    kept: list[Verdict] = []
    for number, (outcome, store, blames) in enumerate(found, start=1):
        said = verdict("20261121T020000Z-0001", outcome, store=store, at=AT + timedelta(minutes=number))
        kept.append(said.model_copy(update={"number": number, "blames": blames}))
    return RestorePoint(made(AT).manifest, ("local", "nas"), kept)


@given(TELLING, OPEN)
@example([("verified", "nas", None), ("bad", "nas", "copy")], [(5, "nas")])
@example([("verified", "nas", None), ("bad", "nas", "backup")], [(5, "nas")])
@example([("verified", "nas", None), ("bad", "gone", "backup")], [(5, "local")])
@example([("verified", "gone", None)], [(5, "local")])
def test_an_inconclusive_verdict_changes_nothing_that_others_said(
    telling: list[Found], left_open: list[tuple[int, str]]
) -> None:
    """Whenever, and of whichever copy: what is bad stays bad, what is proved stays proved."""
    among = list(telling)
    for place, store in left_open:
        among.insert(place, ("inconclusive", store, None))
    before, after = point(telling), point(among)
    assert after.verified == before.verified
    assert list(after.damaged) == list(before.damaged)
    assert before.verdict is not None and after.verdict is not None
    assert after.verdict.outcome == before.verdict.outcome


def test_what_is_bad_is_told_although_the_newest_proof_left_it_open() -> None:
    """The copy on the NAS is damaged, and then the server would not start twice."""
    seen = point([("verified", "nas", None), ("bad", "nas", "copy"), ("inconclusive", "nas", None)])
    assert list(seen.damaged) == ["nas"]
    assert seen.verified, "the copy in the other store is not known to be bad"
    assert seen.verdict is not None and seen.verdict.outcome == "bad"
    condemned = point([("verified", "nas", None), ("bad", "nas", "backup"), ("inconclusive", "local", None)])
    assert not condemned.verified
    assert condemned.verdict is not None and condemned.verdict.outcome == "bad"


def test_nothing_but_open_questions_proves_nothing() -> None:
    seen = point([("inconclusive", "nas", None), ("inconclusive", "local", None)])
    assert not seen.verified and list(seen.damaged) == []
    assert seen.verdict is not None and seen.verdict.outcome == "inconclusive"
