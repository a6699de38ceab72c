"""Does a restore point follow the one before it, from the same source? Attention, never a verdict: servers do move."""

from collections.abc import Iterator

from ops_pipelines.vault.catalogue import Catalogue, RestorePoint
from ops_pipelines.vault.verdict import Check


def lineage(point: RestorePoint, catalogue: Catalogue) -> Iterator[Check]:
    """What does not fit: the digest of its predecessor, or what the source said of itself.

    Args:
        catalogue: the source's restore points.
    """
    before = _before(point, catalogue)
    if before is None:
        return
    own, theirs = point.manifest, before.manifest
    follows = own.number is not None and theirs.number == own.number - 1
    if follows and own.previous is not None and own.previous != before.sha256:
        detail = f"it was made after another restore point than {before.id}, which has the number before its own"
        yield Check(name="predecessor", passed=False, attention=True, detail=detail)
    moved = sorted(
        key for key in own.identity.keys() & theirs.identity.keys() if own.identity[key] != theirs.identity[key]
    )
    if moved:
        moves = "; ".join(f"{key} {own.identity[key]}, before {theirs.identity[key]}" for key in moved)
        detail = f"its source is not the one that {before.id} was taken from: {moves}"
        yield Check(name="identity", passed=False, attention=True, detail=detail)


def _before(point: RestorePoint, catalogue: Catalogue) -> RestorePoint | None:
    """The restore point with the next lower number."""
    number = point.manifest.number or 0
    lower = [each for each in catalogue.points if 0 < (each.manifest.number or 0) < number]
    return max(lower, key=lambda each: each.manifest.number or 0, default=None)
