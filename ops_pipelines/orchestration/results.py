"""What commands have made, as the assets that Dagster's pages show."""

from collections.abc import Sequence

import dagster as dg

from ops_pipelines.backup.retention import SourcePruned
from ops_pipelines.drill.run import Drilled
from ops_pipelines.healing import Brought
from ops_pipelines.orchestration.assets.drill import drill_metadata
from ops_pipelines.orchestration.assets.retention import retention_metadata
from ops_pipelines.orchestration.describe import manifest_metadata
from ops_pipelines.orchestration.names import PLAIN
from ops_pipelines.orchestration.partitions import day_of
from ops_pipelines.workspace import Workspace


def copied(workspace: Workspace, source: str, store: str, brought: Sequence[Brought]) -> list[dg.AssetMaterialization]:
    """The asset of a copy, for each day of which a restore point was brought; none that `copies:` does not ask for."""
    if store not in workspace.config.sources[source].copies:
        return []
    there = {each.id for each in brought if each.ok}
    days = {
        day_of(workspace.config, each.started_at): each.manifest
        for each in workspace.catalogue(source).points
        if each.id in there
    }
    found = []
    for day, manifest in days.items():
        about = manifest_metadata(manifest, workspace.stores[store].location(source, manifest.id))
        found.append(
            dg.AssetMaterialization(PLAIN.copy(source, store), metadata={**about, "store": store}, partition=day)
        )
    return found


def pruned(found: Sequence[SourcePruned]) -> list[dg.AssetMaterialization]:
    """The asset of retention."""
    return [dg.AssetMaterialization(PLAIN.retention, metadata=retention_metadata(found))]


def drilled(done: Drilled) -> list[dg.AssetMaterialization]:
    """The drill's asset of each source that came back."""
    return [dg.AssetMaterialization(key, metadata=metadata) for key, metadata in drill_metadata(done, PLAIN)]
