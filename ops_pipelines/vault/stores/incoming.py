"""What every store asks of a restore point before it takes it in, in the same words."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from ops_pipelines import durable
from ops_pipelines.errors import CorruptCopy, SafetyRefusal, StoreError
from ops_pipelines.vault.manifest import NAME, Manifest
from ops_pipelines.vault.stores import plain
from ops_pipelines.vault.stores.base import Copied
from ops_pipelines.vault.trust import Sealed, Trust, Untrusted

_CHUNK = 4 * 1024 * 1024


def refuse_plain(store: str, manifest: Manifest) -> None:
    """Raise SafetyRefusal when an offsite store is offered parts that are not encrypted."""
    if not manifest.encrypted:
        raise SafetyRefusal(
            f"store {store} is offsite and {manifest.id} of {manifest.source} is not encrypted",
            safe="the local copy is untouched; nothing left this machine",
            next="add encrypt: {age: […]} to the source and back up again",
        )


def damaged(store: str, path: Path, why: str) -> CorruptCopy:
    """The file that was read is not the one of the manifest."""
    return CorruptCopy(
        f"{path} is damaged and was not copied to {store}",
        check="checksum",
        why=why,
        safe="copies in other stores are untouched",
    )


def missing(store: str, path: Path) -> CorruptCopy:
    """The file is not there."""
    return CorruptCopy(
        f"{path} is missing and was not copied to {store}",
        check="parts",
        safe="copies in other stores are untouched",
    )


def other_sum(sha256: str) -> str:
    """Why a part is damaged."""
    return f"SHA-256 is {sha256[:16]}…, the manifest says otherwise"


def another(store: str, location: str) -> StoreError:
    """Something else stands in its place."""
    return StoreError(
        f"store {store}: {location} is another restore point",
        why=f"the {NAME} there differs from the one to be copied",
        safe="nothing was overwritten",
        next="compare the two: ops list; if the one there was planted or damaged, move it away and copy again",
    )


def not_as_written(store: str, where: str, why: str) -> StoreError:
    """What was read back is not what was written."""
    return StoreError(
        f"store {store} does not give back what was written to it: {where}",
        why=why,
        safe="it is not listed as a copy; copies in other stores are untouched",
        next="run this again; if it comes back, the disk, the endpoint or something before it changes data",
    )


def refuse_strange(trust: Trust, sealed: Sealed, manifest: Manifest, path: Path) -> None:
    """Raise CorruptCopy when what was read to be copied is not what we signed."""
    try:
        trust.open_point(sealed, manifest.source, manifest.id, where=str(path))
    except Untrusted as error:
        raise damaged(store="any store", path=path, why=error.what) from None


def taken(source: Path, target: Path, copied: Copied, *, most: int) -> str:
    """Copy a file of at most so many bytes; returns the SHA-256.

    Raises FileNotFoundError, NotPlain when it is longer, CorruptCopy when it cannot be read.
    """
    sha256, done = hashlib.sha256(), 0
    private = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(private, "wb") as written, opened(source) as file:
        while chunk := _read(file, source):
            done += len(chunk)
            if done > most:
                raise plain.NotPlain(source, f"it is longer than the {most} bytes that it should have")
            written.write(chunk)
            sha256.update(chunk)
            copied(len(chunk))
    return sha256.hexdigest()


def small(store: str, path: Path) -> bytes:
    """A manifest, or what lies beside it, that is read to be copied. Raises CorruptCopy where it is not given."""
    try:
        return plain.read(path.parent, path.name)
    except FileNotFoundError:
        raise missing(store, path) from None
    except plain.NotPlain as error:
        raise damaged(store, path, error.why) from None
    except OSError as error:
        raise unreadable(path, error) from None


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """What is read to be copied: a regular file. Raises FileNotFoundError, NotPlain, CorruptCopy otherwise."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(plain.opened(path.parent, path.name))
        except (FileNotFoundError, plain.NotPlain):
            raise
        except OSError as error:
            raise unreadable(path, error) from None
        yield file


def _read(file: BinaryIO, path: Path) -> bytes:
    """The next piece of what is read to be copied. Raises CorruptCopy when its disk does not give it."""
    try:
        return file.read(_CHUNK)
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError) -> CorruptCopy:
    """The disk that a file to be copied lies on does not give it."""
    return CorruptCopy(
        f"{path} cannot be read", check="parts", why=error.strerror or str(error), safe="other copies are untouched"
    )


def read_back(path: Path) -> str:
    """The SHA-256 of a file as the disk or the server has it, where the kernel lets us pass its memory by."""
    sha256 = hashlib.sha256()
    durable.flush(path)
    with path.open("rb") as file:
        with suppress(OSError):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
    return sha256.hexdigest()
