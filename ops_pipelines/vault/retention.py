"""Which copies a store still needs: a pure decision on numbers, recorded times and verdicts. Nothing is deleted here.

`decide` looks at one store. In its terms a copy is *verified*, *bad* or *unproved*, and:

* Every rule of `keep` is applied twice, to the verified ones alone and to all that are not bad; what either keeps
  stays. So unverified newcomers stay beside verified ones, never instead of them: whether a verified one stays does
  not depend on the unverified ones at all.
* The newest verified of the store and of the source stay, and the newest `min_verified` verified ones.
* What is newer than the newest verified one stays: it may be the better one, once it is proved. Where nothing is
  verified, nothing goes.
* A bad one takes no place. It stays for a week after its verdict, so that somebody can look at it.
* One that was taken because its source was about to be replaced takes no place either, and stays for a month: what
  was written last is nowhere else.
* What the store locks, what another restore point is tied to and what comes from the future stays. One from the
  future takes no place either: a clock that was wrong for a moment must not cost anything. When enough later ones have
  shown that its clock was wrong, it counts as taken right after the one before it.

Which is newer is a matter of numbers. Buckets are counted, not measured: `daily: 14` are the last 14 days that have
one, so that a week without backups, or a clock that jumps ahead, deletes nothing. For the same reason a week or a month
is over only when a restore point of an earlier day than the newest one's says so. Days, ISO weeks, months and years are
those of the configured time zone.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Literal

from ops_pipelines.settings.common import Keep
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.order import ahead, in_order, moments

EVIDENCE = timedelta(days=7)
"""How long a bad restore point stays after its verdict."""
SAFETY = timedelta(days=30)
"""How long one stays that was taken before its source was replaced."""

Standing = Literal["verified", "bad", "unproved"]
_Reasons = dict[str, list[str]]
_NEWEST = "newest verified"
_BEFORE_ALL = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Decision:
    """What becomes of one copy, and why.

    Attributes:
        reasons: why it stays; empty when it goes.
        because: why it goes; empty when it stays.
    """

    point: RestorePoint
    standing: Standing
    reasons: Sequence[str]
    because: str = ""

    @property
    def stays(self) -> bool:
        """Whether the copy is kept."""
        return bool(self.reasons)


@dataclass(frozen=True)
class Held:
    """What else is known about copies of a store, by restore point id.

    Attributes:
        locked: until when the store itself refuses to delete it, by its own clock.
        needed: what else needs it, in words: a restore point tied to it, a restore under way.
    """

    locked: Mapping[str, datetime]
    needed: Mapping[str, str]


@dataclass(frozen=True)
class _Present:
    """A restore point that has a say, and the time at which it counts as taken."""

    point: RestorePoint
    at: datetime


def decide(
    points: Sequence[RestorePoint],
    store: str,
    keep: Keep,
    *,
    zone: tzinfo,
    now: datetime,
    recovery_point: str | None,
    held: Held,
) -> list[Decision]:
    """What stays in one store and what goes, newest first.

    Args:
        points: what the store holds of one source, in any order.
        recovery_point: id of the newest verified restore point of the source, wherever its copies are.
    """
    oldest_first = in_order(points)
    ordered, taken = oldest_first[::-1], moments(oldest_first, now)
    from_the_future = {point.id for point in ahead(oldest_first, now)}
    standings = {point.id: standing(point, store) for point in ordered}
    present = [
        _Present(point, at)
        for point in ordered
        if (at := taken[point.id]) is not None and point.id not in from_the_future and not point.safety
    ]
    settled = _settled(present, zone)
    reasons: _Reasons = defaultdict(list)
    for point, reason in (*_slots(present, standings, keep, zone), *_floor(present, standings, keep)):
        if reason not in reasons[point.id]:
            reasons[point.id].append(reason)
    proved = any(standings[each.point.id] == "verified" for each in present)
    for point in ordered:
        because = reasons[point.id]
        if point.id in from_the_future or taken[point.id] is None:
            because.append("from the future: was the clock wrong?")
        if point.id == recovery_point and _NEWEST not in because:
            because.append("recovery point of the source")
        if point.safety and (kept_until := point.started_at + SAFETY) > settled:
            because.append(f"what was there before a replacement, until {kept_until.astimezone(zone):%Y-%m-%d}")
        if point.safety and not proved:
            because.append("nothing else is verified in this store")
        if standings[point.id] == "bad" and (until := _evidence_until(point, store)) > settled:
            because.append(f"evidence until {until.astimezone(zone):%Y-%m-%d}")
        if (until_at := held.locked.get(point.id)) is not None:
            because.append(_locked(until_at, zone))
        if point.id in held.needed:
            because.append(held.needed[point.id])
    return [_decision(point, standings[point.id], reasons[point.id]) for point in ordered]


def standing(point: RestorePoint, store: str) -> Standing:
    """How the copy in this store stands. A bad copy elsewhere does not make this one bad."""
    if store in point.damaged:
        return "bad"
    if point.verified:
        return "verified"
    verdict = point.verdict
    whole_backup = verdict is not None and verdict.outcome == "bad" and verdict.blames != "copy"
    return "bad" if whole_backup else "unproved"


def _settled(present: Sequence[_Present], zone: tzinfo) -> datetime:
    """The latest time that is known to be over, whatever this machine's clock shows just now.

    A clock that is wrong dates the newest ones: only those of the days before them are asked.
    """
    days = [f"{each.at.astimezone(zone):%Y-%m-%d}" for each in present]
    earlier = [each.at for each, day in zip(present, days, strict=True) if day != days[0]]
    return max(earlier, default=_BEFORE_ALL)


def _slots(
    present: Sequence[_Present], standings: Mapping[str, Standing], keep: Keep, zone: tzinfo
) -> Iterator[tuple[RestorePoint, str]]:
    """The places of `keep`, given once among the verified ones and once among all that are not bad."""
    verified = [each for each in present if standings[each.point.id] == "verified"]
    sound = [each for each in present if standings[each.point.id] != "bad"]
    # Stable: the verified ones of a bucket are looked at first, the newest of them before the others.
    verified_first = sorted(sound, key=lambda each: standings[each.point.id] != "verified")
    for each in (*verified[: keep.last], *sound[: keep.last]):
        yield each.point, f"last {keep.last}"
    for rule, count, shape in (
        ("daily", keep.daily, "%Y-%m-%d"),
        ("weekly", keep.weekly, "%G-W%V"),
        ("monthly", keep.monthly, "%Y-%m"),
        ("yearly", keep.yearly, "%Y"),
    ):
        for candidates in (verified, verified_first):
            first: dict[str, RestorePoint] = {}
            for each in candidates:
                first.setdefault(f"{each.at.astimezone(zone):{shape}}", each.point)
            for bucket in sorted(first, reverse=True)[:count]:
                yield first[bucket], f"{rule} {bucket}"


def _floor(
    present: Sequence[_Present], standings: Mapping[str, Standing], keep: Keep
) -> Iterator[tuple[RestorePoint, str]]:
    """What stays under every policy: proof is not given up before there is newer proof."""
    points = [each.point for each in present]
    verified = [point for point in points if standings[point.id] == "verified"]
    if not verified:
        yield from ((point, "nothing is verified in this store") for point in points)
        return
    yield verified[0], _NEWEST
    yield from ((point, f"min_verified {keep.min_verified}") for point in verified[: keep.min_verified])
    for point in points[: points.index(verified[0])]:
        if standings[point.id] != "bad":
            yield point, "newer than the newest verified"


def _locked(until: datetime, zone: tzinfo) -> str:
    if until.year == datetime.max.year:
        return "locked without an end"
    return f"locked until {until.astimezone(zone):%Y-%m-%d %H:%M}"


def _evidence_until(point: RestorePoint, store: str) -> datetime:
    verdict = point.proof(store) or point.verdict
    return (verdict.finished_at if verdict is not None else point.started_at) + EVIDENCE


def _decision(point: RestorePoint, stands: Standing, reasons: Sequence[str]) -> Decision:
    if reasons:
        return Decision(point, stands, tuple(reasons))
    because = {
        "bad": f"found bad more than {EVIDENCE.days} days ago",
        "verified": "no rule of keep needs it",
        "unproved": "no rule of keep needs it, and newer ones are verified",
    }
    return Decision(point, stands, (), because[stands])
