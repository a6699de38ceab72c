"""Rules about what the probes found: servers and services that are down, slow, crowded, behind. They ask the ledger.

What was found longer ago than `web.stale_after` says nothing about now: its incidents stay as they are.
"""

from collections.abc import Iterator
from datetime import datetime

from ops_pipelines.clock import human_duration
from ops_pipelines.config.alerts import Severity
from ops_pipelines.config.probes import Probes
from ops_pipelines.probes.measured import Measured, kept
from ops_pipelines.watch.alerts.conditions import Condition
from ops_pipelines.workspace import Workspace

RULES = frozenset(("server_down", "server_slow", "server_crowded", "replica_behind", "certificate_ends"))


def probed(workspace: Workspace, now: datetime) -> tuple[list[Condition], frozenset[str]]:
    """What is wrong with servers and services, and of which nothing is known now. Raises LedgerError."""
    probes = workspace.config.probes
    if probes is None:
        return [], frozenset()
    with workspace.ledger.session() as session:
        found = list(kept(session))
    fresh = [each for each in found if now - each.at <= workspace.config.web.stale_after]
    unknown = frozenset((*workspace.config.sources, *probes.services)) - {each.target for each in fresh}
    return [condition for each in fresh for condition in _judged(each, probes, now)], unknown


def _judged(found: Measured, probes: Probes, now: datetime) -> Iterator[Condition]:
    def told(rule: str, severity: Severity, title: str, cause: str) -> Condition:
        advice = "look at the server and at its log"
        return Condition(rule, severity, found.target, "probe", title, cause, advice)

    if not found.is_up or found.latency_s is None:
        yield told("server_down", "critical", f"{found.kind} does not answer", found.cause)
        return
    figures = found.figures
    if found.latency_s > probes.slow_after.total_seconds():
        yield told("server_slow", "warn", f"{found.kind} is slow", f"it took {found.latency_s:.1f} s to answer")
    elif figures.slow_queries:
        longer = f"{figures.slow_queries} queries run for longer than {human_duration(probes.slow_query)}"
        yield told("server_slow", "warn", "slow queries", longer)
    used, allowed = figures.connections, figures.connections_allowed
    if used is not None and allowed and used > probes.connections * allowed:
        yield told("server_crowded", "error", "too many connections", f"{used} of {allowed} are taken")
    if figures.lag_s is not None and figures.lag_s > probes.lag.total_seconds():
        yield told("replica_behind", "warn", "a replica is behind", f"by {figures.lag_s:.0f} s")
    ends = figures.certificate_ends_at
    if ends is not None and ends - now < probes.certificate:
        yield told("certificate_ends", "error", "its certificate ends soon", f"at {ends:%Y-%m-%d %H:%M} UTC")
