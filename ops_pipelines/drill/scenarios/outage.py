"""A server dies: is it noticed, is somebody told, and how long until the application works on another one?

The server that dies is a sacrificial one, which the drill itself started and filled from a backup. A source's real
server is stopped only by commands of the user's own (`drill:` in its settings), and only where an outage is allowed. It
is started again as soon as the outage was noticed: nothing that follows needs it to be down.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from ops_pipelines.config.drills import Application
from ops_pipelines.config.models import Config
from ops_pipelines.drill.applications import recover_application
from ops_pipelines.drill.by_script import recover_by_script
from ops_pipelines.drill.clean import clean_machine
from ops_pipelines.drill.context import Drill
from ops_pipelines.drill.record import Detection, Outage
from ops_pipelines.drill.recover import Alive, recover
from ops_pipelines.drill.watch import Alarm, alarm_of, detectors
from ops_pipelines.engines.base import Dumper, Engine
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.language.said import Word, said
from ops_pipelines.outages import outage
from ops_pipelines.settings.outage import OutageCommands
from ops_pipelines.settings.secrets import SecretRef

_EVERY_S = 0.5


@dataclass(frozen=True)
class _Down:
    """A server that is down: who asks it, who tells of it, since when, and what brings it back."""

    probe: Dumper
    alarm: Alarm
    since: float
    sacrificial: bool
    start: Callable[[], None]

    def so_far(self) -> float:
        """Seconds since it was stopped."""
        return round(time.monotonic() - self.since, 2)


def refuse_undeclared(config: Config, applications: Mapping[str, Application]) -> None:
    """Refuse to stop a real server that may not be down. Raises SafetyRefusal, OpsError."""
    name = _victim(config, applications)
    commands = _commands(config, name)
    if commands is not None and not commands.allow_outage:
        raise SafetyRefusal(
            f"the server of {name} is not stopped: allow_outage is not true",
            why=f"sources.{name}.drill names the commands that would stop it: {' '.join(commands.stop)}",
            safe="nothing was stopped or started",
            next=f"set sources.{name}.drill.allow_outage: true, or take drill: out for a sacrificial server",
        )


def play(drill: Drill) -> None:
    """Stop a server, wait for every alarm, recover, and wait for the resolved alert. Raises OpsError."""
    drill.machine = clean_machine(drill.workspace, drill.directory, drill.kit)
    (application,) = drill.applications
    name = _victim(drill.workspace.config, drill.applications)
    commands = _commands(drill.workspace.config, name)
    with _declared(drill, name, commands) if commands is not None else _sacrificed(drill, name) as down:
        try:
            drill.outage = _detected(drill, name, down)
            down.start()
            drill.outage = drill.outage.model_copy(update={"down_s": None if down.sacrificial else down.so_far()})
            recover_application(drill, application)
            drill.outage = drill.outage.model_copy(update={"recovered_s": down.so_far()})
        except BaseException:
            down.alarm.over()  # said once: what went wrong is more important than who hears it
            raise
        drill.outage = drill.outage.model_copy(update={"resolved": _over(drill, down)})
    recover_by_script(drill)
    _judge(drill, drill.outage)


def _victim(config: Config, applications: Mapping[str, Application]) -> str:
    """The source whose server dies: the first database of the application."""
    ((application, each),) = applications.items()
    for name in each.sources:
        if config.source(name).server is not None:
            return name
    raise OpsError(
        f"application {application} has no server to stop",
        next="name one with a database: ops drill outage --application NAME",
    )


def _commands(config: Config, name: str) -> OutageCommands | None:
    return config.source(name).outage


@contextmanager
def _sacrificed(drill: Drill, name: str) -> Iterator[_Down]:
    """A server that plays production, filled from the backup, and dead."""
    with ExitStack() as doomed:
        drill.say(said("{name}: a sacrificial server is started and filled", name=name))
        result, victim = recover(replace(drill, servers=doomed), name, {})
        if victim is None:
            raise OpsError(f"the sacrificial server of {name} could not be filled", why=result.problems[0])
        probe = _asking(drill, victim)
        probe.probe()
        drill.say(said("{name}: the sacrificial server answers our probe", name=name))
        drill.limits.append(
            said("the server that died was a sacrificial one, which the drill itself probed twice a second")
        )
        doomed.close()
    drill.disaster_at = drill.workspace.clock.now()
    drill.say(said("{name}: the sacrificial server is dead", name=name))
    yield _Down(probe, alarm_of(drill, name, real=False), time.monotonic(), sacrificial=True, start=lambda: None)


@contextmanager
def _declared(drill: Drill, name: str, commands: OutageCommands) -> Iterator[_Down]:
    """The real server, stopped by the user's own command; started again at the end of the block at the latest."""
    source = drill.workspace.config.source(name)
    limits = source.limits.model_copy(update={"connect": timedelta(seconds=5)})
    probe = source.model_copy(update={"limits": limits}).engine(name)
    probe.probe()
    alarm = alarm_of(drill, name, real=True)
    stops = " ".join(commands.stop)
    drill.say(said("{name}: its server answers; it is stopped now: {command}", name=name, command=stops))
    since, drill.disaster_at = time.monotonic(), drill.workspace.clock.now()
    with outage(drill.workspace.places.outages, name, commands) as start:

        def begin_again() -> None:
            start()
            _until(commands.limit, lambda: _answers(probe), f"{name} was started and does not answer")
            starts = " ".join(commands.start)
            drill.say(said("{name}: its server answers again: {command}", name=name, command=starts))

        yield _Down(probe, alarm, since, sacrificial=False, start=begin_again)


def _asking(drill: Drill, victim: Alive) -> Engine:
    """What watches the sacrificial server: the probe that every backup begins with."""
    source = drill.clean.config.source(victim.name)
    there = SecretRef.model_validate({"literal": victim.target})
    limits = source.limits.model_copy(update={"connect": timedelta(seconds=5)})
    return source.model_copy(update={"url": there, "limits": limits}).engine(victim.name)


def _detected(drill: Drill, name: str, down: _Down) -> Outage:
    """Wait until everybody has noticed, or the time for it is over."""
    waiting = detectors(drill, name, down.probe, down.alarm)
    found: dict[str, Detection] = {by: Detection(by=by) for by in waiting}
    within = drill.settings.detect_within.total_seconds()
    while waiting:
        for by, ask in list(waiting.items()):
            if what := ask():
                after = down.so_far()
                found[by] = Detection(by=by, after_s=after, what=what)
                noticed = said(
                    "{name}: noticed by {who} after {after} s: {what}",
                    name=name, who=Word(by), after=round(after, 1), what=what,
                )  # fmt: skip
                drill.say(noticed)
                del waiting[by]
        if down.so_far() > within:
            break
        if waiting:
            time.sleep(_EVERY_S)
    for by in waiting:
        drill.say(said("{name}: NOT noticed by {who}", name=name, who=Word(by)))
    alert = found.get("alert", Detection(by="alert"))
    return Outage(
        source=name, sacrificial=down.sacrificial, noticed_s=found["probe"].after_s, detected_s=alert.after_s,
        channel=alert.what, detections=list(found.values()),
    )  # fmt: skip


def _over(drill: Drill, down: _Down) -> bool:
    """Wait for the resolved alert; False when no channel accepted it in time."""
    if not drill.workspace.config.alerts.channels:
        return False
    try:
        _until(drill.settings.detect_within, down.alarm.over, "no channel has taken it in time")
    except OpsError as error:
        drill.say(said("the resolved alert was not delivered: {why}", why=error.what))
        return False
    drill.say(said("the resolved alert was delivered"))
    return True


def _judge(drill: Drill, result: Outage) -> None:
    """Raise OpsError when an alarm that is configured did not come."""
    missing = [each.by for each in result.detections if each.after_s is None]
    if missing or (drill.workspace.config.alerts.channels and not result.resolved):
        raise OpsError(
            f"an outage would have gone unreported: {', '.join(missing)} did not notice it"
            if missing
            else "the end of an outage was not reported",
            why="no channel accepted the message; see `ops alerts list`" if "alert" in missing or not missing else "",
            next="ops alerts test",
        )


def _answers(probe: Dumper) -> bool:
    try:
        probe.probe()
    except OpsError:
        return False
    return True


def _until(within: timedelta, holds: Callable[[], bool], otherwise: str) -> None:
    """Wait for something. Raises OpsError when it does not come about in time."""
    deadline = time.monotonic() + within.total_seconds()
    while not holds():
        if time.monotonic() > deadline:
            raise OpsError(otherwise)
        time.sleep(_EVERY_S)
