"""Sign reports so that `minisign -V` and `signify`-like tools can check them: Ed25519 over BLAKE2b, minisign's files.

The key is made once and lies in minisign's own format without a password: what signs on its own at night cannot be
asked for one. A signature therefore proves that this installation wrote the report and that nobody changed it since;
it proves nothing against who can read the key. https://jedisct1.github.io/minisign/#signature-format
"""

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ops_pipelines.errors import OpsError

_KEY, _HASHED, _NO_KDF, _CHECKSUM = b"Ed", b"ED", b"\0\0", b"B2"
_KDF_BYTES = 32 + 8 + 8
_SECRET_AT = 2 + 2 + 2 + _KDF_BYTES


@dataclass(frozen=True)
class Signer:
    """A signing key and its number."""

    number: bytes
    key: Ed25519PrivateKey

    @property
    def public(self) -> str:
        """The public key in one line, as `minisign -P` takes it."""
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return base64.b64encode(_KEY + self.number + raw).decode()

    @property
    def public_file(self) -> str:
        """The content of a `.pub` file."""
        return f"untrusted comment: minisign public key {self.number[::-1].hex().upper()}\n{self.public}\n"

    def sign(self, data: bytes, *, comment: str) -> str:
        """The content of a `.minisig` file.

        Args:
            comment: one line that is signed too.
        """
        signature = self.key.sign(hashlib.blake2b(data).digest())
        whole = self.key.sign(signature + comment.encode())
        return (
            "untrusted comment: signature from ops_pipelines\n"
            f"{base64.b64encode(_HASHED + self.number + signature).decode()}\n"
            f"trusted comment: {comment}\n"
            f"{base64.b64encode(whole).decode()}\n"
        )


def open_signer(path: Path) -> Signer:
    """The signer whose key is in a file; made, 0600, when there is none yet.

    Raises:
        OpsError: the file is no such key, or cannot be written.
    """
    try:
        if not path.exists():
            _make(path)
        raw = base64.b64decode(path.read_text(encoding="ascii").splitlines()[1], validate=True)
    except (OSError, IndexError, ValueError) as error:
        raise OpsError(f"the key that signs drill reports, {path}, cannot be used", why=str(error)) from None
    number, secret, checksum = raw[_SECRET_AT:][:8], raw[_SECRET_AT + 8 :][:64], raw[_SECRET_AT + 72 :]
    if hashlib.blake2b(raw[:2] + number + secret, digest_size=32).digest() != checksum:
        raise OpsError(
            f"the key that signs drill reports, {path}, is damaged or has a password",
            safe="the drill's results are not lost",
            next=f"move it away, and the next drill makes a new one: mv {path} {path}.old",
        )
    return Signer(number, Ed25519PrivateKey.from_private_bytes(secret[:32]))


def _make(path: Path) -> None:
    key, number = Ed25519PrivateKey.generate(), os.urandom(8)
    private = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    secret = private + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    checksum = hashlib.blake2b(_KEY + number + secret, digest_size=32).digest()
    raw = _KEY + _NO_KDF + _CHECKSUM + bytes(_KDF_BYTES) + number + secret + checksum
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{number.hex()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as opened:
        opened.write("untrusted comment: minisign encrypted secret key\n" + base64.b64encode(raw).decode() + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    try:
        os.link(unfinished, path)  # the first of two drills wins
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
