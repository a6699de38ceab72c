"""The rule about our own daemon. Whoever is outside of it can tell: `ops alerts run` from cron, `ops serve`.

The watcher in the daemon leaves its time with every look (`ops_health`). Where none ever did, cron does its work, and
nobody is missed. When the whole machine is silent, only somebody elsewhere can tell: see `outside`.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select

from ops_pipelines.chronology import age, within
from ops_pipelines.language.said import said
from ops_pipelines.ledger.models import Health
from ops_pipelines.starting import start_command
from ops_pipelines.watch.alerts.conditions import Condition, Look
from ops_pipelines.watch.situations import SET_CLOCK
from ops_pipelines.workspace import Workspace

RULES: Mapping[str, str] = {
    "daemon_silent": "Dagster's daemon has not looked at any source for longer than `web.stale_after`",
}


def look_at_daemon(workspace: Workspace, *, inside: bool = False) -> Look:
    """Whether the daemon is silent.

    Args:
        inside: the daemon itself asks. It ends the incident, and opens none: after a pause it would tell of itself.
    Raises:
        LedgerError: the ledger cannot be read.
    """
    now = workspace.clock.now()
    with workspace.ledger.session() as session:
        watched_at = session.scalar(select(func.max(Health.watched_at)))
    silent = watched_at is not None and not within(watched_at, now, workspace.config.web.stale_after)
    if not silent or watched_at is None:
        return Look("daemon", frozenset(RULES), now, [])
    if inside:
        return Look("daemon", frozenset(RULES), now, [], frozenset({""}))
    restart = f"{start_command()}; then: ops doctor"
    condition = Condition(
        rule="daemon_silent",
        severity="critical",
        source="",
        phase="health",
        title=said("Dagster's daemon is silent: nothing is backed up, nothing is watched"),
        cause=_when(watched_at, now),
        next=restart if age(watched_at, now) is not None else f"{SET_CLOCK}; ops backup; then: {restart}",
    )
    return Look("daemon", frozenset(RULES), now, [condition])


def _when(watched_at: datetime, now: datetime) -> str:
    passed = age(watched_at, now)
    if passed is None:
        return said(
            "it last looked {ahead} ahead of this machine's clock, which was set back since, at {at}",
            ahead=watched_at - now,
            at=watched_at,
        )
    return said("it last looked {age} ago, at {at}", age=passed, at=watched_at)
