"""Which restore point a disaster would have gone back to, at every moment: played from what the ledger and stores know.

A restore point counts from the moment at which a verification of it ended well, until one finds it bad or its last
sound copy is gone. Before its first verification it counts for nothing, however good it was. Nothing is read here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from ops_pipelines.clock import moment_of
from ops_pipelines.evidence.period import Span
from ops_pipelines.ledger.models import REFUSED, RUNNING, SUCCEEDED, Activity
from ops_pipelines.vault.catalogue import Catalogue
from ops_pipelines.vault.verdict import Verdict

What = Literal["held", "gone", "accepted_gone", "proved", "bad_copy", "bad"]
_ORDER: Sequence[What] = ("held", "proved", "bad_copy", "bad", "gone", "accepted_gone")


class Event(NamedTuple):
    """Something that made a restore point count, or no longer count."""

    at: datetime
    what: What
    point: str
    store: str


@dataclass(frozen=True)
class Stretch:
    """Some time with one recovery point.

    Attributes:
        since: the start of its dump; None where there was no recovery point at all.
        point: its id; empty without one.
    """

    begin: datetime
    end: datetime
    since: datetime | None
    point: str

    @property
    def span(self) -> Span:
        """The same as a span."""
        return Span(begin=self.begin, end=self.end)


@dataclass
class _Standing:
    """What is known of one restore point at one moment."""

    held: set[str] = field(default_factory=set)
    damaged: set[str] = field(default_factory=set)
    proved: bool = False
    bad: bool = False

    def take(self, event: Event) -> None:
        if event.what == "held":
            self.held.add(event.store)
        elif event.what == "gone":
            self.held.discard(event.store)
        elif event.what == "accepted_gone":
            self.held.clear()
        elif event.what == "proved":
            self.proved, self.bad = True, False
            self.damaged.discard(event.store)
        elif event.what == "bad_copy":
            self.damaged.add(event.store)
        else:
            self.bad = True

    @property
    def counts(self) -> bool:
        return self.proved and not self.bad and bool(self.held - self.damaged)


def events_of(movements: Iterable[Activity], proofs: Iterable[Activity], catalogue: Catalogue) -> list[Event]:
    """What happened to a source's restore points, in the order of time.

    Args:
        movements: as `Ledger.movements` gives them.
        proofs: its verifications, as the ledger has them.
        catalogue: what its stores hold now; its verdicts count also where the ledger was lost.
    """
    found = [event for row in movements for event in _moved(row)]
    found += [event for row in proofs for event in _judged(row)]
    known = {(event.point, event.store) for event in found if event.what == "held"}
    for point in catalogue.points:
        sealed_at = point.manifest.finished_at
        found += [Event(sealed_at, "held", point.id, store) for store in point.stores if (point.id, store) not in known]
        found += [event for verdict in point.verdicts for event in _found(verdict)]
    return sorted(found, key=lambda event: (event.at, _ORDER.index(event.what)))


def starts_of(events: Iterable[Event], catalogue: Catalogue, safety: Iterable[str]) -> dict[str, datetime]:
    """The start of each restore point's dump, by id; to the second where its manifest is gone.

    Args:
        safety: ids of those that are no recovery point: they were taken because their source was about to be replaced.
    """
    starts = {event.point: moment_of(event.point) for event in events if _dated(event.point)}
    starts |= {point.id: point.started_at for point in catalogue.points}
    left_out = {*safety, *(point.id for point in catalogue.points if point.safety)}
    return {key: at for key, at in starts.items() if key not in left_out}


def stretches(events: Sequence[Event], starts: Mapping[str, datetime], within: Span) -> list[Stretch]:
    """The recovery point at every moment of a span.

    Args:
        events: of all times, in their order.
        starts: of the restore points that may be a recovery point, the start of the dump.
    """
    standings: dict[str, _Standing] = {}
    found: list[Stretch] = []
    begin, now = within.begin, ""
    for event in events:
        if event.at >= within.end:
            break
        if event.at > begin:
            _add(found, begin, event.at, now, starts)
            begin = event.at
        standings.setdefault(event.point, _Standing()).take(event)
        counting = [key for key, each in standings.items() if each.counts and key in starts]
        now = max(counting, key=lambda key: (starts[key], key), default="")
    _add(found, begin, within.end, now, starts)
    return found


def _add(found: list[Stretch], begin: datetime, end: datetime, point: str, starts: Mapping[str, datetime]) -> None:
    if found and found[-1].point == point:
        begin = found.pop().begin
    if end > begin:
        found.append(Stretch(begin, end, starts.get(point), point))


def _moved(row: Activity) -> list[Event]:
    at, point, store = row.finished_at or row.started_at, row.backup_id or "", row.store or ""
    if row.kind == "prune":
        # What was refused removed nothing. Who was killed may have.
        return [] if REFUSED in row.meta else [Event(at, "gone", point, store)]
    if row.status != SUCCEEDED:
        return []
    return [Event(at, "accepted_gone" if row.meta.get("gone") else "held", point, store)]


def _judged(row: Activity) -> list[Event]:
    outcome = row.meta.get("outcome")
    if row.status == RUNNING or row.backup_id is None or row.finished_at is None:
        return []
    at, point, store = row.finished_at, row.backup_id, row.store or ""
    if outcome == "verified":
        return [Event(at, "proved", point, store)]
    if outcome == "bad":
        return [Event(at, "bad_copy" if row.meta.get("blames") == "copy" else "bad", point, store)]
    return []


def _found(verdict: Verdict) -> list[Event]:
    at, point, store = verdict.finished_at, verdict.backup_id, verdict.store
    if verdict.outcome == "verified":
        return [Event(at, "proved", point, store)]
    if verdict.outcome == "bad":
        return [Event(at, "bad_copy" if verdict.blames == "copy" else "bad", point, store)]
    return []


def _dated(backup_id: str) -> bool:
    try:
        moment_of(backup_id)
    except ValueError:
        return False
    return True


def overlap(begin: datetime, end: datetime) -> timedelta:
    """How long it is from one moment to another; nothing where the other is not later."""
    return max(end - begin, timedelta(0))
