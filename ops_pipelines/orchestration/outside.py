"""The daemon's sign of life to the world outside, and errors of sensors. What is sent is decided in `outside`.

The sensor needs the daemon, its scheduler, the code server and the ledger: when one of them stands still, nothing is
sent or an error is, and Sentry's monitor or the heartbeat host raises the alarm.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from ops_pipelines.config.models import Config
from ops_pipelines.outside.errors import report
from ops_pipelines.outside.heartbeats import beat
from ops_pipelines.outside.monitors import daemon_check_in
from ops_pipelines.workspace import Workspace


@contextmanager
def sensor_errors_reported(name: str) -> Iterator[None]:
    """Report what a sensor raises, and let it pass."""
    try:
        yield
    except Exception as error:
        report(error, phase="sensor", sensor=name)
        raise


def build_heartbeat_sensor(config: Config) -> list[dg.SensorDefinition]:
    """The sensor, where somebody is configured to hear it."""
    if config.sentry.dsn is None and config.heartbeats.daemon is None:
        return []

    @dg.sensor(
        name="heartbeat",
        minimum_interval_seconds=int(config.sentry.daemon_every.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells Sentry or a heartbeat URL that the daemon is alive, so that silence is noticed.",
    )
    def heartbeat(context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]) -> dg.SkipReason:
        with sensor_errors_reported("heartbeat"):
            # Attempts of killed processes are ended here too, whether or not anybody else looks.
            workspace.ledger.fail_orphans()
            ill = [kind for kind, status in context.instance.get_daemon_statuses().items() if not status.healthy]
        daemon_check_in(config, well=not ill)
        beat(config.heartbeats.daemon, "fail" if ill else "", body=f"not running: {', '.join(ill)}" if ill else "")
        return dg.SkipReason(f"told that {', '.join(ill)} is not running" if ill else "told that all is well")

    return [heartbeat]
