"""The `rpo` check: is the newest verified backup young enough? Cheap; the sensor evaluates it too."""

import dagster as dg

from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.describe import health_metadata
from ops_pipelines.watch.health import SourceHealth, source_health
from ops_pipelines.workspace import Workspace


def build_rpo_check(source: str) -> dg.AssetChecksDefinition:
    """The check on a source's `verified` asset, to be run by hand."""

    @dg.asset_check(
        asset=names.verified_key(source),
        name=names.RPO_CHECK,
        description=(
            "The age of the newest verified backup, from the start of its dump, is within the RPO, "
            "and the newest backup was not proved bad."
        ),
    )
    def rpo(workspace: dg.ResourceParam[Workspace]) -> dg.AssetCheckResult:
        health = source_health(workspace, source)
        return dg.AssetCheckResult(
            passed=passes(health), severity=severity(health), metadata=dict(health_metadata(health))
        )

    return rpo


def passes(health: SourceHealth) -> bool:
    """A proof that says less than it should has a check of its own."""
    return health.state in ("OK", "WEAK")


def severity(health: SourceHealth) -> dg.AssetCheckSeverity:
    """At risk warns; broken is an error."""
    return dg.AssetCheckSeverity.WARN if health.ok else dg.AssetCheckSeverity.ERROR
