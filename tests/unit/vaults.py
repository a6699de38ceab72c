"""Restore points made without a database, for the tests of the vault."""

import io
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pyrage

from ops_pipelines.clock import moment_of
from ops_pipelines.repository import Repository
from ops_pipelines.vault.manifest import NAME, SIGNATURE, SUMS, Manifest, Summary, checksums
from ops_pipelines.vault.signing.keys import Keys
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.trust import Trust
from ops_pipelines.vault.verdict import Check, Outcome, Verdict
from ops_pipelines.vault.writer import Staged

AT = datetime(2026, 11, 21, 2, tzinfo=timezone.utc)
KEY = pyrage.x25519.Identity.generate()
IDENTITY, RECIPIENT = str(KEY), str(KEY.to_public())
_KEYS = TemporaryDirectory()
# Processes that a test starts are of the same installation.
TRUST = Trust(Keys(Path(os.environ.setdefault("OPS_TESTS_KEYS", _KEYS.name))))
"""The installation that all stores belong to which are made without a configuration."""
DUMP = b"a dump " * 1000 + os.urandom(3000)


def seal(
    directory: Path,
    backup_id: str,
    *,
    source: str = "crm",
    recipients: Sequence[str] = (RECIPIENT,),
    dump: bytes = DUMP,
    at: datetime = AT,
    trust: Trust = TRUST,
) -> Manifest:
    """Write the parts and the signed manifest of a restore point into a staging directory."""
    staged = Staged(directory, recipients, Repository(""))
    staged.stream("dump.pgc", "dump", io.BytesIO(dump))
    staged.write("contents.json", "contents", b'{"level": "counts"}')
    manifest = Manifest(
        id=backup_id,
        source=source,
        kind="postgres",
        host="here",
        product="test",
        number=number_of(backup_id),
        started_at=at,
        snapshot_at=at,
        finished_at=at,
        engine={"format": "custom"},
        contents=Summary(level="counts", objects=0, tables=0, rows=0, schema_digest="", content_digest=None),
        recipients=recipients,
        parts=staged.parts,
        restore_by_hand=["sha256sum -c SHA256SUMS"],
    )
    staged.seal(manifest, trust)
    return manifest


def number_of(backup_id: str) -> int:
    """A number for a restore point that nobody counted: another one for each id, in the order of their times."""
    with suppress(ValueError):
        return int(moment_of(backup_id).timestamp()) << 16 | zlib.crc32(backup_id.encode()) & 0xFFFF
    return zlib.crc32(backup_id.encode()) + 1


def rewrite(directory: Path, manifest: Manifest, trust: Trust = TRUST) -> None:
    """Put a manifest, its sums and its signature into a directory, as whoever has the key can."""
    content = manifest.to_bytes()
    number = manifest.number or number_of(manifest.id)
    signature = trust.sign_point(content, source=manifest.source, backup_id=manifest.id, number=number)
    for name, data in ((NAME, content), (SUMS, checksums(manifest, content)), (SIGNATURE, signature)):
        (directory / name).write_bytes(data)


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
        manifest = seal(directory, backup_id, source=source, recipients=recipients, dump=dump, at=at, trust=store.trust)
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
