"""Bring restore points from one store to another. Dumped once, copied many times."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ops_pipelines.config.models import Config
from ops_pipelines.engines.offers import Carrier, RepositoryDamaged
from ops_pipelines.errors import CorruptCopy, StoreError
from ops_pipelines.places import Places
from ops_pipelines.scratch import scratch_directory
from ops_pipelines.streams import Progress, silent
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.reader import fetch
from ops_pipelines.vault.stores import incoming, objects
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.registry import LOCAL
from ops_pipelines.workspace import Workspace

Done = Literal["there", "copied", "replaced"]


@dataclass(frozen=True)
class Copied:
    """What became of one restore point on its way to a store.

    Attributes:
        done: it was there already, it was copied, or it was put in place of a damaged copy.
        origin: the store it was read from; empty when it was there.
        damaged: stores whose copy turned out to be damaged when it was read to be copied.
    """

    id: str
    store: str
    done: Done
    origin: str = ""
    damaged: Sequence[str] = ()


class NoSoundCopy(CorruptCopy):
    """Every copy that was read to be copied turned out to be damaged.

    Attributes:
        damaged: the stores they are in.
    """

    damaged: Sequence[str] = ()


def copy_to(
    workspace: Workspace,
    point: RestorePoint,
    store_name: str,
    *,
    replace: bool | None = None,
    progress: Progress = silent,
    run_id: str | None = None,
) -> Copied:
    """Copy one restore point into a store, from the nearest copy that is sound; does nothing when it is there.

    Args:
        replace: put it in the place of what lies there; unless given, when the copy is known to be damaged.
    Raises:
        Busy: somebody else copies to it for longer than `limits.lock`.
        StoreError: the store cannot be written, or no other store has a copy that is not known to be damaged.
        NoSoundCopy: every other copy turned out to be damaged.
        SafetyRefusal: the store is offsite and the parts are not encrypted.
    """
    replace = store_name in point.damaged if replace is None else replace
    if store_name in point.stores and not replace:
        return Copied(point.id, store_name, "there")
    manifest = point.manifest
    damaged: list[str] = []
    with (
        workspace.ledger.activity(
            "copy", source=manifest.source, backup_id=point.id, store=store_name, run_id=run_id
        ) as entry,
        workspace.locks.copying(manifest.source, store_name),
    ):
        failure: CorruptCopy | None = None
        for origin in _origins(workspace.stores, point, store_name):
            try:
                written = _bring(
                    workspace.config, workspace.places, point, origin, workspace.stores[store_name], replace, progress
                )
            except CorruptCopy as error:
                damaged.append(origin.name)
                failure = error
            else:
                entry.meta = {
                    "size_bytes": manifest.size_bytes, "replaced": replace, "from": origin.name, "damaged": damaged
                }  # fmt: skip
                done: Done = "replaced" if replace else "copied" if written else "there"
                return Copied(point.id, store_name, done, origin.name, damaged)
        entry.meta = {"damaged": damaged}
        raise _nothing_to_copy(point, store_name, failure, damaged)


def _origins(stores: Mapping[str, Store], point: RestorePoint, target: str) -> list[Store]:
    """The stores whose copy is not known to be damaged, the nearest first: ours, directories, buckets."""
    sound = [stores[each] for each in point.stores if each not in (*point.damaged, target)]
    return sorted(sound, key=lambda each: (each.name != LOCAL, each.root is None))


def _bring(
    config: Config, places: Places, point: RestorePoint, origin: Store, target: Store, replace: bool, progress: Progress
) -> bool:
    """Returns whether it was written."""
    manifest, done = point.manifest, 0

    def copied(size_bytes: int) -> None:
        nonlocal done
        done += size_bytes
        progress(f"copy to {target.name}", done, manifest.size_bytes)

    engine = config.engine(manifest.source)
    if isinstance(engine, Carrier):
        # The data first: the restore point exists in the store once its manifest does.
        try:
            _carry(engine, manifest, origin, target, replace, progress)
        except RepositoryDamaged:
            _carry(engine, manifest, origin, target, True, progress)
    with _files_of(places, point, origin) as published:
        return target.receive(manifest, published, copied, replace=replace)


def _carry(engine: Carrier, manifest: Manifest, origin: Store, target: Store, anew: bool, progress: Progress) -> None:
    """Bring data from repository to repository, and read back what was written. Raises as `Carrier.carry`."""
    repositories = (each.repository(manifest.source) for each in (origin, target))
    there = target.objects(manifest.source)
    before = objects.everything(there)
    if anew:
        size = sum(each for _, _, each in before)
        for kind, name in objects.damaged(there, before, lambda done: progress("look for damage", done, size)):
            there.put_aside(kind, name)
        before = objects.everything(there)
    engine.carry(manifest.engine, *repositories, anew=anew and bool(before), progress=progress)
    written = objects.everything(there) - before
    size = sum(each for _, _, each in written)
    if strange := objects.damaged(there, written, lambda done: progress("read back", done, size)):
        raise incoming.not_as_written(target.name, "/".join(strange[0]), "its content is not what it is called after")


@contextmanager
def _files_of(places: Places, point: RestorePoint, origin: Store) -> Iterator[Path]:
    """A directory with the files of a copy: where they lie, or where they were fetched to. Raises CorruptCopy."""
    if (folder := origin.folder(point.manifest.source, point.id)) is not None:
        yield folder
        return
    with scratch_directory(places.scratch, "copy") as directory:
        fetch(origin, point.manifest, directory)
        yield directory


def _nothing_to_copy(
    point: RestorePoint, store: str, failure: CorruptCopy | None, damaged: Sequence[str]
) -> StoreError | NoSoundCopy:
    source = point.manifest.source
    others = ", ".join(each for each in point.stores if each != store)
    safe, following = (
        "nothing that could be restored was deleted",
        f"ops list {source}; a new restore point: ops backup {source}",
    )
    if failure is None:
        known = f"every other copy is known to be damaged ({others})" if others else "no other store has it"
        return StoreError(f"{point.id} of {source} cannot be copied to {store}: {known}", safe=safe, next=following)
    error = NoSoundCopy(
        f"{point.id} of {source} in {damaged[-1]} is damaged and was not copied to {store}",
        check=failure.check,
        why=f"{failure.what}{f': {failure.why}' if failure.why else ''}",
        safe=safe,
        next=following,
    )
    error.damaged = damaged
    return error
