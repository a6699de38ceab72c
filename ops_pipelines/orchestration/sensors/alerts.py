"""The alert sensor: evaluates the rules and delivers the outbox, twice a minute. It decides nothing itself.

What it could not deliver stays in the outbox, and a tick that fails is followed by another: its cursor holds nothing.
"""

import dagster as dg

from ops_pipelines import text
from ops_pipelines.orchestration.dead import end_dead_runs
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.watch.alerts.watch import watch_once

_EVERY_S = 30


def build_alert_sensor(installation: Installation) -> dg.SensorDefinition:
    """One sensor for all sources."""
    config, workspace = installation.config, installation.workspace
    channels = ", ".join(config.alerts.channels) or "nobody: no channel is configured"

    @dg.sensor(
        name=installation.names.name("alert_watch"),
        minimum_interval_seconds=_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Watches {len(config.sources)} sources for problems and alerts {channels}.",
    )
    def alert_watch(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        with installation.sensing("alert_watch"):
            done = watch_once(workspace, inside=True)
            for run_id in end_dead_runs(context.instance, workspace.ledger):
                context.log.warning(f"ended: run {run_id}, whose process died")
        for subject, said in done.failed:
            context.log.warning(text.line(f"not delivered: {subject}: {said}"))
        return dg.SkipReason(f"{done.open_incidents} open, {len(done.sent)} sent, {done.depth} waiting")

    return alert_watch
