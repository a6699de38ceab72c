"""The alert sensor: evaluates the rules and delivers the outbox, twice a minute. It decides nothing itself.

What it could not deliver stays in the outbox, and a tick that fails is followed by another: its cursor holds nothing.
"""

import dagster as dg

from ops_pipelines import text
from ops_pipelines.config.models import Config
from ops_pipelines.orchestration.dead import end_dead_runs
from ops_pipelines.orchestration.outside import sensor_errors_reported
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.workspace import Workspace

_EVERY_S = 30


def build_alert_sensor(config: Config) -> dg.SensorDefinition:
    """One sensor for all sources."""
    channels = ", ".join(config.alerts.channels) or "nobody: no channel is configured"

    @dg.sensor(
        name="alert_watch",
        minimum_interval_seconds=_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Watches {len(config.sources)} sources for trouble and tells {channels}.",
    )
    def alert_watch(context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]) -> dg.SkipReason:
        with sensor_errors_reported("alert_watch"):
            done = watch_once(workspace, inside=True)
            for run_id in end_dead_runs(context.instance, workspace.ledger):
                context.log.warning(f"ended: run {run_id}, whose process died")
        for subject, said in done.failed:
            context.log.warning(text.line(f"not delivered: {subject}: {said}"))
        return dg.SkipReason(f"{done.open_incidents} open, {len(done.sent)} sent, {done.depth} waiting")

    return alert_watch
