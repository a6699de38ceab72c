"""Which restore point came after which, and how old each can be at most: by their numbers, not by a clock alone."""

from collections.abc import Sequence
from datetime import datetime, timezone
from heapq import merge
from typing import Protocol, TypeVar

from ops_pipelines.chronology import age, believed

_BEFORE_ALL = datetime.min.replace(tzinfo=timezone.utc)


class Numbered(Protocol):
    """What a restore point says of its turn.

    Its `number` is of those that its source took, in the order in which they were taken; None of one that was adopted,
    or signed later: such a number says when that was done.
    """

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def number(self) -> int | None:
        """Its turn."""
        ...

    @property
    def started_at(self) -> datetime:
        """The start of its dump."""
        ...


Point = TypeVar("Point", bound=Numbered)


def in_order(points: Sequence[Point]) -> list[Point]:
    """The restore points of one source as they were taken, oldest first; those without a turn are put in by time."""
    counted = sorted((each for each in points if each.number is not None), key=lambda each: (each.number or 0, each.id))
    others = sorted((each for each in points if each.number is None), key=lambda each: (each.started_at, each.id))
    times = [at or _BEFORE_ALL for at in believed([each.started_at for each in counted])]
    keyed = merge(
        zip(times, counted, strict=True),
        ((each.started_at, each) for each in others),
        key=lambda pair: pair[0],
    )
    return [each for _, each in keyed]


def moments(ordered: Sequence[Numbered], now: datetime) -> dict[str, datetime | None]:
    """By id, a time that what a restore point holds is no older than; None where nothing is known.

    Args:
        ordered: the restore points of one source, as `in_order` puts them.
    """
    times = believed([each.started_at for each in ordered], now)
    return {each.id: at for each, at in zip(ordered, times, strict=True)}


def ahead(ordered: Sequence[Point], now: datetime) -> list[Point]:
    """Those dated in the future, oldest first, as long as the clocks of later ones have not outvoted theirs.

    Either a clock was wrong when they were taken, or this machine's is wrong now: only what comes later can tell.
    """
    late = [index for index, each in enumerate(ordered) if age(each.started_at, now) is None]
    if not late:
        return []
    since = sum(1 for each in ordered[late[-1] + 1 :] if age(each.started_at, now) is not None)
    return [ordered[index] for index in late] if since <= len(late) else []
