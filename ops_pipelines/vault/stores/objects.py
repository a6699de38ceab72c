"""A repository's objects, one by one: for who serves them to a tool that must not see the store itself.

restic's own layout (https://restic.readthedocs.io/en/stable/100_references.html#repository-layout): `config`, and
below `data` (in folders by the first two letters of the name), `index`, `keys`, `locks` and `snapshots` the others.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ops_pipelines import durable

CONFIG = "config"
KINDS = frozenset({"data", "index", "keys", "locks", "snapshots"})
ADDRESSED = KINDS - {"locks"}
"""Of these, an object's name is the SHA-256 of its content."""
_SHA256 = re.compile("[0-9a-f]{64}")
_PIECE = 4 * 1024 * 1024


def layout(kind: str, name: str) -> str:
    """Where an object lies in a repository; `config` has no name."""
    if kind == CONFIG:
        return CONFIG
    return f"data/{name[:2]}/{name}" if kind == "data" else f"{kind}/{name}"


class Objects(Protocol):
    """The objects of one repository. Every method raises OSError or StoreError when the store cannot be used."""

    def names(self, kind: str) -> list[tuple[str, int]]:
        """Names and sizes in bytes of all objects of a kind."""
        ...

    def size(self, kind: str, name: str) -> int | None:
        """An object's size in bytes; None when there is none."""
        ...

    def read(self, kind: str, name: str, offset: int, length: int) -> bytes:
        """A piece of an object."""
        ...

    def write_lock(self, name: str, content: bytes) -> None:
        """Add a lock, by which others see that the repository is read."""
        ...

    def remove_lock(self, name: str) -> None:
        """Remove a lock."""
        ...

    def put_aside(self, kind: str, name: str) -> None:
        """Move an object that is damaged below `damaged`, where restic does not look: most of it may be good."""
        ...


def everything(objects: Objects) -> set[tuple[str, str, int]]:
    """Every object that is called after its content: kind, name, size in bytes."""
    return {(kind, name, size) for kind in ADDRESSED for name, size in objects.names(kind) if _SHA256.fullmatch(name)}


def damaged(
    objects: Objects, among: Iterable[tuple[str, str, int]], progress: Callable[[int], None]
) -> list[tuple[str, str]]:
    """Those of some objects whose content is not what they are called after; each is read to its end.

    Args:
        progress: how many bytes were read so far.
    """
    found, done = [], 0
    for kind, name, size in sorted(among):
        if _content(objects, kind, name, size) != name:
            found.append((kind, name))
        done += size
        progress(done)
    return found


def _content(objects: Objects, kind: str, name: str, size: int) -> str:
    """The SHA-256 of an object, read piece by piece: what lies in a store may be of any size."""
    sha256, done = hashlib.sha256(), 0
    while done < size and (piece := objects.read(kind, name, done, min(_PIECE, size - done))):
        sha256.update(piece)
        done += len(piece)
    return sha256.hexdigest()


@dataclass(frozen=True)
class DirectoryObjects:
    """A repository in a directory: regular files only, and no links."""

    root: Path

    def names(self, kind: str) -> list[tuple[str, int]]:
        """See `Objects.names`."""
        folders = [self.root / kind]
        if kind == "data":
            with suppress(FileNotFoundError):
                folders = [
                    Path(each.path) for each in os.scandir(self.root / kind) if each.is_dir(follow_symlinks=False)
                ]
        found = []
        for folder in folders:
            with suppress(FileNotFoundError):
                found += [
                    (each.name, each.stat(follow_symlinks=False).st_size)
                    for each in os.scandir(folder)
                    if each.is_file(follow_symlinks=False)
                ]
        return found

    def size(self, kind: str, name: str) -> int | None:
        """See `Objects.size`."""
        path = self.root / layout(kind, name)
        return path.stat().st_size if path.is_file() and not path.is_symlink() else None

    def read(self, kind: str, name: str, offset: int, length: int) -> bytes:
        """See `Objects.read`."""
        opened = os.open(self.root / layout(kind, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(opened, "rb") as file:
            file.seek(offset)
            return file.read(length)

    def write_lock(self, name: str, content: bytes) -> None:
        """See `Objects.write_lock`."""
        path = self.root / layout("locks", name)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)

    def remove_lock(self, name: str) -> None:
        """See `Objects.remove_lock`."""
        (self.root / layout("locks", name)).unlink(missing_ok=True)

    def put_aside(self, kind: str, name: str) -> None:
        """See `Objects.put_aside`."""
        aside = self.root / "damaged" / kind / name
        durable.make_directory(aside.parent)
        (self.root / layout(kind, name)).rename(aside)
