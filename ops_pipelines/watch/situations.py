"""What can be the matter with a source, in words: what is wrong, why, what is still safe, and the command to type.

One function for each situation. Health finds out which ones hold; every face (command line, status page, report,
alerts, Dagster, doctor) shows these words and no others, so that one situation reads the same wherever it is met.
Nothing here looks at anything.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ops_pipelines.clock import human_duration
from ops_pipelines.vault.catalogue import RestorePoint

State = Literal["OK", "WEAK", "STALE", "UNKNOWN", "OVERDUE", "FAIL", "NEVER"]
Kind = Literal["clock_wrong"]
SET_CLOCK = "timedatectl"
"""Tells the time it is here, and whether anything keeps it right."""


class Situation(BaseModel):
    """One thing that is the matter with a source.

    Attributes:
        state: how bad that is.
        what: what is wrong, in half a sentence.
        why: the cause, as far as it is known.
        safe: what is still safe.
        next: the command to type, as it can be typed.
        store: the store it is about, `backup_id` the restore point.
    """

    model_config = ConfigDict(frozen=True)

    kind: Kind
    source: str
    state: State
    what: str
    why: str = ""
    safe: str = ""
    next: str = ""
    store: str = ""
    backup_id: str = ""

    @property
    def cause(self) -> str:
        """What is wrong and why, in one line."""
        return f"{self.what}: {self.why}" if self.why else self.what


def clock_wrong(source: str, points: Sequence[RestorePoint], now: datetime, *, age_known: bool) -> Situation:
    """Restore points are dated in the future, or by a clock that went backward.

    Args:
        points: those that no clock can date.
        age_known: whether others show all the same that the recovery point is young enough.
    """
    newest = points[-1]
    if newest.started_at > now:
        ahead = human_duration(newest.started_at - now)
        which = f"{len(points)} restore points are" if len(points) > 1 else f"{newest.id} is"
        what = f"{which} dated in the future, by up to {ahead}"
    else:
        what = f"{newest.id} is older than others by its clock and newer by its number"
    return Situation(
        kind="clock_wrong", source=source, state="STALE" if age_known else "UNKNOWN", what=what,
        why="this machine's clock is wrong, or was then" + ("" if age_known else "; nobody knows how old it is"),
        safe="no backup is deleted or condemned for it",
        next=f"{SET_CLOCK}; then: ops backup {source}", backup_id=newest.id,
    )  # fmt: skip
