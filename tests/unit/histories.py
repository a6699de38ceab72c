"""Restore points of which only the times and the verdicts matter, for the tests of retention."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.manifest import Manifest, Summary, Tie
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.verdict import Check, Outcome, Verdict
from tests.unit.vaults import number_of, rewrite


def made(
    at: datetime,
    *outcomes: Outcome,
    backup_id: str = "",
    source: str = "crm",
    stores: Sequence[str] = ("local",),
    tied_to: str = "",
    blames: Literal["copy", "backup"] = "backup",
) -> RestorePoint:
    """A restore point of that time, verified in its first store with these outcomes, an hour after one another.

    Args:
        blames: what a bad one says is at fault.
    """
    backup_id = backup_id or f"{at:%Y%m%dT%H%M%SZ}-0000"
    manifest = Manifest(
        id=backup_id,
        source=source,
        kind="postgres",
        host="here",
        product="test",
        number=number_of(backup_id),
        started_at=at,
        snapshot_at=at,
        finished_at=at + timedelta(minutes=1),
        tied_to=Tie(source="crm", backup_id=tied_to) if tied_to else None,
        engine={"snapshot": backup_id},
        contents=Summary(level="off", objects=0, tables=0, rows=0, schema_digest="", content_digest=None),
        recipients=(),
        parts=(),
        restore_by_hand=(),
    )
    verdicts = [
        _verdict(source, backup_id, stores[0], outcome, at + timedelta(hours=hours), blames, hours)
        for hours, outcome in enumerate(outcomes, start=1)
    ]
    return RestorePoint(manifest, tuple(stores), tuple(verdicts))


def _verdict(
    source: str,
    backup_id: str,
    store: str,
    outcome: Outcome,
    at: datetime,
    blames: Literal["copy", "backup"],
    number: int,
) -> Verdict:
    return Verdict(
        number=number,
        source=source,
        backup_id=backup_id,
        store=store,
        outcome=outcome,
        blames=blames if outcome == "bad" else None,
        started_at=at,
        finished_at=at,
        checks=[Check(name="rows", passed=outcome == "verified", detail="…")],
        seconds={},
    )


def publish(point: RestorePoint, *stores: DirectoryStore) -> None:
    """Write it, with its verdicts, into real stores."""
    for store in stores:
        with store.stage(point.id) as directory:
            rewrite(directory, point.manifest, store.trust)
            store.publish(directory, point.manifest)
        for verdict in point.verdicts:
            store.keep_verdict(verdict)
