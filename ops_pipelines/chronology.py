"""What can be believed of times that a clock wrote down which may have been wrong.

Numbers say what came after what; a clock only measures how long ago it was. Where the two disagree, a clock was wrong,
and a time from it says nothing of an age. Pure arithmetic: nothing here reads a clock.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from ops_pipelines.clock import human_duration

SKEW = timedelta(minutes=5)
"""How far ahead a time may be and still be taken for now: clocks are set by a little all the time."""


def age(at: datetime, now: datetime) -> timedelta | None:
    """How long ago that was; None when it lies in the future, so that nobody knows."""
    if at - now > SKEW:
        return None
    return max(now - at, timedelta(0))


def within(at: datetime, now: datetime, span: timedelta) -> bool:
    """Whether it was at most that long ago. What lies in the future was not: it says nothing of how fresh it is."""
    passed = age(at, now)
    return passed is not None and passed <= span


def in_words(at: datetime, now: datetime) -> str:
    """How long ago that was: `3h 02m`, or `in the future`."""
    passed = age(at, now)
    return human_duration(passed) if passed is not None else "in the future"


def just(at: datetime, now: datetime, span: timedelta) -> bool:
    """Whether it was less than that long ago, in the same sense."""
    passed = age(at, now)
    return passed is not None and passed < span


def believed(moments: Sequence[datetime], now: datetime | None = None) -> list[datetime | None]:
    """For each of these a time that it is no older than; None where nothing is known.

    As many of them as possible are believed, such that they do not run backward and none lies in the future. One that
    does not fit happened after the last one before it that does, so it is no older than that.

    Args:
        moments: what clocks said, in the order in which it really happened.
        now: the time it is; nothing is from the future without it.
    """
    fitting = _longest_run(moments, now)
    found: list[datetime | None] = []
    last: datetime | None = None
    for index, moment in enumerate(moments):
        last = moment if index in fitting else last
        found.append(last)
    return found


def _longest_run(moments: Sequence[datetime], now: datetime | None) -> set[int]:
    """Indices of the longest part that does not run backward; of two as long the one with the older times."""
    tails: list[datetime] = []
    ends: list[int] = []
    before: dict[int, int | None] = {}
    for index, moment in enumerate(moments):
        if now is not None and moment - now > SKEW:
            continue
        length = bisect_right(tails, moment)
        before[index] = ends[length - 1] if length else None
        tails[length : length + 1], ends[length : length + 1] = [moment], [index]
    run: set[int] = set()
    at: int | None = ends[-1] if ends else None
    while at is not None:
        run.add(at)
        at = before[at]
    return run
