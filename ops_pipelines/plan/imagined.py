"""What will be: restore points that will have been taken, at a moment to come.

Retention is asked about it as about any other, so a plan cannot decide otherwise than `ops prune` will. Everything
else is the real thing: the stores say what they lock, the ledger what failed. Nothing here writes anything.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta

from ops_pipelines.backup.retention import Attempts, Locking, Retention, SourcePruned
from ops_pipelines.clock import new_id
from ops_pipelines.config.models import Config
from ops_pipelines.ledger.models import Activity
from ops_pipelines.vault.catalogue import Catalogues, RestorePoint
from ops_pipelines.vault.manifest import Manifest, Summary, Tie
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.verdict import Verdict

_PRODUCT = "a plan"


class _Store:
    """A store that also answers for copies which it will hold."""

    def __init__(self, real: Locking, imagined: Mapping[str, datetime], lock: timedelta | None) -> None:
        self._real, self._imagined, self._lock = real, imagined, lock

    def locked_until(self, source: str, backup_id: str) -> datetime | None:
        """As the real one answers; of a copy to come what the configuration says."""
        if (taken := self._imagined.get(backup_id)) is not None:
            return taken + self._lock if self._lock is not None else None
        return self._real.locked_until(source, backup_id)


class _Ledger:
    """The ledger as it will be: who has been backed up since has no failure behind it, and nobody is at work."""

    def __init__(self, real: Attempts, backed_up: Set[str]) -> None:
        self._real, self._backed_up = real, backed_up

    def recent(self, *, source: str, kind: str, limit: int) -> Sequence[Activity]:
        """No attempts of a source that will have been backed up."""
        return [] if source in self._backed_up else self._real.recent(source=source, kind=kind, limit=limit)

    def running(self, _source: str) -> Sequence[Activity]:
        """Nobody: what runs now will have ended."""
        return []


class Future:
    """The catalogues of all sources, as time goes on and every run succeeds.

    Args:
        ledger: opens it, when retention is asked.
        stores: as they are now.
        catalogues: reads what the stores hold now.
    """

    def __init__(
        self, config: Config, ledger: Callable[[], Attempts], stores: Mapping[str, Store], catalogues: Catalogues
    ) -> None:
        self._config, self._ledger, self._stores = config, ledger, stores
        self.catalogues = {name: catalogues(name) for name in config.sources}
        self._taken: dict[str, datetime] = {}

    def is_imagined(self, backup_id: str) -> bool:
        """Whether a restore point is still to come."""
        return backup_id in self._taken

    def take(self, name: str, at: datetime) -> None:
        """A backup of a source and of what is tied to it, copied and, where that is automatic, verified."""
        head = new_id(at)
        for member in self._config.group_of(name):
            tie = Tie(source=name, backup_id=head) if member != name else None
            point = _point(member, self._config, head if member == name else new_id(at), at, tie)
            known = self.catalogues[member]
            self.catalogues[member] = replace(known, points=[*known.points, point])
            self._taken[point.id] = at

    def prune(self, at: datetime) -> list[SourcePruned]:
        """What retention does at a moment to come; from here on it is gone."""
        found = self._at(at).plans(list(self.catalogues), list(self._stores))
        for source in found:
            if not source.refused:
                for store in source.stores:
                    self._forget(source.source, store.store, {each.point.id for each in store.doomed})
        return found

    def _at(self, at: datetime) -> Retention:
        locks = {name: each.locked_for for name, each in self._config.stores.items()}
        stores = {name: _Store(each, self._taken, locks.get(name)) for name, each in self._stores.items()}
        backed_up = {name for name, each in self.catalogues.items() if any(p.id in self._taken for p in each.points)}
        ledger = _Ledger(self._ledger(), backed_up)
        return Retention(self._config, ledger, stores, dict(self.catalogues).__getitem__, at)

    def _forget(self, name: str, store: str, ids: set[str]) -> None:
        points = [
            replace(point, stores=[each for each in point.stores if each != store]) if point.id in ids else point
            for point in self.catalogues[name].points
        ]
        self.catalogues[name] = replace(self.catalogues[name], points=[point for point in points if point.stores])


def _point(name: str, config: Config, backup_id: str, at: datetime, tie: Tie | None) -> RestorePoint:
    manifest = Manifest(
        id=backup_id,
        source=name,
        kind=config.source(name).kind,
        host="",
        product=_PRODUCT,
        started_at=at,
        snapshot_at=at,
        finished_at=at,
        tied_to=tie,
        engine={},
        contents=Summary(level="off", objects=0, tables=0, rows=0, schema_digest="", content_digest=None),
        recipients=(),
        parts=(),
        restore_by_hand=(),
    )
    stores = config.places(name)
    proof = Verdict(
        source=name,
        backup_id=backup_id,
        store=stores[-1],
        outcome="verified",
        started_at=at,
        finished_at=at,
        checks=(),
        seconds={},
    )
    return RestorePoint(manifest, stores, [proof] if config.source(name).verify.auto else [])
