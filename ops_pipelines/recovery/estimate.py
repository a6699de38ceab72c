"""How long will it take? What the last restores and verifications of the same source took, scaled by size."""

from collections.abc import Mapping
from datetime import timedelta
from statistics import median

from ops_pipelines.errors import OpsError
from ops_pipelines.vault.catalogue import Catalogue
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.workspace import Workspace

_REMEMBERED = 5
_NOT_IN_A_RESTORE = ("start", "drop", "references")


def expected_phases(workspace: Workspace, manifest: Manifest) -> dict[str, timedelta]:
    """Seconds by phase that a restore of this will take; empty when nothing like it was ever done.

    The verdicts in the stores know it as well as the ledger does, which may be gone.
    """
    known = _of_verdicts(workspace.catalogue(manifest.source), manifest) + _of_ledger(workspace, manifest)
    rates: dict[str, list[float]] = {}
    for seconds, scale in known[-_REMEMBERED:]:
        for phase, took in seconds.items():
            if phase not in _NOT_IN_A_RESTORE:
                rates.setdefault(phase, []).append(took * scale)
    return {phase: timedelta(seconds=median(took)) for phase, took in rates.items()}


def _of_verdicts(catalogue: Catalogue, manifest: Manifest) -> list[tuple[Mapping[str, float], float]]:
    """Phases of every verification, oldest first, with what to multiply them by."""
    found = [
        (verdict.started_at, verdict.seconds, manifest.plain_bytes / max(1, point.manifest.plain_bytes))
        for point in catalogue.points
        for verdict in point.verdicts
        if verdict.outcome == "verified"
    ]
    return [(seconds, scale) for _, seconds, scale in sorted(found, key=lambda each: each[0])]


def _of_ledger(workspace: Workspace, manifest: Manifest) -> list[tuple[Mapping[str, float], float]]:
    try:
        rows = workspace.ledger.recent(source=manifest.source, kind="restore", limit=_REMEMBERED)
    except OpsError:
        return []
    return [
        (row.meta["seconds"], manifest.plain_bytes / max(1, row.meta["plain_bytes"]))
        for row in reversed(rows)
        if row.meta.get("good") and not row.meta.get("only") and isinstance(row.meta.get("seconds"), dict)
    ]
