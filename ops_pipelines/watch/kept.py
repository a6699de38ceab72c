"""Whether a promise about loss was kept over a period: the recovery point's age at every moment, against its RPO.

At any moment the recovery point is the newest restore point that had been proved by then, and was neither found bad nor
gone; its age counts from the start of its dump. Pure arithmetic over facts that the caller read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

What = Literal["copied", "removed", "all removed", "good", "bad copy", "bad"]
"""A copy was written or removed, or all were; a proof was good, found a bad copy, or a backup bad everywhere."""

_NONE = timedelta(0)


@dataclass(frozen=True)
class Event:
    """What happened to a restore point, and in which store."""

    at: datetime
    what: What
    store: str


@dataclass(frozen=True)
class Standing:
    """A time in which a restore point was proved and could be restored.

    Attributes:
        made_at: the start of its dump.
        until: when it was found bad, or its last sound copy was removed; None when it stands.
    """

    id: str
    made_at: datetime
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True)
class Stretch:
    """Some time with one recovery point, or with none.

    Attributes:
        point: what a disaster would have gone back to.
    """

    begin: datetime
    end: datetime
    point: Standing | None

    @property
    def oldest(self) -> timedelta | None:
        """How old it got; None without one."""
        return max(self.end - self.point.made_at, _NONE) if self.point is not None else None

    def held_until(self, rpo: timedelta) -> datetime:
        """When it began to be too old: its end when it never was, its begin when it always was."""
        if self.point is None:
            return self.begin
        return min(self.end, max(self.begin, self.point.made_at + rpo))


@dataclass(frozen=True)
class Breach:
    """A time in which the recovery point was older than the RPO, or there was none.

    Attributes:
        last_good: id of the recovery point when it began; None when there was none.
        oldest: how old the recovery point was at worst; None when there was none at some moment.
        lasts: it had not ended at the end of the period.
    """

    begin: datetime
    end: datetime
    last_good: str | None
    oldest: timedelta | None
    lasts: bool = False

    @property
    def took(self) -> timedelta:
        """From its begin to its end."""
        return self.end - self.begin


@dataclass(frozen=True)
class Kept:
    """How a promise was kept over a period.

    Attributes:
        breaches: when it was not, oldest first.
        oldest: how old the recovery point ever was; None when there was none at some moment.
    """

    begin: datetime
    end: datetime
    rpo: timedelta
    breaches: Sequence[Breach]
    oldest: timedelta | None

    @property
    def share(self) -> float:
        """The part of the period in which it was kept, 0 to 1."""
        broken = sum((each.took for each in self.breaches), _NONE)
        return 1 - broken / (self.end - self.begin)

    def longest(self, count: int) -> list[Breach]:
        """The longest breaches, oldest first."""
        return sorted(sorted(self.breaches, key=lambda each: -each.took)[:count], key=lambda each: each.begin)


def standings(point: str, made_at: datetime, events: Iterable[Event]) -> list[Standing]:
    """When a restore point was proved and could be restored, oldest first.

    Args:
        made_at: the start of its dump.
        events: in the order in which they happened; the first copy is one of them.
    """
    found: list[Standing] = []
    stores, damaged = set[str](), set[str]()
    proved = condemned = False
    since: datetime | None = None
    for event in events:
        if event.what == "copied":
            stores.add(event.store)  # one that was damaged counts again when it was restored, as every copy
        elif event.what == "removed":
            stores.discard(event.store)
        elif event.what == "all removed":
            stores.clear()
        elif event.what == "good":
            proved, condemned = True, False
            damaged.discard(event.store)
        elif event.what == "bad copy":
            damaged.add(event.store)
        else:
            condemned = True
            damaged.add(event.store)
        stands = proved and not condemned and bool(stores - damaged)
        if stands and since is None:
            since = event.at
        elif not stands and since is not None:
            found.append(Standing(point, made_at, since, max(since, event.at)))
            since = None
    return [*found, Standing(point, made_at, since)] if since is not None else found


def judged(outcome: str, blames: str | None) -> What | None:
    """What a verification says of its restore point; None when it came to no verdict."""
    if outcome == "verified":
        return "good"
    if outcome == "bad":
        return "bad copy" if blames == "copy" else "bad"
    return None


def stretches(found: Iterable[Standing], begin: datetime, end: datetime) -> list[Stretch]:
    """The recovery point at every moment from one to another, in the order of time.

    Args:
        found: of every restore point that may have been the recovery point in that time.
    """
    ours = [each for each in found if each.since < end and (each.until is None or each.until > begin)]
    moments = {begin, end, *(each.since for each in ours), *(each.until for each in ours if each.until is not None)}
    told: list[Stretch] = []
    for since, until in pairwise(sorted(each for each in moments if begin <= each <= end)):
        best = _recovery_point(ours, since)
        before = told.pop() if told and told[-1].point == best else None
        told.append(Stretch(before.begin if before is not None else since, until, best))
    return told


def rpo_kept(found: Iterable[Standing], begin: datetime, end: datetime, rpo: timedelta) -> Kept:
    """How an RPO was kept from one moment to another.

    Args:
        found: as `stretches` takes them.
        begin: must be before `end`; a source is promised nothing before somebody watched it.
    """
    if begin >= end:
        raise ValueError("a period ends after it begins")
    breaches: list[Breach] = []
    oldest: timedelta | None = _NONE
    for each in stretches(found, begin, end):
        age, first = each.oldest, each.held_until(rpo)
        oldest = max(oldest, age) if oldest is not None and age is not None else None
        if first < each.end:
            best = each.point.id if each.point is not None else None
            _add(breaches, Breach(first, each.end, best, age, lasts=each.end == end))
    return Kept(begin, end, rpo, breaches, oldest)


def _recovery_point(found: Sequence[Standing], at: datetime) -> Standing | None:
    """The newest of those that stand from this moment on."""
    standing = (each for each in found if each.since <= at and (each.until is None or each.until > at))
    return max(standing, key=lambda each: (each.made_at, each.id), default=None)


def _add(breaches: list[Breach], more: Breach) -> None:
    """One breach goes on where another ended: a new recovery point that is too old itself ends none."""
    if not breaches or breaches[-1].end != more.begin:
        breaches.append(more)
        return
    last = breaches.pop()
    oldest = max(last.oldest, more.oldest) if last.oldest is not None and more.oldest is not None else None
    breaches.append(Breach(last.begin, more.end, last.last_good, oldest, lasts=more.lasts))
