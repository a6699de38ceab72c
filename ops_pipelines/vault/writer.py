"""Stage, seal, publish: turn a dump into a restore point that exists whole or not at all."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from ops_pipelines.repository import Repository
from ops_pipelines.streams import Reader
from ops_pipelines.vault import codec
from ops_pipelines.vault.manifest import NAME, SIGNATURE, SUMS, Manifest, Part, checksums
from ops_pipelines.vault.trust import Trust


class Staged:
    """A restore point in the making: a `PartSink` that engines write into.

    Args:
        directory: its private staging directory.
        recipients: age public keys; empty leaves the parts unencrypted.
        repository: where the store keeps what another tool manages.
    """

    def __init__(self, directory: Path, recipients: Sequence[str], repository: Repository) -> None:
        self.directory = directory
        self._repository = repository
        self.parts: list[Part] = []
        self._recipients = recipients

    def stream(self, name: str, role: str, source: Reader) -> None:
        """Write one part from a stream, compressed, encrypted and hashed on its way."""
        stored = f"{name}.zst.age" if self._recipients else f"{name}.zst"
        with _create(self.directory / stored) as sink:
            plain, size, sha256 = codec.encode(source, sink, self._recipients)
        self.parts.append(
            Part(
                name=stored,
                role=role,
                size_bytes=size,
                sha256=sha256,
                plain_bytes=plain,
                compression="zstd",
                encryption="age" if self._recipients else "none",
            )
        )

    def write(self, name: str, role: str, data: bytes) -> None:
        """Write one small part."""
        self.stream(name, role, _Bytes(data))

    def plain_directory(self) -> Path:
        """A private directory for a tool that cannot stream; `seal` removes it."""
        directory = self.directory / "plain"
        directory.mkdir(mode=0o700, exist_ok=True)
        return directory

    def repository(self) -> Repository:
        """Where this store keeps the data that a tool manages itself."""
        return self._repository

    def seal(self, manifest: Manifest, trust: Trust) -> None:
        """Write SHA256SUMS, the signature and, last, the manifest. Nothing plain remains beside them.

        Raises OpsError when it cannot be signed.
        """
        plain = self.directory / "plain"
        if plain.is_dir():
            shutil.rmtree(plain)
        content = manifest.to_bytes()
        assert manifest.number is not None  # only what is from before signatures has none
        signature = trust.sign_point(content, source=manifest.source, backup_id=manifest.id, number=manifest.number)
        for name, data in ((SUMS, checksums(manifest, content)), (SIGNATURE, signature), (NAME, content)):
            with _create(self.directory / name) as sink:
                sink.write(data)


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def read(self, size: int = -1, /) -> bytes:
        wanted = len(self._data) if size < 0 else size
        chunk, self._data = self._data[:wanted], self._data[wanted:]
        return bytes(chunk)


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
