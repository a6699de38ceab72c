"""Delete the copies that retention no longer needs, or say which it would. What stays is decided in `vault.retention`.

Nothing of a source is deleted after a failed run of it, nor before its newest restore point is verified; nothing in a
store that cannot be read whole. Every deletion is an activity that is written before it. First the restore point
leaves the store, then the data that another tool keeps for it: a kill in between leaves litter, which the next prune
removes, and never half a restore point.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ops_pipelines.backup.retention import LOOKED_BACK, Retention, SourcePruned, StorePruned, folders_first, in_use
from ops_pipelines.engines.offers import Carrier
from ops_pipelines.engines.source import Source
from ops_pipelines.errors import OpsError, SafetyRefusal, StoreError
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import SUCCEEDED
from ops_pipelines.sweeping import sweep
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.workspace import Workspace


def prune(
    workspace: Workspace, names: Sequence[str], *, store: str | None = None, apply: bool, run_id: str | None = None
) -> list[SourcePruned]:
    """Apply retention to sources, or say what it would do.

    Args:
        store: only this store; all unless given.
        apply: delete; a dry run writes nothing, not even into the ledger.
    Returns:
        The outcome of each source, in the order of `names`. One that is refused or fails stops no other.
    Raises:
        UnknownSource, StoreError: a name is not in the configuration.
        LedgerError: nothing can be recorded, so nothing is deleted.
    """
    for name in names:
        workspace.config.source(name)
    if store is not None and store not in workspace.stores:
        raise StoreError(f"no store is called {store!r}", why=f"there are: {', '.join(workspace.stores)}")
    if apply:
        sweep(workspace)
    stores = [store] if store is not None else list(workspace.stores)
    if not apply:
        return _retention(workspace).plans(names, stores)
    done = {name: _applied(workspace, name, stores, run_id) for name in folders_first(names, workspace.config)}
    return [done[name] for name in names]


def _retention(workspace: Workspace) -> Retention:
    return Retention(workspace.config, workspace.ledger, workspace.stores, workspace.catalogue, workspace.clock.now())


def _applied(workspace: Workspace, name: str, stores: Sequence[str], run_id: str | None) -> SourcePruned:
    """Carry out the plan that is made while nobody else works on the source."""
    if workspace.config.source(name).keep is None:
        return SourcePruned(name, None)
    try:
        with workspace.locks.held(name, doing="prune"):
            planned = _retention(workspace).plan(name, stores)
            if not planned.refused:
                source, ledger = workspace.config.source(name), workspace.ledger
                pruned = [
                    _Deleting(name, source, ledger, workspace.stores[each.store], run_id).carried_out(each)
                    for each in planned.stores
                ]
                return SourcePruned(name, planned.keep, stores=pruned)
    except OpsError as error:
        planned = SourcePruned(name, workspace.config.source(name).keep, refused=error.what)
    with workspace.ledger.activity("prune", source=name, run_id=run_id, meta={"refused": planned.refused}) as entry:
        entry.fail(f"refused: {planned.refused}")
    return planned


@dataclass(frozen=True)
class _Deleting:
    """The copies of one source in one store, from which some are deleted."""

    name: str
    source: Source
    ledger: Ledger
    store: Store
    run_id: str | None

    def carried_out(self, plan: StorePruned) -> StorePruned:
        """Delete what the store no longer needs, and finish what a killed prune began there."""
        if plan.problems:
            return plan
        deleted: list[str] = []
        problems: list[str] = []
        try:
            with self._forgetting(plan):
                for backup_id in self._half_gone(plan):
                    self._delete(backup_id, {"because": "a killed prune began it"})
                for decision in plan.doomed:
                    manifest = decision.point.manifest
                    meta = {"because": decision.because, "size_bytes": manifest.size_bytes}
                    try:
                        self._delete(manifest.id, meta)
                    except SafetyRefusal as error:
                        problems.append(f"{manifest.id} stays: {error.what}")
                    else:
                        deleted.append(manifest.id)
        except OpsError as error:
            why, to_type = error.why and f": {error.why}", error.next and f"; next: {error.next}"
            problems.append(f"{error.what}{why}{to_type}")
        return StorePruned(plan.store, plan.decisions, deleted, problems)

    def _delete(self, backup_id: str, meta: Mapping[str, object]) -> None:
        with self.ledger.activity(
            "prune", source=self.name, backup_id=backup_id, store=self.store.name, run_id=self.run_id, meta=meta
        ):
            if (reader := in_use(self.ledger, self.name).get(backup_id)) is not None:
                raise SafetyRefusal(reader)
            self.store.delete(self.name, backup_id)

    @contextmanager
    def _forgetting(self, plan: StorePruned) -> Iterator[None]:
        """Around deletions: what a tool keeps for them in its repository goes at the end, all at once.

        What it needs for that is written down before the first deletion, since the manifests will be gone: when this
        process is killed, or the repository is away, the next prune does it.
        """
        engine = self.source.engine(self.name)
        facts = {
            **self._unforgotten(),
            **{each.point.id: dict(each.point.manifest.engine) for each in plan.doomed},
        }
        if not isinstance(engine, Carrier) or not facts:
            yield
            return
        with self.ledger.activity(
            "forget", source=self.name, store=self.store.name, run_id=self.run_id, meta={"facts": facts}
        ):
            yield
            there = set(self.store.ids(self.name))
            gone = [each for backup_id, each in facts.items() if backup_id not in there]
            if gone:
                engine.forget(gone, self.store.repository(self.name))

    def _half_gone(self, plan: StorePruned) -> list[str]:
        """What a killed prune took out of sight and may not have removed to the end."""
        held = {decision.point.id for decision in plan.decisions}
        rows = self.ledger.recent(source=self.name, kind="prune", limit=LOOKED_BACK)
        newest: dict[str, str] = {}
        for row in rows:
            if row.store == self.store.name and row.backup_id is not None:
                newest.setdefault(row.backup_id, row.status)
        return [backup_id for backup_id, status in newest.items() if status != SUCCEEDED and backup_id not in held]

    def _unforgotten(self) -> dict[str, Any]:
        """What the last prune of the store meant to remove from the repository and did not."""
        rows = self.ledger.recent(source=self.name, kind="forget", limit=LOOKED_BACK)
        last = next((row for row in rows if row.store == self.store.name), None)
        return dict(last.meta["facts"]) if last is not None and last.status != SUCCEEDED else {}
