"""Seal the secret half of a kit, and open it again.

`secrets.tar.age` is an age file, for the recipients given and, with a passphrase, for a key of the kit's own. That key
lies in `kit.key.enc`, in the format of `openssl enc -aes-256-cbc -pbkdf2 -iter 600000`: the age program takes a
passphrase from a terminal only, so that a kit sealed by age's own passphrases could not be opened by a script. CBC
proves nothing about what it opens, but the key carries a checksum and age authenticates the rest with it.
"""

import io
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyrage
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from ops_pipelines import redact
from ops_pipelines.errors import OpsError
from ops_pipelines.vault import codec

ENCRYPTED, PLAIN, KIT_KEY = "secrets.tar.age", "secrets.tar", "kit.key.enc"
SHORTEST = 12
_ITERATIONS = 600_000
_MAGIC = b"Salted__"
_BLOCK_BITS = 128


class CannotOpen(OpsError):
    """The passphrase or identity given does not open the kit."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar of private files, by their paths in it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o600
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def unpack(packed: bytes) -> dict[str, bytes]:
    """The files of such a tar. Raises CannotOpen."""
    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            return {member.name: opened.read() for member in archive if (opened := archive.extractfile(member))}
    except tarfile.TarError as error:
        raise CannotOpen("the sealed part of the kit is damaged", why=str(error)) from None


def encrypt(data: bytes, recipients: Sequence[str]) -> bytes:
    """An age file. Raises codec.BadKey."""
    sealed = io.BytesIO()
    codec.encode(io.BytesIO(data), sealed, recipients, compress=False)
    return sealed.getvalue()


def lock(key: str, passphrase: str) -> bytes:
    """A kit's key under a passphrase, as `openssl enc` writes it."""
    salt = os.urandom(8)
    padder = padding.PKCS7(_BLOCK_BITS).padder()
    padded = padder.update(f"{key}\n".encode()) + padder.finalize()
    encryptor = _cipher(passphrase, salt).encryptor()
    return _MAGIC + salt + encryptor.update(padded) + encryptor.finalize()


def unlock(locked: bytes, passphrase: str) -> str:
    """The kit's key. Raises CannotOpen."""
    wrong = CannotOpen("the passphrase does not open this kit", safe="the kit was not changed")
    body = locked[len(_MAGIC) + 8 :]
    if not locked.startswith(_MAGIC) or not body or len(body) * 8 % _BLOCK_BITS:
        raise CannotOpen(f"{KIT_KEY} is damaged", next="use the other copy of the kit")
    decryptor = _cipher(passphrase, locked[len(_MAGIC) : len(_MAGIC) + 8]).decryptor()
    unpadder = padding.PKCS7(_BLOCK_BITS).unpadder()
    try:
        padded = decryptor.update(body) + decryptor.finalize()
        key = (unpadder.update(padded) + unpadder.finalize()).decode("ascii").strip()
        codec.parse_identity(key)
    except (ValueError, codec.BadKey):
        raise wrong from None
    return redact.register(key)


def new_identity() -> str:
    """A fresh age identity."""
    return redact.register(str(pyrage.x25519.Identity.generate()))


def open_secrets(directory: Path, *, passphrase: str = "", identity: str = "") -> dict[str, bytes]:
    """The files in the sealed half of a kit, by their paths in it.

    Args:
        passphrase: what it was sealed with; unused for a kit that was not.
        identity: an age identity or SSH key it was sealed for, instead.
    Raises:
        CannotOpen: neither opens it, or it is damaged.
    """
    try:
        if (directory / PLAIN).is_file():
            return unpack((directory / PLAIN).read_bytes())
        if not identity:
            if not (directory / KIT_KEY).is_file():
                raise CannotOpen(f"the kit in {directory} was sealed for a recipient", next="give its identity")
            identity = unlock((directory / KIT_KEY).read_bytes(), passphrase)
        sealed = (directory / ENCRYPTED).read_bytes()
    except OSError as error:
        raise CannotOpen(f"the kit in {directory} cannot be read", why=str(error)) from None
    try:
        return unpack(pyrage.decrypt(sealed, [codec.parse_identity(identity)]))
    except pyrage.DecryptError as error:
        raise CannotOpen(
            f"the kit in {directory} cannot be opened", why=str(error), next="give the identity it was sealed for"
        ) from None


def _cipher(passphrase: str, salt: bytes) -> "Cipher[modes.CBC]":
    derived = PBKDF2HMAC(hashes.SHA256(), 48, salt, _ITERATIONS).derive(passphrase.encode())
    return Cipher(algorithms.AES(derived[:32]), modes.CBC(derived[32:]))
