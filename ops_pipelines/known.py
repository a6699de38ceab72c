"""What the ledger knows of a source's restore points: against it, what lies in the stores is measured."""

from collections.abc import Collection, Iterable

from ops_pipelines.ledger.models import REFUSED, Activity
from ops_pipelines.vault.trust import Published


def published(movements: Iterable[Activity], stores: Collection[str]) -> dict[str, Published]:
    """What was published, by id.

    Args:
        movements: attempts that made, signed, copied or removed a restore point, oldest first.
        stores: those that are configured; what was in another may be gone with it.
    """
    facts: dict[str, tuple[str, int | None]] = {}
    places: dict[str, set[str]] = {}
    for row in movements:
        held = places.setdefault(row.backup_id or "", set())
        if row.kind == "prune":
            # What was refused removed nothing. Who was killed may have.
            if REFUSED not in row.meta:
                held.discard(row.store or "")
        elif row.kind == "copy":
            held.add(row.store or "")
        elif row.meta.get("gone"):
            held.clear()
        elif "manifest_sha256" in row.meta:
            facts[row.backup_id or ""] = row.meta["manifest_sha256"], row.meta.get("number")
            held.add(row.store or "")
    return {
        key: Published(sha256, number, frozenset(places[key] & set(stores))) for key, (sha256, number) in facts.items()
    }
