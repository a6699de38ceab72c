"""The `rpo` check: is the newest verified backup young enough? Cheap; the sensor evaluates it too."""

from collections.abc import Collection

import dagster as dg

from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.dagster_internals import CheckStatus
from ops_pipelines.orchestration.describe import health_metadata
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.watch.health import SourceHealth, source_health


def build_rpo_check(installation: Installation, source: str) -> dg.AssetChecksDefinition:
    """The check on a source's `verified` asset, to be run by hand."""

    @dg.asset_check(
        asset=installation.names.verified(source),
        name=names.RPO_CHECK,
        description=(
            "The age of the newest verified backup, from the start of its dump, is within `warn_after` (a warning "
            "beyond it), and at most the RPO (an error beyond it). Nothing else fails this check."
        ),
    )
    def rpo() -> dg.AssetCheckResult:
        with installation.sensing(names.RPO_CHECK):
            health = source_health(installation.workspace, source)
        return dg.AssetCheckResult(
            passed=passes(health), severity=severity(health), metadata=dict(health_metadata(health))
        )

    return rpo


def passes(health: SourceHealth) -> bool:
    """Whether the recovery point is young enough; whatever else is wrong has checks and rules of its own."""
    return health.rpo_holds and health.age is not None and health.age <= health.warn_after


def severity(health: SourceHealth) -> dg.AssetCheckSeverity:
    """At risk warns; broken is an error."""
    return dg.AssetCheckSeverity.WARN if health.rpo_holds else dg.AssetCheckSeverity.ERROR


def evaluation(called: names.Names, health: SourceHealth) -> dg.AssetCheckEvaluation:
    """The check's result as an event, for who tells it without a run."""
    return dg.AssetCheckEvaluation(
        asset_key=called.verified(health.source),
        check_name=names.RPO_CHECK,
        passed=passes(health),
        severity=severity(health),
        metadata=dict(health_metadata(health)),
    )


def unanswered(instance: dg.DagsterInstance, called: names.Names, sources: Collection[str]) -> set[str]:
    """The sources whose check was planned by a run that ended without it: nothing would be shown for it."""
    keys = {dg.AssetCheckKey(called.verified(source), names.RPO_CHECK): source for source in sources}
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys))
    found = set()
    for key, record in latest.items():
        if record.status is CheckStatus.PLANNED:
            run = instance.get_run_by_id(record.run_id)
            if run is None or run.is_finished:
                found.add(keys[key])
    return found
