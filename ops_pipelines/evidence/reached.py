"""RPO and RTO as they were reached, against what is promised. Pure arithmetic over what was gathered."""

import math
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ops_pipelines.evidence import facts
from ops_pipelines.evidence.period import Moment, Span
from ops_pipelines.evidence.statements import Statement
from ops_pipelines.proof import Grade
from ops_pipelines.watch.kept import Stretch


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True)


class Breach(_Figures):
    """Some time in which the RPO did not hold.

    Attributes:
        why: `no verified restore point`, or `too old`.
    """

    span: Span
    why: Literal["no verified restore point", "too old"]
    backup_id: str = ""


class Rpo(_Figures):
    """How old the recovery point was.

    Attributes:
        target_s: what is promised; None where the source is not configured any more.
        greatest_age_s: the greatest age of a recovery point, at `greatest_at`; None where there never was one.
        without_s: seconds in which there was no recovery point at all.
        held_s: seconds in which it was at most as old as promised.
        share: `held_s` of the time that was looked at, rounded down: 1.0 means all of it.
    """

    target_s: float | None
    greatest_age_s: float | None
    greatest_at: Moment | None
    without_s: float
    held_s: float | None
    share: float | None
    breaches: Sequence[Breach]


class Restored(_Figures):
    """One restore that was measured.

    Attributes:
        grade: of a verification that compared less than everything, which may have restored less than everything.
        in_time: within the target; None without one.
    """

    what: Literal["verification", "drill", "restore"]
    at: Moment
    took_s: float
    backup_id: str
    store: str
    grade: Grade | None
    in_time: bool | None


class Rto(_Figures):
    """How long restores took: `longest` and `late` are among those that were counted."""

    target_s: float | None
    measured: int
    longest: Restored | None
    late: Sequence[Restored]


def rpo_reached(stretches: Sequence[Stretch], target: timedelta | None) -> Rpo:
    """How old the recovery point was over some time, and when that was too old."""
    whole = sum((each.end - each.begin for each in stretches), timedelta())
    ages = [(each.oldest, each.end) for each in stretches if each.oldest is not None]
    oldest = max(ages, default=(None, None))
    without = sum((each.end - each.begin for each in stretches if each.point is None), timedelta())
    held = (
        sum((each.held_until(target) - each.begin for each in stretches), timedelta()) if target is not None else None
    )
    return Rpo(
        target_s=target.total_seconds() if target is not None else None,
        greatest_age_s=oldest[0].total_seconds() if oldest[0] is not None else None,
        greatest_at=oldest[1],
        without_s=without.total_seconds(),
        held_s=held.total_seconds() if held is not None else None,
        share=math.floor(held / whole * 10_000) / 10_000 if held is not None and whole else None,
        breaches=_breaches(stretches, target) if target is not None else [],
    )


def rto_reached(statements: Iterable[Statement], target: timedelta | None) -> Rto:
    """How long the restores among these took."""
    found = [each for statement in statements if (each := _restored(statement, target)) is not None]
    return Rto(
        target_s=target.total_seconds() if target is not None else None,
        measured=len(found),
        longest=max(found, key=lambda each: each.took_s, default=None),
        late=[each for each in found if each.in_time is False],
    )


def _breaches(stretches: Sequence[Stretch], target: timedelta) -> list[Breach]:
    found: list[Breach] = []
    for each in stretches:
        if (begin := each.held_until(target)) < each.end:
            span = Span(begin=begin, end=each.end)
            if each.point is None:
                found.append(Breach(span=span, why="no verified restore point"))
            else:
                found.append(Breach(span=span, why="too old", backup_id=each.point.id))
    return found


def _restored(statement: Statement, target: timedelta | None) -> Restored | None:
    """What a statement says of a restore that came to its end and brought everything back as it was; else nothing."""
    said = statement.predicate
    took: float | None = None
    grade: Grade | None = None
    what: Literal["verification", "drill", "restore"] = "verification"
    backup_id, store = "", ""
    if isinstance(said, facts.Verification) and said.proof is not None and said.proof.outcome == "verified":
        took = said.attempt.took_s if said.attempt is not None else sum(said.proof.seconds.values())
        grade, backup_id, store = said.proof.grade, said.backup_id, said.store
    elif isinstance(said, facts.Drill) and said.drill is not None and said.drill.recovered:
        what, took, grade = "drill", said.drill.took_s, said.drill.grade
        backup_id, store = said.attempt.backup_id or "", said.attempt.store or ""
    elif isinstance(said, facts.Restore) and said.good and said.whole_source:
        what, took = "restore", said.attempt.took_s
        backup_id, store = said.attempt.backup_id or "", said.attempt.store or ""
    if took is None:
        return None
    in_time = took <= target.total_seconds() if target is not None else None
    return Restored(what=what, at=statement.at, took_s=took, backup_id=backup_id, store=store, grade=grade,
                    in_time=in_time)  # fmt: skip
