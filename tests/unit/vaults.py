"""Restore points made without a database, for the tests of the vault."""

import io
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import pyrage

from ops_pipelines.repository import Repository
from ops_pipelines.vault.manifest import Manifest, Summary
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.verdict import Check, Outcome, Verdict
from ops_pipelines.vault.writer import Staged

AT = datetime(2026, 11, 21, 2, tzinfo=timezone.utc)
KEY = pyrage.x25519.Identity.generate()
IDENTITY, RECIPIENT = str(KEY), str(KEY.to_public())
DUMP = b"a dump " * 1000 + os.urandom(3000)


def seal(
    directory: Path,
    backup_id: str,
    *,
    source: str = "crm",
    recipients: Sequence[str] = (RECIPIENT,),
    dump: bytes = DUMP,
    at: datetime = AT,
) -> Manifest:
    """Write the parts and the manifest of a restore point into a staging directory."""
    staged = Staged(directory, recipients, Repository(""))
    staged.stream("dump.pgc", "dump", io.BytesIO(dump))
    staged.write("contents.json", "contents", b'{"level": "counts"}')
    manifest = Manifest(
        id=backup_id,
        source=source,
        kind="postgres",
        host="here",
        product="test",
        started_at=at,
        snapshot_at=at,
        finished_at=at,
        engine={"format": "custom"},
        contents=Summary(level="counts", objects=0, tables=0, rows=0, schema_digest="", content_digest=None),
        recipients=recipients,
        parts=staged.parts,
        restore_by_hand=["sha256sum -c SHA256SUMS"],
    )
    staged.seal(manifest)
    return manifest


def publish(
    store: DirectoryStore,
    backup_id: str,
    *,
    source: str = "crm",
    recipients: Sequence[str] = (RECIPIENT,),
    dump: bytes = DUMP,
    at: datetime = AT,
) -> Manifest:
    """A published restore point."""
    with store.stage(backup_id) as directory:
        manifest = seal(directory, backup_id, source=source, recipients=recipients, dump=dump, at=at)
        store.publish(directory, manifest)
    return manifest


def verdict(backup_id: str, outcome: Outcome, *, at: datetime = AT, store: str = "local") -> Verdict:
    """A verdict on a restore point of `crm`."""
    return Verdict(
        source="crm",
        backup_id=backup_id,
        store=store,
        outcome=outcome,
        grade="full",
        wanted="full",
        started_at=at,
        finished_at=at,
        checks=[Check(name="rows", passed=outcome == "verified", detail="…")],
        seconds={},
    )
