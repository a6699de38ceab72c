"""What retention would delete, and why it would not: the plan that `prune` carries out and `ops plan` plays ahead."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from ops_pipelines.config.models import Config
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.models import CANCELLED, FAILED, RUNNING, Activity
from ops_pipelines.settings.common import Keep
from ops_pipelines.vault.catalogue import Catalogue, Catalogues
from ops_pipelines.vault.retention import Decision, Held, decide
from ops_pipelines.vault.stores.registry import LOCAL

LOOKED_BACK = 500
_READERS = ("copy", "verify", "restore")

Gone = frozenset[tuple[str, str, str]]
"""Copies that a dry run would delete: source, restore point, store."""


@dataclass(frozen=True)
class StorePruned:
    """What became of a source's copies in one store.

    Attributes:
        deleted: ids of what was deleted; none in a dry run.
        problems: why the store was left alone, or what could not be deleted.
    """

    store: str
    decisions: Sequence[Decision] = ()
    deleted: Sequence[str] = ()
    problems: Sequence[str] = ()

    @property
    def doomed(self) -> list[Decision]:
        """What is to go, oldest first."""
        return [decision for decision in reversed(self.decisions) if not decision.stays]

    @property
    def freed_bytes(self) -> int:
        """Stored bytes of the parts that were deleted; what a tool keeps in a repository of its own is not known."""
        return sum(each.point.manifest.size_bytes for each in self.doomed if each.point.id in self.deleted)


@dataclass(frozen=True)
class SourcePruned:
    """What became of one source.

    Attributes:
        keep: its policy; without one nothing is ever deleted.
        refused: why nothing of it is deleted now; empty when it is.
    """

    source: str
    keep: Keep | None
    refused: str = ""
    stores: Sequence[StorePruned] = ()

    @property
    def problems(self) -> list[str]:
        """Everything a human should look at."""
        found = [f"{self.source}: {self.refused}"] if self.refused else []
        return found + [f"{self.source} in {each.store}: {line}" for each in self.stores for line in each.problems]


class Attempts(Protocol):
    """What the ledger is asked."""

    def recent(self, *, source: str, kind: str, limit: int) -> Sequence[Activity]:
        """The newest activities, newest first."""
        ...

    def running(self, source: str, /) -> Sequence[Activity]:
        """What is under way on a source."""
        ...


class Locking(Protocol):
    """What a store is asked."""

    def locked_until(self, source: str, backup_id: str, /) -> datetime | None:
        """Until when the store itself refuses to delete it; None when it does not."""
        ...


@dataclass(frozen=True)
class Retention:
    """What retention decides by. It writes nothing.

    Attributes:
        stores: all of them, the local one among them.
        catalogues: reads what the stores hold of a source.
        now: the moment at which it decides.
    """

    config: Config
    ledger: Attempts
    stores: Mapping[str, Locking]
    catalogues: Catalogues
    now: datetime

    def plans(self, names: Sequence[str], stores: Sequence[str]) -> list[SourcePruned]:
        """The plan for each source, in the order of `names`, as if each was carried out before the next is made."""
        done: dict[str, SourcePruned] = {}
        for name in folders_first(names, self.config):
            done[name] = self.plan(name, stores, going(done.values()))
        return [done[name] for name in names]

    def plan(self, name: str, stores: Sequence[str], going: Gone = frozenset()) -> SourcePruned:
        """The plan for a source, whether or not it may be carried out now.

        Args:
            going: copies that count as deleted.
        """
        catalogue = self.catalogues(name)
        keep = self.config.source(name).keep
        if keep is None:
            return SourcePruned(name, None)
        ties = _Ties.of(self.config, self.catalogues, name, going)
        plans = [self._of_store(name, store, keep, catalogue, ties) for store in stores]
        refused = _refusal(self.ledger, name, catalogue)
        return SourcePruned(name, keep, refused, [plan for plan in plans if plan is not None])

    def _of_store(self, name: str, store: str, keep: Keep, catalogue: Catalogue, ties: "_Ties") -> StorePruned | None:
        """The plan for one store; None when it holds nothing of the source, or is pruned elsewhere."""
        if store != LOCAL and self.config.stores[store].pruned_elsewhere:
            return None
        if store in catalogue.troubled | ties.troubled:
            return StorePruned(store, problems=[f"left alone, it cannot be read whole: {_first(catalogue, ties)}"])
        copies = [row for row in self.ledger.recent(source=name, kind="copy", limit=LOOKED_BACK) if row.store == store]
        if (last := _last(copies)) is not None and last.status == FAILED:
            return StorePruned(store, problems=[f"left alone, the last copy to it failed (activity {last.id})"])
        points = [point for point in catalogue.points if store in point.stores]
        own = None if store == LOCAL else self.config.stores[store].keep
        needed = {**ties.needed(store, catalogue), **in_use(self.ledger, name)}
        recovery_point = catalogue.recovery_point

        def decided(held: Held) -> list[Decision]:
            return decide(
                points,
                store,
                own or keep,
                zone=ZoneInfo(self.config.timezone),
                now=self.now,
                recovery_point=recovery_point.id if recovery_point is not None else None,
                held=held,
            )

        # Each question to a bucket costs a round trip: only what would go is asked for.
        doomed = [each.point.id for each in decided(Held({}, needed)) if not each.stays]
        try:
            until = {backup_id: self.stores[store].locked_until(name, backup_id) for backup_id in doomed}
        except OpsError as error:
            return StorePruned(store, problems=[f"left alone: {error.what}"])
        locked = {backup_id: at for backup_id, at in until.items() if at is not None}
        return StorePruned(store, decided(Held(locked, needed))) if points else None


def folders_first(names: Iterable[str], config: Config) -> list[str]:
    """Folders before their database: its restore points stay as long as theirs."""
    return sorted(names, key=lambda each: each in config.heads)


def going(planned: Iterable[SourcePruned]) -> Gone:
    return frozenset(
        (source.source, decision.point.id, store.store)
        for source in planned
        if not source.refused
        for store in source.stores
        for decision in store.doomed
    )


def _refusal(ledger: Attempts, name: str, catalogue: Catalogue) -> str:
    """Why nothing of a source may be deleted now; empty when it may."""
    for kind in ("dump", "verify"):
        last = _last(ledger.recent(source=name, kind=kind, limit=LOOKED_BACK))
        if last is not None and last.status == FAILED:
            why = (last.error or "").partition("\n")[0]
            return f"the last {kind} failed ({last.started_at:%Y-%m-%d %H:%M} UTC, activity {last.id}): {why}"
    newest = catalogue.newest
    if newest is not None and not newest.verified:
        return f"the newest restore point {newest.id} is not verified; ops verify {name}"
    return ""


def _last(rows: Iterable[Activity]) -> Activity | None:
    """The newest that came to an end of its own: we hold the source, so a running dump is one that waits for us."""
    return next((row for row in rows if row.status != RUNNING and CANCELLED not in row.meta), None)


def _first(catalogue: Catalogue, ties: "_Ties") -> str:
    return next(iter((*catalogue.problems, *ties.problems, *catalogue.messages)), "")


def in_use(ledger: Attempts, name: str) -> dict[str, str]:
    """Restore points that somebody reads at this moment."""
    return {
        row.backup_id: f"in use: {row.kind} since {row.started_at:%Y-%m-%d %H:%M} UTC"
        for row in ledger.running(name)
        if row.backup_id is not None and row.kind in _READERS
    }


@dataclass(frozen=True)
class _Ties:
    """Restore points of folders that belong to restore points of a database, and where they are.

    Attributes:
        places: by the database's restore point: the stores that hold folders tied to it, and which.
    """

    places: Mapping[str, Mapping[str, str]]
    problems: Sequence[str] = ()
    troubled: frozenset[str] = frozenset()

    @classmethod
    def of(cls, config: Config, catalogues: Catalogues, database: str, going: Gone) -> "_Ties":
        """What is tied to a database now, but for the copies that are `going`."""
        places: dict[str, dict[str, str]] = {}
        problems: list[str] = []
        troubled: frozenset[str] = frozenset()
        for name, source in config.sources.items():
            if source.repository_password is None or name == database:
                continue
            catalogue = catalogues(name)
            problems += catalogue.problems
            # What an unsigned one is tied to is not known before somebody looks at it.
            unsigned = [each for each in catalogue.strangers if each.standing == "unsigned" and not each.name]
            problems += [each.words for each in unsigned[:1]]
            troubled |= catalogue.troubled | {each.store for each in unsigned}
            for point in catalogue.points:
                tie = point.manifest.tied_to
                if tie is not None and tie.source == database:
                    staying = [store for store in point.stores if (name, point.id, store) not in going]
                    places.setdefault(tie.backup_id, {}).update(
                        dict.fromkeys(staying, f"{name} {point.id} is tied to it")
                    )
        return cls(places, problems, troubled)

    def needed(self, store: str, catalogue: Catalogue) -> dict[str, str]:
        """What must stay in a store: beside its folders, or wherever it is when no store holds both."""
        found = {}
        for point in catalogue.points:
            places = self.places.get(point.id, {})
            if store in places:
                found[point.id] = places[store]
            elif places and not places.keys() & set(point.stores):
                found[point.id] = next(iter(places.values()))
        return found
