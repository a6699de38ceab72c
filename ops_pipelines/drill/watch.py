"""Alerts of a drill: a real incident through the real channels, marked as a drill, and its end."""

from datetime import timedelta

from ops_pipelines.drill.context import Drill
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.watch.alerts.conditions import Condition, Look
from ops_pipelines.watch.alerts.delivery import deliver
from ops_pipelines.watch.alerts.incidents import settle
from ops_pipelines.workspace import Workspace

RULE = "drill_outage"
_PART = "drill"
_WITHIN = timedelta(seconds=30)


def raise_alert(drill: Drill, source: str) -> str:
    """Tell, through the channels that would be used for a real outage; returns the channel that took it, or "".

    Raises LedgerError.
    """
    workspace = drill.workspace
    if not workspace.config.alerts.channels:
        drill.limits.append("no alert channel is configured: whether anybody would be told was not tried")
        return ""
    condition = Condition(
        RULE, "error", source, "health", "DRILL: the server is down",
        "this is a drill: the server that died was started for it, production is untouched",
        "nothing; the all-clear follows", store=drill.id,
    )  # fmt: skip
    alerts = AlertLedger(workspace.ledger)
    settle(workspace.config, alerts, Look(_PART, frozenset({RULE}), workspace.clock.now(), [condition]))
    sent = deliver(workspace, within=_WITHIN).sent
    channel = next((name for subject, name in sent if "DRILL" in subject), "")
    drill.say(
        f"{source}: the alert was delivered through {channel}" if channel else f"{source}: no channel took the alert"
    )
    return channel


def end_alerts(workspace: Workspace) -> bool:
    """End every incident of a drill, also those that a killed one left; whether the all-clear was delivered.

    Raises LedgerError.
    """
    alerts = AlertLedger(workspace.ledger)
    if not any(row.rule == RULE for row in alerts.open_incidents()):
        return False
    settle(workspace.config, alerts, Look(_PART, frozenset({RULE}), workspace.clock.now(), []))
    return any("DRILL" in subject for subject, _channel in deliver(workspace, within=_WITHIN).sent)
