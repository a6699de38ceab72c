"""Delete the copies that retention no longer needs, or say which it would. What stays is decided in `vault.retention`.

Nothing of a source is deleted after a failed run of it, nor before its newest restore point is verified; nothing in a
store that cannot be read whole. Every deletion is an activity that is written before it. First the restore point
leaves the store, then the data that another tool keeps for it: a kill in between leaves litter, which the next prune
removes, and never half a restore point.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from ops_pipelines.engines.offers import Carrier
from ops_pipelines.errors import OpsError, SafetyRefusal, StoreError
from ops_pipelines.ledger.models import CANCELLED, FAILED, RUNNING, SUCCEEDED, Activity
from ops_pipelines.settings.common import Keep
from ops_pipelines.sweeping import sweep
from ops_pipelines.vault.catalogue import Catalogue
from ops_pipelines.vault.retention import Decision, Held, decide
from ops_pipelines.workspace import Workspace

_READERS = ("copy", "verify", "restore")
_LOOKED_BACK = 500

_Gone = frozenset[tuple[str, str, str]]
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
    done: dict[str, SourcePruned] = {}
    # Folders before their database: its restore points stay as long as theirs.
    for name in sorted(names, key=lambda each: each in workspace.config.heads):
        if apply:
            done[name] = _applied(workspace, name, stores, run_id)
        else:
            done[name] = _planned(workspace, name, stores, workspace.catalogue(name), _going(done.values()))
    return [done[name] for name in names]


def _going(planned: Iterable[SourcePruned]) -> _Gone:
    return frozenset(
        (source.source, decision.point.id, store.store)
        for source in planned
        if not source.refused
        for store in source.stores
        for decision in store.doomed
    )


def _planned(
    workspace: Workspace, name: str, stores: Sequence[str], catalogue: Catalogue, going: _Gone = frozenset()
) -> SourcePruned:
    """The plan for a source, whether or not it may be carried out now."""
    keep = workspace.config.source(name).keep
    if keep is None:
        return SourcePruned(name, None)
    ties = _Ties.of(workspace, name, going)
    plans = [_plan(workspace, name, store, keep, catalogue, ties) for store in stores]
    return SourcePruned(name, keep, _refusal(workspace, name, catalogue), [plan for plan in plans if plan is not None])


def _applied(workspace: Workspace, name: str, stores: Sequence[str], run_id: str | None) -> SourcePruned:
    """Carry out the plan that is made while nobody else works on the source."""
    if workspace.config.source(name).keep is None:
        return SourcePruned(name, None)
    try:
        with workspace.locks.held(name, doing="prune"):
            planned = _planned(workspace, name, stores, workspace.catalogue(name))
            if not planned.refused:
                pruned = [_carried_out(workspace, name, each, run_id) for each in planned.stores]
                return SourcePruned(name, planned.keep, stores=pruned)
    except OpsError as error:
        planned = SourcePruned(name, workspace.config.source(name).keep, refused=error.what)
    with workspace.ledger.activity("prune", source=name, run_id=run_id, meta={"refused": planned.refused}) as entry:
        entry.fail(f"refused: {planned.refused}")
    return planned


def _refusal(workspace: Workspace, name: str, catalogue: Catalogue) -> str:
    """Why nothing of a source may be deleted now; empty when it may."""
    for kind in ("dump", "verify"):
        last = _last(workspace.ledger.recent(source=name, kind=kind, limit=_LOOKED_BACK))
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


def _plan(
    workspace: Workspace, name: str, store: str, keep: Keep, catalogue: Catalogue, ties: "_Ties"
) -> StorePruned | None:
    """The plan for one store; None when it holds nothing of the source."""
    if store in catalogue.troubled | ties.troubled:
        return StorePruned(store, problems=[f"left alone, it cannot be read whole: {_first(catalogue, ties)}"])
    copies = [
        row for row in workspace.ledger.recent(source=name, kind="copy", limit=_LOOKED_BACK) if row.store == store
    ]
    if (last := _last(copies)) is not None and last.status == FAILED:
        return StorePruned(store, problems=[f"left alone, the last copy to it failed (activity {last.id})"])
    points = [point for point in catalogue.points if store in point.stores]
    own = None if store == workspace.local.name else workspace.config.stores[store].keep
    needed = {**ties.needed(store, catalogue), **_in_use(workspace, name)}
    recovery_point = catalogue.recovery_point

    def decided(held: Held) -> list[Decision]:
        return decide(
            points,
            store,
            own or keep,
            zone=ZoneInfo(workspace.config.timezone),
            now=workspace.clock.now(),
            recovery_point=recovery_point.id if recovery_point is not None else None,
            held=held,
        )

    # Each question to a bucket costs a round trip: only what would go is asked for.
    doomed = [each.point.id for each in decided(Held({}, needed)) if not each.stays]
    try:
        until = {backup_id: workspace.stores[store].locked_until(name, backup_id) for backup_id in doomed}
    except OpsError as error:
        return StorePruned(store, problems=[f"left alone: {error.what}"])
    locked = {backup_id: at for backup_id, at in until.items() if at is not None}
    return StorePruned(store, decided(Held(locked, needed))) if points else None


def _first(catalogue: Catalogue, ties: "_Ties") -> str:
    return next(iter((*catalogue.problems, *ties.problems, *catalogue.messages)), "")


def _in_use(workspace: Workspace, name: str) -> dict[str, str]:
    """Restore points that somebody reads at this moment."""
    return {
        row.backup_id: f"in use: {row.kind} since {row.started_at:%Y-%m-%d %H:%M} UTC"
        for row in workspace.ledger.running(name)
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
    def of(cls, workspace: Workspace, database: str, going: _Gone) -> "_Ties":
        """What is tied to a database now, but for the copies that are `going`."""
        places: dict[str, dict[str, str]] = {}
        problems: list[str] = []
        troubled: frozenset[str] = frozenset()
        for name, source in workspace.config.sources.items():
            if source.repository_password is None or name == database:
                continue
            catalogue = workspace.catalogue(name)
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


def _carried_out(workspace: Workspace, name: str, plan: StorePruned, run_id: str | None) -> StorePruned:
    """Delete what a store no longer needs, and finish what a killed prune began there."""
    if plan.problems:
        return plan
    deleted: list[str] = []
    problems: list[str] = []
    try:
        with _forgetting(workspace, name, plan, run_id):
            for backup_id in _half_gone(workspace, name, plan):
                _delete(workspace, name, plan.store, backup_id, run_id, {"because": "a killed prune began it"})
            for decision in plan.doomed:
                manifest = decision.point.manifest
                meta = {"because": decision.because, "size_bytes": manifest.size_bytes}
                try:
                    _delete(workspace, name, plan.store, manifest.id, run_id, meta)
                except SafetyRefusal as error:
                    problems.append(f"{manifest.id} stays: {error.what}")
                else:
                    deleted.append(manifest.id)
    except OpsError as error:
        why, to_type = error.why and f": {error.why}", error.next and f"; next: {error.next}"
        problems.append(f"{error.what}{why}{to_type}")
    return StorePruned(plan.store, plan.decisions, deleted, problems)


def _delete(
    workspace: Workspace, name: str, store: str, backup_id: str, run_id: str | None, meta: Mapping[str, object]
) -> None:
    with workspace.ledger.activity("prune", source=name, backup_id=backup_id, store=store, run_id=run_id, meta=meta):
        if (reader := _in_use(workspace, name).get(backup_id)) is not None:
            raise SafetyRefusal(reader)
        workspace.stores[store].delete(name, backup_id)


@contextmanager
def _forgetting(workspace: Workspace, name: str, plan: StorePruned, run_id: str | None) -> Iterator[None]:
    """Around deletions: what a tool keeps for them in its repository goes at the end, all at once.

    What it needs for that is written down before the first deletion, since the manifests will be gone: when this
    process is killed, or the repository is away, the next prune does it.
    """
    engine = workspace.config.engine(name)
    facts = {
        **_unforgotten(workspace, name, plan.store),
        **{each.point.id: dict(each.point.manifest.engine) for each in plan.doomed},
    }
    if not isinstance(engine, Carrier) or not facts:
        yield
        return
    store = workspace.stores[plan.store]
    with workspace.ledger.activity("forget", source=name, store=plan.store, run_id=run_id, meta={"facts": facts}):
        yield
        there = set(store.ids(name))
        gone = [each for backup_id, each in facts.items() if backup_id not in there]
        if gone:
            engine.forget(gone, store.repository(name))


def _half_gone(workspace: Workspace, name: str, plan: StorePruned) -> list[str]:
    """What a killed prune took out of sight and may not have removed to the end."""
    held = {decision.point.id for decision in plan.decisions}
    rows = workspace.ledger.recent(source=name, kind="prune", limit=_LOOKED_BACK)
    newest: dict[str, str] = {}
    for row in rows:
        if row.store == plan.store and row.backup_id is not None:
            newest.setdefault(row.backup_id, row.status)
    return [backup_id for backup_id, status in newest.items() if status != SUCCEEDED and backup_id not in held]


def _unforgotten(workspace: Workspace, name: str, store: str) -> dict[str, Any]:
    """What the last prune of a store meant to remove from the repository and did not."""
    rows = (
        row for row in workspace.ledger.recent(source=name, kind="forget", limit=_LOOKED_BACK) if row.store == store
    )
    last = next(rows, None)
    return dict(last.meta["facts"]) if last is not None and last.status != SUCCEEDED else {}
