"""A store in a directory: the local one below `base`, a NAS mount, a USB disk.

Layout: `<root>/<source>/<id>/` holds the parts, `SHA256SUMS`, `manifest.json` and its signature;
`<root>/.verdicts/<source>/<id>/` what verifications found; `<root>/.staging/` what is not finished.
A restore point appears by one rename of a directory whose every byte has been flushed.
"""

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from ops_pipelines import lease
from ops_pipelines.errors import CorruptCopy, StoreError
from ops_pipelines.repository import Repository
from ops_pipelines.vault.manifest import NAME, SIGNATURE, SUMS, Manifest, checksums
from ops_pipelines.vault.stores import incoming
from ops_pipelines.vault.stores.base import Copied, Trial
from ops_pipelines.vault.stores.checked import Checked
from ops_pipelines.vault.stores.volume import Volume
from ops_pipelines.vault.trust import SUFFIX, Sealed, Trust
from ops_pipelines.vault.verdict import Verdict

_CHUNK = 4 * 1024 * 1024
_STAGED = re.compile(r"(deleted-)?\d{8}T\d{6}Z-[0-9a-f]+")


class DirectoryStore(Checked):
    """Restore points in a directory.

    Args:
        name: the store's name in `ops.yaml`, or `local`.
        root: the directory; made when missing.
        trust: signs what is kept here, and says what of it is ours.
        volume: proves that the right disk is there; the local store, below `base`, needs no proof.
    """

    def __init__(
        self,
        name: str,
        root: Path,
        trust: Trust,
        *,
        medium: str = "disk",
        offsite: bool = False,
        volume: Volume | None = None,
    ) -> None:
        self.name, self.root, self.trust = name, root, trust
        self.medium, self.offsite, self._volume = medium, offsite, volume

    @contextmanager
    def stage(self, backup_id: str) -> Iterator[Path]:
        """A private directory on the store's own file system; gone at the end unless it was published.

        Raises:
            StoreError: the store cannot be written.
        """
        with self._errors("written", writing=True):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            lease.sweep(self.root / ".staging", ours=_STAGED)  # an attempt at the same may have been killed
        try:
            with lease.owned_directory(self.root / ".staging" / backup_id) as directory:
                yield directory
        except FileExistsError:
            raise StoreError(f"store {self.name}: {backup_id} is being written already") from None
        except OSError as error:
            raise self._error("written", error) from None

    def publish(self, staged: Path, manifest: Manifest) -> Path:
        """Flush a staged restore point and give it its final name, in one step."""
        with self._errors("written"):
            for path in staged.iterdir():
                lease.flush(path)
            final = self.directory(manifest.source, manifest.id)
            final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lease.hand_over(staged, final)
            lease.flush(final.parent)
            lease.flush(self.root)
        return final

    def directory(self, source: str, backup_id: str) -> Path:
        """Where a restore point stands once it is published."""
        return self.root / source / backup_id

    def sources(self) -> list[str]:
        """The sources that have restore points here."""
        with self._errors("read"):
            if not self.root.exists():
                return []
            return sorted(path.name for path in self.root.iterdir() if path.is_dir() and not path.name.startswith("."))

    def ids(self, source: str) -> list[str]:
        """Ids of complete restore points, oldest first: ids begin with their time."""
        with self._errors("read"):
            parent = self.root / source
            if (self.root.is_dir() and not parent.exists()) or not self.root.exists():
                return []
            return sorted(path.name for path in parent.iterdir() if (path / NAME).is_file())

    def sealed(self, source: str, backup_id: str, *, fresh: bool = False) -> Sealed:
        """The manifest's bytes, always read from the disk. Raises CorruptCopy."""
        path = self.directory(source, backup_id) / NAME
        with self._errors("read"):
            try:
                data, sums = path.read_bytes(), path.with_name(SUMS).read_bytes()
            except FileNotFoundError as error:
                raise CorruptCopy(f"{error.filename} is missing", check="manifest") from None
            return Sealed(data, _beside(path), sums)

    def sign(self, source: str, backup_id: str, signature: bytes) -> None:
        """Put a signature beside a manifest."""
        with self._errors("written", writing=True):
            _put(self.directory(source, backup_id) / SIGNATURE, signature)

    @contextmanager
    def open_part(self, source: str, backup_id: str, part: str) -> Iterator[BinaryIO]:
        """A part's stored bytes. Raises CorruptCopy when it is missing."""
        path = self.directory(source, backup_id) / part
        with self._errors("read"):
            try:
                opened = path.open("rb")
            except FileNotFoundError:
                raise CorruptCopy(f"{path} is missing", check="parts", why=f"{part} is not in the copy") from None
        with opened:
            yield opened

    def receive(self, manifest: Manifest, published: Path, copied: Copied) -> None:
        """Copy a published restore point in; see `Store.receive`."""
        if self.offsite:
            incoming.refuse_plain(self.name, manifest)
        if self._holds(manifest, published):
            return
        expected = {part.name: part.sha256 for part in manifest.parts}
        with self.stage(manifest.id) as staged:
            for name in (*expected, SUMS, SIGNATURE, NAME):
                try:
                    found = _copy(published / name, staged / name, copied)
                except FileNotFoundError:
                    raise incoming.missing(self.name, published / name) from None
                if name in expected and found != expected[name]:
                    raise incoming.damaged(self.name, published / name, incoming.other_sum(found))
            content, signature = ((staged / name).read_bytes() for name in (NAME, SIGNATURE))
            if (staged / SUMS).read_bytes() != checksums(manifest, content):
                raise incoming.damaged(self.name, published / NAME, f"{SUMS} beside it says otherwise")
            incoming.refuse_strange(self.trust, Sealed(content, signature), manifest, published / NAME)
            self.publish(staged, manifest)

    def keep_verdict(self, verdict: Verdict) -> None:
        """Keep what a verification found: first its signature, so that it never stands without one."""
        content = verdict.to_bytes()
        signature = self.trust.sign_verdict(content, verdict)
        with self._errors("written", writing=True):
            directory = self.root / ".verdicts" / verdict.source / verdict.backup_id
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, data in ((verdict.file_name + SUFFIX, signature), (verdict.file_name, content)):
                _put(directory / name, data)

    def sealed_verdicts(self, source: str, backup_id: str) -> list[tuple[str, Sealed]]:
        """Every verdict on a restore point, by name."""
        with self._errors("read"):
            paths = sorted((self.root / ".verdicts" / source / backup_id).glob("verify-*.json"))
            return [(path.name, Sealed(path.read_bytes(), _beside(path))) for path in paths]

    def _holds(self, manifest: Manifest, published: Path) -> bool:
        """Whether this very restore point is here. Raises StoreError when another stands in its place."""
        with self._errors("read"):
            if manifest.id not in self.ids(manifest.source):
                return False
            path = self.directory(manifest.source, manifest.id) / NAME
            content, signature = ((published / name).read_bytes() for name in (NAME, SIGNATURE))
            if path.read_bytes() != content:
                raise incoming.another(self.name, self.location(manifest.source, manifest.id))
            if _beside(path) != signature:
                self.sign(manifest.source, manifest.id, signature)
            return True

    def keep_report(self, drill_id: str, name: str, content: bytes) -> None:
        """Keep a file of a drill's report, below `.drills/<id>/`."""
        with self._errors("written", writing=True):
            path = self.root / ".drills" / drill_id / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _put(path, content)

    def delete(self, source: str, backup_id: str) -> None:
        """Remove a restore point: out of sight by one rename, then gone."""
        with self._errors("changed"):
            doomed = self.root / ".staging" / f"deleted-{backup_id}"
            doomed.parent.mkdir(mode=0o700, exist_ok=True)
            with suppress(FileNotFoundError):
                self.directory(source, backup_id).rename(doomed)
                shutil.rmtree(doomed)
            shutil.rmtree(self.root / ".verdicts" / source / backup_id, ignore_errors=True)

    def locked_until(self, source: str, backup_id: str) -> datetime | None:
        """Never: a directory locks nothing."""
        return None

    def repository(self, source: str) -> Repository:
        """A directory of restic's own."""
        with self._errors("used", writing=True):
            pass
        return Repository(str(self.root / ".restic" / source))

    def sweep(self) -> list[str]:
        """Remove staging directories whose writer is dead."""
        with self._errors("swept"):
            return [str(path) for path in lease.sweep(self.root / ".staging", ours=_STAGED)]

    def litter(self) -> list[str]:
        """Staging directories whose writer is dead."""
        with self._errors("read"):
            return [str(path) for path, standing in self.staged() if standing == "dead"]

    def staged(self) -> list[tuple[Path, lease.Standing]]:
        """Everything that is being written here, or was when its writer died, or was put there by somebody else."""
        return lease.census(self.root / ".staging", ours=_STAGED)

    def trial(self) -> Trial:
        """Write a small file beside the restore points, and remove it; see `Store.trial`."""
        with self._errors("written"):
            if not self.root.exists():
                # Making it here could make it on a mount point without its volume.
                return Trial(written=False, erasable=True)
            path = self.root / f".trial-{secrets.token_hex(8)}"
            try:
                path.touch(mode=0o600, exist_ok=False)
                path.write_bytes(bytes(4096))
                lease.flush(path)
            finally:
                path.unlink(missing_ok=True)
        return Trial(written=True, erasable=True)

    def location(self, source: str, backup_id: str) -> str:
        """The directory's path."""
        return str(self.directory(source, backup_id))

    @contextmanager
    def _errors(self, verb: str, *, writing: bool = False) -> Iterator[None]:
        """The volume is proved to be there before the block; what the disk refuses in it is a StoreError."""
        try:
            if self._volume is not None:
                self._volume.prove(for_writing=writing)
            yield
        except OSError as error:
            raise self._error(verb, error) from None

    def _error(self, verb: str, error: OSError) -> StoreError:
        unlockable = error.errno in (errno.ENOLCK, errno.EOPNOTSUPP)
        return StoreError(
            f"store {self.name} ({self.root}) cannot be {verb}",
            why=f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
            + ("; this file system has no locks (flock)" if unlockable else ""),
            safe="what was unfinished was thrown away; published restore points are untouched",
            next="mount NFS as version 4, or version 3 with lockd running; where one machine alone writes, "
            "-o local_lock=flock will do"
            if unlockable
            else f"check the disk: df -h {self.root}; ls -ld {self.root}",
        )


def _beside(path: Path) -> bytes | None:
    """The signature of a file."""
    try:
        return path.with_name(path.name + SUFFIX).read_bytes()
    except FileNotFoundError:
        return None


def _put(path: Path, content: bytes) -> None:
    """A small file, whole or not at all."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(content)
    lease.flush(unfinished)
    unfinished.rename(path)


def _copy(source: Path, target: Path, copied: Copied) -> str:
    sha256 = hashlib.sha256()
    private = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(private, "wb") as written, source.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            written.write(chunk)
            sha256.update(chunk)
            copied(len(chunk))
    return sha256.hexdigest()
