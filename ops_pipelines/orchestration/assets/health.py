"""The `backup_health` asset: how every source is, as one table. Told anew whenever a state changes, without any run.

The watcher (`sensors/rpo`) materializes it, so that it is true even when no schedule runs; by hand it looks again.
"""

from collections.abc import Sequence

import dagster as dg

from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.assets.common import newest_proofs
from ops_pipelines.orchestration.describe import Metadata, bullets, health_table
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.watch.alerts.configuration import look_at_configuration
from ops_pipelines.watch.health import EXIT_STATUS, SourceHealth
from ops_pipelines.watch.snapshots import look
from ops_pipelines.workspace import Workspace

_BROKEN = 2


def build_health_asset(installation: Installation) -> dg.AssetsDefinition:
    """The health of all sources."""
    workspace, key = installation.workspace, installation.names.health

    @dg.asset(
        key=key,
        group_name=installation.names.name("reports"),
        kinds={"table"},
        owners=[*installation.owners],
        deps=newest_proofs(installation),
        check_specs=[
            dg.AssetCheckSpec(
                names.ALL_WELL_CHECK,
                asset=key,
                description="No step of any source is FAIL, OVERDUE or NEVER, every recovery point holds its RPO, and "
                "`ops.yaml` can be used.",
            )
        ],
        description="Every source and each of its steps: state, age, what is allowed, cause and the command to type.",
    )
    def backup_health() -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster does not know it by its parameter beside checks
        with installation.step():
            found = look(workspace)
        broken = _broken(workspace, found)
        result = dg.AssetCheckResult(check_name=names.ALL_WELL_CHECK, passed=not broken, metadata=_metadata(broken))
        return dg.MaterializeResult(metadata=health_table(found), check_results=[result])

    return backup_health


def health_materialized(key: dg.AssetKey, found: Sequence[SourceHealth]) -> dg.AssetMaterialization:
    """The same as an event, for who tells it without a run."""
    return dg.AssetMaterialization(key, metadata=health_table(found))


def health_evaluated(installation: Installation, found: Sequence[SourceHealth]) -> dg.AssetCheckEvaluation:
    """The check's result as an event."""
    broken = _broken(installation.workspace, found)
    return dg.AssetCheckEvaluation(
        asset_key=installation.names.health,
        check_name=names.ALL_WELL_CHECK,
        passed=not broken,
        metadata=_metadata(broken),
    )


def _broken(workspace: Workspace, found: Sequence[SourceHealth]) -> list[str]:
    """What is FAIL, OVERDUE or NEVER, in words; first of all a configuration that cannot be used."""
    return (
        [f"{each.title}: {each.cause}" for each in look_at_configuration(workspace).conditions]
        + [
            f"{health.source} {step.phase}{f' to {step.store}' if step.store else ''} {step.state}: {step.cause}"
            for health in found
            for step in health.phases
            if EXIT_STATUS[step.state] == _BROKEN
        ]
        + [
            f"{health.source} {health.state}: {health.cause}"
            for health in found
            if EXIT_STATUS[health.state] == _BROKEN
        ]
    )


def _metadata(broken: Sequence[str]) -> Metadata:
    return {"problems": dg.MetadataValue.md(bullets(broken))} if broken else {}
