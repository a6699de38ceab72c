"""Who notices an outage: our probe, the channels of alerting, Sentry, Prometheus. And who hears that it is over.

A sacrificial server is in no `ops.yaml`, so the drill raises the alert about it itself, marked as a drill, through the
real rules of telling and the real channels. A real server that `probes:` asks is left to the monitoring that runs all
the time; only where none runs does the drill ask in its place, and says so.
"""

import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ops_pipelines.chronology import within
from ops_pipelines.clock import Clock, moment_of, read_moment
from ops_pipelines.config.models import Config
from ops_pipelines.drill.context import Drill
from ops_pipelines.engines.base import Dumper
from ops_pipelines.errors import OpsError
from ops_pipelines.language.said import said
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import DELIVERED
from ops_pipelines.outside.errors import report_and_wait
from ops_pipelines.probes.probe import probe_all, probed_sources
from ops_pipelines.watch.alerts.conditions import Condition, Look
from ops_pipelines.watch.alerts.delivery import deliver
from ops_pipelines.watch.alerts.incidents import settle
from ops_pipelines.watch.alerts.rules import look_at_probes
from ops_pipelines.workspace import Workspace

RULE = "drill_outage"
_PART, _DOWN = "drill", "server_down"
_WITHIN = timedelta(seconds=30)
# The alert sensor looks twice a minute; on a busy machine a look takes its time.
_WATCHED_WITHIN = timedelta(minutes=5)
_IN_A_ROW = 2
# The rules that `deploy/monitoring` has for it: on what the probes measured, and on what a drill told.
_OURS = ("OpsServerDown", "OpsDrillOutage")
_READ_BYTES = 16 * 1024 * 1024


class Alarm(Protocol):
    """An alert about the outage. Both are asked again and again, and raise LedgerError."""

    def raised(self) -> str:
        """The channel that has taken the alert; empty while none has."""
        ...

    def over(self) -> bool:
        """Whether a channel has accepted the resolved alert."""
        ...


class DrillAlarm:
    """An alert that the drill raises and ends itself."""

    def __init__(self, drill: Drill, source: str) -> None:
        self._drill, self._alerts = drill, _Alerts.of(drill.workspace)
        self._condition = Condition(
            RULE, "error", source, "health", said("DRILL: the server is down"),
            said("this is a drill: its server was stopped on purpose"), said("nothing; a resolved alert follows"),
            store=drill.id,
        )  # fmt: skip
        self._raised = self._ended = False

    def raised(self) -> str:
        """Raise it once, deliver what waits, and look who took it."""
        if not self._raised:
            self._raised = self._alerts.settle([self._condition])
        self._alerts.deliver()
        return _taken(self._drill, self._condition.key, "opened")

    def over(self) -> bool:
        """End it once, deliver what waits, and look whether somebody took it."""
        if not self._ended:
            self._ended = self._alerts.settle([])
        self._alerts.deliver()
        return bool(_taken(self._drill, self._condition.key, "resolved"))


class MonitoringAlarm:
    """The alert of the probes that run all the time."""

    def __init__(self, drill: Drill, source: str) -> None:
        self._drill, self._key = drill, f"{_DOWN}/{source}/"
        last = AlertLedger(drill.workspace.ledger).evaluated_at("probes")
        self._alone = last is None or not within(last, drill.workspace.clock.now(), _WATCHED_WITHIN)
        if self._alone:
            drill.limits.append(
                said(
                    "no daemon was running: the drill probed the servers and evaluated the alerts in its place, "
                    "without the minute that may pass between two probes"
                )
            )

    def raised(self) -> str:
        """Watch, if nobody else does, and look who took the alert."""
        self._watch()
        return _taken(self._drill, self._key, "opened")

    def over(self) -> bool:
        """Watch, if nobody else does, and check whether a channel accepted the resolved alert."""
        self._watch()
        return bool(_taken(self._drill, self._key, "resolved"))

    def _watch(self) -> None:
        if not self._alone:
            return
        workspace = self._drill.workspace
        probe_all(workspace.config, workspace.clock, workspace.ledger)
        settle(workspace.config, AlertLedger(workspace.ledger), look_at_probes(workspace))
        _Alerts.of(workspace).deliver()


def alarm_of(drill: Drill, source: str, *, real: bool) -> Alarm:
    """Who raises the alert about a server.

    Args:
        real: it is the source's own server, not a sacrificial one.
    """
    if real and source in probed_sources(drill.workspace.config):
        return MonitoringAlarm(drill, source)
    if real:
        drill.limits.append(
            said("only drills watch the server of {source}: `probes:` is not in ops.yaml", source=source)
        )
    return DrillAlarm(drill, source)


def detectors(drill: Drill, source: str, probe: Dumper, alarm: Alarm) -> dict[str, Callable[[], str]]:
    """Everything that has to notice the outage, by name; each says what noticed it, and nothing until then.

    Args:
        probe: asks the server that is down.
    """
    config, settings = drill.workspace.config, drill.settings
    known = _Probe(probe)
    found: dict[str, Callable[[], str]] = {"probe": known.noticed}
    if config.alerts.channels:
        found["alert"] = lambda: alarm.raised() if known.is_down else ""
    else:
        drill.limits.append(said("no alert channel is configured: alert delivery was not tested"))
    if config.sentry.on:
        found["sentry"] = lambda: _seen_by_sentry(drill, source) if known.is_down else ""
    if (url := settings.prometheus) is not None:
        found["prometheus"] = lambda: _firing(url, source, since=drill.disaster_at)
    return found


class _Probe:
    """The probe that every backup begins with; a server is down when it fails twice in a row."""

    def __init__(self, engine: Dumper) -> None:
        self._engine, self._failures = engine, 0

    @property
    def is_down(self) -> bool:
        return self._failures >= _IN_A_ROW

    def noticed(self) -> str:
        try:
            self._engine.probe()
        except OpsError as error:
            self._failures += 1
            return error.what if self.is_down else ""
        self._failures = 0
        return ""


def _seen_by_sentry(drill: Drill, source: str) -> str:
    taken = report_and_wait(
        drill.workspace.config.sentry, RULE, f"DRILL: the server of {source} is down, on purpose", phase="drill",
        tags={"source": source, "drill": drill.id}, within=_WITHIN,
    )  # fmt: skip
    return "an event" if taken else ""


def _firing(url: str, source: str, *, since: datetime) -> str:
    """The name of the alert about a source's server that began after a moment and fires; empty while none does."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url.rstrip('/')}/api/v1/alerts", timeout=5) as answer:
            alerts = json.loads(answer.read(_READ_BYTES))["data"]["alerts"]
        for each in alerts:
            labels = each["labels"]
            about = labels["alertname"] in _OURS and source in (labels.get("source"), labels.get("target"))
            began = read_moment(each["activeAt"])
            if each["state"] == "firing" and about and began >= since.replace(microsecond=0):
                return str(labels["alertname"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # asked again; who never answers has not noticed
    return ""


def _taken(drill: Drill, key: str, event: str) -> str:
    """The channel that has taken a message since the drill began, whoever delivered it."""
    began = moment_of(drill.id)
    for row in AlertLedger(drill.workspace.ledger).outbox():
        if row.key == key and row.event == event and row.status == DELIVERED and row.created_at >= began:
            return row.accepted[-1] if row.accepted else ""
    return ""


def end_alerts(workspace: Workspace) -> None:
    """End every incident of a drill that was killed. Raises LedgerError."""
    if any(row.rule == RULE for row in AlertLedger(workspace.ledger).open_incidents()):
        alerts = _Alerts.of(workspace)
        alerts.settle([])
        alerts.deliver()


@dataclass(frozen=True)
class _Alerts:
    """How a drill raises and ends alerts of its own."""

    config: Config
    clock: Clock
    ledger: Ledger

    @classmethod
    def of(cls, workspace: Workspace) -> "_Alerts":
        return cls(workspace.config, workspace.clock, workspace.ledger)

    def settle(self, conditions: list[Condition]) -> bool:
        """Whether it was settled: the alert sensor may just have looked at newer facts, and then it is tried again."""
        look = Look(_PART, frozenset({RULE}), self.clock.now(), conditions)
        return settle(self.config, AlertLedger(self.ledger), look) is not None

    def deliver(self) -> None:
        deliver(self.config.alerts, self.clock, self.ledger, within=_WITHIN)
