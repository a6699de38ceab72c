"""The clock is set by an hour while something is under way: what is measured stays true, and so does the verdict."""

from datetime import datetime, timedelta, timezone

import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.workspace import Workspace
from tests.clocks.conftest import Notes


class Stepping:
    """The machine's clock, until it is set: forward or back, at the time when it is asked for the nth time."""

    def __init__(self) -> None:
        self.step, self.left = timedelta(0), 0

    def now(self) -> datetime:
        """By the machine's clock, and by what it was set since."""
        self.left -= 1
        return datetime.now(timezone.utc) + (self.step if self.left < 0 else timedelta(0))


def _proved(notes: Notes) -> RestorePoint:
    manifest = take_backup(notes.workspace, "notes")
    copy_to(notes.workspace, notes.point(manifest.id), "nas")
    notes.proved(manifest.id)
    return notes.point(manifest.id)


@pytest.mark.parametrize("after", [1, 2, 4, 8])
@pytest.mark.parametrize("hours", [1, -1])
@pytest.mark.daily(4)
def test_a_clock_that_is_set_in_the_middle_of_a_run_makes_no_verdict_false_and_no_time_negative(
    notes: Notes, hours: int, after: int
) -> None:
    clock = Stepping()
    notes.workspace = Workspace(notes.workspace.config, clock)
    first = _proved(notes)
    clock.step, clock.left = timedelta(hours=hours), after
    second = _proved(notes)
    clock.step, clock.left = timedelta(0), 0
    third = _proved(notes)
    for point in (first, second, third):
        [verdict] = point.verdicts
        assert verdict.outcome == "verified", verdict.reason
        assert all(0 <= seconds < 600 for seconds in verdict.seconds.values())
    assert [row.status for row in notes.workspace.ledger.recent()].count("failed") == 0
    for row in notes.workspace.ledger.recent():
        took = row.duration_s
        assert took is None or 0 <= took < 600, (row.kind, took)
