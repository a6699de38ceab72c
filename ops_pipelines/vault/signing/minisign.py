"""Sign and check so that `minisign` and `signify`-like tools can do the same: Ed25519 over BLAKE2b, minisign's files.

The key is made once and lies in minisign's own format without a password: what signs on its own at night cannot be
asked for one. A signature therefore proves that this installation wrote what is signed and that nobody changed it
since; it proves nothing against who can read the key. https://jedisct1.github.io/minisign/#signature-format
"""

import base64
import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ops_pipelines import durable
from ops_pipelines.errors import OpsError

_KEY, _HASHED, _NO_KDF, _CHECKSUM = b"Ed", b"ED", b"\0\0", b"B2"
_KDF_BYTES = 32 + 8 + 8
_SECRET_AT = 2 + 2 + 2 + _KDF_BYTES
_PUBLIC_BYTES = 2 + 8 + 32
_UNTRUSTED, _TRUSTED = "untrusted comment: signature from ops_pipelines", b"trusted comment: "
_LINES, _LONGEST = 5, 4096


class BadSignature(Exception):
    """A signature that is none, or does not fit; says why."""


@dataclass(frozen=True)
class PublicKey:
    """What signatures of one key are checked with."""

    number: bytes
    raw: bytes

    @classmethod
    def read(cls, line: str) -> "PublicKey":
        """From one line, as `minisign -P` takes it. Raises ValueError."""
        content = base64.b64decode(line.strip(), validate=True)
        if len(content) != _PUBLIC_BYTES or content[:2] != _KEY:
            raise ValueError("it is no public key of minisign")
        return cls(content[2:10], content[10:])

    @property
    def line(self) -> str:
        """The key in one line."""
        return base64.b64encode(_KEY + self.number + self.raw).decode()

    @property
    def for_openssl(self) -> str:
        """Its number in hexadecimal and the key in base64, for `recover.sh`."""
        return f"{self.number.hex()} {base64.b64encode(self.raw).decode()}"

    @property
    def name(self) -> str:
        """Its number as minisign prints it."""
        return self.number[::-1].hex().upper()

    @property
    def file(self) -> str:
        """The content of a `.pub` file."""
        return f"untrusted comment: minisign public key {self.name}\n{self.line}\n"


@dataclass(frozen=True)
class Signature:
    """A `.minisig` file, read and not yet checked.

    Attributes:
        number: of the key that made it.
        over_data: the signature over the data's BLAKE2b.
        comment: the trusted comment: true once `check` has passed.
        over_all: the signature over `over_data` and the comment.
    """

    number: bytes
    over_data: bytes
    comment: str
    over_all: bytes

    @classmethod
    def read(cls, content: bytes) -> "Signature":
        """From the bytes of the file. Raises BadSignature for every form but the one that `Signer.sign` writes."""
        lines = content.split(b"\n") if len(content) <= _LONGEST else []
        if len(lines) != _LINES or lines[4] or lines[0] != _UNTRUSTED.encode() or not lines[2].startswith(_TRUSTED):
            raise BadSignature("it is no signature of minisign")
        first, whole = _decoded(lines[1]), _decoded(lines[3])
        if first[:2] != _HASHED or len(first) != 2 + 8 + 64 or len(whole) != 64:
            raise BadSignature("it is no signature of minisign over BLAKE2b")
        try:
            comment = lines[2][len(_TRUSTED) :].decode()
        except UnicodeDecodeError:
            raise BadSignature("its comment is no text") from None
        return cls(first[2:10], first[10:], comment, whole)

    def check(self, key: PublicKey, data: bytes) -> None:
        """Raise BadSignature unless this key signed these bytes and this comment."""
        public = Ed25519PublicKey.from_public_bytes(key.raw)
        try:
            public.verify(self.over_data, hashlib.blake2b(data).digest())
            public.verify(self.over_all, self.over_data + self.comment.encode())
        except InvalidSignature:
            raise BadSignature("the signature does not fit") from None


@dataclass(frozen=True)
class Signer:
    """A signing key and its number."""

    number: bytes
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> PublicKey:
        """Its public half."""
        return PublicKey(self.number, self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    @property
    def public(self) -> str:
        """The public key in one line, as `minisign -P` takes it."""
        return self.verifier.line

    @property
    def public_file(self) -> str:
        """The content of a `.pub` file."""
        return self.verifier.file

    def sign(self, data: bytes, *, comment: str) -> str:
        """The content of a `.minisig` file.

        Args:
            comment: one line that is signed too.
        """
        signature = self.key.sign(hashlib.blake2b(data).digest())
        whole = self.key.sign(signature + comment.encode())
        return (
            f"{_UNTRUSTED}\n"
            f"{base64.b64encode(_HASHED + self.number + signature).decode()}\n"
            f"trusted comment: {comment}\n"
            f"{base64.b64encode(whole).decode()}\n"
        )


def open_signer(path: Path, *, lost: str) -> Signer:
    """The signer whose key is in a file; made, 0600, when there is none yet.

    Args:
        lost: what to do about a key that cannot be read.
    Raises:
        OpsError: the file is no such key, or cannot be written.
    """
    try:
        if not path.exists():
            new_key(path)
        raw = base64.b64decode(path.read_text(encoding="ascii").splitlines()[1], validate=True)
    except (OSError, IndexError, ValueError) as error:
        raise OpsError(f"the signing key {path} cannot be used", why=str(error)) from None
    number, secret, checksum = raw[_SECRET_AT:][:8], raw[_SECRET_AT + 8 :][:64], raw[_SECRET_AT + 72 :]
    if hashlib.blake2b(raw[:2] + number + secret, digest_size=32).digest() != checksum:
        raise OpsError(
            f"the signing key {path} is damaged or has a password",
            safe="no backup and no report was touched",
            next=lost,
        )
    return Signer(number, Ed25519PrivateKey.from_private_bytes(secret[:32]))


def new_key(path: Path) -> None:
    """Make a key in a file that does not exist. Raises OSError; of two who do it at once, the first wins."""
    key, number = Ed25519PrivateKey.generate(), os.urandom(8)
    private = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    secret = private + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    checksum = hashlib.blake2b(_KEY + number + secret, digest_size=32).digest()
    raw = _KEY + _NO_KDF + _CHECKSUM + bytes(_KDF_BYTES) + number + secret + checksum
    content = b"untrusted comment: minisign encrypted secret key\n" + base64.b64encode(raw) + b"\n"
    with durable.written_beside(path, content) as unfinished, suppress(FileExistsError):
        path.hardlink_to(unfinished)
    durable.flush(path.parent)


def _decoded(line: bytes) -> bytes:
    """Strictly: one text for each value, so that no flipped bit goes unseen."""
    try:
        decoded = base64.b64decode(line, validate=True)
    except ValueError:
        decoded = b""
    if base64.b64encode(decoded) != line:
        raise BadSignature("it is not written as base64")
    return decoded
