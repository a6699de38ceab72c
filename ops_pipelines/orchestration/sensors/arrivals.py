"""The sensor for what other installations bring: each restore point is one event of its asset, and is proved by a run.

It decides nothing itself. What is new is written into the ledger first, then told to Dagster: a tick that is killed
between both is followed by one that tells what Dagster does not have. A restore point's run has its id as its key.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from ops_pipelines.backup.arrivals import record_arrivals
from ops_pipelines.config.cadence import day_of
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.dagster_internals import AssetJob
from ops_pipelines.orchestration.describe import manifest_metadata
from ops_pipelines.orchestration.execution import run_tags
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.orchestration.jobs import chain_selection
from ops_pipelines.vault.catalogue import RestorePoint

_EVERY_S = 60
_LOOKED_BACK = 200


def build_arrivals_sensor(installation: Installation, job: AssetJob) -> list[dg.SensorDefinition]:
    """One sensor for every source that another installation takes; none where there is no such source."""
    sources = installation.config.taken_elsewhere
    if not sources:
        return []

    @dg.sensor(
        name=installation.names.name("arrivals"),
        job=job,
        minimum_interval_seconds=_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Looks for new restore points of {', '.join(sources)}, which others take, and has them proved.",
    )
    def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        with installation.sensing("arrivals"):
            arrived = [point for name in sources for point in _untold(context.instance, installation, name)]
        return dg.SensorResult(
            asset_events=[_told(installation, point) for point in arrived],
            run_requests=list(_runs(installation, arrived)),
            skip_reason=None if arrived else dg.SkipReason("nothing new"),
        )

    return [arrivals]


def _untold(instance: dg.DagsterInstance, installation: Installation, name: str) -> Sequence[RestorePoint]:
    """The restore points of a source that have arrived, and of which Dagster has no event, oldest first."""
    workspace = installation.workspace
    record_arrivals(workspace, name)
    rows = workspace.ledger.recent(source=name, kind="adopt", limit=_LOOKED_BACK)
    arrived = {row.backup_id for row in rows if "taken_by" in row.meta}
    if not arrived:
        return []
    told = _ids_told(instance, installation, name)
    return [point for point in workspace.catalogue(name).points if point.id in arrived - told]


def _ids_told(instance: dg.DagsterInstance, installation: Installation, name: str) -> set[str]:
    key = installation.names.dump(name, installation.config.source(name).kind)
    records = instance.fetch_materializations(key, limit=2 * _LOOKED_BACK).records
    events = [each.asset_materialization for each in records]
    return {
        str(each.metadata["backup_id"].value) for each in events if each is not None and "backup_id" in each.metadata
    }


def _told(installation: Installation, point: RestorePoint) -> dg.AssetMaterialization:
    manifest, store = point.manifest, installation.workspace.stores[point.stores[0]]
    about = manifest_metadata(manifest, store.location(manifest.source, point.id))
    return dg.AssetMaterialization(
        installation.names.dump(manifest.source, manifest.kind),
        description=f"brought by {installation.config.source(manifest.source).taken_by}",
        partition=day_of(installation.config, point.started_at),
        metadata={**about, "store": store.name},
    )


def _runs(installation: Installation, arrived: Sequence[RestorePoint]) -> Iterator[dg.RunRequest]:
    """One for each day of each source: its newest is proved, all of them are copied."""
    newest = {(each.manifest.source, day_of(installation.config, each.started_at)): each for each in arrived}
    for (name, day), point in newest.items():
        keys = chain_selection(installation.config, name, installation.names)
        proved = installation.config.source(name).verify.auto
        yield dg.RunRequest(
            run_key=f"arrived:{name}:{point.id}",
            partition_key=day,
            asset_selection=[key for key in keys if proved or key != installation.names.verified(name)],
            tags={**run_tags(installation.config, name), names.PRIORITY_TAG: names.LIVE},
        )
