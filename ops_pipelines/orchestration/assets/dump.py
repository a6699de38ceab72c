"""The `dump` asset: a consistent, sealed snapshot of a source, in the local store."""

import dagster as dg

from ops_pipelines.backup.adopt import adopt, of_day, passphrase_of
from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.orchestration.assets.common import Chain
from ops_pipelines.orchestration.days import is_todays, points_of_day
from ops_pipelines.orchestration.describe import DAGSTERS_WORDS, manifest_metadata
from ops_pipelines.orchestration.probes import is_probed
from ops_pipelines.orchestration.ticks import dumped_before
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.workspace import Workspace


def build_dump(chain: Chain) -> dg.AssetsDefinition:
    """The first asset of a source's chain."""
    workspace, watcher = chain.installation.workspace, chain.installation.watcher

    @dg.asset(
        key=chain.names.dump(chain.name, chain.source.kind),
        op_tags=chain.tags_of(kind_of(chain.source.kind).step),
        kinds={chain.source.kind},
        deps=[
            *([chain.names.server(chain.name)] if is_probed(chain.config, chain.name) else []),
            *chain.installation.after.get(chain.name, ()),
        ],
        freshness_policy=chain.freshness,
        pool=chain.names.pool(chain.name),
        description=(
            f"A consistent snapshot of `{chain.name}`, compressed, encrypted and sealed in the local store. "
            "Today's partition takes a new one; a past day adopts the restore point it already has." + DAGSTERS_WORDS
        ),
        **chain.options,
    )
    def dump(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with chain.step(context):
            if not is_todays(context, workspace.clock.now()):
                manifest, adopted = _adopt(context, workspace, chain), True
            elif (taken := dumped_before(context, workspace.ledger, workspace.catalogue, chain.name)) is not None:
                manifest, adopted = taken, True
            else:
                progress, run_id = watcher.watch(context), context.run.run_id
                manifest = take_backup(workspace, chain.name, progress=progress, run_id=run_id)
                adopted = False
        location = workspace.local.location(chain.name, manifest.id)
        return dg.MaterializeResult(metadata={**manifest_metadata(manifest, location), "adopted": adopted})

    return dump


def taken_elsewhere(chain: Chain) -> dg.AssetSpec:
    """The same of a source that another installation takes: nothing materializes it here, a sensor tells of it."""
    return dg.AssetSpec(
        chain.names.dump(chain.name, chain.source.kind),
        group_name=chain.names.name(chain.name),
        kinds={chain.source.kind},
        tags=chain.options["tags"],
        owners=chain.options["owners"],
        partitions_def=chain.options["partitions_def"],
        freshness_policy=chain.freshness,
        description=(
            f"Restore points of `{chain.name}`, which `{chain.source.taken_by}` takes and brings to a store. Each is "
            "believed for its signature." + DAGSTERS_WORDS
        ),
    )


def _adopt(context: dg.AssetExecutionContext, workspace: Workspace, chain: Chain) -> Manifest:
    """The restore point a past day already has, or one made of its legacy backup. Raises Failure when it has none."""
    name, window = chain.name, context.partition_time_window
    points = points_of_day(context, chain, workspace.catalogue(name))
    if points:
        return points[-1].manifest
    legacy = of_day(workspace, name, window.start, window.end)
    if legacy is not None:
        return adopt(
            workspace, name, legacy, passphrase=passphrase_of(workspace.config, name), run_id=context.run.run_id
        )
    folder = workspace.config.source(name).legacy
    searched = f" (nor a legacy backup in {folder.folder})" if folder is not None else ""
    raise dg.Failure(
        description=(
            f"{name} has no backup of {context.partition_key}{searched}, and none can be taken any more: that day is "
            "over, and its data is gone\n  safe: every existing backup is untouched\n"
            f"  next: materialize today's partition, or: ops backup {name}"
        ),
        allow_retries=False,
    )
