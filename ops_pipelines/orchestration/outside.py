"""The daemon's sign of life to the world outside. What is sent is decided in `outside`.

The sensor needs the daemon, its scheduler, the code server and the ledger: when one of them stands still, nothing is
sent or an error is, and Sentry's monitor or the heartbeat host raises the alarm.
"""

import dagster as dg

from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.outside.heartbeats import beat
from ops_pipelines.outside.monitors import daemon_check_in


def build_heartbeat_sensor(installation: Installation) -> list[dg.SensorDefinition]:
    """The sensor, where somebody is configured to hear it."""
    config, workspace = installation.config, installation.workspace
    if config.sentry.dsn is None and config.heartbeats.daemon is None:
        return []

    @dg.sensor(
        name=installation.names.name("heartbeat"),
        minimum_interval_seconds=int(config.sentry.daemon_every.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells Sentry or a heartbeat URL that the daemon is alive, so that silence is noticed.",
    )
    def heartbeat(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        with installation.sensing("heartbeat"):
            # Attempts of killed processes are ended here too, whether or not anybody else looks.
            workspace.ledger.fail_orphans()
            ill = [kind for kind, status in context.instance.get_daemon_statuses().items() if not status.healthy]
        daemon_check_in(config, well=not ill)
        beat(config.heartbeats.daemon, "fail" if ill else "", body=f"not running: {', '.join(ill)}" if ill else "")
        return dg.SkipReason(f"told that {', '.join(ill)} is not running" if ill else "told that all is well")

    return [heartbeat]
