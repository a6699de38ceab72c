"""Read one copy back: every part hashed, decrypted and decompressed in one pass."""

import io
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from ops_pipelines.errors import CorruptCopy
from ops_pipelines.repository import Repository
from ops_pipelines.streams import Progress, silent
from ops_pipelines.vault import codec
from ops_pipelines.vault.manifest import NAME, SIGNATURE, SUMS, Manifest, Part
from ops_pipelines.vault.stores import plain
from ops_pipelines.vault.stores.base import Store

_CHUNK = 1024 * 1024


class Copy:
    """One restore point in one store: a `PartReader`.

    Args:
        identities: called when the first encrypted part is opened; age identities that may open it.
    """

    def __init__(self, store: Store, manifest: Manifest, identities: Callable[[], Sequence[str]]) -> None:
        self.store, self.manifest = store, manifest
        self.identities = identities
        self._hashed: set[str] = set()
        self.fetch_s = 0.0
        """Seconds spent waiting for the store so far."""

    def has(self, role: str) -> bool:
        """Whether the restore point has a part with this role."""
        return self.manifest.part(role) is not None

    def data(self, role: str) -> bytes:
        """A small part, whole. Raises CorruptCopy."""
        sink = io.BytesIO()
        self._decode(self._part(role), sink)
        return sink.getvalue()

    def save(self, role: str, directory: Path, progress: Progress = silent) -> Path:
        """Write a part's plain content into `directory`; see `PartReader.save`."""
        part = self._part(role)
        path = directory / part.name.removesuffix(".age").removesuffix(".zst")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as sink:
            self._decode(part, sink, lambda done: progress("fetch", done, part.size_bytes))
        return path

    def send(self, role: str, sink: BinaryIO, progress: Progress = silent) -> None:
        """Write a part's content into `sink`, decrypted and still compressed, for who unpacks it elsewhere.

        Raises CorruptCopy.
        """
        part = self._part(role)
        self._decode(part, sink, lambda done: progress("fetch", done, part.size_bytes), unpack=False)

    def hash_the_rest(self) -> None:
        """Read every part that nobody has asked for, so that each one of this copy is known to be whole.

        Raises CorruptCopy.
        """
        for part in self.manifest.parts:
            if part.name not in self._hashed:
                self._decode(part, cast(BinaryIO, _Nowhere()))

    def repository(self) -> Repository:
        """Where this copy's store keeps the data that a tool manages itself."""
        return self.store.repository(self.manifest.source)

    def _part(self, role: str) -> Part:
        part = self.manifest.part(role)
        if part is None:
            raise CorruptCopy(f"{self.manifest.id} has no part for {role}", check="parts")
        return part

    def _decode(
        self,
        part: Part,
        sink: BinaryIO,
        progress: Callable[[int], None] = lambda done: None,
        *,
        unpack: bool = True,
    ) -> None:
        with self.store.open_part(self.manifest.source, self.manifest.id, part.name) as opened:
            fetched = _Fetched(opened, progress, most=part.size_bytes, where=f"{part.name} of {self.manifest.id}")
            hashed = codec.Meter(source=fetched)
            failure: CorruptCopy | None = None
            try:
                codec.decode(
                    hashed,
                    sink,
                    self.identities() if part.encryption == "age" else (),
                    encrypted=part.encryption == "age",
                    compressed=unpack and part.compression == "zstd",
                    plain_bytes=part.plain_bytes if unpack else None,
                )
            except CorruptCopy as error:
                failure = error
            # A flipped byte also breaks the decryption; the checksum is the better name for it.
            while hashed.readinto(memoryview(bytearray(_CHUNK))):
                pass
            self.fetch_s += fetched.seconds
        where = f"{part.name} of {self.manifest.id} in {self.store.name}"
        if hashed.sha256 != part.sha256:
            raise CorruptCopy(
                f"{where} is damaged",
                check="checksum",
                why=f"SHA-256 is {hashed.sha256[:16]}… over {hashed.size_bytes} bytes, the manifest says "
                f"{part.sha256[:16]}… over {part.size_bytes}",
            )
        if failure is not None:
            raise CorruptCopy(f"{where}: {failure.what}", check=failure.check, why=failure.why)
        self._hashed.add(part.name)


def fetch(store: Store, manifest: Manifest, directory: Path) -> None:
    """Write every file of a copy into a directory as it is stored; who takes it in checks it. Raises CorruptCopy."""
    for name, most in [
        *((part.name, part.size_bytes) for part in manifest.parts),
        *((name, plain.SMALL_BYTES) for name in (SUMS, SIGNATURE, NAME)),
    ]:
        with store.open_part(manifest.source, manifest.id, name) as opened, (directory / name).open("xb") as sink:
            source = _Fetched(opened, lambda done: None, most=most, where=f"{name} of {manifest.id} in {store.name}")
            while chunk := source.read(_CHUNK):
                sink.write(chunk)


class _Nowhere(io.RawIOBase):
    """Takes anything and keeps nothing."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return len(data)


class _Fetched:
    """Tells how far the reading is, and measures how long it took. Reads no more than the manifest says there is.

    Args:
        most: bytes.
    """

    def __init__(self, source: BinaryIO, progress: Callable[[int], None], *, most: int, where: str) -> None:
        self._source, self._progress, self._done, self._most, self._where = source, progress, 0, most, where
        self.seconds = 0.0

    def read(self, size: int = -1, /) -> bytes:
        started = time.monotonic()
        chunk = self._source.read(size)
        self.seconds += time.monotonic() - started
        self._done += len(chunk)
        if self._done > self._most:
            raise CorruptCopy(
                f"{self._where} is damaged",
                check="checksum",
                why=f"it is longer than the {self._most} bytes that the manifest says",
            )
        self._progress(self._done)
        return chunk
