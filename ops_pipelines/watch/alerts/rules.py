"""Every rule, in the parts in which they are evaluated. Each part's incidents are its own to open and to end.

`attempts`, `probes` and `daemon` need the ledger alone, `configuration` the file; `standing` reads the stores, which
may be slow or away, and must not hold them up. A new rule is a few lines in one of them, and its name and sentence in
`RULES` there. Of another part, `runs`, Dagster's sensor brings the facts; a drill raises what belongs to
`drill` itself.
"""

from collections.abc import Callable, Mapping

from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.models import RUNNING
from ops_pipelines.ledger.since import watched_since
from ops_pipelines.outages import end_outages
from ops_pipelines.watch.alerts import ahead, attempts, configuration, probed, runs, silence, standing
from ops_pipelines.watch.alerts.conditions import Condition, Look
from ops_pipelines.watch.health import SourceHealth, source_health
from ops_pipelines.workspace import Workspace

RULES: Mapping[str, Mapping[str, str]] = {
    "attempts": attempts.RULES,
    "probes": probed.RULES,
    "daemon": silence.RULES,
    "configuration": configuration.RULES,
    "standing": {**standing.RULES, **ahead.RULES},
    "runs": runs.RULES,
    "drill": {
        "drill_outage": "a drill has stopped a server and waits for this alert; over when it says so, or is dead"
    },
}
"""When each rule's condition holds, by part and name."""


def look_at_attempts(workspace: Workspace) -> Look:
    """What is wrong with what was attempted. Ends what killed processes left open first. Raises LedgerError."""
    now = workspace.clock.now()
    conditions = [attempts.still_down(each) for each in end_outages(workspace.places.outages) if each.problem]
    workspace.ledger.fail_orphans()
    conditions += [
        each
        for name in workspace.config.sources
        for each in attempts.attempts(workspace.config, workspace.ledger, name, now)
    ]
    return Look("attempts", frozenset(RULES["attempts"]), now, conditions)


def look_at_probes(workspace: Workspace) -> Look:
    """What is wrong with the servers and services that were asked. Raises LedgerError."""
    now = workspace.clock.now()
    conditions, unknown = probed.probed(workspace.config, workspace.ledger, now)
    return Look("probes", frozenset(RULES["probes"]), now, conditions, unknown)


def look_at_standing(workspace: Workspace) -> Look:
    """What is wrong with how things stand. A source that cannot be judged is a trouble of its own.

    Raises LedgerError.
    """
    now = workspace.clock.now()
    found: list[SourceHealth] = []
    conditions: list[Condition] = []
    unknown: set[str] = set()
    since = watched_since(workspace.ledger, workspace.config.sources, now)
    for name in workspace.config.sources:
        try:
            catalogue = workspace.catalogue(name)
            found.append(source_health(workspace, name, catalogue))
        except OpsError as error:
            unknown.add(name)
            conditions.append(standing.unjudged(name, f"{error.what}: {error.why}" if error.why else error.what))
        else:
            conditions += standing.standing(workspace.config, workspace.ledger, found[-1], now, since[name])
            conditions += ahead.ahead(workspace.config, workspace.stores, name, catalogue, now)
    conditions += ahead.disks(workspace.stores, found)
    return Look("standing", frozenset(RULES["standing"]), now, conditions, frozenset(unknown))


def look_at_drill(workspace: Workspace) -> Look:
    """Ends what a drill that was killed has told; one that lives ends it itself. Raises LedgerError."""
    rows = workspace.ledger.recent(kind="drill", limit=len(workspace.config.sources))
    alive = any(row.status == RUNNING for row in rows)
    unknown = frozenset(workspace.config.sources) if alive else frozenset[str]()
    return Look("drill", frozenset(RULES["drill"]), workspace.clock.now(), [], unknown)


PARTS: Mapping[str, Callable[[Workspace], Look]] = {
    "attempts": look_at_attempts,
    "probes": look_at_probes,
    "daemon": silence.look_at_daemon,
    "configuration": configuration.look_at_configuration,
    "drill": look_at_drill,
    "standing": look_at_standing,
}
