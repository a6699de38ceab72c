"""What every store does with the bytes that it reads: nothing is parsed before it is known to be ours."""

from abc import ABC, abstractmethod
from contextlib import suppress

from ops_pipelines.errors import CorruptCopy
from ops_pipelines.vault.manifest import NAME, SUMS, Manifest, checksums
from ops_pipelines.vault.trust import Sealed, Trust, Untrusted
from ops_pipelines.vault.verdict import Verdict


class Checked(ABC):
    """The half of a store that reads; where the bytes come from is the other."""

    name: str
    trust: Trust

    @abstractmethod
    def sealed(self, source: str, backup_id: str, *, fresh: bool = False) -> Sealed:
        """A restore point's manifest as it lies there, with its signature and sums. Raises CorruptCopy, StoreError."""

    @abstractmethod
    def sealed_verdicts(self, source: str, backup_id: str) -> list[tuple[str, Sealed]]:
        """Every verdict on a restore point as it lies there, by its file's name. Raises StoreError."""

    @abstractmethod
    def location(self, source: str, backup_id: str) -> str:
        """Where a human finds it."""

    def manifest(self, source: str, backup_id: str, *, fresh: bool = False) -> Manifest:
        """A restore point's manifest, if it is ours; see `Store.manifest`."""
        return self.opened(self.sealed(source, backup_id, fresh=fresh), source, backup_id)[0]

    def opened(self, sealed: Sealed, source: str, backup_id: str) -> tuple[Manifest, int]:
        """What `sealed` holds, and its number. Raises Untrusted, CorruptCopy, NewerFormat."""
        where = f"{self.location(source, backup_id)}/{NAME}"
        if f"{sealed.sha256}  {NAME}\n".encode() not in sealed.sums:
            with suppress(Untrusted, CorruptCopy):
                self.trust.open_point(sealed, source, backup_id, where=where)  # a newer version may sum up otherwise
            raise _damaged(where)
        manifest, number = self.trust.open_point(sealed, source, backup_id, where=where)
        if sealed.sums != checksums(manifest, sealed.content):
            raise _damaged(where)
        return manifest, number

    def verdicts(self, source: str, backup_id: str) -> list[Verdict]:
        """Every verdict of ours on a restore point, in the order of their numbers. Raises Untrusted, CorruptCopy."""
        where = self.location(source, backup_id)
        found = [
            self.trust.open_verdict(sealed, source, backup_id, where=f"{name} on {where}")
            for name, sealed in self.sealed_verdicts(source, backup_id)
        ]
        return sorted(found, key=lambda verdict: verdict.number)


def _damaged(where: str) -> CorruptCopy:
    return CorruptCopy(
        f"{where} is damaged", check="checksum", why=f"{SUMS} beside it belongs to another manifest or to other parts"
    )
