"""Bring restore points from the local store to the others. Dumped once, copied many times."""

from ops_pipelines.engines.base import Carrier
from ops_pipelines.errors import StoreError
from ops_pipelines.streams import Progress, silent
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.stores.registry import LOCAL
from ops_pipelines.workspace import Workspace


def copy_to(
    workspace: Workspace,
    point: RestorePoint,
    store_name: str,
    *,
    progress: Progress = silent,
    run_id: str | None = None,
) -> Manifest:
    """Copy one restore point from the local store into another; does nothing when it is there.

    A copy that was proved damaged is replaced, unless the backup itself was proved bad.

    Raises:
        StoreError: the store cannot be written, or the local copy is gone.
        CorruptCopy: the local copy is damaged; it was not copied.
        SafetyRefusal: the store is offsite and the parts are not encrypted.
    """
    manifest = point.manifest
    replaced = store_name in point.damaged and point.verified
    if store_name in point.stores and not replaced:
        return manifest
    if LOCAL not in point.stores or LOCAL in point.damaged:
        raise StoreError(
            f"{point.id} of {manifest.source} cannot be copied to {store_name}: the local copy is gone or damaged",
            why=f"it is in {', '.join(point.stores)}",
            safe="those copies are untouched",
        )
    store = workspace.stores[store_name]
    done = 0

    def copied(size_bytes: int) -> None:
        nonlocal done
        done += size_bytes
        progress(f"copy to {store_name}", done, manifest.size_bytes)

    with workspace.ledger.activity(
        "copy", source=manifest.source, backup_id=point.id, store=store_name, run_id=run_id
    ) as entry:
        engine = workspace.engine(manifest.source)
        if isinstance(engine, Carrier):
            # The data first: the restore point exists in the store once its manifest does.
            origin, target = (each.repository(manifest.source) for each in (workspace.local, store))
            engine.carry(manifest.engine, origin, target, progress=progress)
        if replaced:
            store.delete(manifest.source, point.id)
        store.receive(manifest, workspace.local.directory(manifest.source, point.id), copied)
        entry.meta = {"size_bytes": manifest.size_bytes, "replaced": replaced}
    return manifest
