"""A store in a directory: the local one below `base`, a NAS mount, a USB disk.

Layout: `<root>/<source>/<id>/` holds the parts, `SHA256SUMS`, `manifest.json` and its signature;
`<root>/.verdicts/<source>/<id>/` what verifications found; `<root>/.staging/` what is not finished.
A restore point appears by one rename of a directory whose every byte has been flushed.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from ops_pipelines import durable, lease, stopping
from ops_pipelines.errors import Busy, CorruptCopy
from ops_pipelines.repository import Repository
from ops_pipelines.vault.manifest import NAME, SIGNATURE, SUMS, Manifest, checksums
from ops_pipelines.vault.stores import incoming, plain
from ops_pipelines.vault.stores.base import Copied, Trial
from ops_pipelines.vault.stores.checked import Checked
from ops_pipelines.vault.stores.disk_errors import refused
from ops_pipelines.vault.stores.objects import DirectoryObjects
from ops_pipelines.vault.stores.volume import Volume
from ops_pipelines.vault.trust import SUFFIX, Sealed, Trust
from ops_pipelines.vault.verdict import Verdict

_LOCK_WAIT = timedelta(seconds=30)  # others hold it for the blink of an eye, unless they mean harm
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
            Busy: somebody else stages the same.
            StoreError: the store cannot be written.
        """
        with self._errors("written", writing=True):
            durable.make_directory(self.root)
            plain.refuse_links(self.root, ".staging")
            # An attempt at the same may have been killed.
            lease.sweep(self.root / ".staging", ours=_STAGED, wait=_LOCK_WAIT)
        try:
            with lease.owned_directory(self.root / ".staging" / backup_id, wait=_LOCK_WAIT) as directory:
                yield directory
        except FileExistsError:
            raise Busy(
                f"store {self.name}: {backup_id} is being written by another process or another machine",
                safe="nothing was written",
                next="wait for it to finish (ops list), then run this again",
            ) from None
        except OSError as error:
            raise refused(self.name, self.root, "written", error) from None

    def publish(self, staged: Path, manifest: Manifest) -> Path:
        """Flush a staged restore point and give it its final name, in one step."""
        with self._errors("written"):
            for path in staged.iterdir():
                durable.flush(path)
            plain.refuse_links(self.root, manifest.source)
            final = self.directory(manifest.source, manifest.id)
            durable.make_directory(final.parent)
            lease.hand_over(staged, final, wait=_LOCK_WAIT)
            durable.flush(final.parent)
        return final

    def directory(self, source: str, backup_id: str) -> Path:
        """Where a restore point stands once it is published."""
        return self.root / source / backup_id

    def folder(self, source: str, backup_id: str) -> Path:
        """See `Store.folder`."""
        return self.directory(source, backup_id)

    def sources(self) -> list[str]:
        """The sources that have restore points here."""
        with self._errors("read"):
            if not self.root.exists():
                return []
            found = plain.entries(self.root, most=plain.MOST_SOURCES)
        return sorted(each.name for each in found if each.form == "directory" and plain.SOURCE.match(each.name))

    def ids(self, source: str) -> list[str]:
        """Ids of complete restore points, oldest first: ids begin with their time.

        One that is a link, or whose manifest is no file, is among them: whoever reads it is told.
        """
        with self._errors("read"):
            if not self.root.exists():
                return []
            try:
                found = plain.entries(self.root, source, most=plain.MOST_POINTS)
            except FileNotFoundError:
                return []
        parent = self.root / source
        named = (each for each in found if plain.POINT.fullmatch(each.name))
        return sorted(
            each.name
            for each in named
            if each.form == "link" or (each.form == "directory" and os.path.lexists(parent / each.name / NAME))
        )

    def sealed(self, source: str, backup_id: str, *, fresh: bool = False) -> Sealed:
        """The manifest's bytes, always read from the disk. Raises CorruptCopy."""
        data, sums = (self._small(source, backup_id, name, check="manifest") for name in (NAME, SUMS))
        return Sealed(data, self._signature(source, backup_id, NAME, check="manifest"), sums)

    def sign(self, source: str, backup_id: str, signature: bytes) -> None:
        """Put a signature beside a manifest."""
        with self._errors("written", writing=True):
            self._put(signature, source, backup_id, SIGNATURE)

    @contextmanager
    def open_part(self, source: str, backup_id: str, part: str) -> Iterator[BinaryIO]:
        """A part's stored bytes. Raises CorruptCopy when it is missing."""
        with ExitStack() as stack:
            with self._errors("read"):
                try:
                    opened = stack.enter_context(plain.opened(self.root, source, backup_id, part))
                except FileNotFoundError:
                    path = self.directory(source, backup_id) / part
                    raise CorruptCopy(f"{path} is missing", check="parts", why=f"{part} is not in the copy") from None
                except plain.NotPlain as error:
                    raise _strange(error, check="parts") from None
            yield opened

    def sizes(self, source: str, backup_id: str) -> dict[str, int]:
        """The size in bytes of every file of a copy, by name. Raises CorruptCopy when it is no directory of ours."""
        with self._errors("read"):
            try:
                return plain.sizes(self.root, source, backup_id, most=plain.MOST_POINTS)
            except FileNotFoundError:
                return {}
            except plain.NotPlain as error:
                raise _strange(error, check="parts") from None

    def receive(self, manifest: Manifest, published: Path, copied: Copied, *, replace: bool = False) -> bool:
        """Copy a published restore point in; see `Store.receive`."""
        if self.offsite:
            incoming.refuse_plain(self.name, manifest)
        if not replace and self._holds(manifest, published):
            return False
        expected = {part.name: part.sha256 for part in manifest.parts}
        sizes = {part.name: part.size_bytes for part in manifest.parts}
        with self.stage(manifest.id) as staged:
            for name in (*expected, SUMS, SIGNATURE, NAME):
                try:
                    found = incoming.taken(
                        published / name, staged / name, copied, most=sizes.get(name, plain.SMALL_BYTES)
                    )
                except FileNotFoundError:
                    raise incoming.missing(self.name, published / name) from None
                except plain.NotPlain as error:
                    raise incoming.damaged(self.name, published / name, error.why) from None
                if name in expected and found != expected[name]:
                    raise incoming.damaged(self.name, published / name, incoming.other_sum(found))
                if (there := incoming.read_back(staged / name)) != found:
                    raise incoming.not_as_written(self.name, name, f"written: {found}, read back {there}")
            content, signature = ((staged / name).read_bytes() for name in (NAME, SIGNATURE))
            if (staged / SUMS).read_bytes() != checksums(manifest, content):
                raise incoming.damaged(self.name, published / NAME, f"{SUMS} beside it says otherwise")
            incoming.refuse_strange(self.trust, Sealed(content, signature), manifest, published / NAME)
            if replace or self._is_half(manifest):
                self._set_aside(manifest.source, manifest.id)
            self.publish(staged, manifest)
        return True

    def keep_verdict(self, verdict: Verdict) -> None:
        """Keep what a verification found: first its signature, so that it never stands without one."""
        content = verdict.to_bytes()
        signature = self.trust.sign_verdict(content, verdict)
        with self._errors("written", writing=True):
            for name, data in ((verdict.file_name + SUFFIX, signature), (verdict.file_name, content)):
                self._put(data, ".verdicts", verdict.source, verdict.backup_id, name)

    def mend_verdict(self, source: str, backup_id: str, name: str, sealed: Sealed | None) -> None:
        """Put a verdict in the place of a damaged one; see `Store.mend_verdict`."""
        steps = (".verdicts", source, backup_id)
        with self._errors("written", writing=True):
            if sealed is not None and sealed.signature is not None:
                for each, data in ((name + SUFFIX, sealed.signature), (name, sealed.content)):
                    self._put(data, *steps, each)
                return
            plain.refuse_links(self.root, *steps)
            for each in (name, name + SUFFIX):
                self.root.joinpath(*steps, each).unlink(missing_ok=True)

    def sealed_verdicts(self, source: str, backup_id: str) -> list[tuple[str, Sealed]]:
        """Every verdict on a restore point, by name. Raises CorruptCopy."""
        steps = (".verdicts", source, backup_id)
        with self._errors("read"):
            try:
                found = plain.entries(self.root, *steps, most=2 * plain.MOST_VERDICTS)  # each has its signature
            except FileNotFoundError:
                return []
            except plain.NotPlain as error:
                raise _strange(error, check="verdict") from None
        names = sorted(each.name for each in found if each.name.startswith("verify-") and each.name.endswith(".json"))
        return [
            (
                name,
                Sealed(
                    self._small(*steps, name, check="verdict"),
                    self._signature(*steps, name, check="verdict"),
                ),
            )
            for name in names
        ]

    def _holds(self, manifest: Manifest, published: Path) -> bool:
        """Whether this very restore point is here. Raises StoreError when another stands in its place."""
        with self._errors("read"):
            if manifest.id not in self.ids(manifest.source):
                return False
        content, signature = (incoming.small(self.name, published / name) for name in (NAME, SIGNATURE))
        held = (manifest.source, manifest.id, NAME)
        try:
            same = self._small(*held, check="manifest") == content
        except CorruptCopy:
            same = False
        if not same:
            raise incoming.another(self.name, self.location(manifest.source, manifest.id))
        if self._signature(*held, check="manifest") != signature:
            self.sign(manifest.source, manifest.id, signature)
        return True

    def _is_half(self, manifest: Manifest) -> bool:
        """Whether a copy of this restore point lies here without its manifest, and nothing else does."""
        with self._errors("read"):
            try:
                found = plain.entries(self.root, manifest.source, manifest.id, most=plain.MOST_POINTS)
            except FileNotFoundError:
                return False
        return {each.name for each in found} <= {*(part.name for part in manifest.parts), SUMS, SIGNATURE}

    def _set_aside(self, source: str, backup_id: str) -> None:
        """Take what stands in a restore point's place out of sight by one rename, then remove it."""
        with self._errors("changed", writing=True):
            for steps in ((".staging",), (source,)):
                plain.refuse_links(self.root, *steps)
            doomed = self.root / ".staging" / f"deleted-{backup_id}"
            doomed.parent.mkdir(mode=0o700, exist_ok=True)
            with suppress(FileNotFoundError):
                place = self.directory(source, backup_id)
                whole = None if place.is_symlink() else {each.name for each in place.iterdir()}
                place.rename(doomed)
                # Else a power cut could give it back without what is removed now.
                durable.flush(place.parent)
                if whole is None:
                    doomed.unlink()
                    return
                try:
                    with stopping.Held():  # what nobody sees any more is soon gone
                        shutil.rmtree(doomed)
                except PermissionError:
                    if {each.name for each in doomed.iterdir()} == whole:  # as good as it was
                        doomed.rename(place)
                        durable.flush(place.parent)
                    raise

    def keep_report(self, drill_id: str, name: str, content: bytes) -> None:
        """Keep a file of a drill's report, below `.drills/<id>/`."""
        with self._errors("written", writing=True):
            self._put(content, ".drills", drill_id, name)

    def delete(self, source: str, backup_id: str) -> None:
        """Remove a restore point: out of sight by one rename, then gone."""
        with self._errors("changed"):
            plain.refuse_links(self.root, ".verdicts", source)
            self._set_aside(source, backup_id)
            with suppress(FileNotFoundError):
                shutil.rmtree(self.root / ".verdicts" / source / backup_id, ignore_errors=True)
                durable.flush(self.root / ".verdicts" / source)

    def locked_until(self, source: str, backup_id: str) -> datetime | None:
        """Never: a directory locks nothing."""
        return None

    def repository(self, source: str) -> Repository:
        """A directory of restic's own."""
        with self._errors("used", writing=True):
            plain.refuse_links(self.root, ".restic", source)
        return Repository(str(self.root / ".restic" / source))

    def objects(self, source: str) -> DirectoryObjects:
        """Files of that directory."""
        return DirectoryObjects(Path(self.repository(source).address))

    def sweep(self) -> list[str]:
        """Remove staging directories whose writer is dead."""
        with self._errors("swept"):
            plain.refuse_links(self.root, ".staging")
            return [str(path) for path in lease.sweep(self.root / ".staging", ours=_STAGED, wait=_LOCK_WAIT)]

    def litter(self) -> list[str]:
        """Staging directories whose writer is dead."""
        return [str(path) for path, standing in self.staged() if standing == "dead"]

    def staged(self) -> list[tuple[Path, lease.Standing]]:
        """Everything that is being written here, or was when its writer died, or was put there by somebody else."""
        with self._errors("read"):
            plain.refuse_links(self.root, ".staging")
            return lease.census(self.root / ".staging", ours=_STAGED, wait=_LOCK_WAIT)

    def trial(self) -> Trial:
        """Write a small file beside the restore points, and remove it; see `Store.trial`."""
        with self._errors("written"):
            if not self.root.exists():
                # Making it here could make it on a mount point without its volume.
                return Trial(written=False, erasable=True)
            path = self.root / f".trial-{secrets.token_hex(8)}"
            with stopping.ending(lambda: path.unlink(missing_ok=True)):
                path.touch(mode=0o600, exist_ok=False)
                path.write_bytes(bytes(4096))
                durable.flush(path)
        return Trial(written=True, erasable=True)

    def location(self, source: str, backup_id: str) -> str:
        """The directory's path."""
        return str(self.directory(source, backup_id))

    def _small(self, *steps: str, check: str) -> bytes:
        """A small file of a copy. Raises CorruptCopy when it is not there, or is no file of that size."""
        with self._errors("read"):
            try:
                return plain.read(self.root, *steps)
            except FileNotFoundError:
                raise CorruptCopy(f"{self.root.joinpath(*steps)} is missing", check=check) from None
            except plain.NotPlain as error:
                raise _strange(error, check=check) from None

    def _signature(self, *steps: str, check: str) -> bytes | None:
        """What lies beside a file as its signature; None without one. Raises CorruptCopy when it is no small file."""
        with self._errors("read"):
            try:
                return plain.read(self.root, *steps[:-1], steps[-1] + SUFFIX)
            except FileNotFoundError:
                return None
            except plain.NotPlain as error:
                raise _strange(error, check=check) from None

    def _put(self, content: bytes, *steps: str) -> None:
        """A small file, whole or not at all; whatever stands in its place gives way, and is not written through."""
        plain.refuse_links(self.root, *steps[:-1])
        durable.write(self.root.joinpath(*steps), content)

    @contextmanager
    def _errors(self, verb: str, *, writing: bool = False) -> Iterator[None]:
        """The volume is proved to be there before the block; what the disk refuses in it is a StoreError."""
        try:
            if self._volume is not None:
                self._volume.prove(for_writing=writing)
            yield
        except OSError as error:
            raise refused(self.name, self.root, verb, error) from None


def _strange(error: plain.NotPlain, *, check: str) -> CorruptCopy:
    return CorruptCopy(f"{error.filename} cannot be part of a copy", check=check, why=error.why, safe="it was not read")
