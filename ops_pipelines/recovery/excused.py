"""Compare all but what a restore itself reported: a finding of its own tells of that."""

from collections.abc import Mapping, Sequence

from ops_pipelines.engines.base import Contents
from ops_pipelines.recovery.compare import Reload, changed, compare
from ops_pipelines.vault.verdict import Check

Changed = Mapping[str, tuple[str, str]]
"""Definitions that came back with another effect, as `compare.changed` finds them."""


def compare_but(
    held: Contents, restored: Contents, excused: Mapping[str, Sequence[str]], reload: Reload
) -> list[Check]:
    """See `compare`.

    Args:
        excused: objects, and labels of their definitions, as in `Restored`.
    """
    return compare(*_without(held, restored, excused, reload))


def compare_and_show(
    held: Contents, restored: Contents, excused: Mapping[str, Sequence[str]], reload: Reload
) -> tuple[list[Check], Changed]:
    """As `compare_but`, with the definitions that differ."""
    answers: list[Mapping[str, str]] = []

    def remembered(definitions: Mapping[str, str]) -> Mapping[str, str]:
        if not answers:
            answers.append(reload(definitions))
        return answers[0]

    parts = _without(held, restored, excused, remembered)
    checks = compare(*parts)
    differ = any(check.name == "schema" and not check.passed for check in checks)
    return checks, changed(*parts) if differ else {}


def _without(
    held: Contents, restored: Contents, excused: Mapping[str, Sequence[str]], reload: Reload
) -> tuple[Contents, Contents, Reload]:
    if not excused:
        return held, restored, reload

    def reloaded(definitions: Mapping[str, str]) -> Mapping[str, str]:
        again = reload({name: held.objects[name] for name in definitions})
        return Contents(level=held.level, objects=dict(again)).without(excused).objects

    return held.without(excused), restored.without(excused), reloaded
