"""What the ledger tells of days and restore points, written by the attempts themselves."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.watch.history import restore_points, strips, watched_from
from tests.sample import StoppedClock

NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


@pytest.fixture
def attempt(tmp_path: Path) -> Iterator["Attempts"]:
    yield Attempts(tmp_path / "ledger.db")


class Attempts:
    """A ledger whose attempts happened when the test says."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def at(self, days_ago: float) -> Ledger:
        """The ledger, on a day in the past."""
        return Ledger(f"sqlite:///{self._path}", clock=StoppedClock(NOW - timedelta(days=days_ago)))

    def made(self, days_ago: float, backup_id: str, *, source: str = "crm") -> None:
        with self.at(days_ago).activity("dump", source=source) as entry:
            entry.backup_id, entry.store = backup_id, "local"
            entry.meta = {"size_bytes": 1000, "plain_bytes": 4000, "rows": 12, "number": 1}

    def failed(self, days_ago: float, *, source: str = "crm") -> None:
        with pytest.raises(ValueError), self.at(days_ago).activity("dump", source=source):
            raise ValueError("no")

    def moved(self, days_ago: float, kind: str, backup_id: str, store: str) -> None:
        with self.at(days_ago).activity(kind, source="crm", backup_id=backup_id, store=store):
            pass

    def proved(self, days_ago: float, backup_id: str, outcome: str, store: str = "nas") -> None:
        with self.at(days_ago).activity("verify", source="crm", backup_id=backup_id, store=store) as entry:
            entry.meta = {"outcome": outcome, "words": outcome, "reason": f"it is {outcome}"}
            if outcome != "verified":
                entry.fail(outcome)


def test_a_day_is_what_was_worst_of_it(attempt: Attempts) -> None:
    attempt.made(5, "a")
    attempt.made(4, "b")
    attempt.moved(4, "copy", "b", "nas")
    attempt.made(3, "c")
    attempt.proved(3, "c", "verified")
    attempt.failed(2)
    attempt.made(1, "d")
    attempt.proved(1, "d", "bad")
    attempt.proved(1, "c", "verified")
    attempt.made(0, "e")
    attempt.proved(0, "e", "inconclusive")
    with attempt.at(0).session() as session:
        found = strips(session, ["crm", "never"], NOW, days=7)
    marks = [day.mark for day in found["crm"]]
    assert marks == ["nothing", "dumped", "copied", "verified", "failed", "bad", "unsure"]
    assert [day.day.day for day in found["crm"]] == [15, 16, 17, 18, 19, 20, 21]
    assert {day.mark for day in found["never"]} == {"nothing"}


def test_a_dump_that_failed_and_succeeded_later_is_no_failed_day(attempt: Attempts) -> None:
    attempt.failed(0)
    attempt.made(0, "a")
    with attempt.at(0).session() as session:
        assert strips(session, ["crm"], NOW, days=1)["crm"][0].mark == "dumped"


def test_restore_points_are_where_they_were_brought_and_not_where_they_were_removed(attempt: Attempts) -> None:
    attempt.made(3, "old")
    attempt.moved(3, "copy", "old", "nas")
    attempt.made(2, "gone")
    attempt.moved(2, "prune", "gone", "local")
    attempt.made(1, "new")
    attempt.moved(0, "prune", "old", "local")
    attempt.made(1, "other", source="forge")
    with attempt.at(0).session() as session:
        held = restore_points(session, "crm")
        ever = restore_points(session, "crm", gone=True)
    assert [(each.id, each.stores) for each in held] == [("new", {"local"}), ("old", {"nas"})]
    assert [each.id for each in ever] == ["new", "gone", "old"]
    assert (held[0].size_bytes, held[0].rows, held[0].verdict) == (1000, 12, None)


def test_a_bad_copy_stays_bad_until_that_copy_is_found_good(attempt: Attempts) -> None:
    attempt.made(3, "a")
    attempt.proved(3, "a", "bad", "nas")
    attempt.proved(2, "a", "verified", "local")
    attempt.proved(1, "a", "inconclusive", "nas")
    with attempt.at(0).session() as session:
        [point] = restore_points(session, "crm")
    assert point.verdict is not None and (point.verdict.outcome, point.verdict.store) == ("bad", "nas")
    attempt.proved(0, "a", "verified", "nas")
    with attempt.at(0).session() as session:
        [point] = restore_points(session, "crm")
    assert point.verdict is not None and point.verdict.outcome == "verified"
    assert point.restore_s is not None


def test_a_restore_point_stands_from_its_proof_until_it_is_found_bad(attempt: Attempts) -> None:
    attempt.made(3, "20261118T110000Z-aaaa")
    attempt.proved(2, "20261118T110000Z-aaaa", "verified")
    with attempt.at(0).session() as session:
        [point] = restore_points(session, "crm")
        assert watched_from(session, "crm") == NOW - timedelta(days=3)
        assert watched_from(session, "never") is None
    [stood] = point.standings
    made_at = datetime(2026, 11, 18, 11, tzinfo=timezone.utc)
    assert (stood.made_at, stood.since.date(), stood.until) == (made_at, (NOW - timedelta(days=2)).date(), None)
    attempt.proved(1, "20261118T110000Z-aaaa", "bad", "nas")
    with attempt.at(0).session() as session:
        [point] = restore_points(session, "crm")
    [stood] = point.standings
    assert stood.until is not None and stood.until.date() == (NOW - timedelta(days=1)).date()
