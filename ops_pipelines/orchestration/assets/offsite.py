"""The `offsite_<store>` assets: the day's restore points, byte for byte, in another store."""

from collections.abc import Sequence

import dagster as dg

from ops_pipelines.errors import StoreError
from ops_pipelines.healing import Brought, bring
from ops_pipelines.orchestration.assets.common import Chain
from ops_pipelines.orchestration.days import points_of_day
from ops_pipelines.orchestration.describe import manifest_metadata


def build_offsite(chain: Chain, store: str) -> dg.AssetsDefinition:
    """The copy of a source in one store."""
    settings = chain.config.stores[store]
    workspace, watcher = chain.installation.workspace, chain.installation.watcher

    @dg.asset(
        key=chain.names.copy(chain.name, store),
        deps=[chain.names.dump(chain.name, chain.source.kind)],
        op_tags=chain.tags_of("copy"),
        kinds={settings.kind},
        description=(
            f"Every restore point of `{chain.name}` of the day, copied unchanged to the store `{store}` "
            f"({settings.medium}{', off-site' if settings.offsite else ''}) and read back from it; a damaged copy is "
            "replaced and verified."
        ),
        **chain.options,
    )
    def offsite(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with chain.step(context):
            points = points_of_day(context, chain, workspace.catalogue(chain.name))
            if not points:
                raise StoreError(
                    f"{chain.name} has no restore point of {context.partition_key} to copy to {store}",
                    next=f"materialize {chain.names.dump(chain.name, chain.source.kind).to_user_string()} first",
                )
            ids = [point.id for point in points]
            brought = bring(
                workspace, chain.name, store, ids, progress=watcher.watch(context), run_id=context.run.run_id
            )
            _refuse_failed(brought)
        newest = points[-1].manifest
        location = workspace.stores[store].location(chain.name, newest.id)
        done = {
            each: dg.MetadataValue.json([one.id for one in brought if one.done == each])
            for each in ("copied", "replaced")
        }
        return dg.MaterializeResult(metadata={**manifest_metadata(newest, location), "store": store, **done})

    return offsite


def _refuse_failed(brought: Sequence[Brought]) -> None:
    """Every restore point was tried; one that failed fails the step. Raises OpsError."""
    failed = [each for each in brought if not each.ok]
    if not failed:
        return
    first = failed[0]
    if first.error is not None and len(failed) == 1:
        raise first.error
    reasons = [each.error.what if each.error else f"{each.id} is bad after it was replaced" for each in failed]
    raise StoreError(
        f"{len(failed)} of {len(brought)} restore points of {first.source} are not in {first.store}",
        why="; ".join(reasons),
        safe="the others were copied",
        next=f"ops copy {first.source} --to {first.store}",
    )
