"""What commands have made, as the assets that Dagster's pages show."""

from collections.abc import Sequence

import dagster as dg

from ops_pipelines.backup.retention import SourcePruned
from ops_pipelines.config.cadence import day_of
from ops_pipelines.drill.run import Drilled
from ops_pipelines.healing import Brought
from ops_pipelines.orchestration.assets.drill import drill_metadata
from ops_pipelines.orchestration.assets.retention import pruned_check, retention_metadata
from ops_pipelines.orchestration.describe import manifest_metadata
from ops_pipelines.orchestration.names import PLAIN, PRUNED_CHECK
from ops_pipelines.orchestration.recorded import Result
from ops_pipelines.workspace import Workspace


def copied(workspace: Workspace, source: str, store: str, brought: Sequence[Brought]) -> list[Result]:
    """The asset of a copy, for each day of which a restore point was brought; none that `copies:` does not ask for."""
    if store not in workspace.config.sources[source].copies:
        return []
    there = {each.id for each in brought if each.ok}
    days = {
        day_of(workspace.config, each.started_at): each.manifest
        for each in workspace.catalogue(source).points
        if each.id in there
    }
    found: list[Result] = []
    for day, manifest in days.items():
        about = manifest_metadata(manifest, workspace.stores[store].location(source, manifest.id))
        found.append(
            dg.AssetMaterialization(PLAIN.copy(source, store), metadata={**about, "store": store}, partition=day)
        )
    return found


def pruned(found: Sequence[SourcePruned]) -> list[Result]:
    """The asset of retention, and its check."""
    checked = pruned_check(found)
    return [
        dg.AssetMaterialization(PLAIN.retention, metadata=retention_metadata(found)),
        dg.AssetCheckEvaluation(
            PLAIN.retention, PRUNED_CHECK, checked.passed, metadata=checked.metadata, severity=checked.severity
        ),
    ]


def drilled(done: Drilled) -> list[Result]:
    """The drill's asset of each source that came back."""
    return [dg.AssetMaterialization(key, metadata=metadata) for key, metadata in drill_metadata(done, PLAIN)]
