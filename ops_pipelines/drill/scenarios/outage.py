"""A server dies: is it noticed, is somebody told, and how long until the application works on another one?

The server that dies is a sacrificial one, which the drill itself started and filled from a backup. Production is never
stopped.
"""

import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

from ops_pipelines.config.secrets import SecretRef
from ops_pipelines.drill.applications import recover_application
from ops_pipelines.drill.by_script import recover_by_script
from ops_pipelines.drill.clean import clean_machine
from ops_pipelines.drill.context import Drill
from ops_pipelines.drill.record import Outage
from ops_pipelines.drill.recover import Alive, recover
from ops_pipelines.drill.watch import end_alerts, raise_alert
from ops_pipelines.engines.base import Engine
from ops_pipelines.engines.registry import engine_for
from ops_pipelines.errors import OpsError

_EVERY_S = 0.5
_IN_A_ROW = 2


def play(drill: Drill) -> None:
    """Stop the sacrificial server, wait for the alarm, recover, and wait for the all-clear. Raises OpsError."""
    drill.machine = clean_machine(drill.workspace, drill.directory, drill.kit)
    (application,) = drill.applications
    name = _with_a_server(drill, application)
    with ExitStack() as doomed:
        victim = _sacrificial(replace(drill, servers=doomed), name)
        probe = _probe_of(drill, victim)
        probe.probe()
        drill.say(f"{name}: the sacrificial server answers our probe")
        doomed.close()
    stopped, drill.disaster_at = time.monotonic(), drill.workspace.clock.now()
    drill.say(f"{name}: the sacrificial server is dead")
    outage = Outage(source=name, sacrificial=True, noticed_s=_noticed(drill, probe, name, stopped))
    try:
        channel = raise_alert(drill, name)
        if channel:
            outage = outage.model_copy(update={"channel": channel, "detected_s": round(time.monotonic() - stopped, 2)})
        drill.outage = outage
        recover_application(drill, application)
        outage = outage.model_copy(update={"recovered_s": round(time.monotonic() - stopped, 2)})
    finally:
        resolved = end_alerts(drill.workspace)
    drill.outage = outage.model_copy(update={"resolved": resolved})
    drill.say("the all-clear was delivered" if resolved else "nobody was told that it is over")
    recover_by_script(drill)
    if drill.workspace.config.alerts.channels and not (outage.channel and resolved):
        raise OpsError(
            "an outage would not have been told" if not outage.channel else "the end of an outage was not told",
            why="no channel took the message; see `ops alerts`",
            next="ops alerts test",
        )


def _with_a_server(drill: Drill, application: str) -> str:
    for name in drill.applications[application].sources:
        if drill.clean.source(name).kind != "files":
            return name
    raise OpsError(
        f"application {application} has no server that could die",
        next="name one with a database: ops drill outage --application NAME",
    )


def _sacrificial(drill: Drill, name: str) -> Alive:
    """A server that plays production, filled from the backup."""
    drill.say(f"{name}: a sacrificial server is started and filled")
    result, alive = recover(drill, name, {})
    if alive is None:
        raise OpsError(f"the sacrificial server of {name} could not be filled", why=result.problems[0])
    return alive


def _probe_of(drill: Drill, victim: Alive) -> Engine:
    """What watches the sacrificial server: the probe that every backup begins with."""
    source = drill.clean.source(victim.name)
    there = SecretRef.model_validate({"literal": victim.target})
    limits = source.limits.model_copy(update={"connect": timedelta(seconds=5)})
    return engine_for(victim.name, source.model_copy(update={"url": there, "limits": limits}))


def _noticed(drill: Drill, probe: Engine, name: str, stopped: float) -> float:
    """Probe until it fails twice in a row; returns the seconds since the stop. Raises OpsError when it never does."""
    failures, deadline = 0, stopped + drill.settings.detect_within.total_seconds()
    while time.monotonic() < deadline:
        try:
            probe.probe()
            failures = 0
        except OpsError as error:
            failures += 1
            if failures == _IN_A_ROW:
                drill.say(f"{name}: our probe fails: {error.what}")
                return round(time.monotonic() - stopped, 2)
        time.sleep(_EVERY_S)
    raise OpsError(f"our probe did not notice that the server of {name} is dead")
