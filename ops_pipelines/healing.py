"""Bring a store up to date: what it lacks is copied, what is damaged is replaced and then proved.

Each restore point by itself: one that cannot be read stops no other. A copy that turns out to be damaged while it is
read to be copied is proved, too, so that its verdict says so to everybody.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from ops_pipelines.backup.copies import NoSoundCopy, copy_to
from ops_pipelines.errors import CorruptCopy, NewerFormat, OpsError, StoreError
from ops_pipelines.ledger.ledger import LedgerError
from ops_pipelines.recovery.verify import verify
from ops_pipelines.streams import Progress, silent
from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.vault.faults import Fault
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.trust import Sealed, Untrusted
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.workspace import Workspace

Done = Literal["there", "copied", "replaced", "proved", "failed"]


@dataclass(frozen=True)
class Brought:
    """What became of one restore point of a source in one store.

    Attributes:
        done: `proved`: the copy is as it was; of a damaged verdict on it, what another store had was put back, or it
            was proved anew.
        verdict: of a copy that was replaced, or proved anew: what its proof found.
        error: why it failed.
        found_damaged: other stores whose copy turned out to be damaged, and has a verdict of its own now.
    """

    source: str
    store: str
    id: str
    done: Done
    verdict: Verdict | None = None
    error: OpsError | None = None
    found_damaged: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        """Whether the store has a good copy now, as far as is known."""
        return self.done != "failed" and (self.verdict is None or self.verdict.outcome != "bad")


def bring(
    workspace: Workspace,
    name: str,
    store: str,
    ids: Collection[str] | None = None,
    *,
    progress: Progress = silent,
    run_id: str | None = None,
) -> list[Brought]:
    """Bring restore points of a source into a store, oldest first.

    Args:
        ids: which; every one that the store has no good copy of unless given.
    Returns:
        A result for each.
    Raises:
        StoreError: a restore point in `ids` is not known.
        LedgerError: nothing can be recorded.
    """
    catalogue = workspace.catalogue(name)
    bringing = _Bringing(workspace, catalogue, store, progress, run_id)
    results = [bringing.one(point) for point in _chosen(catalogue, name, store, ids)]
    broken = [each for each in catalogue.damaged_verdicts if each.store == store and (ids is None or each.id in ids)]
    results += [
        _not_repairable(workspace.stores, name, each)
        for each in catalogue.damage
        if each.store == store and (ids is None or each.id in ids) and catalogue.find(each.id) is None
    ]
    return [*results, *(bringing.proof_of(point, fault) for fault in broken if (point := catalogue.find(fault.id)))]


def _chosen(catalogue: Catalogue, name: str, store: str, ids: Collection[str] | None) -> Sequence[RestorePoint]:
    if ids is None:
        return catalogue.wanting(store)
    if unknown := set(ids) - {point.id for point in catalogue.points} - {each.id for each in catalogue.damage}:
        raise StoreError(
            f"{name} has no restore point {min(unknown)}", why="; ".join(catalogue.messages), next=f"ops list {name}"
        )
    return [point for point in catalogue.points if point.id in ids]


def _not_repairable(stores: Mapping[str, Store], name: str, fault: Fault) -> Brought:
    where = stores[fault.store].location(name, fault.id)
    error = StoreError(
        f"{fault.id} of {name} in {fault.store} is damaged, and no other store has it",
        why=fault.words,
        safe="nothing was changed; other restore points are untouched",
        next=f"ops backup {name}; when nothing of it can be saved, remove it: {where}",
    )
    return Brought(name, fault.store, fault.id, "failed", error=error)


def _whole_verdicts(store: Store, source: str, backup_id: str) -> Iterator[tuple[str, Sealed]]:
    """The verdicts that are ours, by their files' names; of a store that cannot be read, none."""
    try:
        found = store.sealed_verdicts(source, backup_id)
    except (StoreError, CorruptCopy):
        return
    for name, sealed in found:
        with suppress(Untrusted, CorruptCopy, NewerFormat):
            store.trust.open_verdict(sealed, source, backup_id, where=name)
            yield name, sealed


class _Bringing:
    """Restore points of a source on their way into one store."""

    def __init__(
        self, workspace: Workspace, catalogue: Catalogue, store: str, progress: Progress, run_id: str | None
    ) -> None:
        self._workspace, self._catalogue, self._store = workspace, catalogue, store
        self._progress, self._run_id = progress, run_id
        self._damaged = {each.id for each in catalogue.damage if each.store == store}

    def one(self, point: RestorePoint) -> Brought:
        """What became of one. Raises LedgerError."""
        name, found = point.manifest.source, tuple[str, ...]()
        try:
            copied = copy_to(
                self._workspace, point, self._store,
                replace=point.id in self._damaged, progress=self._progress, run_id=self._run_id,
            )  # fmt: skip
            found = (*copied.damaged,)
            self._prove(point, found)
            verdict = self._proof(point, self._store) if copied.done == "replaced" else None
            return Brought(name, self._store, point.id, copied.done, verdict, found_damaged=found)
        except LedgerError:
            raise
        except NoSoundCopy as error:
            self._prove(point, error.damaged)
            return Brought(name, self._store, point.id, "failed", error=error, found_damaged=error.damaged)
        except OpsError as error:
            return Brought(name, self._store, point.id, "failed", error=error, found_damaged=found)

    def proof_of(self, point: RestorePoint, fault: Fault) -> Brought:
        """Put a damaged verdict right: by the same one of another store, else by another proof of the copy it is on."""
        name, stores = point.manifest.source, self._workspace.stores
        try:
            for other in (each for each in stores.values() if each.name != self._store):
                for kept, sealed in _whole_verdicts(other, name, point.id):
                    if kept == fault.name:
                        stores[self._store].mend_verdict(name, point.id, kept, sealed)
                        return Brought(name, self._store, point.id, "proved")
            verdict = self._proof(point, self._store) if self._store in point.stores else None
            stores[self._store].mend_verdict(name, point.id, fault.name, None)
            return Brought(name, self._store, point.id, "proved", verdict)
        except LedgerError:
            raise
        except OpsError as error:
            return Brought(name, self._store, point.id, "failed", error=error)

    def _prove(self, point: RestorePoint, stores: Sequence[str]) -> None:
        for store in stores:
            self._proof(point, store)

    def _proof(self, point: RestorePoint, store: str) -> Verdict:
        newest = self._catalogue.newest
        again = newest is not None and newest.id != point.id
        return verify(self._workspace, point, store=store, progress=self._progress, run_id=self._run_id, again=again)
