"""Read and write what `openssl enc -aes-256-cbc -pbkdf2 -salt` does: runbooks from before us encrypt with it.

Format (openssl-enc(1)): eight bytes `Salted__`, eight of salt, then AES-256-CBC with PKCS#7 padding; key and IV are
PBKDF2-HMAC-SHA256 of the passphrase. Nothing in it is authenticated: a wrong passphrase shows as broken padding or as
nonsense, which whoever reads the plain bytes has to notice.
"""

import hashlib
import io
import os
from collections.abc import Sequence
from typing import Any, BinaryIO

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ops_pipelines.errors import OpsError
from ops_pipelines.streams import Reader

MAGIC = b"Salted__"
ITERATIONS = (10_000, 600_000)
"""What `openssl enc -pbkdf2` takes by default, and what is recommended today."""
_CHUNK = 1024 * 1024


class WrongPassphrase(OpsError):
    """The stream cannot be decrypted with what was given."""


class Decrypted:
    """The plain bytes of an encrypted stream.

    Args:
        source: the stream from its first byte.
        iterations: of PBKDF2.
    Raises:
        WrongPassphrase: at the end, when the padding is broken.
    """

    def __init__(self, source: Reader, passphrase: str, *, iterations: int) -> None:
        self._source, self._plain, self._ended = source, b"", False
        head = _exactly(source, 16)
        self._decryptor = _cipher(passphrase, head[8:], iterations).decryptor()
        self._unpadder = padding.PKCS7(128).unpadder()

    def read(self, size: int = -1, /) -> bytes:
        while not self._plain and not self._ended:
            chunk = self._source.read(_CHUNK)
            try:
                if chunk:
                    self._plain = self._unpadder.update(self._decryptor.update(chunk))
                else:
                    self._ended = True
                    self._plain = self._unpadder.update(self._decryptor.finalize()) + self._unpadder.finalize()
            except ValueError:
                raise WrongPassphrase(
                    "the file cannot be decrypted",
                    why="its padding is broken: the passphrase or the iterations are wrong, or it is truncated",
                    next="check the passphrase, and -iter in the script that encrypted it",
                ) from None
        size = len(self._plain) if size < 0 else size
        chunk, self._plain = self._plain[:size], self._plain[size:]
        return chunk


class Encrypted(io.RawIOBase):
    """A stream into which plain bytes are written; whole when it is closed.

    Args:
        sink: gets the encrypted bytes, and stays open.
    """

    def __init__(self, sink: BinaryIO, passphrase: str) -> None:
        self._sink, salt = sink, os.urandom(8)
        self._encryptor = _cipher(passphrase, salt, ITERATIONS[0]).encryptor()
        self._padder = padding.PKCS7(128).padder()
        sink.write(MAGIC + salt)

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._sink.write(self._encryptor.update(self._padder.update(bytes(data))))
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._sink.write(self._encryptor.update(self._padder.finalize()) + self._encryptor.finalize())
        super().close()


def iterations_of(head: bytes, passphrase: str, begins: Sequence[bytes]) -> int:
    """Which of the usual iteration counts makes sense of a file's first bytes.

    Args:
        head: at least its first 48 bytes.
        begins: how the plain bytes may begin.
    Raises:
        WrongPassphrase: none does.
    """
    for iterations in ITERATIONS:
        decryptor = _cipher(passphrase, head[8:16], iterations).decryptor()
        if decryptor.update(head[16:48]).startswith(tuple(begins)):
            return iterations
    tried = " and ".join(f"{count:,}" for count in ITERATIONS)
    raise WrongPassphrase(
        "the file cannot be decrypted",
        why=f"neither {tried} iterations make sense of it with this passphrase",
        next="check the passphrase; openssl must have been called with -aes-256-cbc -pbkdf2",
    )


def _exactly(source: Reader, size: int) -> bytes:
    data = b""
    while len(data) < size and (chunk := source.read(size - len(data))):
        data += chunk
    return data


def _cipher(passphrase: str, salt: bytes, iterations: int) -> "Cipher[modes.CBC]":
    key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, iterations, 48)
    return Cipher(algorithms.AES(key[:32]), modes.CBC(key[32:]))
