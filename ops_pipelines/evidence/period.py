"""The days that evidence is about, and parts of them. A day is one of the time zone in `ops.yaml`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict

from ops_pipelines.clock import UTC
from ops_pipelines.errors import OpsError

_DAY = timedelta(days=1)
Moment = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]
"""A time, always told in UTC: a ledger in PostgreSQL answers in the time zone of the session."""


class Span(BaseModel):
    """Some time, from its first moment to the one at which it has passed."""

    model_config = ConfigDict(frozen=True)

    begin: Moment
    end: Moment

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.begin).total_seconds()


@dataclass(frozen=True)
class Period:
    """Whole days, the last one included.

    Attributes:
        zone: IANA name of the time zone that the days are of.
    """

    first: date
    last: date
    zone: str

    @property
    def begin(self) -> datetime:
        """Its first moment, in UTC."""
        return _midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The first moment after it, in UTC."""
        return _midnight(self.last + _DAY, self.zone)

    def days(self, within: Span) -> Iterator[tuple[date, Span]]:
        """The days that a span touches, each with its whole time, in their order."""
        zone = ZoneInfo(self.zone)
        day = within.begin.astimezone(zone).date()
        while _midnight(day, self.zone) < within.end:
            yield day, Span(begin=_midnight(day, self.zone), end=_midnight(day + _DAY, self.zone))
            day += _DAY

    def days_without(self, within: Span, moments: Iterable[datetime]) -> list[Span]:
        """Days of a span in which none of these moments lies, neighbours as one. A day that is not over is left out."""
        zone = ZoneInfo(self.zone)
        with_one = {each.astimezone(zone).date() for each in moments}
        spans: list[Span] = []
        for day, span in self.days(within):
            if day in with_one or span.end > within.end:
                continue
            begin = max(span.begin, within.begin)
            if spans and spans[-1].end == begin:
                spans[-1] = Span(begin=spans[-1].begin, end=span.end)
            else:
                spans.append(Span(begin=begin, end=span.end))
        return spans


def period_of(first: str, last: str, zone: str) -> Period:
    """The period between two days as they are typed. Raises OpsError."""
    begin, end = _day(first, "--from"), _day(last, "--to")
    if begin > end:
        raise OpsError(
            f"the period ends before it begins: {first} to {last}", safe="nothing was written",
            next=f"ops evidence --from {end} --to {begin}",
        )  # fmt: skip
    return Period(begin, end, zone)


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Whole numbers as first and last of each run of neighbours."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def longest_pause(within: Span, moments: Iterable[datetime]) -> Span:
    """The longest part of a span in which none of these moments lies."""
    inside = sorted(each for each in moments if within.begin < each < within.end)
    edges = [within.begin, *inside, within.end]
    begin, end = max(pairwise(edges), key=lambda pair: pair[1] - pair[0])
    return Span(begin=begin, end=end)


def _day(typed: str, option: str) -> date:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        raise OpsError(
            f"{option} {typed!r} is no day", why="a day is written as 2026-11-30", safe="nothing was written",
            next="ops evidence --from 2026-11-01 --to 2026-11-30",
        ) from None  # fmt: skip


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
