"""A workspace as it will be: restore points that will have been taken, and a clock that is ahead.

Retention is asked about it as about any other, so a plan cannot decide otherwise than `ops prune` will. Everything
else is the real thing: the stores say what they lock, the ledger what failed. Nothing here writes anything.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ops_pipelines.backup.prune import SourcePruned, prune
from ops_pipelines.clock import new_id
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.vault.manifest import Manifest, Summary, Tie
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.workspace import Workspace

_PRODUCT = "a plan"


class _Ahead:
    """A clock that shows a moment to come."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at


class _Store:
    """A store that also answers for copies which it will hold; everything else is asked of the real one."""

    def __init__(self, real: Any, imagined: Mapping[str, datetime], lock: timedelta | None) -> None:
        self._real, self._imagined, self._lock = real, imagined, lock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def locked_until(self, source: str, backup_id: str) -> datetime | None:
        """As the real one answers; of a copy to come what the configuration says."""
        if (taken := self._imagined.get(backup_id)) is not None:
            return taken + self._lock if self._lock is not None else None
        until: datetime | None = self._real.locked_until(source, backup_id)
        return until


class _Ledger:
    """The ledger as it will be: who has been backed up since has no failure behind it, and nobody is at work."""

    def __init__(self, real: Any, backed_up: Set[str]) -> None:
        self._real, self._backed_up = real, backed_up

    def recent(self, *, source: str, kind: str, limit: int) -> list[Any]:
        """No attempts of a source that will have been backed up."""
        return [] if source in self._backed_up else list(self._real.recent(source=source, kind=kind, limit=limit))

    def running(self, _source: str) -> list[Any]:
        """Nobody: what runs now will have ended."""
        return []


@dataclass(frozen=True)
class _Imagined(Workspace):
    catalogues: Mapping[str, Catalogue] = field(default_factory=dict)

    def catalogue(self, name: str) -> Catalogue:
        return self.catalogues[name]


class Future:
    """The catalogues of all sources, as time goes on and every run succeeds.

    Args:
        workspace: as it is now.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.catalogues = {name: workspace.catalogue(name) for name in workspace.config.sources}
        self._taken: dict[str, datetime] = {}

    def is_imagined(self, backup_id: str) -> bool:
        """Whether a restore point is still to come."""
        return backup_id in self._taken

    def take(self, name: str, at: datetime) -> None:
        """A backup of a source and of what is tied to it, copied and, where that is automatic, verified."""
        head = new_id(at)
        for member in self._workspace.config.group_of(name):
            tie = Tie(source=name, backup_id=head) if member != name else None
            point = _point(self._workspace, member, head if member == name else new_id(at), at, tie)
            known = self.catalogues[member]
            self.catalogues[member] = replace(known, points=[*known.points, point])
            self._taken[point.id] = at

    def prune(self, at: datetime) -> list[SourcePruned]:
        """What retention does at a moment to come; from here on it is gone."""
        found = prune(self._at(at), list(self.catalogues), apply=False)
        for source in found:
            if not source.refused:
                for store in source.stores:
                    self._forget(source.source, store.store, {each.point.id for each in store.doomed})
        return found

    def _at(self, at: datetime) -> Workspace:
        real = self._workspace
        ahead = _Imagined(real.config, _Ahead(at), dict(self.catalogues))
        locks = {name: each.locked_for for name, each in real.config.stores.items()}
        stores = {name: _Store(each, self._taken, locks.get(name)) for name, each in real.stores.items()}
        backed_up = {name for name, each in self.catalogues.items() if any(p.id in self._taken for p in each.points)}
        # What has been opened is used, not opened again for each moment.
        vars(ahead).update(ledger=_Ledger(real.ledger, backed_up), local=real.local, stores=stores)
        return ahead

    def _forget(self, name: str, store: str, ids: set[str]) -> None:
        points = [
            replace(point, stores=[each for each in point.stores if each != store]) if point.id in ids else point
            for point in self.catalogues[name].points
        ]
        self.catalogues[name] = replace(self.catalogues[name], points=[point for point in points if point.stores])


def _point(workspace: Workspace, name: str, backup_id: str, at: datetime, tie: Tie | None) -> RestorePoint:
    source = workspace.config.source(name)
    manifest = Manifest(
        id=backup_id,
        source=name,
        kind=source.kind,
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
    stores = [workspace.local.name, *source.copies]
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
    return RestorePoint(manifest, stores, [proof] if source.verify.auto else [])
