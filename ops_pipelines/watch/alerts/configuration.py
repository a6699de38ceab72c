"""The rule about `ops.yaml` itself: runs use the last good configuration, and somebody must know that."""

from collections.abc import Mapping

from ops_pipelines import text
from ops_pipelines.config.last_good import fault, used_instead
from ops_pipelines.language.said import said
from ops_pipelines.watch.alerts.conditions import Condition, Look
from ops_pipelines.workspace import Workspace

RULES: Mapping[str, str] = {"configuration_broken": "`ops.yaml` cannot be used; runs use the last good configuration"}
_SHOWN = 3


def look_at_configuration(workspace: Workspace) -> Look:
    """Whether the file can be used as it is now."""
    now, error = workspace.clock.now(), fault(workspace.config)
    conditions = []
    if error is not None:
        lines = [f"line {each.line}: {each}" for each in error.mistakes]
        more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
        conditions.append(
            Condition(
                rule="configuration_broken",
                severity="error",
                source="",
                phase="health",
                title=said("{file} cannot be used", file=error.path.name),
                cause=text.line("; ".join([*lines[:_SHOWN], *more, used_instead(workspace.config)])),
                next=f"correct {error.path}, then: ops check",
            )
        )
    return Look("configuration", frozenset(RULES), now, conditions)
