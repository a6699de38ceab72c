"""The RPO sensor: the alarm that needs no run. It turns the lineage red when nothing happens at all.

It computes the true age from the stores, treats *never* as a breach, and writes an `rpo` check
evaluation whenever a source's state changes, and once an hour so that the UI shows its age. `backup_health` it
materializes whenever the state of anything changes. What it saw it keeps in the ledger, for `ops serve`.
"""

import hashlib
import json
from collections.abc import Sequence

import dagster as dg

from ops_pipelines.config.last_good import fault
from ops_pipelines.orchestration.assets.health import health_evaluated, health_materialized
from ops_pipelines.orchestration.checks.rpo import evaluation, unanswered
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.watch.health import SourceHealth
from ops_pipelines.watch.report import renew_report
from ops_pipelines.watch.snapshots import look

_EVERY_S = 30
_STEPS, _CONFIGURATION = "*", "ops.yaml"  # no source is called that


def build_rpo_sensor(installation: Installation) -> dg.SensorDefinition:
    """One sensor for all sources; its cursor holds the state and hour last written for each."""

    @dg.sensor(
        name=installation.names.name("rpo_watch"),
        minimum_interval_seconds=_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Watches the recovery point of {len(installation.config.sources)} sources against their RPO.",
    )
    def rpo_watch(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        with installation.sensing("rpo_watch"):
            return _looked(installation, context)

    return rpo_watch


def _looked(installation: Installation, context: dg.SensorEvaluationContext) -> dg.SensorResult:
    workspace, called = installation.workspace, installation.names
    before: dict[str, str] = json.loads(context.cursor or "{}")
    hour = f"{workspace.clock.now():%Y-%m-%dT%H}"
    found = {health.source: health for health in look(workspace, watching=True)}
    now = {name: f"{health.state} {hour}" for name, health in found.items()}
    silent = unanswered(context.instance, called, found)
    changed = [found[name] for name, value in now.items() if before.get(name) != value or name in silent]
    everything = list(found.values())
    now[_STEPS] = _digest(everything)
    now[_CONFIGURATION] = "broken" if fault(workspace.config) is not None else "whole"
    if before.get(_STEPS) != now[_STEPS]:
        renew_report(workspace, everything)
    return dg.SensorResult(
        cursor=json.dumps(now),
        asset_events=[
            *(evaluation(called, health) for health in changed),
            *([health_evaluated(installation, everything)] if before != now else []),
            *([health_materialized(called.health, everything)] if before.get(_STEPS) != now[_STEPS] else []),
        ],
        skip_reason=dg.SkipReason(", ".join(f"{name} {health.state}" for name, health in found.items())),
    )


def _digest(found: Sequence[SourceHealth]) -> str:
    """Of what is true of every source and step, but for ages: another one means that something has changed."""
    states = [
        [
            each.source, each.state, each.recovery_point, each.newest, each.newest_verdict, each.restore_points,
            each.verified, *(step.state for step in each.phases),
        ]
        for each in found
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(states).encode()).hexdigest()[:16]
