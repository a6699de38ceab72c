"""A backup is compared in size with those that were proved before it, and with no others."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from ops_pipelines.recovery.drift import drift
from ops_pipelines.settings.common import Verification
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.vault.manifest import Summary
from ops_pipelines.vault.verdict import Check
from tests.unit.histories import made
from tests.unit.vaults import AT, verdict

SETTINGS = Verification(shrink_percent=50, grow_percent=200)


def point(turn: int, size: int, *, proved: bool = True, safety: bool = False, level: str = "counts") -> RestorePoint:
    """One of so many bytes and as many rows, taken an hour after the one before it."""
    manifest = made(AT + turn * timedelta(hours=1)).manifest
    contents = Summary(level=level, objects=1, tables=1, rows=size, schema_digest="", content_digest=None)
    manifest = manifest.model_copy(update={"contents": contents, "data_bytes": size, "parts": (), "safety": safety})
    found = [verdict(manifest.id, "verified" if proved else "inconclusive")]
    return RestorePoint(manifest, ("local",), found)


def told(before: Sequence[RestorePoint], now: RestorePoint, after: Sequence[RestorePoint] = ()) -> list[Check]:
    return drift(now.manifest, Catalogue((*before, now, *after)), SETTINGS)


def test_only_what_was_proved_before_it_and_not_taken_for_safety_says_what_is_usual() -> None:
    others = [point(1, 9000, proved=False), point(2, 9000, safety=True), point(3, 9000, proved=False, safety=True)]
    assert told(others, point(4, 100)) == [], "nothing says what is usual"
    checks = told([point(0, 100), *others], point(4, 100), [point(5, 9000)])
    assert [(check.name, check.passed) for check in checks] == [("size drift", True), ("row drift", True)]
    assert checks[1].detail == "100, +0 % against 100, the median of the last 1 verified"


def test_the_last_seven_say_what_is_usual() -> None:
    before = [point(turn, 9000) for turn in range(7)] + [point(turn, 100) for turn in range(7, 11)]
    assert told(before, point(11, 100))[1].detail == "100, +0 % against 100, the median of the last 7 verified"


@pytest.mark.parametrize(("rows", "passed"), [(49, False), (50, True), (300, True), (301, False)])
def test_up_to_the_limit_a_change_is_unremarkable(rows: int, passed: bool) -> None:
    assert [check.passed for check in told([point(0, 100)], point(1, rows))] == [passed, passed]


def test_nothing_grew_from_nothing_and_something_did() -> None:
    strict = Verification(shrink_percent=50, grow_percent=99)
    for rows, passed in ((0, True), (1, False)):
        before, now = point(0, 0), point(1, rows)
        checks = drift(now.manifest, Catalogue((before, now)), strict)
        assert [check.passed for check in checks] == [passed, passed]


def test_rows_that_nobody_counted_are_not_compared() -> None:
    uncounted = point(0, 9000, level="off")
    assert [check.name for check in told([uncounted], point(1, 100))] == ["size drift"]
    assert [check.name for check in told([point(0, 100)], point(1, 0, level="off"))] == ["size drift"]
    assert told([uncounted, point(1, 100)], point(2, 100))[1].detail.endswith("the median of the last 1 verified")
