"""Read what `openssl enc -aes-256-cbc -pbkdf2 -salt` wrote: runbooks from before us encrypt with it.

Format (openssl-enc(1)): eight bytes `Salted__`, eight of salt, then AES-256-CBC with PKCS#7 padding; key and IV are
PBKDF2-HMAC-SHA256 of the passphrase. Nothing in it is authenticated: a wrong passphrase shows as broken padding or as
nonsense, which whoever reads the plain bytes has to notice.
"""

import hashlib
from collections.abc import Sequence

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
        key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), head[8:], iterations, 48)
        self._decryptor = Cipher(algorithms.AES(key[:32]), modes.CBC(key[32:])).decryptor()
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


def iterations_of(head: bytes, passphrase: str, begins: Sequence[bytes]) -> int:
    """Which of the usual iteration counts makes sense of a file's first bytes.

    Args:
        head: at least its first 48 bytes.
        begins: how the plain bytes may begin.
    Raises:
        WrongPassphrase: none does.
    """
    for iterations in ITERATIONS:
        key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), head[8:16], iterations, 48)
        decryptor = Cipher(algorithms.AES(key[:32]), modes.CBC(key[32:])).decryptor()
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
