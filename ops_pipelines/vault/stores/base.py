"""What every store offers. A store keeps restore points; it knows nothing of engines or schedules."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from ops_pipelines import lease
from ops_pipelines.repository import Repository
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.stores.objects import Objects
from ops_pipelines.vault.trust import Sealed, Trust
from ops_pipelines.vault.verdict import Verdict

Copied = Callable[[int], None]
"""Called with the number of bytes just copied."""


@dataclass(frozen=True)
class Trial:
    """What became of a small file that was written to find out what can be done here.

    Attributes:
        written: whether it could be tried: a directory that nobody has used yet is not made for it.
        erasable: whether we could remove it for good; where we can, so can whoever has our credentials.
        kept_by: what keeps copies from being removed, in words; empty when nothing does.
        clock: the time it was there; None where it is this machine's.
    """

    written: bool
    erasable: bool
    kept_by: str = ""
    clock: datetime | None = None


class Store(Protocol):
    """A place where restore points live. Every method raises StoreError when the place cannot be used."""

    name: str
    medium: str
    offsite: bool
    trust: Trust

    @property
    def root(self) -> Path | None:
        """The directory of this machine that it is; None where it is elsewhere."""
        ...

    def folder(self, source: str, backup_id: str) -> Path | None:
        """Where a copy's files lie on this machine; None where they have to be fetched."""
        ...

    def staged(self) -> Sequence[tuple[Path, lease.Standing]]:
        """What is being written there, as far as it is on this machine, and what is known of who does it."""
        ...

    def sources(self) -> list[str]:
        """The sources that have restore points here."""
        ...

    def ids(self, source: str) -> list[str]:
        """Ids of the complete restore points of a source, oldest first."""
        ...

    def manifest(self, source: str, backup_id: str, *, fresh: bool = False) -> Manifest:
        """A restore point's manifest, if this installation signed it. Raises Untrusted, CorruptCopy.

        Args:
            fresh: read it from the store itself; otherwise one that was read before will do, if it has not changed.
        """
        ...

    def sealed(self, source: str, backup_id: str, *, fresh: bool = False) -> Sealed:
        """The manifest's bytes with the signature beside them, neither checked nor parsed. Raises CorruptCopy."""
        ...

    def opened(self, sealed: Sealed, source: str, backup_id: str) -> tuple[Manifest, int]:
        """The manifest in those bytes and its number. Raises Untrusted, CorruptCopy, NewerFormat."""
        ...

    def sign(self, source: str, backup_id: str, signature: bytes) -> None:
        """Put a signature beside a manifest, in place of one that is there."""
        ...

    def open_part(self, source: str, backup_id: str, part: str) -> AbstractContextManager[BinaryIO]:
        """A part's stored bytes. Raises CorruptCopy when it is missing."""
        ...

    def sizes(self, source: str, backup_id: str) -> Mapping[str, int]:
        """The size in bytes of every file of a copy, by name, without reading any."""
        ...

    def receive(self, manifest: Manifest, published: Path, copied: Copied, *, replace: bool = False) -> bool:
        """Copy a published restore point in, manifest last; a whole copy of it that is there stays.

        Every byte is checked when it is read to be copied, and read back from here and checked again before the
        restore point is listed.

        Args:
            published: a directory with its files.
            replace: whatever stands in its place gives way, when all is ready to take that place.
        Returns:
            Whether it was written; when it was there, at most its signature was.
        Raises:
            CorruptCopy: the bytes that were read are not those of the manifest.
            StoreError: it cannot be written, or what was read back is not what was written.
        """
        ...

    def keep_verdict(self, verdict: Verdict) -> None:
        """Keep what a verification found, signed."""
        ...

    def verdicts(self, source: str, backup_id: str) -> list[Verdict]:
        """Every verdict on a restore point, in the order of their numbers. Raises Untrusted, CorruptCopy."""
        ...

    def sealed_verdicts(self, source: str, backup_id: str) -> list[tuple[str, Sealed]]:
        """Every verdict on a restore point by its file's name, neither checked nor parsed."""
        ...

    def mend_verdict(self, source: str, backup_id: str, name: str, sealed: Sealed | None) -> None:
        """Put a verdict in the place of a damaged one, as another store has it; None removes the damaged one."""
        ...

    def keep_report(self, drill_id: str, name: str, content: bytes) -> None:
        """Keep a file of a drill's report beside the backups; it is not encrypted."""
        ...

    def delete(self, source: str, backup_id: str) -> None:
        """Remove a restore point and its verdicts: first what makes it one, so that no half of it is ever listed.

        Raises SafetyRefusal while it is locked.
        """
        ...

    def locked_until(self, source: str, backup_id: str) -> datetime | None:
        """Until when the store itself refuses to delete it (object lock); None when it does not."""
        ...

    def repository(self, source: str) -> Repository:
        """Where a tool that manages its own data (restic) keeps that of a source in this store."""
        ...

    def objects(self, source: str) -> Objects:
        """The objects of that repository, for who serves them to somebody who must not see the store."""
        ...

    def sweep(self) -> list[str]:
        """Remove what a killed run left behind; returns what it was."""
        ...

    def litter(self) -> list[str]:
        """What `sweep` would remove now."""
        ...

    def trial(self) -> Trial:
        """Write a small file, try to remove it, and say what became of it. Raises StoreError when it is not written."""
        ...

    def location(self, source: str, backup_id: str) -> str:
        """Where a human finds it."""
        ...
