"""Restore points that another installation took and brought to a store of ours: each is written down once.

From then on the ledger knows its bytes: what is changed later, or removed by somebody else, is noticed.
"""

from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.workspace import Workspace


def record_arrivals(workspace: Workspace, name: str) -> list[RestorePoint]:
    """Write down every restore point of a source that has arrived, and that the ledger does not know yet.

    Returns:
        Those that are new, oldest first.
    Raises:
        Busy: somebody else works on the source for longer than `limits.lock`.
        LedgerError: nothing can be written down.
    """
    guest = workspace.trust.guests.get(name)
    if guest is None:
        return []
    with workspace.locks.held(name, doing="take in"):
        known = {row.backup_id for row in workspace.ledger.movements(name) if "manifest_sha256" in row.meta}
        arrived = [
            point
            for point in workspace.catalogue(name).points
            if point.id not in known and point.manifest.installation == guest.id
        ]
        for point in arrived:
            _write_down(workspace.ledger, point, guest.name)
    return arrived


def _write_down(ledger: Ledger, point: RestorePoint, guest: str) -> None:
    """A row that says where it was found, and which bytes it has."""
    manifest = point.manifest
    with ledger.activity("adopt", source=manifest.source, backup_id=point.id, store=point.stores[0]) as entry:
        entry.meta = {
            "taken_by": guest,
            "size_bytes": manifest.size_bytes,
            "plain_bytes": manifest.plain_bytes,
            "rows": manifest.contents.known_rows,
            "manifest_sha256": point.sha256,
            "number": manifest.number,
        }
