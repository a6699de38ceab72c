"""The `offsite_<store>` assets: the day's restore points, byte for byte, in another store."""

import dagster as dg

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.errors import StoreError
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.assets.common import Chain
from ops_pipelines.orchestration.describe import failures_explained, manifest_metadata
from ops_pipelines.orchestration.partitions import points_of
from ops_pipelines.orchestration.resources import Watcher
from ops_pipelines.workspace import Workspace


def build_offsite(chain: Chain, store: str) -> dg.AssetsDefinition:
    """The copy of a source in one store."""
    settings = chain.config.stores[store]

    @dg.asset(
        key=names.copy_key(chain.name, store),
        deps=[names.dump_key(chain.name, chain.source.kind)],
        op_tags=names.order("copy"),
        kinds={settings.kind},
        description=(
            f"Every restore point of `{chain.name}` of the day, copied unchanged to the store `{store}` "
            f"({settings.medium}{', off-site' if settings.offsite else ''}) and checked while it is copied."
        ),
        **chain.options,
    )
    def offsite(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        watcher: dg.ResourceParam[Watcher],
    ) -> dg.MaterializeResult[None]:
        with failures_explained():
            points = points_of(workspace.catalogue(chain.name), context.partition_time_window)
            if not points:
                raise StoreError(
                    f"{chain.name} has no restore point of {context.partition_key} to copy to {store}",
                    next=f"materialize {chain.name}/dump first",
                )
            copied = [point.id for point in points if store not in point.stores]
            progress, run_id = watcher.watch(context), context.run.run_id
            manifests = [copy_to(workspace, point, store, progress=progress, run_id=run_id) for point in points]
        newest = manifests[-1]
        location = workspace.stores[store].location(chain.name, newest.id)
        return dg.MaterializeResult(
            metadata={**manifest_metadata(newest, location), "store": store, "copied": dg.MetadataValue.json(copied)}
        )

    return offsite
