"""Compare all but what a restore itself reported: a finding of its own tells of that."""

from collections.abc import Mapping, Sequence

from ops_pipelines.engines.base import Contents
from ops_pipelines.recovery.compare import Reload, compare
from ops_pipelines.vault.verdict import Check


def compare_but(
    held: Contents, restored: Contents, excused: Mapping[str, Sequence[str]], reload: Reload
) -> list[Check]:
    """See `compare`.

    Args:
        excused: objects, and labels of their definitions, as in `Restored`.
    """
    if not excused:
        return compare(held, restored, reload)

    def reloaded(definitions: Mapping[str, str]) -> Mapping[str, str]:
        again = reload({name: held.objects[name] for name in definitions})
        return Contents(level=held.level, objects=dict(again)).without(excused).objects

    return compare(held.without(excused), restored.without(excused), reloaded)
