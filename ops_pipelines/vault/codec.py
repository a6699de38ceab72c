"""Compress and encrypt in the stream: zstd, then age. Plain bytes go in, sealed bytes come out.

Formats: Zstandard frames (RFC 8878) with a content checksum; age v1 (https://age-encryption.org/v1).
Both open with the standard tools: `age -d -i KEY part | zstd -d`.
"""

import hashlib
import io
import os
from collections.abc import Sequence
from typing import BinaryIO, cast

import pyrage
import zstandard

from ops_pipelines.errors import CorruptCopy, OpsError
from ops_pipelines.streams import Reader

LEVEL = 3
_CHUNK = 1024 * 1024


class BadKey(OpsError):
    """A recipient or an identity is not one."""


class Meter(io.RawIOBase):
    """Counts and hashes what flows through, from a source or into a sink."""

    def __init__(self, *, source: Reader | None = None, sink: BinaryIO | None = None) -> None:
        self._source, self._sink = source, sink
        self._sha256 = hashlib.sha256()
        self.size_bytes = 0
        self.error: BaseException | None = None

    def readable(self) -> bool:
        return self._source is not None

    def writable(self) -> bool:
        return self._sink is not None

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        assert self._source is not None
        try:
            chunk = self._source.read(len(buffer))
        except BaseException as error:
            self.error = error  # the libraries between us wrap it; the original is what the caller wants
            raise
        self._count(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def write(self, data: bytes) -> int:  # type: ignore[override]
        assert self._sink is not None
        try:
            self._sink.write(data)
        except BaseException as error:
            self.error = error
            raise
        self._count(data)
        return len(data)

    def _count(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)
        self._sha256.update(chunk)

    @property
    def sha256(self) -> str:
        """SHA-256 of everything so far, in hex."""
        return self._sha256.hexdigest()


class _Counted(Meter):
    """A meter that only counts: hashing the plain stream would cost a second for every two gigabytes."""

    def _count(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)


def encode(source: Reader, sink: BinaryIO, recipients: Sequence[str], *, compress: bool = True) -> tuple[int, int, str]:
    """Compress and, with recipients, encrypt `source` into `sink`.

    Args:
        recipients: age or SSH public keys; empty leaves the stream unencrypted.
        compress: false for what is compressed already.
    Returns:
        Plain bytes read, bytes written, and the SHA-256 of what was written.
    Raises:
        Whatever reading the source or writing the sink raised; BadKey for a bad recipient.
    """
    keys = [parse_recipient(each) for each in recipients]
    plain, sealed = _Counted(source=source), Meter(sink=sink)
    stream: BinaryIO = io.BufferedReader(plain, _CHUNK)
    if compress:
        # One worker per core; zstd -T0 does the same. Level 3 with a checksum in every frame.
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, threads=os.cpu_count() or 1)
        stream = cast(BinaryIO, compressor.stream_reader(stream, read_size=_CHUNK))
    try:
        if keys:
            pyrage.encrypt_io(stream, sealed, keys)
        else:
            while chunk := stream.read(_CHUNK):
                sealed.write(chunk)
    except BaseException:
        # The library reports an exception of ours as its own: say what really happened.
        if (cause := plain.error or sealed.error) is not None:
            raise cause from None
        raise
    return plain.size_bytes, sealed.size_bytes, sealed.sha256


def decode(source: BinaryIO, sink: BinaryIO, identities: Sequence[str], *, encrypted: bool, compressed: bool) -> None:
    """The reverse of `encode`.

    Raises:
        CorruptCopy: the bytes are not what `encode` writes (check `decrypt` or `decompress`).
        BadKey: an identity cannot be read.
    """
    decompressor = zstandard.ZstdDecompressor()
    target = cast(BinaryIO, decompressor.stream_writer(sink, closefd=False)) if compressed else sink
    try:
        if encrypted:
            keys = [parse_identity(each) for each in identities]
            pyrage.decrypt_io(source, target, keys)
        else:
            while chunk := source.read(_CHUNK):
                target.write(chunk)
    except pyrage.DecryptError as error:
        check = "decompress" if "zstd" in str(error).lower() else "decrypt"
        raise CorruptCopy(f"a part cannot be {check}ed", check=check, why=str(error)) from None
    except zstandard.ZstdError as error:
        raise CorruptCopy("a part cannot be decompressed", check="decompress", why=str(error)) from None


def parse_recipient(text: str) -> "pyrage.x25519.Recipient | pyrage.ssh.Recipient":
    """An age or SSH public key. Raises BadKey."""
    try:
        parser = pyrage.x25519.Recipient if text.startswith("age1") else pyrage.ssh.Recipient
        return parser.from_str(text)
    except pyrage.RecipientError as error:
        raise BadKey(f"{text[:20]}… is not an age recipient", why=str(error), next="make one: age-keygen") from None


def parse_identity(text: str) -> "pyrage.x25519.Identity | pyrage.ssh.Identity":
    """An age identity (the file `age-keygen` writes, or the bare key) or an SSH private key. Raises BadKey."""
    try:
        if text.lstrip().startswith("-----BEGIN"):
            return pyrage.ssh.Identity.from_buffer(text.encode())
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        return pyrage.x25519.Identity.from_str(lines[0] if lines else "")
    except pyrage.IdentityError as error:
        raise BadKey(
            "the age identity cannot be read", why=str(error), next="check encrypt.identity in ops.yaml"
        ) from None


def public_key(identity: str) -> str:
    """The recipient an age identity opens for; empty for an SSH key, which does not tell. Raises BadKey."""
    parsed = parse_identity(identity)
    return str(parsed.to_public()) if isinstance(parsed, pyrage.x25519.Identity) else ""
