"""A restore point as the file that older tools and runbooks look for: SQL text, gzipped, with its sum beside it.

`full-YYYYMMDD-HHMM.sql.gz`, the time being that of the backup in the configuration's time zone; with a passphrase
`….sql.gz.enc`, which `openssl enc -d -aes-256-cbc -pbkdf2` opens (openssl-enc(1)). What is written here is no restore
point: nothing of ours reads, counts or deletes it.
"""

import gzip
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from zoneinfo import ZoneInfo

from ops_pipelines import durable, stopping
from ops_pipelines.engines.offers import Scripted
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.choose import choose_store
from ops_pipelines.scratch import scratch_directory
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.codec import Meter
from ops_pipelines.vault.openssl import Encrypted
from ops_pipelines.vault.reader import Copy
from ops_pipelines.workspace import Workspace


class NotExported(OpsError):
    """A restore point cannot be told as a script, or the folder cannot be written."""


@dataclass(frozen=True)
class Exported:
    """A file that was written, whole."""

    backup_id: str
    path: Path
    sha256: str
    size_bytes: int


def export(workspace: Workspace, point: RestorePoint, folder: Path, *, passphrase: str = "") -> Exported:
    """Write a restore point of a database as a gzipped script, and `sha256sum`'s line beside it.

    Roles and accounts are not in it. A file of the same name is replaced in one step, when the new one is whole.

    Args:
        folder: made where it is not there.
        passphrase: encrypts it as openssl does; the script is in the clear without.
    Raises:
        NotExported, CorruptCopy, CommandFailed, CommandTimedOut, StoreError.
    """
    manifest = point.manifest
    engine = workspace.config.engine(manifest.source)
    if not isinstance(engine, Scripted):
        raise NotExported(
            f"{manifest.source} cannot be exported: a {manifest.kind} backup is no SQL script",
            safe="nothing was written",
            next=f"ops restore {manifest.source} --to …",
        )
    copy = Copy(workspace.stores[choose_store(point, None)], manifest, lambda: workspace.identities(manifest.source))
    taken = point.started_at.astimezone(ZoneInfo(workspace.config.timezone))
    path = folder / f"full-{taken:%Y%m%d-%H%M}.sql.gz{'.enc' if passphrase else ''}"
    sums = path.with_name(f"{path.name}.sha256")
    with (
        scratch_directory(workspace.places.scratch, manifest.kind) as work,
        engine.script(copy, manifest.engine, work).open("rb") as script,
        _writing(path) as part,
        part.open("wb") as sink,
    ):
        hashed = Meter(sink=sink)
        _pack(script, cast(BinaryIO, hashed), passphrase)
        _forget(sums)
    with _writing(sums) as part:
        part.write_text(f"{hashed.sha256}  {path.name}\n", encoding="utf-8")
    return Exported(point.id, path, hashed.sha256, hashed.size_bytes)


def _forget(sums: Path) -> None:
    """The sum of an older file never stands beside the new one: a file without a sum is better than a wrong sum."""
    if sums.exists():
        sums.unlink()
        durable.flush(sums.parent)


def _pack(script: BinaryIO, sink: BinaryIO, passphrase: str) -> None:
    outer = Encrypted(sink, passphrase) if passphrase else nullcontext(sink)
    # No name and no time in it: without a passphrase, the same backup gives the same file.
    with outer as wrapped, gzip.GzipFile("", "wb", 6, cast(BinaryIO, wrapped), mtime=0) as packed:
        shutil.copyfileobj(script, packed, 1024 * 1024)


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    """A file beside its place, which takes the name when it is on the disk; gone where the block fails."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with stopping.ending(lambda: part.unlink(missing_ok=True)):
            durable.make_directory(path.parent)
            part.touch(mode=0o600)
            yield part
            durable.flush(part)
            part.rename(path)
            durable.flush(path.parent)
    except OSError as error:
        raise NotExported(
            f"{path} cannot be written", why=error.strerror or str(error), safe="no backup was touched"
        ) from None
