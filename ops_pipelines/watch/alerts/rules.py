"""Every rule, in the parts in which they are evaluated. Each part's incidents are its own to open and to end.

`attempts` and `probes` need the ledger alone; `standing` reads the stores, which may be slow or away, and must not hold
them up. A new rule is a few lines in one of them, and its name in `RULES` there.
"""

from collections.abc import Callable, Mapping

from ops_pipelines.errors import OpsError
from ops_pipelines.watch.alerts import attempts, probed, standing
from ops_pipelines.watch.alerts.conditions import Condition, Look
from ops_pipelines.watch.health import SourceHealth, source_health
from ops_pipelines.workspace import Workspace


def look_at_attempts(workspace: Workspace) -> Look:
    """What is wrong with what was attempted. Ends what killed processes left open first. Raises LedgerError."""
    now = workspace.clock.now()
    conditions = [attempts.still_down(each) for each in workspace.end_outages() if each.problem]
    workspace.ledger.fail_orphans()
    conditions += [each for name in workspace.config.sources for each in attempts.attempts(workspace, name, now)]
    return Look("attempts", attempts.RULES, now, conditions)


def look_at_probes(workspace: Workspace) -> Look:
    """What is wrong with the servers and services that were asked. Raises LedgerError."""
    now = workspace.clock.now()
    conditions, unknown = probed.probed(workspace, now)
    return Look("probes", probed.RULES, now, conditions, unknown)


def look_at_standing(workspace: Workspace) -> Look:
    """What is wrong with how things stand. A source that cannot be judged is a trouble of its own."""
    now = workspace.clock.now()
    found: list[SourceHealth] = []
    conditions: list[Condition] = []
    unknown: set[str] = set()
    for name in workspace.config.sources:
        try:
            found.append(source_health(workspace, name))
        except OpsError as error:
            unknown.add(name)
            conditions.append(standing.unjudged(name, f"{error.what}: {error.why}" if error.why else error.what))
        else:
            conditions += standing.standing(workspace, found[-1], now)
    conditions += standing.disks(workspace, found)
    return Look("standing", standing.RULES, now, conditions, frozenset(unknown))


PARTS: Mapping[str, Callable[[Workspace], Look]] = {
    "attempts": look_at_attempts,
    "probes": look_at_probes,
    "standing": look_at_standing,
}
