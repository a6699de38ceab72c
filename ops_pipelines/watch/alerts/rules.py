"""Every rule, in the two parts in which they are evaluated. Each part's incidents are its own to open and to end.

`attempts` needs the ledger alone; `standing` reads the stores, which may be slow or away, and must not hold it up. A
new rule is a few lines in one of them, and its name in `RULES` there.
"""

from collections.abc import Callable, Mapping

from ops_pipelines.errors import OpsError
from ops_pipelines.watch.alerts import attempts, standing
from ops_pipelines.watch.alerts.conditions import Condition, Look
from ops_pipelines.watch.health import SourceHealth, source_health
from ops_pipelines.workspace import Workspace


def look_at_attempts(workspace: Workspace) -> Look:
    """What is wrong with what was attempted. Ends the rows of killed processes first. Raises LedgerError."""
    now = workspace.clock.now()
    workspace.ledger.fail_orphans()
    conditions = [each for name in workspace.config.sources for each in attempts.attempts(workspace, name, now)]
    return Look("attempts", attempts.RULES, now, conditions)


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


PARTS: Mapping[str, Callable[[Workspace], Look]] = {"attempts": look_at_attempts, "standing": look_at_standing}
